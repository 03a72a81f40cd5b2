"""The frame of `chipsim conformance`: which files are taken, how they are read, what is refused."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from chipsim.conformance import vectors
from chipsim.conformance.vectors import Mismatch, Result, first_row, read_case, read_table, run_kinds
from chipsim.errors import DataError, SettingError

pytestmark = pytest.mark.one_python


def write_case(path, value):
    path.write_bytes(gzip.compress(json.dumps(value).encode()))


def test_files_go_to_their_function_in_the_order_of_their_names(tmp_path):
    for name in ("x_b.npz", "x_a.npz", "other.npz", "x_e2e_1.json.gz"):
        (tmp_path / name).touch()
    kinds = {
        "x_e2e_*.json.gz": lambda p: [Result(p.name, "one", 1), Result(p.name, "two", 1)],
        "x_?.npz": lambda p: [Result(p.name, "", 1)],
    }
    seen = [(r.file, r.part) for r in run_kinds(tmp_path, "x", kinds)]
    assert seen == [("x_a.npz", ""), ("x_b.npz", ""), ("x_e2e_1.json.gz", "one"), ("x_e2e_1.json.gz", "two")]


def test_a_folder_without_vectors_and_a_file_of_no_kind_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"0 files named x_\*"):
        list(run_kinds(tmp_path, "x", {"x_step.npz": lambda p: []}))
    (tmp_path / "x_stepp.npz").touch()
    with pytest.raises(DataError, match=r"did you mean 'x_step.npz'"):
        list(run_kinds(tmp_path, "x", {"x_step.npz": lambda p: []}))


def test_a_chip_without_vectors_is_refused(tmp_path):
    with pytest.raises(SettingError, match="no hardware vectors are replayed on 'loihi1'"):
        vectors.conformance("loihi1", tmp_path)
    for name in vectors._FRAME:
        assert name not in vectors.chips()


def test_a_case_is_read_with_limits(tmp_path, monkeypatch):
    path = tmp_path / "x.json.gz"
    write_case(path, {"a": [1, 2]})
    assert read_case(path) == {"a": [1, 2]}
    monkeypatch.setattr(vectors, "MOST_JSON", 5)
    with pytest.raises(DataError, match="unpacks to more than 5 bytes"):
        read_case(path)
    monkeypatch.setattr(vectors, "MOST_PACKED", 5)
    with pytest.raises(DataError, match="more than 5 bytes"):
        read_case(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"plain text", "damaged gzip"),
        (gzip.compress(b"{" * 9, mtime=0)[:-4], "damaged gzip"),
        (gzip.compress(b"[" * 200_000, mtime=0), "holds no JSON"),
        (gzip.compress(b"\xff\xfe", mtime=0), "holds no JSON"),
        (gzip.compress(b"[1]", mtime=0), "holds no JSON object"),
    ],
)
def test_a_damaged_case_is_one_message(tmp_path, data, said):
    (tmp_path / "x.json.gz").write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_case(tmp_path / "x.json.gz")


def test_a_table_is_read_without_pickle(tmp_path):
    np.savez(tmp_path / "x.npz", inp=np.arange(3), out=np.array([{}], object))
    assert read_table(tmp_path / "x.npz", ["inp"])["inp"].tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="array 'out' cannot be read"):
        read_table(tmp_path / "x.npz", ["inp", "out"])
    with pytest.raises(DataError, match="holds no array 'more'"):
        read_table(tmp_path / "x.npz", ["more"])


def test_the_first_difference_is_named():
    wanted = np.array([[1, 2], [3, 4]])
    assert first_row(wanted, wanted.copy(), ["v", "ca"]) is None
    found = first_row(wanted, np.array([[1, 2], [9, 5]]), ["v", "ca"], "lane")
    assert found == Mismatch("lane 1", "v", "3", "9")
    assert found.text() == "lane 1, v: expected 3, got 9"
    assert first_row(wanted, wanted[:1], ["v", "ca"]).register == "shape"


@pytest.fixture
def two_results(monkeypatch):
    wrong = Result("a.npz", "rows", 7, Mismatch("event 3", "V of neuron 2", "1", "0"))
    monkeypatch.setattr(vectors, "conformance", lambda *_: iter([wrong, Result("b.npz", "", 5)]))


def test_the_command_names_the_first_mismatch(chipsim, two_results):
    done = chipsim("conformance", "odin", ".")
    assert done.status == 1
    assert done.out.splitlines() == [
        "differs  a.npz, rows: event 3, V of neuron 2: expected 1, got 0",
        "equal    b.npz: 5 values",
        "odin: 12 values, 1 of 2 parts differ",
    ]


def test_the_command_speaks_json(chipsim, two_results):
    told = json.loads(chipsim("conformance", "odin", ".", "--json").out.splitlines()[-1])
    assert (told["checked"], told["failed"]) == (12, 1)
    assert told["results"][0]["mismatch"]["register"] == "V of neuron 2"


def test_a_missing_folder_is_one_message(chipsim):
    done = chipsim("conformance", "loihi1", "nowhere")
    assert done.status == 2 and "no hardware vectors" in done.err
