"""Populations and connections over several contexts that know where samples begin and end.

A port of a population of n neurons in B contexts carries B * n numbers, one context after the other.
"""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from chipsim.lava.arithmetic.factors import Factors
from chipsim.lava.arithmetic.synapses import Synapses
from chipsim.lava.processes.neuron import Population


class ContextNeuron(AbstractProcess):
    """Lava's LIF, or an integrator, in every context, with its third factor.

    shape    (contexts * n,)
    config   plain data and arrays: see `Factors` and `Population`; back_size, compared_size, geometry_size:
             numbers on those ports; replays: third factors are formed again after a sample; errors_replay:
             and class errors are sent again
    Ports: a_in; back_in (errors, or what comes back through weights), compared_in and geometry_in (registers
    of a contrast); s_out; v_out, the membrane as compared; state_out (compared, after reset, spikes);
    error_out, class errors; m_out, the third factor.
    """

    def __init__(self, *, shape: tuple[int, ...], config: dict, name: str | None = None):
        super().__init__(shape=shape, config=config, name=name)
        self.a_in = InPort(shape=shape)
        for port in ("back", "compared", "geometry"):
            setattr(self, f"{port}_in", InPort(shape=(config[f"{port}_size"],)))
        for port in ("s_out", "v_out", "error_out", "m_out"):
            setattr(self, port, OutPort(shape=shape))
        self.state_out = OutPort(shape=(3 * shape[0],))


@implements(proc=ContextNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyContextNeuronModel(PyLoihiProcessModel):
    """One step: receive, fire, send spikes; errors; what comes back; the third factor. After the last step
    of a sample the same again for each replayed step."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    back_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    compared_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    geometry_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    v_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    error_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    m_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.config = proc_params["config"]
        self.population, self.factors = Population(self.config["lif"]), Factors(self.config)

    def run_spk(self) -> None:
        """The SPK phase of one step."""
        x, f, step, steps = self.population, self.factors, self.time_step, self.config["steps"]
        ts = (step - 1) % steps + 1
        if ts == 1:
            x.reset()
            f.begin()
        self.s_out.send(x.fire(self.a_in.recv()).astype(np.int32))
        self.v_out.send(x.compared.astype(np.int32))
        self.state_out.send(np.concatenate((x.compared, x.v, x.spikes)))
        f.judge(step, ts, self._contexts(x.potentials(self.config["judged"])))
        self.error_out.send(f.errors.ravel())
        self._factor(step, bool(self.config["due"][ts - 1]))
        self.m_out.send(f.m.ravel())
        if ts == steps and self.config["replays"]:
            for past in range(steps, 0, -1):
                f.recall(past)
                if self.config["errors_replay"]:
                    self.error_out.send(f.errors.ravel())
                self._factor(step - steps + past, True)
                self.m_out.send(f.m.ravel())

    def _factor(self, step: int, due: bool) -> None:
        kind = (self.config["circuit"] or {}).get("kind")
        back = compared = geometry = None
        if kind == "contrast":
            compared = self._contexts(self.compared_in.recv())
            geometry = self._contexts(self.geometry_in.recv()) if self.config["circuit"]["geometry"] else None
        elif kind in ("transport", "readout", "broadcast"):
            back = self._contexts(self.back_in.recv())
        if kind and due:
            self.factors.factor(step, back, compared, geometry)

    def _contexts(self, row: np.ndarray) -> np.ndarray:
        return row.astype(np.int64).reshape(self.config["contexts"], -1)


class ProgramConnection(AbstractProcess):
    """Weights that all contexts share, and the lines of their rule, from a sample's start to its end.

    weights  int[n_post, n_pre]
    config   plain data and arrays: see `Synapses`; replays: third factors come again after a sample;
             back_replays: and what goes back through the weights is sent again
    Ports: s_in, the spikes below; state_in and m_in, of the neurons; a_out, the delivered sums; back_out,
    what goes back through the weights of before this step's learning; compared_out, a register.
    """

    def __init__(self, *, weights: np.ndarray, config: dict, name: str | None = None):
        super().__init__(config=config, name=name)
        b, (n_post, n_pre) = config["contexts"], weights.shape
        self.weights = Var(shape=weights.shape, init=weights)
        self.s_in = InPort(shape=(b * n_pre,))
        self.state_in, self.m_in = InPort(shape=(3 * b * n_post,)), InPort(shape=(b * n_post,))
        self.a_out, self.back_out = OutPort(shape=(b * n_post,)), OutPort(shape=(b * n_pre,))
        self.compared_out = OutPort(shape=(max(1, config["compared_size"]),))


@implements(proc=ProgramConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyProgramConnectionModel(PyLoihiProcessModel):
    """One step: send what was delivered, receive spikes and neurons, run the lines; third factors; learn.
    After the last step of a sample its replay and on_sample_end."""

    weights: np.ndarray = LavaPyType(np.ndarray, np.int32)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    state_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    m_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    back_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    compared_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.config, self.synapses = proc_params["config"], None

    def run_spk(self) -> None:
        """The SPK phase of one step."""
        c, step, steps = self.config, self.time_step, self.config["steps"]
        if self.synapses is None:
            self.synapses = Synapses(c, self.weights.T)
        x, ts = self.synapses, (step - 1) % steps + 1
        x.weights = self.weights.T
        if ts == 1:
            x.begin(step)
        self.a_out.send(x.sums.ravel())
        spikes = self.s_in.recv().reshape(c["contexts"], -1)
        x.fired(step, spikes, self.state_in.recv().astype(np.int64).reshape(3, c["contexts"], -1))
        if c["compared"]:
            self.compared_out.send(x.compared().ravel())
        x.third(step, self._received())
        self.back_out.send(x.back().ravel())
        x.learn(step)
        if ts == steps:
            for past in range(steps if c["replays"] else 0, 0, -1):
                x.replayed(step - steps + past, past, self._received())
                if c["back_replays"]:
                    self.back_out.send(x.back().ravel())
            x.end(step)
        self.weights = x.weights.T.astype(np.int32)

    def _received(self) -> np.ndarray:
        """The third factor of all contexts."""
        return self.m_in.recv().astype(np.int64).reshape(self.config["contexts"], -1)
