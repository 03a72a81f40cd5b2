"""Where hidden layers get their third factors: one file per circuit a rule may name.

`wire(name, stack)` adds readouts, classifiers, outputs and circuits to a stack of hidden layers.
A new wiring is a new file here, with a function `wire`.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from chipsim.errors import SettingError, did_you_mean
from chipsim.wiring.stack import Stack, weight_range

__all__ = ["Stack", "known", "weight_range", "wire"]


def known() -> list[str]:
    """The names of all wirings."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(path.stem for path in files if path.stem not in ("__init__", "stack"))


def wire(name: str, stack: Stack) -> None:
    """Add a circuit's layers to the stack's network. Raises SettingError for a name without a file here."""
    if name not in known():
        raise SettingError(
            f"no wiring '{name}'{did_you_mean(name, known())}",
            where="circuit",
            remedy=f"choose one of {', '.join(known())}",
        )
    importlib.import_module(f"chipsim.wiring.{name}").wire(stack)
