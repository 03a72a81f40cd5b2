"""Benchmarks: chipsim beside C programs of the same work, beside Lava, and its memory.

    python benchmarks/run.py [W1 W2 W3 W4 | lava | memory | epoch] [--json] [--pairs 9]

Without a name everything runs. Needs gcc for W1 to W4 and epoch. README.md says how it is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))  # a bare checkout

import beside_lava  # noqa: E402
import memory  # noqa: E402
import pair  # noqa: E402
import workloads  # noqa: E402

BARS = {
    "W1": (0.5, 0.45),
    "W2": (0.5, 0.45),
    "W3": (0.4, 0.35),
    "W4": (0.4, 0.35),
    "epoch": (0.4, 0.4),
}  # counting off, on
PARTS = (*workloads.ALL, "lava", "memory")


def pairs(name: str, count: int) -> dict:
    """One workload with counting off and on."""
    off, on = (pair.compare(workloads.ALL[name](), counting, count) for counting in (False, True))
    return {
        "workload": name,
        "what": workloads.ALL[name].__doc__,
        "chipsim_ms": [off.chipsim_ms, on.chipsim_ms],
        "c_ms": [off.c_ms, on.c_ms],
        "ratio": [off.ratio, on.ratio],
        "bar": BARS[name],
        "equal": off.equal and on.equal,
        "different": [*off.different, *on.different],
        "spikes": off.spikes,
        "ok": off.equal and on.equal and off.ratio >= BARS[name][0] and on.ratio >= BARS[name][1],
    }


def text(row: dict) -> str:
    """One line of the table."""
    if row["workload"] == "lava":
        start = f"lava   {row['rule']:<12} chipsim {row['chipsim_steps_s']:.0f} steps/s"
        if row["times"] is None:
            return f"{start}; lava-nc is not installed"
        model, whole = row["lava_model_steps_s"], row["lava_network_steps_s"]
        lava = f"Lava's model alone {model:.1f}, its network {whole:.1f}"
        return f"{start}, {lava}: {row['times']:.0f} times the model (bar {row['bar']})"
    if row["workload"] == "memory":
        return f"memory {row['synapse']:<16} {row['bytes']:.2f} bytes per synapse (at most {row['bound']})"
    (ours_off, ours_on), (c_off, c_on), (off, on) = row["chipsim_ms"], row["c_ms"], row["ratio"]
    equal = "yes" if row["equal"] else f"NO: {', '.join(row['different'])}"
    return (
        f"{row['workload']:<6} {ours_off:9.2f} {ours_on:9.2f} {c_off:8.2f} {c_on:8.2f} "
        f"{off:9.2f} {on:9.2f}   {row['bar'][0]:.2f}/{row['bar'][1]:.2f}  {equal:<5} {row['spikes']}"
    )


def rows(name: str, count: int) -> list[dict]:
    """The results of one part."""
    if name == "lava":
        return beside_lava.rows()
    if name == "memory":
        return memory.rows()
    return [pairs(name, count)]


def main() -> int:
    """Run what was asked for; status 1 if a result differs from the C program's."""
    parser = argparse.ArgumentParser(description="chipsim's benchmarks")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(PARTS)}; all without one"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per row instead of the table")
    parser.add_argument("--pairs", type=int, default=9, help="interleaved pairs of C and chipsim (default 9)")
    given = parser.parse_args()
    unknown = [x for x in given.names if x not in PARTS]
    if unknown:
        parser.error(f"unknown {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    names = given.names or list(PARTS)
    if not given.json and any(x in BARS for x in names):
        print("CPU time in ms; ratio = C time / chipsim time; off, on: counters off, on")
        print("        ours off   ours on    C off     C on  ratio off  ratio on  bars       equal spikes")
    equal = True
    for name in names:
        for row in rows(name, given.pairs):
            print(json.dumps(row) if given.json else text(row), flush=True)
            equal &= row.get("equal", True)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
