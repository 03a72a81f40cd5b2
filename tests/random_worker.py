"""Compare interpreter and kernels in a process of its own; what was found, as one line of JSON.

    python tests/random_worker.py cases 0 200       random cases number 0 to 199
    python tests/random_worker.py bundles 0 6       random bundles: ten small rules to a compilation
    python tests/random_worker.py shipped ideal     the shipped rules on a chip, dense and sparse
    python tests/random_worker.py wired             the rules of the papers with their own circuits
    python tests/random_worker.py coverage 0 2000   which combinations these cases hold, as a table

With NUMBA_DISABLE_JIT=1 the generated source runs as plain Python and checks its integer lanes.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.run import compiled_present, compiled_steps
from chipsim.conformance import Backend, Call, Case, compare, random_bundle, random_case
from chipsim.data.events import Events
from chipsim.errors import LimitError, RuleError
from chipsim.library import entries, find
from chipsim.microcode import interpret
from chipsim.microcode.combos import coverage
from chipsim.microcode.program import COUNTS
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.plan import Update
from chipsim.stacks import StackSettings, build, contexts
from chipsim.state import make_state

KERNELS = Backend(compiled_present, compiled_steps)
RULES = tuple(entries("rule"))
SATURATED = COUNTS.index("saturated")


class Watch:
    """Notes which connections' rules saturated and which formed products of 2^31 and more, while the
    reference runs."""

    def __init__(self) -> None:
        self.saturated: set[int] = set()
        self.wide: set[int] = set()
        self._plain = interpret._write
        interpret._write = self._write

    def _write(self, line, view, sums, counts) -> None:
        if line.form == "scale" and line.b is not None:
            if max(map(abs, sums.values())) >= 2**31:
                self.wide.add(view.c.index)
        before = int(counts[SATURATED])
        self._plain(line, view, sums, counts)
        if counts[SATURATED] > before:
            self.saturated.add(view.c.index)

    def take(self) -> tuple[int, int]:
        """(saturating, wide) programs since the last call."""
        found = len(self.saturated), len(self.wide)
        self.saturated, self.wide = set(), set()
        return found


def agree(cases: Iterable[Case]) -> dict:
    """Compare all cases; counts and the texts of all differences and crashes."""
    watch, totals, differences = Watch(), Counter(), []
    for case in cases:
        try:
            compare(case, KERNELS)
        except Exception as error:  # the others are still worth running
            differences.append(f"{type(error).__name__} in case {case.seed}: {error}"[:1000])
        saturating, wide = watch.take()
        totals.update(cases=1, programs=len(case.rules), saturating=saturating, wide=wide)
        totals.update(refused=len(case.refused))
    return {**totals, "differences": differences}


# ---------------------------------------------------------------- shipped rules


def shipped(chip: str, rules: Iterable[str] = RULES, kinds: Iterable[str] = ("dense", "sparse")) -> dict:
    """The shipped rules on a chip; those that do not bind there are listed as `refused_rules`."""
    cases, refused = [], []
    for rule in rules:
        for kind in kinds:
            case = shipped_case(rule, chip, kind == "sparse")
            try:
                case.plan()
                cases.append(case)
            except (LimitError, RuleError):
                refused.append(rule)
    return {**agree(cases), "refused_rules": sorted(set(refused))}


def shipped_case(rule: str, chip: str, sparse: bool) -> Case:
    """Two layers with the rule between source and hidden, forth and back; 50 steps of learning."""
    rng, machine = np.random.default_rng(11), load_chip(chip)
    net = Network()
    reset = machine.neuron.resets[0]
    net.source("in", 6)
    net.lif("hidden", 5, threshold=0.4, reset=reset, tau_v_ms=10.0, tau_u_ms=2.0)
    net.lif("top", 4, threshold=0.4, reset=reset, tau_v_ms=10.0)
    for pre, post in (("in", "hidden"), ("hidden", "top"), ("top", "hidden")):
        shape = (net.layer(pre).size, net.layer(post).size)
        mask = rng.random(shape) < 0.6
        options = {"weights": rng.uniform(-0.2, 0.9, shape)}
        if sparse:
            indptr = np.concatenate([[0], np.cumsum(mask.sum(1))])
            options = {"sparse": (indptr, np.nonzero(mask)[1]), "weights": rng.uniform(-0.2, 0.9, mask.sum())}
        params = {} if rule == "tp_labels" else {"rate": 1}
        net.connect(pre, post, rule=rule, settings={"params": params}, **options)
    for layer in ("hidden", "top"):
        (net.reward if rule.startswith("r_stdp") else _readout(net))(layer)
    alone = (
        rule.startswith("r_stdp") or machine.engine == "sum_of_products"
    )  # a tag decays by `=`; one sample
    contexts = 1 if alone else 2
    samples, steps = 2 * contexts, 25
    events = Events.from_dense((rng.random((samples, steps, 6)) < 0.4).astype(np.int8))
    rewards = rng.integers(-128, 128, (samples, steps)) if rule.startswith("r_stdp") else None
    order = tuple(rng.permutation(samples).tolist())
    calls = (Call("present", samples=order), Call("present", False, samples=order))
    text = find("rule", rule).read_text(encoding="utf-8")
    settings = {"seed": 5, "contexts": contexts, "sample_steps": steps}
    labels = np.arange(samples, dtype=np.int32) % 3
    return Case(0, net, machine, {rule: text}, settings, {"in": events}, labels, rewards, calls)


def _readout(net: Network):
    return lambda layer: net.readout(layer, 3, tau_ms=5.0)


# ---------------------------------------------------------------- rules with their circuits

PAPER = {"classifier": "lif", "update": "step"}
WIRED = {  # rule: settings of the stacks it is tried in
    "ell": [PAPER | {"error": "spike"}],
    "fell_exact": [PAPER | {"error": "spike"}, {"classifier": "charge", "update": "every:3"}],
    "fell_step": [PAPER | {"error": "spike"}],
    "fell_trace": [PAPER | {"error": "spike"}, {"update": "error:0.3"}],
    "ell_chip": [{"classifier": "charge"}, {"classifier": "integrator", "error": "ternary"}],
    "bell": [{"classifier": "lif", "error": "spike", "published": "g"}],
    "decolle_paper": [{"update": "step", "burn_in": 3}],
    "dalton": [{"update": "step", "error": "mse", "copy_every": 3}, {"update": "every:2", "burn_in": 3}],
    "dalton_chip": [{}],
    "s_tllr": [{"update": "step", "burn_in": 4}, {"update": "step", "circuit": "broadcast", "error": "sign"}],
    "s_tllr_hyper": [{"update": "step"}],
    "s_tllr_chip": [{}, {"circuit": "broadcast", "error": "hard_sigmoid"}],
    "tp": [{"update": "step", "inputs": 2, "contrast": "batch"}],
    "tp_chip": [{"inputs": 1}, {"inputs": 2}],
    "eprop": [{"update": "step"}, {"update": "every:2", "circuit": "broadcast", "error": "smooth_l1"}],
    "eprop_reckon": [{"update": "step"}],
}
SAMPLES, CLASSES, PIXELS, WIRED_STEPS = 6, 3, 6, 12


def wired_case(rule: str, changes: dict) -> Case:
    """Two hidden layers under a rule with its circuit; six samples learned, then judged."""
    s = StackSettings(hidden=(5, 4), params={"rate": 1}, **changes)
    circuit = s.circuit or load_rule(rule).circuit
    net = build(s, PIXELS, CLASSES, rule)
    for layer in net.layers:
        if layer.kind == "lif":
            net.layers[layer.index] = replace(layer, threshold=0.4)
    rng, inputs = np.random.default_rng(7), s.inputs if circuit == "contrast" else 1
    dense = (rng.random((SAMPLES, WIRED_STEPS, PIXELS)) < 0.4).astype(np.int8)
    labels = np.arange(SAMPLES) % CLASSES
    events, order = {"pixels": Events.from_dense(dense)}, np.arange(SAMPLES)
    if circuit == "contrast":
        shown = np.zeros((SAMPLES + CLASSES, WIRED_STEPS, CLASSES), np.int8)
        shown[SAMPLES + np.arange(CLASSES), :, np.arange(CLASSES)] = 1
        silent = np.zeros((CLASSES, *dense.shape[1:]), np.int8)
        events = {"pixels": Events.from_dense(np.concatenate([dense, silent]))}
        events["labels"] = Events.from_dense(shown)
        groups = order.reshape(-1, inputs)
        targets = [labels[g] if s.contrast == "batch" else np.arange(CLASSES) for g in groups]
        order = np.concatenate([[*g, *(SAMPLES + t)] for g, t in zip(groups, targets, strict=True)])
        labels = np.concatenate([labels, np.full(CLASSES, -1)])
    names = {c.rule for c in net.connections if c.rule}
    texts = {x: find("rule", x).read_text(encoding="utf-8") for x in names}
    settings = {"seed": 5, "contexts": contexts(s, CLASSES, circuit)}
    settings |= {"update": Update.parse(s.update, s.burn_in), "params": {}, "sample_steps": WIRED_STEPS}
    calls = (Call("present", samples=tuple(order.tolist())), Call("present", False, samples=(0, 1)))
    return Case(0, net, load_chip("ideal"), texts, settings, events, labels, None, calls)


def wired() -> dict:
    """Every rule of the papers in its stacks; rules none of whose weights moved are `idle`."""
    cases = [wired_case(rule, changes) for rule, many in WIRED.items() for changes in many]
    idle = []
    for case in cases:
        bound = case.plan()
        state = make_state(bound)
        before = {k: x.copy() for k, x in state.items() if k.endswith("_w")}
        case.run(bound, state, case.calls[0])
        for c in bound.connections:
            if c.program and c.program.weight and (state[f"c{c.index}_w"] == before[f"c{c.index}_w"]).all():
                idle.append(f"{c.name} under {c.program.name}")
    return {**agree(cases), "idle": idle}


# ---------------------------------------------------------------- command line


def table(lo: int, hi: int) -> str:
    """The table of combinations that the cases lo..hi-1 hold."""
    return coverage(x.program for k in range(lo, hi) for x in random_case(k).plan().connections if x.program)


def main(what: str, *arguments: str) -> None:
    if what == "coverage":
        print(table(*map(int, arguments)))
    elif what == "wired":
        print(json.dumps(wired()))
    elif what == "shipped":
        print(json.dumps(shipped(arguments[0], *(x.split(",") for x in arguments[1:]))))
    else:
        one = {"cases": random_case, "bundles": random_bundle}[what]
        print(json.dumps(agree(map(one, range(*map(int, arguments))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
