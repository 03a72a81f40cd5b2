"""The Dask cluster that a sweep runs on: the only module that knows Dask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chipsim.errors import RunError, SettingError
from chipsim.sweep.grid import Point
from chipsim.sweep.work import work

PATIENCE_S = 20


@contextmanager
def client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A client of the cluster at an address, or of a local one with so many worker processes.

    Raises SettingError without Dask, RunError where nobody answers at the address.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise SettingError("sweeps need Dask", remedy="pip install 'chipsim[sweep]'") from None
    # quiet: what happens to workers is told by the sweep itself
    dask.config.set(
        {"distributed.comm.timeouts.connect": f"{PATIENCE_S}s", "distributed.admin.log-length": 100}
    )
    if scheduler:
        try:
            held = distributed.Client(scheduler, timeout=PATIENCE_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise RunError(
                f"no Dask scheduler answers at {scheduler} ({type(error).__name__})",
                remedy="start one with `dask scheduler`, and workers with `dask worker ADDRESS --nthreads 1`",
            ) from None
        with held:
            yield held
        return
    options = {"processes": True, "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
    options |= {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options) as cluster:
        with distributed.Client(cluster, set_as_default=False) as held:
            yield held


def results(
    held: Any, points: Sequence[Point], folder: Path, data: Path | None
) -> Iterator[tuple[Point, dict[str, Any]]]:
    """(point, what the worker told) as cells are done, in any order.

    Raises RunError where the scheduler is lost; what was computed is kept.
    """
    from distributed import as_completed
    from distributed.client import FutureCancelledError

    asked = {}
    for point in points:
        key = hashlib.sha256(f"{folder}|{point.cell.name}".encode()).hexdigest()[:24]
        given = (point.cell, str(folder), str(data) if data else None)
        asked[held.submit(work, *given, key=f"chipsim-{key}", pure=False)] = point
    for future in as_completed(asked, loop=held.loop):
        if future.status == "error":
            yield asked[future], {"error": f"{future.exception()}", "worker": None, "computed": False}
            continue
        try:
            told = future.result(timeout=PATIENCE_S)
        except (FutureCancelledError, TimeoutError, OSError):
            raise RunError(
                "the scheduler was lost",
                where=str(folder.parent),
                remedy="start it again and give the same command: finished cells are skipped",
            ) from None
        yield asked[future], told
