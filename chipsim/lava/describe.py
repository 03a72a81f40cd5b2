"""A simulator on chip loihi2_lava as Lava processes: plain data for the manifest, arrays for the npz.

Every layer becomes RingBuffer, LIF or ProgramNeuron, every connection Dense, DelayDense, LearningDense or
FeedbackLearningDense; `network.py` builds them. What cannot be built is refused with the place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chipsim.errors import LimitError
from chipsim.lava.neuron_program import describe_program
from chipsim.lava.rules import rule_description
from chipsim.plan import CircuitPlan, ConnectionPlan, LayerPlan, Plan
from chipsim.plan.lava import bias_parts, sign_mode
from chipsim.state import State

STOCK = ("RingBuffer", "LIF", "LIFReset", "Dense", "DelayDense", "LearningDense")
CUSTOM = {
    "ProgramNeuron": "Lava's LIF in numpy, with the rule's neuron program and its error circuit",
    "FeedbackLearningDense": "LearningDense with a port that carries signals back through its weights",
}
NEVER = 1 << 17  # a threshold that v cannot exceed


class Description:
    """`layers`, `connections`, `wires`: plain data; `arrays`: everything with numbers.

    plan, state   of a simulator before its first step
    steps         of the run; labels, rewards: int[steps] (raw) or None
    """

    def __init__(self, plan: Plan, state: State, steps: int, labels: Any, rewards: Any):
        if plan.chip != "loihi2_lava":
            raise LimitError(
                f"a network on chip {plan.chip}",
                where="Lava export",
                remedy="run it on chip loihi2_lava, whose arithmetic is Lava's",
            )
        if plan.engine == "lines":
            raise LimitError(
                "rules that run unlowered (engine lines): LearningDense adds products",
                where="Lava export",
                remedy="run the network on the chip's own engine",
            )
        self.plan, self.state, self.steps = plan, state, steps
        self.labels = np.full(steps, -1, np.int64) if labels is None else np.asarray(labels, np.int64)
        self.rewards = np.zeros(steps, np.int64) if rewards is None else np.asarray(rewards, np.int64)
        self.arrays: dict[str, np.ndarray] = {}
        self.wires: list[tuple[str, str, str, str]] = []  # from, port, to, port
        self.judged = {k.judged: k for k in plan.circuits if k.judged >= 0}
        self.through: dict[int, CircuitPlan] = {}
        for k in plan.circuits:
            self._check_circuit(k)
        self.layers = [self._layer(x) for x in plan.layers]
        self.connections = [self._connection(c) for c in plan.connections if c.purpose != "feedback"]

    # ------------------------------------------------------------ layers

    def _layer(self, x: LayerPlan) -> dict[str, Any]:
        where = f"layer '{x.name}'"
        if x.kind == "source":
            return {"name": x.name, "process": "RingBuffer", "n": x.size}
        if x.kind not in ("lif", "integrator"):
            raise LimitError(f"a {x.kind} layer has no Lava process", where=where)
        own = self._program_of(x)
        custom = own is not None or x.circuit is not None or x.index in self.judged or x.kind != "lif"
        self._neuron_arrays(x)
        entry = {"name": x.name, "n": x.size, "process": "ProgramNeuron" if custom else "LIF"}
        if not custom:
            return entry | ({"process": "LIFReset", "reset": list(x.reset_every)} if x.reset_every else {})
        if x.reset_every:
            raise LimitError("reset_every with a program of its own", where=where)
        return entry | {"config": self._config(x, own)}

    def _neuron_arrays(self, x: LayerPlan) -> None:
        p, s = f"{x.name}.", self.state
        parts = [bias_parts(int(b)) for b in s[f"l{x.index}_bias"]]
        self.arrays[p + "bias_mant"] = np.array([m for m, _ in parts], np.int32)
        self.arrays[p + "bias_exp"] = np.array([e for _, e in parts], np.int32)
        self.arrays[p + "ku"], self.arrays[p + "kv"] = s[f"l{x.index}_ku"].copy(), s[f"l{x.index}_kv"].copy()
        threshold = s[f"l{x.index}_thr"].astype(np.int64)
        if (threshold & 63).any():
            raise LimitError("a threshold that is no multiple of 64 of its LSB", where=f"layer '{x.name}'")
        self.arrays[p + "vth"] = (threshold >> 6).astype(np.int32)

    def _program_of(self, x: LayerPlan) -> dict[str, Any] | None:
        """The one program that runs in the layer's neurons, with what it sends."""
        found = []
        for index in x.incoming:
            c = self.plan.connections[index]
            if c.program is None or c.program.traces is None or not c.program.traces.three_factor:
                continue
            found.append(c)
        if len(found) > 1:
            names = ", ".join(c.name for c in found)
            raise LimitError(
                f"three-factor rules on {names}", where=f"layer '{x.name}'", remedy="leave one of them"
            )
        if not found:
            return None
        c = found[0]
        return {
            "lines": describe_program(c.program, c.index, self._params(c)),
            "y": [t.register for t in c.program.traces.post],
            "sent": list(c.program.sent),
            "connection": c.name,
        }

    def _params(self, c: ConnectionPlan) -> dict[str, int]:
        raw = self.state[f"c{c.index}_params"].tolist()
        return {p.name: v for p, v in zip(c.program.params, raw, strict=True)}

    def _config(self, x: LayerPlan, own: dict[str, Any] | None) -> dict[str, Any]:
        circuit = None if x.circuit is None else self.plan.circuits[x.circuit]
        config: dict[str, Any] = {
            "kind": x.kind,
            "has_u": x.k_u is not None,
            "v_frac": x.v_fmt.frac,
            "seed": self.plan.seed,
            "program": own["lines"] if own else None,
            "y": own["y"] if own else [],
            "sent": own["sent"] if own else [],
            "circuit": None,
            "judged": None,
            "weights": "",
            "signal": None,
            "e_size": x.size,
        }
        if x.index in self.judged:
            k = self.judged[x.index]
            shift = int(self.state[f"k{k.index}_shift"][0])
            limits = {"error_lo": k.error_fmt.lo, "error_hi": k.error_fmt.hi}
            config["judged"] = {"error": k.error, "shift": shift, **limits}
        if circuit is not None:
            self._returned(x, circuit, config)
        config["signal"] = self._carried(x)
        return config

    # ------------------------------------------------------------ circuits

    def _check_circuit(self, k: CircuitPlan) -> None:
        where = f"circuit of layer '{self.plan.layers[k.layer].name}'"
        if k.kind in ("contrast", "pool"):
            raise LimitError(f"a circuit of kind {k.kind} has no Lava process", where=where)
        if k.trigger is not None or k.copy_every:
            raise LimitError("error-triggered updates and stored copies have no Lava process", where=where)

    def _returned(self, x: LayerPlan, k: CircuitPlan, config: dict[str, Any]) -> None:
        """Where the layer's third factor comes from, and how it is rounded."""
        config["circuit"] = {
            "kind": k.kind,
            "layer": k.layer,
            "drop": k.drop,
            "rounding": k.rounding,
            "lo": k.signal_fmt.lo,
            "hi": k.signal_fmt.hi,
        }
        if k.kind in ("reward", "error"):
            return
        c = self.plan.connections[k.connection]
        if k.kind == "transport":
            above, port = self.plan.layers[c.post].name, "signal_out"
        else:
            forming = k if k.judged >= 0 else self.plan.circuits[int(k.source[1:].split("_")[0])]
            above, port = self.plan.layers[forming.judged].name, "error_out"
        if c.program is not None and c.purpose != "feedback":
            self.through[c.index] = k
            self.wires.append((above, port, c.name, "e_in"))
            self.wires.append((c.name, "e_out", x.name, "e_in"))
            return
        config["weights"] = f"{c.name}.back"
        config["e_size"] = c.n_post
        self.arrays[f"{c.name}.back"] = self._dense(c, self.state[f"c{c.index}_w"])
        self.wires.append((above, port, x.name, "e_in"))

    def _carried(self, x: LayerPlan) -> str | None:
        """The register that lower layers get from this one, or "third_factor"."""
        names = set()
        for k in self.plan.circuits:
            if k.kind == "transport" and self.plan.connections[k.connection].post == x.index:
                names.add("third_factor" if k.source.endswith("_m") else k.source.split("_r_")[1])
        if len(names) > 1:
            raise LimitError(f"sends {', '.join(sorted(names))} down", where=f"layer '{x.name}'")
        return names.pop() if names else None

    # ------------------------------------------------------------ connections

    def _connection(self, c: ConnectionPlan) -> dict[str, Any]:
        if c.conv is not None or c.scale:
            raise LimitError("convolutions and pools have no Lava process", where=c.name)
        weights = self._dense(c, self.state[f"c{c.index}_w"])
        self.arrays[f"{c.name}.weights"] = weights.T.copy()
        pre, post = self.plan.layers[c.pre].name, self.plan.layers[c.post].name
        entry: dict[str, Any] = {
            "name": c.name,
            "pre": pre,
            "post": post,
            "weight_exp": c.shift,
            "sign_mode": sign_mode((c.w_lo, c.w_hi), c.weight),
            "message_bits": 8 if c.graded else 0,
        }
        if c.program is None or not c.program.products:
            entry["process"] = "DelayDense" if c.synapse_delays or c.delay > 1 else "Dense"
            if entry["process"] == "DelayDense":
                self.arrays[f"{c.name}.delays"] = self._delays(c)
            return entry
        if c.delay > 1 or c.sparse:
            what = f"a delay of {c.delay} steps" if c.delay > 1 else "missing synapses"
            raise LimitError(f"a plastic connection with {what}: LearningDense has none", where=c.name)
        entry["process"] = "FeedbackLearningDense" if c.index in self.through else "LearningDense"
        entry["rule"] = rule_description(c.program, self._params(c))
        entry["bap"] = c.program.traces.bap
        entry["y"] = len(c.program.traces.post) if c.program.traces.three_factor else 0
        names = {"t": "tag_1", "d": "tag_2"}
        for r in c.program.registers:
            if r.owner == "syn" and not r.temp and not r.is_weight:
                tag = names["t" if r.fmt.signed else "d"]
                self.arrays[f"{c.name}.{tag}"] = (
                    self.state[f"c{c.index}_r_{r.name}"].T.astype(np.int32).copy()
                )
        return entry

    def _dense(self, c: ConnectionPlan, weights: np.ndarray) -> np.ndarray:
        """int32[n_pre, n_post]; missing synapses are 0."""
        if not c.sparse:
            return weights.astype(np.int32)
        full = np.zeros((c.n_pre, c.n_post), np.int32)
        ptr, tgt = self.state[f"c{c.index}_ptr"], self.state[f"c{c.index}_tgt"]
        full[np.repeat(np.arange(c.n_pre), np.diff(ptr)), tgt] = weights
        return full

    def _delays(self, c: ConnectionPlan) -> np.ndarray:
        if not c.synapse_delays:
            return np.full((c.n_post, c.n_pre), c.delay - 1, np.int32)
        return (self._dense(c, self.state[f"c{c.index}_delay"]) - 1).clip(min=0).T.copy()
