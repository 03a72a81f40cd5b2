"""chipsim: on-chip learning under a chip's integer constraints, counted and priced.

The names below are what a notebook needs; each is imported when it is first used, so that
`import chipsim` and `chipsim list` wait neither for numba nor for matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from chipsim.version import __version__

if TYPE_CHECKING:
    from chipsim.chip import load_chip
    from chipsim.data.events import Events
    from chipsim.fixed import Format
    from chipsim.microcode.syntax import load_rule
    from chipsim.network import Network
    from chipsim.simulator import Simulator

_HOMES = {
    "Events": "chipsim.data.events",
    "Format": "chipsim.fixed",
    "Network": "chipsim.network",
    "Simulator": "chipsim.simulator",
    "load_chip": "chipsim.chip",
    "load_rule": "chipsim.microcode.syntax",
}

__all__ = ["Events", "Format", "Network", "Simulator", "__version__", "load_chip", "load_rule"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'chipsim' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
