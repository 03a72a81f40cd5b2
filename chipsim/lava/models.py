"""Lava's own ProcessModels in this process: built by PyProcessBuilder, fed by queues instead of channels.

No start-up, no message can be missing: for comparisons step by step, and for the time of a model alone.
Needs lava-nc and numpy only.
"""

from __future__ import annotations

import logging

import numpy as np


class Queue:
    """Stands for a port: `data` is what the next recv gives, `sent` what was sent last."""

    def __init__(self, shape: tuple[int, ...], dtype: type):
        self.shape, self.dtype = shape, dtype
        self.data: np.ndarray | int = 0
        self.sent: np.ndarray | None = None

    def recv(self) -> np.ndarray:
        """As PyInPortVectorDense: zeros of the port's own type plus what came."""
        return np.zeros(self.shape, self.dtype) + self.data

    def send(self, data: np.ndarray) -> None:
        """Keep a copy, as a channel would."""
        self.sent = np.array(data, copy=True)

    def flush(self) -> None:
        """Nothing to flush."""


def build(process: object, model: type) -> object:
    """An instance of `model` for a Lava process, its ports replaced by queues."""
    from lava.magma.compiler.builders.py_builder import PyProcessBuilder
    from lava.magma.compiler.utils import VarInitializer

    logging.getLogger().setLevel(logging.ERROR)
    builder = PyProcessBuilder(model, 0, process.proc_params)
    builder.set_variables([VarInitializer(v.name, v.shape, v.init, v.id) for v in process.vars])
    made = builder.build()
    for port in [*process.in_ports, *process.out_ports]:
        setattr(made, port.name, Queue(port.shape, getattr(model, port.name).d_type))
    return made


def step(model: object, **inputs: object) -> None:
    """One step of LoihiProtocol: SPK with these inputs, then LRN where the model asks for it."""
    for name, data in inputs.items():
        getattr(model, name).data = data
    model.time_step += 1
    model.run_spk()
    if model.lrn_guard():
        model.run_lrn()
