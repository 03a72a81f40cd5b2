"""A population of Lava's integer LIF that runs a rule's neuron program and sends y1, y2, y3."""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from chipsim.lava.arithmetic.errors import class_errors
from chipsim.lava.arithmetic.numbers import (
    OP_CIRCUIT_SIGNAL,
    draw_key,
    limit,
    shift_round,
    top_bits,
    words_of,
    wrap32,
)
from chipsim.lava.arithmetic.program import NeuronProgram

HALF = 1 << 23


class ProgramNeuron(AbstractProcess):
    """LIF or integrator with a program.

    shape    (n,)
    config   plain data and arrays: see `Population`
    Ports: a_in; e_in (what comes back: errors, or weight times signal); s_out; v_out, the membrane as
    compared; error_out, class errors; signal_out, what lower layers get; y1_out, y2_out, y3_out.
    """

    def __init__(self, *, shape: tuple[int, ...], config: dict, name: str | None = None):
        super().__init__(shape=shape, config=config, name=name)
        self.a_in = InPort(shape=shape)
        self.e_in = InPort(shape=(config["e_size"],))
        for port in ("s_out", "v_out", "error_out", "signal_out", "y1_out", "y2_out", "y3_out"):
            setattr(self, port, OutPort(shape=shape))


class Population:
    """The arithmetic of one population, step by step, without Lava.

    config: n, kind (lif, integrator), ku, kv, thr, bias, has_u, v_frac, seed; program (None: a plain
    population); y (registers sent, in the order y1..y3), sent (registers that are 0 after they were sent);
    judged (None or error, shift, error_lo, error_hi); circuit (None or kind, layer, drop, rounding, lo, hi);
    weights (None: e_in is the sum); signal (register, "third_factor" or None); labels, rewards, due by step.
    """

    def __init__(self, config: dict):
        n = config["n"]
        self.c, self.n = config, n
        self.u, self.v, self.compared, self.spikes = (np.zeros(n, np.int64) for _ in range(4))
        self.count, self.m = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.errors = np.zeros(n, np.int64)
        self.program = None
        if config["program"]:
            self.program = NeuronProgram(config["program"], n, config["seed"])
            self.program.threshold, self.program.v_frac = config["thr"], config["v_frac"]

    def reset(self) -> None:
        """Current, membrane, spikes and their count at 0, as before the first step."""
        for array in (self.u, self.v, self.compared, self.spikes, self.count):
            array[:] = 0

    def fire(self, a_in: np.ndarray) -> np.ndarray:
        """Leak, integrate, compare, reset; then the program's on_membrane, on_step and on_post."""
        c = self.c
        a = wrap32(a_in.astype(np.int64) << 6)
        u = self.u if c["has_u"] else np.zeros(self.n, np.int64)
        s = wrap32(shift_round(u * c["ku"], 12, "trunc") + a)
        self.u = np.where(s > HALF, s - 2 * HALF, np.where(s <= -HALF, s + 2 * HALF, s))
        v = wrap32(shift_round(self.v * c["kv"], 12, "trunc") + self.u + c["bias"])
        self.compared = np.clip(v, 1 - HALF, HALF - 1)
        fired = (self.compared > c["thr"]) & (c["kind"] == "lif")
        self.v = np.where(fired, 0, self.compared)
        self.spikes = fired.astype(np.int64)
        self.count += self.spikes
        return self.spikes

    def before_signal(self, step: int) -> np.ndarray:
        """Own lines up to on_post, then the class errors (0 where the population is not judged)."""
        if self.program:
            for section in ("on_membrane", "on_step"):
                self.program.run(section, step, self._inputs(step), None)
            self.program.run("on_post", step, self._inputs(step), self.spikes != 0)
        circuit = self.c["judged"]
        if circuit and self.c["due"][step - 1]:
            label = int(self.c["labels"][step - 1])
            lo, hi = circuit["error_lo"], circuit["error_hi"]
            self.errors = class_errors(
                circuit["error"], self.potentials(circuit), circuit["shift"], label, lo, hi
            )
            return self.errors
        return np.zeros(self.n, np.int64)

    def potentials(self, judged: dict | None) -> np.ndarray:
        """What class errors are formed from: membranes; of spiking neurons their charge, or spikes."""
        if judged is None or self.c["kind"] == "integrator":
            return self.v
        return self.spikes if judged["error"] == "spike" else self.count * self.c["thr"] + self.v

    def after_signal(self, step: int, e: np.ndarray) -> None:
        """The third factor from what came back, then on_third_factor; only where the step is due."""
        circuit = self.c["circuit"]
        if not circuit or not self.c["due"][step - 1]:
            return
        if circuit["kind"] == "reward":
            self.m = np.full(self.n, int(self.c["rewards"][step - 1]), np.int64)
        elif circuit["kind"] == "error":
            self.m = self.errors
        else:
            exact = e if self.c["weights"] is None else self.c["weights"].astype(np.int64) @ e
            draw = 0
            if circuit["rounding"] == "stochastic" and circuit["drop"] > 0:
                key = draw_key(self.c["seed"], circuit["layer"], OP_CIRCUIT_SIGNAL, step)
                draw = top_bits(words_of(key, self.n), circuit["drop"])
            raw = shift_round(exact, circuit["drop"], circuit["rounding"], draw)
            self.m = limit(raw, circuit["lo"], circuit["hi"], "saturate")
        if self.program:
            self.program.run("on_third_factor", step, self._inputs(step), self.m != 0)

    def signal(self, step: int) -> np.ndarray:
        """What lower layers get."""
        name = self.c["signal"]
        if name is None or not self.c["due"][step - 1]:
            return np.zeros(self.n, np.int64)
        return self.m if name == "third_factor" else self.program.values[name]

    def received(self) -> list[np.ndarray]:
        """y1, y2, y3 of this step; what was sent is 0 afterwards."""
        rows = [self.program.values[name].copy() for name in self.c["y"]] if self.program else []
        for name in self.c["sent"]:
            self.program.values[name][:] = 0
        return rows + [np.zeros(self.n, np.int64)] * (3 - len(rows))

    def _inputs(self, step: int) -> dict[str, np.ndarray]:
        return {
            "neuron.v": self.compared,
            "neuron.v_after": self.v,
            "post.spike": self.spikes,
            "third_factor": self.m,
            "reward": np.full(self.n, int(self.c["rewards"][step - 1]), np.int64),
        }


@implements(proc=ProgramNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyProgramNeuronModel(PyLoihiProcessModel):
    """One step: receive, fire, send spikes; errors; what comes back; y1, y2, y3."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    e_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    v_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    error_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    signal_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.population = Population(proc_params["config"])

    def run_spk(self) -> None:
        """The SPK phase of one step."""
        x, step = self.population, self.time_step
        self.s_out.send(x.fire(self.a_in.recv()).astype(np.int32))
        self.v_out.send(x.compared.astype(np.int32))
        self.error_out.send(x.before_signal(step))
        x.after_signal(step, self.e_in.recv())
        self.signal_out.send(x.signal(step))
        y1, y2, y3 = (y.astype(np.int32) for y in x.received())
        self.y1_out.send(y1)
        self.y2_out.send(y2)
        self.y3_out.send(y3)
