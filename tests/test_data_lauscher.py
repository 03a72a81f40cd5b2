"""Our cochlea beside the converter of SHD, on the one recording published with its spikes."""

import numpy as np
import pytest

from chipsim.data import lauscher
from chipsim.data.spikes import Spikes
from chipsim.errors import DataError


def test_comparison_of_two_conversions():
    one = Spikes.joined([([0, 10, 60], [0, 5, 9], 100)], 10, 1.0)
    same_rates = Spikes.joined([([0, 70, 90], [5, 9, 0], 100)], 10, 1.0)
    got = lauscher.compare(one, same_rates)
    assert (got["spikes"], got["reference_spikes"], got["rates"]) == (3, 3, pytest.approx(1))
    # blocks of one: 1 1 / 0 1, of the other 0 1 / 1 1 (50 ms x 5 channels)
    assert got["blocks"] == pytest.approx(np.corrcoef([1, 1, 0, 1], [0, 1, 1, 1])[0, 1])
    with pytest.raises(DataError, match="10 channels beside 11"):
        lauscher.compare(one, Spikes.joined([([0], [0], 100)], 11, 1.0))


def test_missing_and_damaged_files(tmp_path):
    pytest.importorskip("soundfile")
    with pytest.raises(DataError, match=r"spoken_digit\.flac: no such file\n  remedy: name with --data"):
        lauscher.load_reference(tmp_path)
    (tmp_path / "spoken_digit.flac").write_bytes(b"fLaC" + bytes(100))
    np.savez(tmp_path / "lauscher_reference_70ch.npz", np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"spoken_digit\.flac: cannot be read as sound"):
        lauscher.load_reference(tmp_path)


def test_near_the_reference_conversion(data_dir):
    pytest.importorskip("soundfile")
    reference = lauscher.load_reference(data_dir)
    assert (reference.rate_hz, len(reference.wave), len(reference.spikes.frame)) == (48_000, 38_172, 618)
    ours = lauscher.LIKE_LAUSCHER.encode([reference.wave], reference.rate_hz)
    got = lauscher.compare(ours, reference.spikes)
    assert got["rates"] > 0.9 and got["blocks"] > 0.8, got
    assert abs(got["spikes"] / 618 - 1) < 0.05, got
    control = lauscher.compare(ours.reversed(), reference.spikes)  # one bump in the middle: rates tell little
    assert control["rates"] < got["rates"] - 0.1 and control["blocks"] < got["blocks"] - 0.1
