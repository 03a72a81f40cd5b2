"""A sweep under fire: a worker killed in the middle, then the client, which is started again.

    python tests/sweep_trials.py --cells 40 [--cpu 2] [--throughput]

Once with a local cluster of 2 workers, once with a scheduler and 2 workers started by their own
commands. The table must be that of an undisturbed sweep, and only cells that were running on the killed
worker (and, with a local cluster, on the killed client's workers) may have been computed twice.
--throughput measures one worker against two instead: it needs two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXPERIMENT = '''"""Works for some seconds of CPU time. For trials."""

import os
import time
from pathlib import Path

from pydantic import Field

from chipsim.run_folder import digest
from chipsim.settings import ExperimentSettings

RULES = ("ell", "tp")
CHIPS = ("ideal",)


class Settings(ExperimentSettings):
    bits: int = Field(4, alias="weight.bits", ge=1, le=8)
    cpu: float = 0.2


def run(context):
    s = context.settings
    context.out.metric(pid=os.getpid())
    begun = Path(__file__).with_name("begun")
    (begun / f"{context.rule} {s.bits} {context.seed} {os.getpid()}").touch()
    end, turns = time.process_time() + s.cpu, 0
    while time.process_time() < end:
        turns += 1
    value = (s.bits * 7919 + context.seed * 104729) % 1000 / 1000
    told = digest({"rule": context.rule, "bits": s.bits, "seed": context.seed})
    return {"accuracy": {"test": value}, "digest": told}
'''


def prepare(folder: Path) -> None:
    """The experiment, and where its cells leave a mark when they begin."""
    (folder / "busy.py").write_text(EXPERIMENT)
    (folder / "begun").mkdir()


def command(cells: int, cpu: float, *more: str) -> list[str]:
    """Two rules, four widths, as many seeds as make `cells` cells (a multiple of 8)."""
    grid = ["--grid", "rule=ell,tp", "--grid", "weight.bits=4,5,6,8", "--seeds", str(cells // 8)]
    given = ["--set", f"cpu={cpu}", *grid, "--out", "s", *more]
    return [sys.executable, "-u", "-m", "chipsim", "sweep", "./busy.py", *given]


def finished(folder: Path) -> int:
    """Cells that are through."""
    return len(list(folder.glob("s/cells/*/result.json")))


def wait_for(condition, child: subprocess.Popen | None = None, seconds: float = 1500) -> None:
    """Until it holds, or the child has ended; AssertionError after so many seconds."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        if child is not None and child.poll() is not None:
            return
        time.sleep(0.05)


def started(folder: Path, arguments: list[str], log: str) -> subprocess.Popen:
    """A process in that folder, in a session of its own."""
    with (folder / log).open("ab") as told:
        return subprocess.Popen(
            arguments, cwd=folder, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
        )


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A scheduler and two workers, each by its own command; the scheduler's address."""
    dask = [sys.executable, "-m", "dask"]
    said = folder / "scheduler.json"
    where = ["--scheduler-file", str(said)]
    plain = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", *where]
    running = [started(folder, [*dask, "scheduler", *plain], "scheduler.log")]
    try:
        wait_for(said.is_file, running[0])
        running += [worker(folder, where, k) for k in range(2)]
        yield json.loads(said.read_text())["address"]
    finally:
        for child in running:
            child.kill()
            child.wait()


def worker(folder: Path, where: list[str], number: int) -> subprocess.Popen:
    """One worker process of one thread."""
    dask = [sys.executable, "-m", "dask", "worker", *where, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    local = ["--host", "127.0.0.1", "--local-directory", str(folder / f"worker{number}")]
    return started(folder, [*dask, *local], f"worker{number}.log")


def working(folder: Path) -> list[int]:
    """Process ids of workers whose cell has begun its work and is not through."""
    import psutil

    found = []
    for mark in folder.glob("begun/*"):
        rule, bits, seed, _ = mark.name.split(" ")
        if list(folder.glob(f"s/cells/busy-{rule}-*-seed{seed}-*bits={bits}-*/result.json")):
            continue  # through with its work, only not gone yet
        try:
            found.append(psutil.Process(int(mark.name.rsplit(" ", 1)[1])).ppid())
        except psutil.Error:
            continue
    return found


def under_fire(folder: Path, cells: int, cpu: float, address: str = "") -> dict:
    """Kill a worker that has a cell running, then the client; start it again; what became of it."""
    more = ["--scheduler", address] if address else ["--workers", "2"]
    client = started(folder, command(cells, cpu, *more), "client.log")
    wait_for(lambda: finished(folder) >= cells // 4 and working(folder), client)
    os.kill(working(folder)[0], signal.SIGKILL)
    wait_for(lambda: finished(folder) >= cells // 2, client)
    assert client.poll() is None, (folder / "client.log").read_text()
    client.kill()
    client.wait()
    again = started(folder, command(cells, cpu, *more), "again.log")
    assert again.wait(timeout=1000) == 0, (folder / "again.log").read_text()
    return outcome(folder)


def outcome(folder: Path) -> dict:
    """The table, how often each cell was begun, and what the second client found."""
    result = json.loads((folder / "s/result.json").read_text())
    begun: dict[str, int] = {}
    for mark in folder.glob("begun/*"):
        cell = mark.name.rsplit(" ", 1)[0]
        begun[cell] = begun.get(cell, 0) + 1
    return {"rows": result["rows"], "means": result["means"], "begun": begun}


def undisturbed(folder: Path, cells: int) -> dict:
    """The same sweep left alone; its settings differ in the CPU time only, which no result depends on."""
    child = started(folder, command(cells, 0.0, "--workers", "2"), "log")
    assert child.wait(timeout=580) == 0, (folder / "log").read_text()
    return outcome(folder)


def throughput(cells: int, cpu: float) -> int:
    """Cells per second of two workers against one, from the first finished cell to the last."""
    rates = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            prepare(folder)
            child = started(folder, command(cells, cpu, "--workers", str(workers)), "log")
            wait_for(lambda folder=folder, n=workers: finished(folder) >= n, child)
            begun, first = time.monotonic(), finished(folder)
            assert child.wait(timeout=1000) == 0, (folder / "log").read_text()
            times = sorted(path.stat().st_mtime for path in folder.glob("s/cells/*/result.json"))
            rates[workers] = (len(times) - first) / (times[-1] - times[first - 1])
            print(
                f"{workers} workers: {rates[workers]:.3f} cells/s, {time.monotonic() - begun:.0f} s",
                flush=True,
            )
    share = rates[2] / (2 * rates[1])
    print(f"two workers reach {share:.3f} of twice the throughput of one")
    return int(share < 0.9)


def main() -> int:
    """Both trials, or the throughput."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--cells", type=int, default=40)
    asked.add_argument("--cpu", type=float, default=2.0)
    asked.add_argument("--throughput", action="store_true")
    asked.add_argument("--only", choices=("local", "separate"), help="one of the two trials")
    options = asked.parse_args()
    if options.throughput:
        return throughput(options.cells, options.cpu)
    found = {}
    for kind in ("undisturbed", *((options.only,) if options.only else ("local", "separate"))):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            prepare(folder)
            found[kind] = _trial(kind, folder, options.cells, options.cpu)
        rows, begun = found[kind]["rows"], found[kind]["begun"]
        twice = [cell for cell, n in begun.items() if n > 1]
        print(
            f"{kind}: {len(rows)} rows, {sum(begun.values())} times begun, more than once: {twice}",
            flush=True,
        )
    wanted = found.pop("undisturbed")
    same = {kind: _comparable(told) == _comparable(wanted) for kind, told in found.items()}
    print(f"the table of the undisturbed sweep: {same}")
    return int(not all(same.values()))


def _trial(kind: str, folder: Path, cells: int, cpu: float) -> dict:
    if kind == "undisturbed":
        return undisturbed(folder, cells)
    if kind == "local":
        return under_fire(folder, cells, cpu)
    with cluster(folder) as address:
        return under_fire(folder, cells, cpu, address)


def _comparable(told: dict) -> tuple:
    rows = [{key: value for key, value in row.items() if key != "folder"} for row in told["rows"]]
    return rows, told["means"]


if __name__ == "__main__":
    sys.exit(main())
