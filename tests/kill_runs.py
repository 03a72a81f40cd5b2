"""SIGKILL at random moments of a training run, resumed until it ends: the digest must not change.

    python tests/kill_runs.py --kills 60 [--seed 1]

Prints one line per kill (what it left behind) and, at the end, how many fell into the writing of a
checkpoint. Status 1 where a resumed run differs from the undisturbed one.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TINY = ("hidden=32", "steps=8", "epochs=40", "controls=false")
RUN = ["run", "digits", *(x for s in TINY for x in ("--set", s)), "--checkpoint", "100", "--keep", "3"]
BEGUN = "memory "  # the line before the calibration
ALL = 2 * 40 * 1078 // 100  # checkpoints of an undisturbed run, chip and twin
DIFFERENT = ("wall_s", "cpu_s")  # of a row of metrics.jsonl


def started(arguments: list[str], folder: Path) -> subprocess.Popen:
    """A `chipsim` process, at the moment when its work begins."""
    command = [sys.executable, "-u", "-m", "chipsim", *arguments]
    told = folder.with_suffix(".log")
    with told.open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    limit = time.monotonic() + 200
    while BEGUN not in told.read_text(errors="replace") and child.poll() is None:
        assert time.monotonic() < limit, told.read_text(errors="replace")
        time.sleep(0.01)
    return child


def outcome(folder: Path) -> dict:
    """Everything of a run that must not depend on its fate."""
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        "status": manifest["status"],
        "digest": manifest["digest"],
        "accuracy": manifest["accuracy"],
        "weights": manifest["weights"],
        "counters": (folder / "counters.json").read_text(),
        "metrics": [{k: v for k, v in row.items() if k not in DIFFERENT} for row in rows],
    }


def undisturbed(folder: Path) -> dict:
    """What a run comes to that nothing disturbs."""
    child = started([*RUN, "--out", str(folder)], folder)
    assert child.wait(timeout=280) == 0, folder.with_suffix(".log").read_text()
    return outcome(folder)


def written(folder: Path) -> int:
    """How many checkpoints were written so far."""
    last = [max((path.stem[:8] for path in place.glob("*.json")), default="0") for place in _places(folder)]
    return sum(map(int, last))


def _places(folder: Path) -> list[Path]:
    return list(folder.glob("checkpoints/*"))


def killed(child: subprocess.Popen, folder: Path, lot: random.Random) -> bool:
    """Kill it at a random moment: after some more checkpoints and some milliseconds, or right at the
    beginning; False if it ended before."""
    upto = written(folder) + int(lot.random() * ALL / 3) if lot.random() < 0.75 else 0
    while written(folder) < upto and child.poll() is None:
        time.sleep(0.002)
    try:
        child.wait(timeout=lot.random() * (0.02 if upto else 1.0))
        return False
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return True


def left_behind(folder: Path) -> str:
    """ "half" where a checkpoint was being written at the kill, "checkpoint" or "nothing"."""
    files = [path for path in folder.glob("checkpoints/*/*")]
    whole = {path.with_suffix("") for path in files if path.suffix == ".json"}
    half = [path for path in files if path.suffix == ".partial" or path.with_suffix("") not in whole]
    return "half" if half else "checkpoint" if whole else "nothing"


def tortured(folder: Path, lot: random.Random, kills: int) -> tuple[dict, list[str]]:
    """Run, kill, resume, kill, ... until it ends or has been killed `kills` times; then to its end."""
    arguments, left = [*RUN, "--out", str(folder)], []
    while True:
        child = started(arguments, folder)
        if len(left) < kills and killed(child, folder, lot):
            left.append(left_behind(folder))
            arguments = ["resume", str(folder)]
            continue
        assert child.wait(timeout=280) == 0, folder.with_suffix(".log").read_text()
        return outcome(folder), left


def main() -> int:
    """The whole campaign."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--kills", type=int, default=60)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    lot, left, runs, wrong = random.Random(options.seed), [], 0, 0
    with tempfile.TemporaryDirectory() as place:
        wanted = undisturbed(Path(place) / "undisturbed")
        print(f"undisturbed: digest {wanted['digest']}", flush=True)
        while len(left) < options.kills:
            runs += 1
            found, more = tortured(Path(place) / f"run{runs}", lot, min(8, options.kills - len(left)))
            left += more
            wrong += found != wanted
            same = "the same" if found == wanted else "ANOTHER"
            print(f"run {runs}: {len(more)} kills, left {', '.join(more)}: {same} digest", flush=True)
    half = left.count("half")
    print(f"{len(left)} kills in {runs} runs, {half} while a checkpoint was written; {wrong} runs differ")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
