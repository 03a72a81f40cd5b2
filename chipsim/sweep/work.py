"""What a worker does: one cell, in a child process, alone in its folder."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from chipsim.cell import Cell, finished, perform_cell

POLL_S = 0.2


def work(cell: Cell, folder: str, data: str | None) -> dict[str, Any]:
    """Run one cell; {"worker", "computed"} and, where it failed, {"error", "remedy"}.

    The result itself lies in the cell's folder, which client and workers share. A cell on which
    another worker is still at work is waited for, not computed twice.
    """
    place, name = Path(folder), f"{socket.gethostname()} {os.getpid()}"
    if not place.is_dir():
        return {
            "worker": name,
            "computed": False,
            "error": f"worker {name} does not see {folder}",
            "remedy": "give with --out a folder on a file system that all workers share",
        }
    with (place / f"{cell.name}.lock").open("w") as lock:
        _wait_for(lock)
        if finished(cell, place / cell.name):
            return {"worker": name, "computed": False}
        found = perform_cell(cell, place / cell.name, Path(data) if data else None)
    failed = {key: found[key] for key in ("error", "remedy") if key in found}
    return {"worker": name, "computed": True, **failed}


def _wait_for(lock: Any) -> None:
    """Until no other process holds it; it is let go of when this process dies."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL_S)
        except OSError:  # a network file system without locks
            return
