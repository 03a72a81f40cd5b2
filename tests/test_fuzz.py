"""A short fuzzing of everything that is read; `python tests/fuzz_inputs.py --count 10000` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.one_python, pytest.mark.skipif(os.name != "posix", reason="limits are POSIX ones")]
HERE = Path(__file__).parent


def fuzz(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(HERE / "fuzz_inputs.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_six_hundred_damaged_inputs():
    done = fuzz("--count", 600, "--seed", 7)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 findings" in done.stdout


CRASHING = """
import os, signal, subprocess
from pathlib import Path
import fuzz_kinds, fuzz_worker

def bad(kind):
    def read(place, files):
        if place.name.startswith("warm"):
            return
        if kind == "traceback":
            [][1]
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if kind == "hang":
            while True:
                pass
        if kind == "memory":
            bytearray(1 << 31)
        if kind == "write":
            open(Path.home() / "outside", "w")
        if kind == "process":
            subprocess.run(["true"])
        if kind == "code":
            fuzz_worker.json.codecs.builtins.__dict__["ev" + "al"]("1")
        if kind == "remedy":
            from chipsim.errors import ChipsimError
            raise ChipsimError("no")
        if kind == "accepted":
            assert False, "a changed digest was accepted"
    return lambda made: fuzz_kinds.Target([{"x.txt": b"1"}], read)

fuzz_worker.CPU_S = 1.0
fuzz_kinds.KINDS["rule"] = bad(@)
fuzz_worker.main()
"""
TOLD = {
    "traceback": "IndexError", "crash": "status -11", "hang": "status -27", "memory": "MemoryError",
    "write": "opened for writing", "process": "subprocess.Popen", "code": "code executed",
    "remedy": "has no remedy", "accepted": "a changed digest was accepted",
}  # fmt: skip


@pytest.mark.parametrize("kind", TOLD)
def test_the_fuzzer_sees_what_it_is_there_for(tmp_path, kind):
    """A reader that misbehaves in one way, in place of the real one: the finding names it."""
    (tmp_path / "fuzz_worker_bad.py").write_text(CRASHING.replace("@", repr(kind)))
    start = "import sys, pathlib, fuzz_inputs; fuzz_inputs.WORKER = pathlib.Path(sys.argv.pop()); "
    start += "sys.exit(fuzz_inputs.main())"
    command = [
        sys.executable,
        "-c",
        start,
        "--kind",
        "rule",
        "--count",
        "1",
        str(tmp_path / "fuzz_worker_bad.py"),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1 and "1 findings" in done.stdout, done.stdout + done.stderr
    assert TOLD[kind] in done.stdout, done.stdout
