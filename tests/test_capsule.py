"""Capsules: packed, replayed, compared; damaged and dishonest ones refused."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from chipsim.capsule.compare import differences
from chipsim.capsule.pack import unpack
from chipsim.errors import RunError
from chipsim.npz import read_npz
from chipsim.plain_json import sealed
from chipsim.run_folder import RunFolder, load_run

GOLDEN = Path(__file__).parent / "corpus" / "capsule" / "python310_numpy126.capsule"
SMALL = ("hidden=16", "steps=4", "epochs=1", "controls=false", "twin=false")
OWN = '''"""One number. For tests."""

from chipsim.settings import ExperimentSettings

RULES = ()
CHIPS = ("ideal",)


class Settings(ExperimentSettings):
    value: float = 0.5


def run(context):
    return {"accuracy": {"test": context.settings.value}, "digest": "abc", "counters": {"a": [1, 2]}}
'''


@pytest.fixture(scope="module")
def packed(tmp_path_factory, root) -> Path:
    """A capsule of a small run, made by the command line."""
    import os
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("packed")
    sets = [part for x in SMALL for part in ("--set", x)]
    for arguments in (["run", "digits", *sets, "--out", "r"], ["capsule", "r", "r.capsule"]):
        command = [sys.executable, "-m", "chipsim", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder / "r.capsule"


@pytest.fixture
def own(chipsim, here) -> Path:
    """A capsule that brings its own experiment."""
    (here / "own.py").write_text(OWN)
    assert chipsim("run", "./own.py", "--out", "r").status == 0
    assert chipsim("capsule", "r", "own.capsule").status == 0
    return here / "own.capsule"


def rewritten(path: Path, change, hashes: bool = True) -> Path:
    """The capsule with its files changed by a function, and its hashes made right again."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    head = json.loads(files.pop("capsule.json"))
    change(files, head)
    if hashes:
        head["entries"] = {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        }
    target = path.with_name("changed.capsule")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [("capsule.json", json.dumps(head).encode()), *files.items()]:
            archive.writestr(name, data)
    return target


def test_a_capsule_is_verified(chipsim, packed):
    done = chipsim("verify", packed, "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out.splitlines()[-1])
    assert "the same       the digest, " in done.out and "arrays of weights and thresholds" in done.out
    assert told["same"] and told["digest"] == load_run(packed.parent / "r").manifest["digest"]


def test_a_capsule_of_python_310_and_numpy_126_is_verified_here(chipsim):
    """Made anew, where results change, by: chipsim run digits --set hidden=16 --set steps=4 --set epochs=1
    --set controls=false --set twin=false --out r, and chipsim capsule r FILE."""
    done = chipsim("verify", GOLDEN, "--trust")
    assert done.status == 0, done.err
    assert "made with      chipsim 0.1.0, python 3.10" in done.out and "numpy 1.26" in done.out


def test_equal_runs_make_equal_capsules_without_paths(chipsim, packed, here):
    again = here / "again.capsule"
    assert chipsim("capsule", packed.parent / "r", again).status == 0
    assert again.read_bytes() == packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        text = b"".join(archive.read(name) for name in archive.namelist() if name.endswith("json"))
    assert str(packed.parent).encode() not in text and b"/tmp" not in text


@pytest.mark.one_python
@pytest.mark.parametrize("what", ["digest", "weight", "counter"])
def test_the_first_difference_is_named(chipsim, own, packed, what):
    """One number changed, every hash made right: only the replay can tell."""

    def change(files, head):
        manifest = json.loads(files["run/manifest.json"])
        if what == "digest":
            manifest["digest"] = "0" * 64
        elif what == "weight":
            arrays = dict(np.load(io.BytesIO(files["run/weights.npz"])))
            arrays["c0_w"][3, 5] += 1
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)
            files["run/weights.npz"] = buffer.getvalue()
            manifest["weights"]["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
        else:
            counters = json.loads(files["run/counters.json"])
            layer = next(iter(counters["layers"]))
            counters["layers"][layer]["spikes"] += 1
            files["run/counters.json"] = json.dumps(counters).encode()
            manifest["files"]["counters.json"] = hashlib.sha256(files["run/counters.json"]).hexdigest()
        files["run/manifest.json"] = sealed(manifest)

    done = chipsim("verify", rewritten(packed, change))
    told = {"digest": "digest 0000", "weight": "(c0_w)[3, 5]: ", "counter": "counter layers: "}[what]
    assert done.status == 1 and told in done.out and "first in: " in done.err
    assert "Traceback" not in done.err


def test_a_script_of_its_own_runs_only_where_it_is_trusted(chipsim, own):
    done = chipsim("verify", own)
    assert done.status == 2 and "brings its own experiment script 'own'" in done.err
    assert chipsim("verify", own, "--trust").status == 0


def test_a_rule_and_a_chip_of_ones_own_are_in_it(chipsim, here, root):
    """They are data: read from the capsule although they are on no shelf."""
    files = {"rule": root / "rules" / "decolle.rule", "chip": root / "hw_models" / "loihi2.toml"}
    for kind, path in files.items():
        files[kind] = here / path.name
        files[kind].write_text(path.read_text() + "# mine\n")
    sets = [part for x in SMALL for part in ("--set", x)]
    done = chipsim("run", "digits", "--rule", files["rule"], "--chip", files["chip"], *sets, "--out", "r")
    assert done.status == 0, done.err
    assert chipsim("capsule", "r", "r.capsule").status == 0
    for path in files.values():
        path.unlink()
    done = chipsim("verify", "r.capsule")
    assert done.status == 0, done.err


def test_a_run_that_began_with_weights_brings_them(chipsim, packed, here):
    sets = [part for x in SMALL for part in ("--set", x)]
    done = chipsim("run", "digits", *sets, "--from", packed.parent / "r", "--out", "r")
    assert done.status == 0, done.err
    assert chipsim("capsule", "r", "r.capsule").status == 0
    assert chipsim("verify", "r.capsule").status == 0


def test_what_cannot_be_packed(chipsim, here, packed):
    (here / "none.py").write_text(OWN.replace('"digest": "abc", ', ""))
    chipsim("run", "./none.py", "--out", "r")
    done = chipsim("capsule", "r", "x.capsule")
    assert done.status == 2 and "neither digest nor weights" in done.err and not Path("x.capsule").exists()
    done = chipsim("capsule", packed.parent / "r", here)
    assert done.status == 2 and "is a folder" in done.err
    done = chipsim("capsule", "nowhere", "x")
    assert done.status == 2 and "no run folder" in done.err
    (here / "none.py").write_text(OWN)
    done = chipsim("capsule", "r", "x.capsule")
    assert done.status == 2


def bombs(files: dict, head: dict, kind: str) -> None:
    """Changes that must be refused before anything is kept."""
    if kind == "outside":
        files["../../outside"] = b"x"
    elif kind == "unknown":
        files["run/other.json"] = b"{}"
    elif kind == "missing":
        del files["run/manifest.json"]
    elif kind == "size":
        head["entries"]["run/result.json"]["size"] = 1 << 40
    elif kind == "smaller":
        head["entries"]["run/result.json"]["size"] -= 1
    elif kind == "hash":
        head["entries"]["run/result.json"]["sha256"] = "0" * 64
    elif kind == "format":
        head["format"] = 2
    elif kind == "type":
        head["entries"] = []


KINDS = ("outside", "unknown", "missing", "size", "smaller", "hash", "format", "type")


@pytest.mark.parametrize("kind", KINDS)
def test_dishonest_capsules_are_refused(own, tmp_path, kind):
    honest = kind in ("outside", "unknown", "missing")
    path = rewritten(own, lambda files, head: bombs(files, head, kind), hashes=honest)
    (tmp_path / "inside").mkdir()
    with pytest.raises(RunError, match="no capsule, or a damaged one: .*\n  remedy"):
        unpack(path, tmp_path / "inside")
    assert not (tmp_path / "outside").exists() and not list((tmp_path / "inside").rglob("outside"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"{}", b"\x00" * 5000])
def test_what_is_no_capsule(chipsim, here, content):
    (here / "x").write_bytes(content)
    done = chipsim("verify", "x")
    assert done.status == 2 and "no capsule" in done.err and "Traceback" not in done.err


def test_no_such_file(chipsim):
    done = chipsim("verify", "none.capsule")
    assert done.status == 2 and "there is no file 'none.capsule'" in done.err


def test_npz_headers_are_checked_before_memory_is_asked_for():
    """A header that claims 8 TB in a file of some bytes, and one that is only compressed well."""
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3, np.int8))
    good = {"a": {"shape": [3], "dtype": "|i1"}}
    assert read_npz(buffer, good)["a"].tolist() == [0, 0, 0]
    for says in (
        {"shape": [1 << 40], "dtype": "<i8"},
        {"shape": [3], "dtype": "|O"},
        {"shape": [-3], "dtype": "|i1"},
    ):
        with pytest.raises(ValueError, match="declare"):
            read_npz(buffer, {"a": says})
    with pytest.raises(ValueError, match="declares"):
        read_npz(buffer, {"b": good["a"]})
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i8", "fortran_order": False, "shape": (1 << 40,)}
    )
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header.getvalue())
    with pytest.raises(ValueError, match="promises"):
        read_npz(buffer, good)


def test_differences_of_runs_are_found_in_order(tmp_path):
    """Same digest, another counter; then other arrays."""
    runs = []
    for k, counters in enumerate(({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}})):
        with RunFolder.create("x", tmp_path / str(k)) as folder:
            folder.counters(counters)
            folder.weights({"w": np.array([[1, 2], [3, 4 + k]])})
            folder.finish(digest="d", accuracy={"test": 0.5, "twin": 0.1 * k})
        runs.append(load_run(folder.path))
    assert differences(*runs) == [
        "w (w)[1, 1]: 4 in the capsule, 5 here; 1 of 4 elements differ",
        "counter a: b: [1]: 2 in the capsule, 3 here",
    ]
    assert differences(runs[0], runs[0]) == []
