"""A simulator on chip loihi2_lava with engine `lines` as Lava processes: contexts, samples, replays.

A rule that no LearningDense expresses (several contexts, a replay, lines that products cannot do) runs in
`ProgramConnection`, its neurons in `ContextNeuron`. What cannot be built is refused with the place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chipsim.errors import LimitError
from chipsim.lava.lines import describe_lines
from chipsim.plan import CircuitPlan, ConnectionPlan, LayerPlan, Plan
from chipsim.plan.lava import bias_parts
from chipsim.state import State

CUSTOM = {
    "ContextNeuron": "Lava's LIF in numpy, one channel for each context; begins anew with every sample; "
    "class errors, the contrast of contexts, third factors of replayed steps",
    "ProgramConnection": "one weight matrix for all contexts with its rule's lines in numpy, in chipsim's "
    "rounding and random numbers; histories, and their replay at a sample's end",
}


class SampleDescription:
    """`layers`, `connections`, `wires`: plain data; `arrays`: everything with numbers.

    plan, state   of a simulator before its first step; steps of each sample
    """

    def __init__(self, plan: Plan, state: State, steps: int):
        if plan.chip != "loihi2_lava":
            raise LimitError(
                f"a network on chip {plan.chip}",
                where="Lava export",
                remedy="run it on chip loihi2_lava, whose neurons are Lava's",
            )
        self.plan, self.state, self.steps = plan, state, steps
        self.replayed = plan.replay.layers if plan.replay else ()
        self.arrays: dict[str, np.ndarray] = {}
        self.wires: list[tuple[str, str, str, str]] = []  # from, port, to, port
        self.judged = {k.judged: k for k in plan.circuits if k.judged >= 0}
        self.back: dict[int, str] = {}  # connection -> what goes back through its weights
        self.compared: dict[int, str] = {}  # connection -> the register that contrasts read
        self.hears_errors: dict[int, list[int]] = {}  # judged layer -> layers that its errors go to
        self.extra = {k.layer: self._circuit(k) for k in plan.circuits}
        self.layers = [self._layer(x) for x in plan.layers]
        self.connections = [self._connection(c) for c in plan.connections if c.purpose != "feedback"]

    # ------------------------------------------------------------ circuits

    def _circuit(self, k: CircuitPlan) -> dict[str, Any]:
        """What a layer's process must know of its circuit; wires and sizes of its ports."""
        name = self.plan.layers[k.layer].name
        where = f"circuit of layer '{name}'"
        if k.kind == "pool" or k.trigger is not None or k.copy_every:
            raise LimitError(
                "pools, error-triggered updates and stored copies have no Lava process", where=where
            )
        told = {x: getattr(k, x) for x in ("kind", "layer", "drop", "rounding")}
        told |= {"lo": k.signal_fmt.lo, "hi": k.signal_fmt.hi}
        if k.kind == "contrast":
            return self._contrast(k, name, told)
        if k.kind == "transport":
            return self._transport(k, name, told)
        if k.kind in ("reward", "error"):
            return {"circuit": told}
        c = self.plan.connections[k.connection]
        if c.program is not None and c.purpose != "feedback":
            raise LimitError(f"errors back through the learned weights of {c.name}", where=where)
        forming = k if k.judged >= 0 else self.plan.circuits[int(k.source[1:].split("_")[0])]
        self.hears_errors.setdefault(forming.judged, []).append(k.layer)
        self.wires.append((self.plan.layers[forming.judged].name, "error_out", name, "back_in"))
        self.arrays[f"{c.name}.back"] = self._dense(c)
        return {"circuit": told, "weights": f"{c.name}.back", "back_size": self.plan.contexts * c.n_post}

    def _transport(self, k: CircuitPlan, name: str, told: dict[str, Any]) -> dict[str, Any]:
        c, order = self.plan.connections[k.connection], self.plan.order
        if order.index(c.post) <= order.index(k.layer):
            raise LimitError(f"a third factor from below, through {c.name}", where=f"layer '{name}'")
        self.back[c.index] = "third_factor" if k.source.endswith("_m") else k.source.split("_r_", 1)[1]
        self.wires.append((c.name, "back_out", name, "back_in"))
        return {"circuit": told, "back_size": self.plan.contexts * c.n_pre}

    def _contrast(self, k: CircuitPlan, name: str, told: dict[str, Any]) -> dict[str, Any]:
        shift = self.state[f"k{k.index}_shift"].tolist()
        told |= {"inputs": k.inputs, "targets": k.targets, "shift": shift[0], "shift_d": shift[1]}
        told |= {"geometry": bool(k.geometry), "error_lo": k.error_fmt.lo, "error_hi": k.error_fmt.hi}
        found = {"circuit": told}
        for what, source in (("compared", k.source), ("geometry", k.geometry)):
            if source:
                found[f"{what}_size"] = self._register_out(source, name, f"{what}_in")
        return found

    def _register_out(self, array: str, layer: str, port: str) -> int:
        """Wire a register of a connection to a contrast; the numbers it has."""
        index, register = array[1:].split("_r_", 1)
        c = self.plan.connections[int(index)]
        if self.compared.setdefault(c.index, register) != register:
            raise LimitError(f"contrasts read {register} and {self.compared[c.index]}", where=c.name)
        self.wires.append((c.name, "compared_out", layer, port))
        return self.plan.contexts * self._size(c, register)

    def _size(self, c: ConnectionPlan, register: str) -> int:
        return c.n_pre if c.program.register(register).owner == "pre" else c.n_post

    # ------------------------------------------------------------ layers

    def _layer(self, x: LayerPlan) -> dict[str, Any]:
        b, where = self.plan.contexts, f"layer '{x.name}'"
        entry: dict[str, Any] = {"name": x.name, "n": b * x.size, "contexts": b, "size": x.size}
        if x.kind == "source":
            return entry | {"process": "RingBuffer"}
        if x.kind not in ("lif", "integrator"):
            raise LimitError(f"a {x.kind} layer has no Lava process", where=where)
        if x.reset_every:
            raise LimitError("reset_every in a network of samples", where=where)
        self._neuron_arrays(x)
        config = {
            "kind": x.kind,
            "has_u": x.k_u is not None,
            "seed": self.plan.seed,
            "judged": self._judged(x),
            "circuit": None,
            "weights": "",
            "back_size": 1,
            "compared_size": 1,
            "geometry_size": 1,
            "replays": x.index in self.replayed,
            "errors_replay": self._errors_replay(x),
        }
        return entry | {"process": "ContextNeuron", "config": config | self.extra.get(x.index, {})}

    def _neuron_arrays(self, x: LayerPlan) -> None:
        s, b = self.state, self.plan.contexts
        parts = np.array([bias_parts(int(value)) for value in s[f"l{x.index}_bias"]], np.int32)
        found = {"bias_mant": parts[:, 0], "bias_exp": parts[:, 1]}
        found |= {name: s[f"l{x.index}_{name}"] for name in ("ku", "kv")}
        found["vth"] = s[f"l{x.index}_thr"] >> 6
        if (s[f"l{x.index}_thr"] & 63).any():
            raise LimitError("a threshold that is no multiple of 64 of its LSB", where=f"layer '{x.name}'")
        self.arrays |= {f"{x.name}.{name}": np.tile(a, b).astype(np.int32) for name, a in found.items()}

    def _judged(self, x: LayerPlan) -> dict[str, Any] | None:
        k, replay = self.judged.get(x.index), self.plan.replay
        if k is None:
            return None
        if k.trigger is not None:
            raise LimitError("error-triggered updates have no Lava process", where=f"layer '{x.name}'")
        last = self.steps
        return {
            "error": k.error,
            "shift": int(self.state[f"k{k.index}_shift"][0]),
            "error_lo": k.error_fmt.lo,
            "error_hi": k.error_fmt.hi,
            "forms": [int(self.plan.forms_error(k.index, t, t == last)) for t in range(1, last + 1)],
            "kept": replay is not None and k.index in replay.errors and k.index not in replay.held,
            "burn_in": self.plan.update.burn_in,
        }

    def _errors_replay(self, x: LayerPlan) -> bool:
        """Whether class errors are sent again after a sample: to all that hear them, or to none."""
        again = {layer in self.replayed for layer in self.hears_errors.get(x.index, ())}
        if len(again) > 1:
            raise LimitError("errors that some layers replay and others do not", where=f"layer '{x.name}'")
        return again == {True}

    # ------------------------------------------------------------ connections

    def _connection(self, c: ConnectionPlan) -> dict[str, Any]:
        if c.conv is not None or c.scale or c.sparse or c.synapse_delays:
            raise LimitError(
                "convolutions, pools, missing synapses and delays of single synapses have no Lava process "
                "with contexts or samples",
                where=c.name,
            )
        pre, post = self.plan.layers[c.pre], self.plan.layers[c.post]
        self.arrays[f"{c.name}.weights"] = self._dense(c).T.copy()
        back, compared = self.back.get(c.index, ""), self.compared.get(c.index, "")
        config = {
            "seed": self.plan.seed,
            "lookback": c.lookback,
            "shift": c.shift,
            "graded": c.graded,
            "v_frac": post.v_fmt.frac,
            "program": None,
            "registers": {},
            "back": back,
            "compared": compared,
            "compared_size": self.plan.contexts * self._size(c, compared) if compared else 0,
            "replays": c.post in self.replayed,
            "back_replays": bool(back) and c.pre in self.replayed,
        }
        entry: dict[str, Any] = {"name": c.name, "pre": pre.name, "post": post.name, "config": config}
        entry |= {"process": "ProgramConnection", "contexts": self.plan.contexts}
        if c.program is not None:
            self._program(c, config)
            self.wires.append((post.name, "state_out", c.name, "state_in"))
            if c.program.weight is not None:
                entry["rule"] = c.program.name
            if c.program.history:
                entry["history"] = {"stored": list(c.program.history), "steps": c.program.depth}
        if post.circuit is not None and (c.program is not None or back):
            self.wires.append((post.name, "m_out", c.name, "m_in"))
        return entry

    def _program(self, c: ConnectionPlan, config: dict[str, Any]) -> None:
        raw = self.state[f"c{c.index}_params"].tolist()
        params = {p.name: v for p, v in zip(c.program.params, raw, strict=True)}
        config["program"] = describe_lines(c.program, c.index, c.noise, params)
        for r in c.program.registers:
            if r.owner == "syn" and not (r.temp or r.is_weight):
                key = config["registers"][r.name] = f"{c.name}.{r.name}"
                self.arrays[key] = self.state[f"c{c.index}_r_{r.name}"].astype(np.int32)

    def _dense(self, c: ConnectionPlan) -> np.ndarray:
        """int32[n_pre, n_post]; missing synapses are 0."""
        weights = self.state[f"c{c.index}_w"]
        if not c.sparse:
            return weights.astype(np.int32)
        full = np.zeros((c.n_pre, c.n_post), np.int32)
        ptr, tgt = self.state[f"c{c.index}_ptr"], self.state[f"c{c.index}_tgt"]
        full[np.repeat(np.arange(c.n_pre), np.diff(ptr)), tgt] = weights
        return full
