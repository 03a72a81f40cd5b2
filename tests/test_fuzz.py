"""Damaged inputs of every kind: a part of the campaign in fuzz_inputs.py, and that it can fail."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python
if not sys.platform.startswith("linux"):
    pytest.skip("the campaign caps memory and time as Linux does", allow_module_level=True)


@pytest.fixture(scope="module")
def fuzz():
    """The module beside this one."""
    path = Path(__file__).parent / "fuzz_inputs.py"
    spec = importlib.util.spec_from_file_location("fuzz_inputs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds() -> list[str]:
    return ["rule", "chip", "settings", "idx", "events", "npz", "capsule", "run", "checkpoint", "hdf5"]


def needed(kind: str) -> None:
    """The libraries that read this kind."""
    for name in {"events": ("tonic", "expelliarmus"), "hdf5": ("h5py",)}.get(kind, ()):
        pytest.importorskip(name)


def test_every_kind_has_a_part(fuzz):
    assert list(fuzz.SHARE) == kinds() and sum(share for _, _, share in fuzz.SHARE.values()) == pytest.approx(
        1
    )


@pytest.mark.parametrize("kind", kinds())
def test_the_corpus_is_read_as_it_is(fuzz, kind, tmp_path):
    """Whole files: neither refused by mistake nor read with a traceback."""
    needed(kind)
    for path in fuzz.seeds(kind):
        assert fuzz.verdict(kind, path) == "", path


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind != "hdf5"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_inputs_are_refused_or_read_as_before(fuzz, kind, tmp_path):
    """In this process, without the cap on memory: 30 of each kind."""
    needed(kind)
    for number in range(30):
        _, name, data = fuzz.made(number, 7, kind)
        (tmp_path / name).write_bytes(data)
        assert fuzz.verdict(kind, tmp_path / name) == "", number


def test_a_process_of_its_own_with_a_cap(fuzz, tmp_path):
    counted, bad = fuzz.campaign(40, 11, None, tmp_path)
    assert sum(counted.values()) == 40 and bad == []


@pytest.mark.parametrize("what", ["traceback", "hang", "memory", "silence"])
def test_a_wrong_reader_is_seen(fuzz, tmp_path, monkeypatch, what):
    """Each of the four sins, committed on purpose."""

    def reader(path: Path) -> None:
        if what == "traceback":
            raise KeyError("x")
        if what == "memory":
            raise MemoryError
        if what == "silence":
            from chipsim.errors import DataError

            raise DataError("")
        while True:
            pass

    monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    monkeypatch.setitem(fuzz.SHARE, "idx", (reader, False, 0.12))
    told = fuzz.verdict("idx", tmp_path / "x")
    wanted = {
        "traceback": "KeyError",
        "hang": "more than",
        "memory": "more memory",
        "silence": "without a message",
    }
    assert wanted[what] in told


def test_a_crash_is_seen_and_the_rest_goes_on(fuzz, tmp_path, monkeypatch):
    """A worker that dies at once: every input is told as bad, none is skipped silently."""
    script = tmp_path / "dies.py"
    script.write_text(
        "import json, os, sys\n"
        "at, stop, state = sys.argv[2:5]\n"
        "open(state, 'a').write(json.dumps({'at': int(at), 'kind': 'idx'}) + '\\n')\n"
        "os.abort()\n"
    )
    monkeypatch.setattr(fuzz, "__file__", str(script))
    counted, bad = fuzz.campaign(3, 1, None, tmp_path / "found")
    assert [row["bad"] for row in bad] == [0, 1, 2] and "status -6" in bad[0]["why"] and counted["idx"] == 3
