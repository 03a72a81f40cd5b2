"""The four workloads: a network, its events, and what its C program must know and reproduce.

Random input is made with numpy generators of fixed seeds, once, before anything is timed. On W1, W3
and W4 a second source makes neurons fire at fixed random times (one strong synapse each), so that
activity stays as described whatever the weights become; the C programs do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.kernels import EXP16
from chipsim.data.events import Events
from chipsim.microcode.program import BoundProgram
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.noise import OP_CIRCUIT_SIGNAL
from chipsim.plan import LayerPlan, Plan, Update, plan
from chipsim.state import CIRCUIT_COUNTS, State, make_state

SEED = 5
THRESHOLD, FORCE, RANGE = 32.0, 63.5, 64.0  # real units: a forced synapse alone exceeds the threshold


@dataclass
class Workload:
    """One workload, ready to run.

    events   by source name, one sample
    defines  macros of the C program; arrays are files it reads
    outputs  name of a file the C program writes -> name of the state array it must equal
    work     (counter array, place) -> the least it must reach, or the run is not the work it is named for
    """

    name: str
    plan: Plan
    state: State
    events: dict[str, Events]
    labels: np.ndarray | None
    learn: bool
    steps: int
    defines: dict[str, int]
    arrays: dict[str, np.ndarray]
    outputs: dict[str, str]
    spiking: tuple[str, ...]  # layers whose spikes are reported
    reps: int = 1
    note: str = field(default="")
    work: dict[tuple[str, int], int] = field(default_factory=dict)


def random_events(rng: np.random.Generator, steps: int, axons: int, rate: float) -> Events:
    """One sample of independent spikes, `rate` per axon and step."""
    return Events.from_dense((rng.random((1, steps, axons)) < rate).astype(np.int8))


def _drive(net: Network, layer: str, size: int) -> None:
    """A source with one strong static synapse to each neuron of the layer."""
    net.source("force", size)
    one_to_one = (np.arange(size + 1), np.arange(size))
    net.connect("force", layer, weights=np.full(size, FORCE), sparse=one_to_one, w_range=RANGE, delay=0)


def _constants(program: BoundProgram, names: dict[str, str]) -> dict[str, int]:
    """Raw values of the constants the lines read: macro -> `line text fragment` of the program."""
    found = {}
    for macro, name in names.items():
        line = next(x for x in program.lines if f"* {name}" in x.text)
        found[macro] = line.b.raw
    return found


def _neurons(layer: LayerPlan) -> dict[str, int]:
    return {"V_LO": layer.v_fmt.lo, "V_HI": layer.v_fmt.hi, "ACC_SHIFT": layer.acc_shift, "K_V": layer.k_v}


def _weights(p: Plan, index: int, line_text: str) -> dict[str, int]:
    """Limits of a weight and the bits the line that writes it drops."""
    c = p.connections[index]
    line = next(x for x in c.program.lines if x.text.strip().startswith(line_text))
    drop = line.drop({x.name: x.raw for x in c.program.params})
    return {"W_LO": c.w_lo, "W_HI": c.w_hi, "DROP": drop}


def _forced(p: Plan, state: State, layer: str, force: str) -> dict[str, int]:
    c = p.connection(force)
    raw = int(state[f"c{c.index}_w"][0]) << c.shift
    return {"FORCE": raw, "THRESHOLD": p.layer(layer).threshold, "SEED": p.seed}


def _trace(program: BoundProgram, name: str) -> dict[str, int]:
    fmt = program.register(name).fmt
    return {"TRACE_ONE": 1 << fmt.frac, "TRACE_MAX": fmt.hi}


def w1(rules: Any = load_rule) -> Workload:
    """784 inputs at 5 %, 400 LIF at 2 %, dense pair STDP, stochastic rounding, 1000 steps."""
    steps, n_in, n = 1000, 784, 400
    net = Network()
    net.source("in", n_in)
    net.lif("h", n, tau_v_ms=20, threshold=THRESHOLD, reset="hard")
    net.connect("in", "h", rule="stdp_pair")
    _drive(net, "h", n)
    p = plan(net, load_chip("ideal"), rules, seed=SEED)
    state = make_state(p)
    rng = np.random.default_rng(1)
    events = {"in": random_events(rng, steps, n_in, 0.05), "force": random_events(rng, steps, n, 0.02)}
    program = p.connections[0].program
    defines = {"STEPS": steps, "N_IN": n_in, "N_HID": n}
    defines |= _constants(program, {"K_X": "k_x", "K_Y": "k_y", "A_PLUS": "a_plus", "A_MINUS": "a_minus"})
    defines |= _trace(program, "x") | _weights(p, 0, "w -=") | _neurons(p.layer("h"))
    defines |= _forced(p, state, "h", "force->h")
    arrays = {"w": state["c0_w"]}
    h = f"l{p.layer('h').index}"
    outputs = {
        "out_w": "c0_w",
        "out_h": f"{h}_count",
        "out_v": f"{h}_v",
        "out_x": "c0_r_x",
        "out_y": "c0_r_y",
    }
    return Workload("W1", p, state, events, None, True, steps, defines, arrays, outputs, ("h",), 2)


def w2() -> Workload:
    """Inference, 1024-1024-1024-10 at about 2 % activity, 1000 steps."""
    steps, n = 1000, 1024
    net = Network()
    net.source("in", n)
    net.lif("a", n, tau_v_ms=10, threshold=W2_THRESHOLDS[0], reset="hard")
    net.lif("b", n, tau_v_ms=10, threshold=W2_THRESHOLDS[1], reset="hard")
    net.lif("top", 10, tau_v_ms=10, threshold=W2_THRESHOLDS[2], reset="hard")
    for pre, post in (("in", "a"), ("a", "b"), ("b", "top")):
        net.connect(pre, post, spread=1.0)
    p = plan(net, load_chip("ideal"), seed=SEED)
    state = make_state(p)
    rng = np.random.default_rng(2)
    defines = {"STEPS": steps, "N_HID": n, "N_TOP": 10, "TRACE_ONE": 0, "TRACE_MAX": 0} | _neurons(
        p.layer("a")
    )
    for name in ("a", "b", "top"):
        defines[f"THRESHOLD_{name.upper()}"] = p.layer(name).threshold
    arrays = {f"w{k}": state[f"c{k}_w"] for k in range(3)}
    outputs = {f"out_{x}": f"l{p.layer(x).index}_count" for x in ("a", "b", "top")}
    outputs["out_v"] = f"l{p.layer('b').index}_v"
    events = {"in": random_events(rng, steps, n, 0.02)}
    return Workload(
        "W2", p, state, events, None, False, steps, defines, arrays, outputs, ("a", "b", "top"), 4
    )


W2_THRESHOLDS = (9.0, 8.0, 6.0)  # about 2 % of the neurons fire in a step


def w3() -> Workload:
    """10,000 recurrent neurons, 100 random synapses each, pair STDP, 1 % activity, 500 steps."""
    steps, n, fan_out = 500, 10_000, 100
    rng = np.random.default_rng(3)
    targets = np.concatenate([np.sort(rng.choice(n, fan_out, replace=False)) for _ in range(n)])
    net = Network()
    net.lif("h", n, tau_v_ms=20, threshold=THRESHOLD, reset="hard")
    net.connect("h", "h", rule="stdp_pair", sparse=(np.arange(n + 1) * fan_out, targets), delay=1)
    _drive(net, "h", n)
    p = plan(net, load_chip("ideal"), load_rule, seed=SEED)
    state = make_state(p)
    program = p.connections[0].program
    defines = {"STEPS": steps, "N": n, "SYNAPSES": len(targets)}
    defines |= _constants(program, {"K_X": "k_x", "K_Y": "k_y", "A_PLUS": "a_plus", "A_MINUS": "a_minus"})
    defines |= _trace(program, "x") | _weights(p, 0, "w -=") | _neurons(p.layer("h"))
    defines |= _forced(p, state, "h", "force->h")
    arrays = {x: state[f"c0_{x}"] for x in ("w", "ptr", "tgt", "cptr", "cpre", "crank")}
    outputs = {"out_w": "c0_w", "out_h": "l0_count", "out_v": "l0_v", "out_x": "c0_r_x", "out_y": "c0_r_y"}
    events = {"force": random_events(rng, steps, n, 0.01)}
    return Workload("W3", p, state, events, None, True, steps, defines, arrays, outputs, ("h",), 1)


def w4() -> Workload:
    """700-256 with 20 classes, three-factor (decolle), an error in every step, 500 steps."""
    steps, n_in, n, classes, label = 500, 700, 256, 20, 3
    net = Network()
    net.source("in", n_in)
    net.lif("h", n, tau_v_ms=20, threshold=1.0, reset="hard")  # a good part lies in the surrogate's window
    net.connect("in", "h", rule="decolle", settings={"params": {"rate": 7}})
    _drive(net, "h", n)
    net.readout("h", classes, tau_ms=20, logit_scale=0.125, spread=0.108)  # soft: the error never vanishes
    p = plan(net, load_chip("ideal"), load_rule, seed=SEED)
    state = make_state(p)
    c, x, hidden = p.connections[0], p.circuits[0], p.layer("h")
    psi = next(line for line in c.program.lines if line.form == "table").table
    defines = {"STEPS": steps, "N_IN": n_in, "N_HID": n, "CLASSES": classes, "LABEL": label}
    defines |= _constants(c.program, {"K_A": "k_a", "K_B": "k_b"}) | _trace(c.program, "a")
    defines |= _weights(p, 0, "w -=") | _neurons(hidden) | _forced(p, state, "h", "force->h")
    defines |= {"PSI_LO": psi.breakpoints[0], "PSI_HI": psi.breakpoints[1], "LOGIT_SHIFT": x.shift}
    defines |= {"SIGNAL_DROP": x.signal_frac - x.signal_fmt.frac, "OP_SIGNAL": OP_CIRCUIT_SIGNAL}
    defines |= {"HIDDEN": hidden.index, "K_READOUT": p.layers[x.readout].k_v}
    defines["OP_W"] = next(x.ordinal for x in c.program.lines if x.text.strip().startswith("w -="))
    arrays = {"w": state["c0_w"], "g": state[f"c{x.connection}_w"], "exp16": EXP16}
    h, y = f"l{hidden.index}", f"l{x.readout}"
    outputs = {"out_w": "c0_w", "out_h": f"{h}_count", "out_v": f"{h}_v", "out_pot": f"{y}_v"}
    rng = np.random.default_rng(4)
    events = {"in": random_events(rng, steps, n_in, 0.02), "force": random_events(rng, steps, n, 0.01)}
    labels = np.array([label])
    work = {("k0_stat", CIRCUIT_COUNTS.index("draws")): steps * n}  # a signal is drawn where errors are
    return Workload(
        "W4", p, state, events, labels, True, steps, defines, arrays, outputs, ("h",), 2, work=work
    )


def _images(rng: np.random.Generator, samples: int, steps: int, axons: int) -> Events:
    """Images with 19 % lit pixels, a lit pixel spikes with its own probability up to 0.5 in a step."""
    lit = rng.random((samples, 1, axons)) * 0.5 * (rng.random((samples, 1, axons)) < 0.19)
    return Events.from_dense((rng.random((samples, steps, axons)) < lit).astype(np.int8))


def epoch() -> Workload:
    """A training epoch like MNIST's, cut to 500 samples: DECOLLE 784-256-128, 20 steps, update at the end."""
    samples, steps, sizes, classes = 500, 20, (784, 256, 128), 10
    net = Network()
    net.source("in", sizes[0])
    for before, name, size, gain in (("in", "one", sizes[1], 1.5), ("one", "two", sizes[2], 1.5)):
        net.lif(name, size, tau_v_ms=10, tau_u_ms=2)
        k_a, k_b = (float(np.exp(-1 / tau)) for tau in (10, 2))
        net.connect(
            before, name, rule="decolle", gain=gain, settings={"params": {"rate": 7, "k_a": k_a, "k_b": k_b}}
        )
    for name in ("one", "two"):
        net.readout(name, classes)
    p = plan(net, load_chip("ideal"), load_rule, seed=SEED, update=Update("end"))
    state = make_state(p)
    rng = np.random.default_rng(6)
    c, hidden = p.connections[0], p.layer("one")
    psi = next(line for line in c.program.lines if line.form == "table").table
    defines = {"STEPS": steps, "SAMPLES": samples, "N_IN": sizes[0], "N1": sizes[1], "N2": sizes[2]}
    defines |= {"CLASSES": classes, "SEED": p.seed, "SOFT": 1, "K_U": hidden.k_u}
    defines |= _constants(c.program, {"K_A": "k_a", "K_B": "k_b"}) | _trace(c.program, "a")
    defines |= _weights(p, 0, "w -=") | _neurons(hidden)
    defines |= {"PSI_LO": psi.breakpoints[0], "PSI_HI": psi.breakpoints[1], "OP_SIGNAL": OP_CIRCUIT_SIGNAL}
    defines["OP_W"] = next(x.ordinal for x in c.program.lines if x.text.strip().startswith("w -="))
    defines["SIGNAL_DROP"] = p.circuits[0].signal_frac - p.circuits[0].signal_fmt.frac
    arrays = {"exp16": EXP16, "labels": rng.integers(0, classes, samples)}
    outputs = {}
    for k, x in enumerate(p.circuits):
        defines |= {f"THRESHOLD_{k + 1}": p.layers[x.layer].threshold, f"LOGIT_SHIFT_{k + 1}": x.shift}
        arrays |= {f"w{k}": state[f"c{k}_w"], f"g{k}": state[f"c{x.connection}_w"]}
        outputs |= {f"out_w{k}": f"c{k}_w", f"out_c{k}": f"l{x.layer}_count", f"out_p{k}": f"l{x.readout}_v"}
    events = {"in": _images(rng, samples, steps, sizes[0])}
    return Workload(
        "epoch", p, state, events, arrays["labels"], True, steps, defines, arrays, outputs, ("one", "two")
    )


ALL: dict[str, Callable[[], Workload]] = {"W1": w1, "W2": w2, "W3": w3, "W4": w4, "epoch": epoch}

__all__ = ["ALL", "Workload"]
