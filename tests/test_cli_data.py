"""`chipsim data list|check|show`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chipsim.data import shelf
from chipsim.data.expected import DataSet


def test_list_has_a_line_for_every_file_of_sets(chipsim):
    done = chipsim("data", "list")
    lines = dict(line.split(None, 1) for line in done.out.splitlines())
    assert done.status == 0 and lines["nmnist"].startswith("N-MNIST: ")
    assert {
        "mnist",
        "nmnist",
        "shd",
        "ssc",
        "dvs_gesture",
        "cifar10_dvs",
        "ecg_qtdb",
        "braille",
        "fsdd",
    } <= set(lines)
    assert json.loads(chipsim("data", "list", "--json").out)["data"] == lines


@pytest.mark.parametrize("name", shelf.sets())
def test_every_set_declares_what_it_is(name):
    module = shelf.data_set(name)
    assert isinstance(module.SET, DataSet) and module.SET.name == name and callable(module.load)
    assert module.SET.files and module.SET.source


@pytest.mark.parametrize("name", shelf.sets())
def test_check_of_an_empty_folder_says_what_goes_where(chipsim, here, name):
    done = chipsim("data", "check", name, here)
    assert done.status == 2 and f"error: {name}: " in done.err and "Traceback" not in done.err
    missing = [line.split()[1] for line in done.out.splitlines() if line.startswith("missing")]
    assert missing == [file.path for file in shelf.data_set(name).SET.files]
    assert f"goes to  {here / name}" in done.out and "get it   " in done.out


@pytest.mark.parametrize("name", ["mnist", "nmnist", "dvs128_gesture_10", "ecg_qtdb", "braille", "fsdd"])
def test_check_of_real_sets(data_dir, chipsim, name):
    if name == "nmnist":
        pytest.importorskip("tonic.io")
    done = chipsim("data", "check", name, data_dir)
    assert done.status == 0 and done.out.splitlines()[-1] == f"ok: {name}", done.out + done.err


def test_check_of_the_part_of_nmnist_names_the_first_recording_it_lacks(data_dir, chipsim):
    pytest.importorskip("tonic.io")
    told = json.loads(chipsim("data", "check", "nmnist", data_dir, "--json").out)
    notes = [row["text"] for row in told["rows"] if row["kind"] == "note"]
    assert told["faults"] == 0 and notes == [
        "train: 59000 of the published recordings are not there, the first is Train/*/01001.bin",
        "test: 9900 of the published recordings are not there, the first is Test/*/00101.bin",
    ]


def test_check_tells_a_damaged_recording(chipsim, here):
    pytest.importorskip("tonic.io")
    for name, content in (
        ("Train/0/1.bin", bytes(5)),
        ("Train/1/2.bin", bytes(7)),
        ("Test/0/1.bin", bytes(5)),
    ):
        (here / name).parent.mkdir(parents=True)
        (here / name).write_bytes(content)
    done = chipsim("data", "check", "nmnist", here)
    assert done.status == 2 and "error: nmnist: 1 fault, see above" in done.err
    assert "2.bin: 7 bytes, not a multiple of 5: cut off in event 1" in done.out
    assert "train: 1 of 2 recordings" in done.out


def test_check_compares_hashes(chipsim, here):
    (here / "dvs128_gesture_10.npz").write_bytes(bytes(3_688_481))
    done = chipsim("data", "check", "dvs128_gesture_10", here)
    assert done.status == 2 and "differs  dvs128_gesture_10.npz: sha256 " in done.out
    (here / "dvs128_gesture_10.npz").write_bytes(bytes(3))
    done = chipsim("data", "check", "dvs128_gesture_10", here)
    assert "differs  dvs128_gesture_10.npz: 3 bytes; published: 3688481" in done.out
    assert "bad      " in done.out and "no readable .npz file" in done.out


def test_check_refuses_links_out_and_other_names(chipsim, here, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "Train").mkdir()
    (here / "data").mkdir()
    (here / "data/nmnist").symlink_to(outside, target_is_directory=True)
    done = chipsim("data", "check", "nmnist", here / "data")
    assert done.status == 2 and "leads out of the data folder" in done.out
    done = chipsim("data", "check", "nmnits", here)
    assert done.status == 2 and "no data set 'nmnits' (did you mean 'nmnist'?)" in done.err
    done = chipsim("data", "check", "nmnist", here / "nowhere")
    assert done.status == 2 and "nowhere is no folder" in done.err
    done = chipsim("data", "check", "nmnist")
    assert done.status == 2 and "no folder given" in done.err


def test_show(chipsim, here):
    events = np.array([(0, 0, 0, 1), (500_000, 3, 2, 0)], [(name, np.int64) for name in "txyp"])
    np.save(here / "a.npy", events, allow_pickle=False)
    done = chipsim("data", "show", "a.npy", "--sensor", "4x3")
    assert done.status == 0
    assert done.out.splitlines()[0] == "a.npy: sensor 4x3x2, 2 events in 0.500000 s, 4 events/s"
    told = json.loads(chipsim("data", "show", "a.npy", "--sensor", "4x3", "--json").out)
    assert (told["events"], told["duration_s"], told["on_share"]) == (2, 0.5, 0.5)
    done = chipsim("data", "show", "a.npy", "--sensor", "3x3")
    assert done.status == 2 and "event 1 of 2: x is 3, outside the sensor; limit 0..2" in done.err
    done = chipsim("data", "show", "a.npy", "--sensor", "wide")
    assert done.status == 2 and "--sensor wide: not WIDTHxHEIGHT" in done.err
    np.save(here / "a.npy", events[:1], allow_pickle=False)
    assert "1 events in 0.000000 s" in chipsim("data", "show", "a.npy", "--sensor", "4x3").out
