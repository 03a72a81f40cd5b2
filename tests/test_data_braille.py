"""Braille letters: level crossings, splits by repetition, and what is refused."""

import zipfile

import numpy as np
import pytest

from chipsim.data import braille
from chipsim.errors import DataError


def arrays(repetitions=2):
    n = 27 * repetitions
    return {
        "taxel": np.full((n, 6, 2), 255, np.uint8),
        "length": np.full(n, 5, np.int16),
        "letter": np.repeat(np.array(braille.LETTERS), repetitions),
        "repetition": np.tile(np.arange(repetitions, dtype=np.int16), 27),
    }


def write(folder, **changed):
    np.savez(folder / "braille_taxels.npz", **{**arrays(), **changed})


def test_levels_crossed_become_events_and_nothing_small_is_lost():
    levels = np.array([10, 13, 14, 14, 5, 8, 9]).reshape(1, -1, 1)
    events = braille.level_crossings(levels, 4, rest=10, graded=True)
    # reference: 10 10 14 14 6 6 6; 14 -> 5 crosses two levels
    assert np.argwhere(events.to_dense()).tolist() == [[0, 2, 0], [0, 4, 1]]
    assert events.payload.tolist() == [1, 2]
    assert braille.level_crossings(levels, 4, rest=10).payload is None
    assert braille.level_crossings(levels, 1, rest=10, graded=True).payload.tolist() == [3, 1, 9, 3, 1]
    with pytest.raises(DataError, match="delta is 0"):
        braille.level_crossings(levels, 0, rest=10)


def test_what_follows_a_recording_is_rest(tmp_path):
    taxel = arrays()["taxel"]
    taxel[3, 5] = 0
    write(tmp_path, taxel=taxel)
    assert braille.load_braille(tmp_path).events(1).n_events == 0
    taxel[3, 4, 1] = 0
    write(tmp_path, taxel=taxel)
    assert np.argwhere(braille.load_braille(tmp_path).events(1).to_dense()).tolist() == [[3, 4, 3], [3, 5, 2]]


def test_split_by_repetition(tmp_path):
    np.savez(tmp_path / "braille_taxels.npz", **arrays(4))
    data = braille.load_braille(tmp_path)
    split = data.split(validation=range(2, 3), test=range(3, 4))
    assert {name: sorted(set(data.repetition[part])) for name, part in split.items()} == {
        "train": [0, 1],
        "validation": [2],
        "test": [3],
    }
    assert sorted(data.labels[split["test"]]) == list(range(27))
    with pytest.raises(DataError, match="overlap"):
        data.split(validation=range(2, 4), test=range(3, 4))
    with pytest.raises(DataError, match="no recording is left for validation"):
        data.split(validation=range(9, 10), test=range(3, 4))


def test_what_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no such folder"):
        braille.load_braille(tmp_path / "away")
    with pytest.raises(DataError, match=r"braille_taxels\.npz: no such file"):
        braille.load_braille(tmp_path)
    good = arrays()
    letters = good["letter"].copy()
    letters[7] = "?"
    for changed, message in (
        (dict(taxel=good["taxel"].astype(float)), r"taxel is float64\[54, 6, 2\], not uint8"),
        (dict(length=good["length"][:-1]), r"length has shape \(53,\), not \(54,\)"),
        (dict(length=good["length"] + 2), r"length\[0\] is 7; limit 1\.\.6"),
        (dict(letter=letters), r"letter\[7\] is '\?'; limit Space, A\.\.Z"),
        (dict(repetition=good["repetition"] - 1), r"repetition\[0\] is -1"),
    ):
        write(tmp_path, **changed)
        with pytest.raises(DataError, match=message):
            braille.load_braille(tmp_path)


def test_damaged_and_pickled_files_are_refused(tmp_path):
    path = tmp_path / "braille_taxels.npz"
    write(tmp_path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[300] ^= 1
    for damage in (b"PK", whole[:1000], bytes(flipped)):
        path.write_bytes(damage)
        with pytest.raises(DataError, match=r"braille_taxels\.npz: .*(zip archive|cannot be read)"):
            braille.load_braille(tmp_path)
    write(tmp_path, letter=arrays()["letter"].astype(object))
    with pytest.raises(DataError, match=r"array 'letter' cannot be read: it holds objects"):
        braille.load_braille(tmp_path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:  # 100 MB of zeros in 100 kB
        archive.writestr("taxel.npy", bytes(100 << 20))
    with pytest.raises(DataError, match=r"taxel\.npy: promises 104857600 bytes; limit 67108864"):
        braille.load_braille(tmp_path)


def test_the_published_file(data_dir):
    data = braille.load_braille(data_dir)
    assert data.files == {entry.file: entry.sha256 for entry in braille.EXPECTED}
    assert (data.taxels.shape, set(data.length.tolist())) == ((1350, 77, 12), {76, 77})
    assert np.bincount(data.labels).tolist() == [50] * 27
    assert {name: len(part) for name, part in data.split().items()} == {
        "train": 945,
        "validation": 135,
        "test": 270,
    }
    assert data.events(8).n_axons == 24 and data.events(8).n_events > 20 * len(data)
