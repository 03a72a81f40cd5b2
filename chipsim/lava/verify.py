"""`chipsim lava verify`: run an export in a process of its own, with a time limit and nothing left behind.

Lava hangs where a process waits for a message that nobody sends, and swallows exceptions of its models.
Here a run ends: equal, different, damaged, crashed or out of time, each with the place. Every process of
the run belongs to one group, which is killed at the end whatever happened.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from chipsim.errors import RunError, SettingError

PYTHON = "CHIPSIM_LAVA_PYTHON"
SECONDS = 300.0  # default limit
POLL = 0.1
AFTER_TRACEBACK = 5.0  # a run whose models crashed rarely ends by itself
STACKS = 1.5  # for the processes to say where they stand
FRAME = re.compile(r'File "([^"]+)", line (\d+)(?:, in | in )(\w+)')
WAITS = ("recv", "peek", "get", "wait", "acquire", "join", "run", "_bootstrap", "poll", "select")


@dataclass(frozen=True)
class Verdict:
    """What a run came to: equal, different, damaged, crashed, out of time; text says where. `told`: all that
    the run itself reported."""

    result: str
    text: str
    seconds: float
    stderr: str
    told: dict = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether Lava computed what chipsim computed."""
        return self.result == "equal"


def lava_python() -> str:
    """An interpreter with lava-nc: the one named by CHIPSIM_LAVA_PYTHON, or this one. Raises SettingError."""
    named = os.environ.get(PYTHON)
    python = named or sys.executable
    code = "import lava.magma.core.learning.learning_rule"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingError(
            f"{python} cannot be run: {error}",
            where=PYTHON if named else "this interpreter",
            remedy=f"name in {PYTHON} an interpreter that has lava-nc 0.10.0",
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no lava-nc"])[-1]
        raise SettingError(
            f"{python} has no lava-nc 0.10.0 ({last})",
            where=PYTHON if named else "this interpreter",
            remedy=f"install chipsim[lava] on Python 3.10, and name that interpreter in {PYTHON}",
        )
    return python


def verify(folder: str | Path, seconds: float = SECONDS, python: str | None = None) -> Verdict:
    """Run an export and compare. Raises RunError for another folder, SettingError without lava-nc."""
    folder = Path(folder).resolve()
    for name in ("run.py", "manifest.json", "network.npz", "expected.npz"):
        if not (folder / name).is_file():
            raise RunError(
                f"'{folder}' is no Lava export (it has no {name})", remedy="chipsim export lava RUN DIR"
            )
    return in_child([str(folder / "run.py")], seconds, python or lava_python())


def in_child(arguments: list[str], seconds: float, python: str) -> Verdict:
    """Run a script that prints a RESULT line in a process group of its own, which is gone afterwards."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "CHIPSIM_LAVA_WATCHED": "1"}
    with tempfile.TemporaryDirectory(prefix="chipsim-lava-") as temporary:
        out, err = Path(temporary, "out"), Path(temporary, "err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            child = subprocess.Popen(
                [python, *arguments],
                cwd=temporary,
                stdin=subprocess.PIPE,  # closed when this process ends, however: run.py then ends its group
                stdout=stdout,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
            begin = time.monotonic()
            try:
                return _watched(child, out, err, begin, seconds)
            finally:
                end_group(child)


def _watched(child: subprocess.Popen, out: Path, err: Path, begin: float, seconds: float) -> Verdict:
    crashed_at = None
    while True:
        done, now = child.poll(), time.monotonic() - begin
        told = _result(out)
        said = err.read_text(encoding="utf-8", errors="replace")
        if told is not None:
            text = told.get("text", f"{told.get('steps')} steps, spikes {told.get('spikes')}")
            return Verdict(told["result"], text, now, said, told)
        if done is not None:
            return Verdict("crashed", _crash(said) or f"the run ended with status {done}", now, said)
        if crashed_at is None and "Traceback (most recent call last)" in said:
            crashed_at = now
        if crashed_at is not None and now > crashed_at + AFTER_TRACEBACK:
            return Verdict("crashed", _crash(said), now, said)
        if now > seconds:
            where = _standing(child, err)
            text = f"no result after {seconds:g} s; {where}" if where else f"no result after {seconds:g} s"
            return Verdict("out of time", text, now, said)
        time.sleep(POLL)


def _result(out: Path) -> dict | None:
    """The RESULT line, once it is complete."""
    for line in out.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if line.startswith("RESULT {") and line.endswith("\n"):
            return json.loads(line[7:])
    return None


def _crash(stderr: str) -> str:
    """The last exception with the innermost frame above it."""
    at = stderr.rfind("Traceback (most recent call last)")
    if at < 0:
        return ""
    lines = stderr[at:].splitlines()
    who = re.findall(r"^CRASH in (.*)$", stderr, re.MULTILINE)
    frames = [FRAME.search(x) for x in lines]
    frames = [f for f in frames if f]
    last = next((x for x in lines[1:] if x and not x.startswith(" ")), "")
    where = f" ({_place(frames[-1])})" if frames else ""
    return f"{who[-1].strip()}: {last.strip()}{where}" if who else f"{last.strip()}{where}"


def _place(frame: re.Match) -> str:
    path, line, function = frame[1], int(frame[2]), frame[3]
    try:
        code = Path(path).read_text(encoding="utf-8").splitlines()[line - 1].strip()
    except (OSError, IndexError, UnicodeDecodeError):
        code = ""
    short = "/".join(Path(path).parts[-3:])
    return f"{short}:{line} in {function}" + (f": {code}" if code else "")


# ---------------------------------------------------------------- processes


def group_of(leader: int) -> list[int]:
    """Process numbers of a group (Linux; elsewhere the leader alone)."""
    members = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            members.append(int(entry.parent.name))
    return members or [leader]


def _standing(child: subprocess.Popen, err: Path) -> str:
    """Where the processes of a hanging run wait: their own steps, not the waiting of Lava's runtime."""
    names = dict(re.findall(r"^PROCESS (\d+) (.*)$", err.read_text("utf-8", "replace"), re.MULTILINE))
    there = group_of(child.pid)
    places = [f"{name.strip()} has ended" for pid, name in names.items() if int(pid) not in there]
    for pid in there:
        if str(pid) not in names:
            continue
        before = len(err.read_bytes())
        _signal(pid, signal.SIGUSR1)
        said = _written_after(err, before)
        for stack in re.split(r"(?:Current thread|Thread) 0x\w+", said):
            inner = _innermost(stack)
            if inner:
                places.append(f"{names[str(pid)].strip()} waits in {inner}")
    return "; ".join(dict.fromkeys(places))


def _written_after(err: Path, before: int) -> str:
    """What a process wrote, once it stopped writing."""
    until, size = time.monotonic() + STACKS, before
    while time.monotonic() < until:
        time.sleep(0.05)
        now = len(err.read_bytes())
        if now > before and now == size:
            break
        size = now
    return err.read_bytes()[before:].decode("utf-8", errors="replace")


def _innermost(stack: str) -> str:
    """The place where a stack stands in a model's own step; empty for Lava's own threads."""
    if not any(f[2] in ("run_spk", "run_lrn") for f in FRAME.findall(stack)):
        return ""
    inner = next((m for m in FRAME.finditer(stack) if m[3] not in WAITS), None)
    return _place(inner) if inner else ""


def _is_tracker(pid: int) -> bool:
    """multiprocessing's resource tracker, which removes shared memory when the others are gone."""
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def end_group(child: subprocess.Popen) -> None:
    """Kill every process of the run; the resource tracker gets a moment to clean up."""
    for pid in group_of(child.pid):
        if not _is_tracker(pid):
            _signal(pid, signal.SIGKILL)
    child.wait()
    if child.stdin:
        child.stdin.close()
    until = time.monotonic() + 2.0
    while time.monotonic() < until and _alive(child.pid):
        time.sleep(0.05)
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
        return True
    except (ProcessLookupError, PermissionError):
        return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass
