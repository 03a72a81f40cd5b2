"""A process on a leash ends with the one that started it, however that one ended."""

from __future__ import annotations

import os
import sys
import threading

LEASH = "CHIPSIM_LEASH"


def hold() -> None:
    """Where the environment asks for it, end this process as soon as its stdin is closed."""
    if os.environ.pop(LEASH, None):
        threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    """The pipe's other end is held by the parent: it closes when the parent dies."""
    try:
        while os.read(sys.stdin.fileno(), 1):
            continue
    except (OSError, ValueError):
        pass
    os._exit(137)
