"""Time an export in Lava, start-up and first steps excluded, and compare it with chipsim.

    python timed_template.py network FOLDER FIRST   its processes on Lava's runtime
    python timed_template.py model FOLDER FIRST     its first two-factor LearningDense alone

Needs lava-nc and `models.py` beside this file. is the time limit in seconds of CPU time of a process.
The last line of the output is `RESULT {...}`.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

REPEATS = 5


def end_with_watcher() -> None:
    """Kill this group of processes when whoever started it is gone: its end of standard input closes."""
    while os.read(0, 1):
        pass
    os.killpg(0, 9)


def cpu_seconds() -> dict[int, float]:
    """CPU time of every process of this group (Linux; elsewhere none)."""
    tick, found = os.sysconf("SC_CLK_TCK"), {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[2]) == os.getpgrp():
            found[int(entry.parent.name)] = (int(fields[11]) + int(fields[12])) / tick
    return found


def of_network(folder: Path, first: int) -> dict:
    """The whole network: seconds by the clock, and CPU seconds of its busiest process."""
    from network import build, first_difference, load, run, speak_up

    manifest, arrays, expected = load(folder)
    speak_up()
    steps, marks = manifest["steps"], []

    def mark() -> None:
        marks.append((time.perf_counter(), cpu_seconds()))

    found = run(manifest, build(manifest, arrays), parts=(first, steps - first), between=mark)
    (begin, before), (end, after) = marks
    busiest = max((after[pid] - before.get(pid, 0.0) for pid in after), default=None)
    different = first_difference(expected, found)
    told = {"result": "different", "text": different} if different else {"result": "equal"}
    return told | {"steps": steps - first, "wall_s": end - begin, "cpu_s": busiest}


def of_model(folder: Path, first: int) -> dict:
    """PyLearningDenseModelBitApproximate alone: the least CPU time of some parts of the steps."""
    import network
    from lava.proc.dense.models import PyLearningDenseModelBitApproximate
    from models import build, step

    manifest, arrays, expected = network.load(folder)
    c = next(c for c in manifest["connections"] if c["process"] == "LearningDense" and not c["y"])
    process = network.build(manifest, arrays, record=False)[c["name"]]
    model = build(process, PyLearningDenseModelBitApproximate)
    spikes = arrays[f"{c['pre']}.data"].T
    fired = expected[f"spikes.{c['post']}"].astype(bool)
    parts = np.array_split(np.arange(first, len(spikes)), REPEATS)
    least = float("inf")
    for part in (np.arange(first), *parts):
        begin = time.process_time()
        for t in part:
            step(model, s_in=spikes[t], s_in_bap=fired[t] if c["bap"] else False)
        if part[0] >= first:
            least = min(least, (time.process_time() - begin) / len(part))
    wanted = expected[f"end.{c['name']}.weights"]
    equal = "equal" if np.array_equal(model.weights, wanted) else "different"
    return {"result": equal, "steps": len(spikes) - first, "cpu_s": least * (len(spikes) - first)}


if __name__ == "__main__":
    if os.environ.get("CHIPSIM_LAVA_WATCHED"):
        threading.Thread(target=end_with_watcher, daemon=True).start()
    mode, where, skipped = sys.argv[1:]
    sys.path.insert(0, where)
    try:
        told = (of_network if mode == "network" else of_model)(Path(where), int(skipped))
    except ValueError as error:  # a damaged folder
        told = {"result": "damaged", "text": str(error)}
    print("RESULT " + json.dumps(told), flush=True)
