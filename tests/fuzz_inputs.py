"""Thousands of damaged inputs for everything that chipsim reads; what it must not do, it does not do.

    python tests/fuzz_inputs.py --count 10000 --seed 1              all kinds, in proportion to their weights
    python tests/fuzz_inputs.py --kind rule --count 500 --seed 2    one kind
    python tests/fuzz_inputs.py --kind rule --seed 2 --only 17      one input again, with what it raised

Every input must be read, or refused by a ChipsimError that says what, where and the remedy. A finding is
anything else: another exception, a crash, more CPU time or memory than allowed, a file touched outside the
input's folder, code executed, a process or connection opened, and what a kind's own check finds (a changed
digest that was accepted). Inputs are decided by (seed, kind, number) alone. Children run them, many each;
one that dies is a finding and is followed by the next. Status 1 if there are findings.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WEIGHTS = {  # share of the inputs; what costs a process or a matrix of neurons has less
    "rule": 24, "chip": 10, "set": 10, "preset": 6, "experiment": 4, "idx": 10, "npz": 8, "hdf5": 3,
    "events": 10, "ecg": 3, "wav": 4, "vectors": 4, "run": 8, "checkpoint": 6, "capsule": 8, "nir": 8,
}  # fmt: skip
WALL_S = 300  # without a word from a child; CPU time is limited inside it
WORKER = HERE / "fuzz_worker.py"


def main() -> int:
    """Run what the command line asks for; the number of findings as status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=tuple(WEIGHTS), action="append")
    parser.add_argument("--only", type=int, help="one input of one kind, with its traceback")
    parser.add_argument("--first", type=int, default=0, help="number of the first input of a kind")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    asked = parser.parse_args()
    kinds = asked.kind or list(WEIGHTS)
    total = sum(WEIGHTS[kind] for kind in kinds)
    findings: list[dict[str, Any]] = []
    print(
        f"{'kind':<11} {'inputs':>6} {'read':>6} {'refused':>7} {'findings':>8} {'CPU s':>6} {'max MiB':>7}"
    )
    for kind in kinds:
        count = max(1, round(asked.count * WEIGHTS[kind] / total))
        first, stop = asked.first, asked.first + count
        if asked.only is not None:
            first, stop = asked.only, asked.only + 1
        found = _kind(kind, asked.seed, first, stop, asked.keep, asked.only is not None)
        findings += found
    for item in findings[:40]:
        print(f"\n{item['kind']} {item['number']} (seed {asked.seed}): {item['text']}")
    print(f"\n{len(findings)} findings")
    return 1 if findings else 0


def _kind(kind: str, seed: int, first: int, stop: int, keep: Path | None, loud: bool) -> list[dict[str, Any]]:
    """All inputs of one kind, in as many children as it takes; prints a row, returns the findings."""
    told: Counter[str] = Counter()
    findings: list[dict[str, Any]] = []
    cpu, most, skipped = 0.0, 0, ""
    number = first
    while number < stop:
        begun, ended, died = None, number, ""
        for line in _child(kind, seed, number, stop, keep, loud):
            if "begin" in line:
                begun = line["begin"]
            elif "end" in line:
                begun, ended = None, line["end"] + 1
                told[line["what"]] += 1
                if line["what"] == "finding":
                    findings.append({"kind": kind, "number": line["end"], "text": line["text"]})
            elif "died" in line:
                died = line["died"]
            elif "skip" in line:
                skipped, ended = line["skip"], stop
            else:
                cpu, most = cpu + line["cpu"], max(most, line["most"])
        if begun is not None:
            told["finding"] += 1
            findings.append({"kind": kind, "number": begun, "text": f"the process died: {died}"})
            ended = begun + 1
        elif died and ended < stop:
            findings.append({"kind": kind, "number": ended, "text": f"no input was reached: {died}"})
            ended = stop
        number = ended
    done = sum(told.values())
    row = f"{kind:<11} {done:>6} {told['read']:>6} {told['refused']:>7} {len(findings):>8} {cpu:>6.1f}"
    print(f"{row} {most >> 20:>7}  {skipped}", flush=True)
    return findings


def _child(kind: str, seed: int, first: int, stop: int, keep: Path | None, loud: bool):
    """The lines of one child, and how it ended where that was not by itself."""
    read, write = os.pipe()
    with tempfile.TemporaryFile("w+") as noise, tempfile.TemporaryDirectory(prefix="chipsim-fuzz-") as place:
        command = [sys.executable, str(WORKER), kind, *map(str, (seed, first, stop, write))]
        command += [place, str(keep.resolve() if keep else ""), "loud" if loud else ""]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        environment |= {"PYTHONHASHSEED": "0", "PYTHONFAULTHANDLER": ""}
        paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        child = subprocess.Popen(
            command,
            pass_fds=[write],
            stdout=None if loud else noise,
            stderr=None if loud else noise,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        os.close(write)
        yield from _lines(read, child)
        child.wait()
        if child.returncode:
            noise.seek(0)
            last = noise.read()[-600:].strip().splitlines()
            yield {"died": f"status {child.returncode}: {' | '.join(last[-3:])}"}


def _lines(read: int, child: subprocess.Popen):
    """JSON objects from the pipe until the child closes it; one that says nothing too long is killed."""
    rest, heard = b"", time.monotonic()
    while True:
        ready, _, _ = select.select([read], [], [], 5)
        block = os.read(read, 1 << 16) if ready else None
        if block == b"":
            os.close(read)
            return
        if block is None:
            if time.monotonic() - heard > WALL_S:
                child.kill()
            continue
        heard = time.monotonic()
        *lines, rest = (rest + block).split(b"\n")
        yield from map(json.loads, lines)


if __name__ == "__main__":
    sys.exit(main())
