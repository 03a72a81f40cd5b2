"""Lava: rules in both directions, networks as Lava processes, exports that check themselves.

    from chipsim.lava import processes_of
    network = processes_of(sim, events, labels=labels)      # connected Lava processes by name

`processes_of`, `lava_start` (in_process.py), `export_lava` (export.py) and the process classes
`ProgramNeuron`, `FeedbackLearningDense` (processes/) can be imported from here. Nothing imports lava-nc but
the functions that say so; it needs Python 3.10 and numpy below 2.
"""

from __future__ import annotations

import importlib

_PLACES = {
    "processes_of": "chipsim.lava.in_process",
    "lava_start": "chipsim.lava.in_process",
    "LavaNetwork": "chipsim.lava.in_process",
    "export_lava": "chipsim.lava.export",
    "ProgramNeuron": "chipsim.lava.processes.neuron",
    "FeedbackLearningDense": "chipsim.lava.processes.feedback",
}
__all__ = list(_PLACES)  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Loaded at first use: the processes need lava-nc, and Lava's children little of all this."""
    if name not in _PLACES:
        raise AttributeError(f"module 'chipsim.lava' has no attribute '{name}'")
    return getattr(importlib.import_module(_PLACES[name]), name)
