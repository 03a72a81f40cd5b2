"""Random cases for any back end: small networks with random rules, compared array by array.

    case = random_case(7)
    compare(case, Backend(my_present, my_steps))

A back end is two functions with the signatures of `reference_present` and `reference_steps`. After
each call its state must equal the reference's in every array (scratch excepted), and its outputs too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.microcode.combos import COMBOS, quota
from chipsim.microcode.generate import STYLES, Options, legal_text, random_rule
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import Plan, Update, plan
from chipsim.reference import reference_present, reference_steps
from chipsim.state import State, make_state

LOIHI_ORDER = ("fire", "arrive", "decay", "deliver", "on_pre", "on_post", "third", "learn")
LINES = 16  # combinations per rule


@dataclass(frozen=True)
class Backend:
    """The two functions of a back end; the same arguments as the reference's."""

    present: Callable
    steps: Callable


REFERENCE = Backend(reference_present, reference_steps)


@dataclass(frozen=True)
class Call:
    """One call on the running state: kind present (samples) or steps (start..stop)."""

    kind: str
    learn: bool = True
    samples: tuple[int, ...] | None = None
    start: int = 0
    stop: int = 0


@dataclass(frozen=True)
class Case:
    """A network, its rules as text, the plan's settings, data and the calls to run one by one."""

    seed: int
    network: Network
    chip: object
    rules: dict[str, str]
    settings: dict
    events: dict[str, Events]
    labels: np.ndarray
    rewards: np.ndarray | None
    calls: tuple[Call, ...]
    refused: tuple[Exception, ...] = field(default=())  # lines taken out of the random texts

    def plan(self) -> Plan:
        """The bound plan, from the texts through the ordinary parser and binder."""
        programs = {name: parse_rule(text, f"{name}.rule") for name, text in self.rules.items()}
        return plan(self.network, self.chip, programs, **self.settings)

    def run(self, bound: Plan, state: State, call: Call, backend: Backend = REFERENCE) -> object:
        """Run one call of the case on a state."""
        shared = dict(labels=self.labels, rewards=self.rewards, learn=call.learn)
        if call.kind == "steps":
            return backend.steps(bound, state, self.events, start=call.start, stop=call.stop, **shared)
        return backend.present(
            bound, state, self.events, shared.pop("labels"), samples=call.samples, **shared
        )


# ---------------------------------------------------------------- random cases


def random_case(seed: int, steps: int = 50) -> Case:
    """Case number `seed`: always the same one. `steps` are spread over two or more samples."""
    rng = random.Random(seed)
    contexts = rng.choice((1, 1, 2, 3))
    chip = _chip(rng)
    # shifted each time the combinations begin anew, so that each meets every style
    style = STYLES[(seed + seed * LINES // len(COMBOS)) % len(STYLES)]
    signal = any(combo.section == "on_third_factor" for combo in quota(seed, LINES))
    network, targets = _network(rng, chip, signal)
    third = bool(network.circuits)  # of every spiking layer, or of none
    settings = dict(
        seed=rng.getrandbits(64),
        update=rng.choice((Update(), Update("every", 3, 2), Update("step", 1, 4), Update("end"))),
        contexts=contexts,
        noise=rng.choice(("lane", "lane", "element", "shared", "lfsr")),
    )
    events, labels, rewards, calls = _data(rng, network, contexts, steps)
    case = Case(seed, network, chip, {}, settings, events, labels, rewards, calls)
    refused: list[Exception] = []
    for k, name in enumerate(targets):
        options = Options(contexts, third, settings["update"].kind == "end", style)
        text = random_rule(rng, quota(seed + k * len(COMBOS) // (2 * LINES), LINES), options, name)
        others = {n: "rule none\npre r : u1.0\non_pre:\n    r = 1\n" for n in targets if n not in case.rules}
        attempt = _attempt(case, others, name)
        text, errors = legal_text(text, attempt)
        refused += errors
        case = replace(case, rules={**case.rules, name: text})
    return replace(case, refused=tuple(refused))


def _attempt(case: Case, others: dict[str, str], name: str) -> Callable[[str], object]:
    return lambda text: replace(case, rules={**others, **case.rules, name: text}).plan()


def _chip(rng: random.Random) -> object:
    """The ideal machine, or one with other roundings, widths, limits or order of phases."""
    chip = load_chip("ideal")
    neuron = chip.neuron.model_copy(
        update=dict(
            decay_rounding=rng.choice(("trunc", "floor", "nearest", "stochastic")),
            compare=rng.choice(("ge", "gt")),
            u_overflow=rng.choice(("saturate", "wrap")),
            v_overflow=rng.choice(("saturate", "wrap")),
            u_bits=rng.choice((30, 24, 18)),
            v_bits=rng.choice((30, 24, 18)),
            guard_bits=rng.choice((8, 6)),
        )
    )
    step = chip.step
    if rng.random() < 0.3:
        step = step.model_copy(update=dict(order=LOIHI_ORDER, walk="phase", min_delay=1))
    return chip.model_copy(update=dict(neuron=neuron, step=step))


def _neurons(rng: random.Random, graded: bool) -> dict:
    """Options of a random lif layer; thresholds so low that it fires."""
    options = dict(
        tau_v_ms=rng.choice((3.0, 10.0, float("inf"))),
        tau_u_ms=rng.choice((None, 2.0, 8.0, float("inf"))),
        threshold=rng.choice((0.2, 0.4, 0.7)) * (20 if graded else 1),
        bias=rng.choice((0.0, 0.0, 0.05, 0.15)) * (20 if graded else 1),
        reset=rng.choice(("soft", "hard")),
        refractory=rng.choice((0, 0, 1, 3)),
        rectify=rng.random() < 0.3,
        reset_current=rng.random() < 0.3,
        homeostasis=rng.choice((None, None, (0.01, 3.0))),
    )
    if rng.random() < 0.25:
        options.update(leak="subtract", leak_step=rng.choice((0.01, 0.05)))
    return options


def _network(rng: random.Random, chip: object, signal: bool) -> tuple[Network, list[str]]:
    """A network with one or two plastic connections; returns the names of their rules. Its layers
    have a circuit if the first rule needs a signal, and most of them otherwise."""
    network = Network()
    bits = rng.choice((1, 1, 1, 2, 5, 8))
    # graded sums need room: payloads multiply thresholds and membranes
    bits = 1 if min(chip.neuron.v_bits, chip.neuron.u_bits) < 24 else bits
    source = network.source("in", rng.randint(3, 6), payload_bits=bits)
    hidden = network.lif("hidden", rng.randint(3, 5), **_neurons(rng, bits > 2))
    rules = ["rule_0"]
    _connect(rng, network, source, hidden, rule="rule_0")
    top = hidden
    if rng.random() < 0.4:
        top = network.lif("top", rng.randint(3, 5), **_neurons(rng, False))
        plastic = rng.random() < 0.7
        _connect(rng, network, hidden, top, rule="rule_1" if plastic else None)
        rules += ["rule_1"] if plastic else []
    if rng.random() < 0.3:
        other = network.source("other", 3)
        _connect(rng, network, other, top, rule=None)
    if rng.random() < 0.4:
        rule = None if len(rules) > 1 else "rule_1"
        rules += [rule] if rule else []
        _connect(rng, network, top, hidden, name="back", rule=rule, delay=rng.randint(1, 3))
    if signal or rng.random() < 0.5:
        for layer in {hidden, top} if top != hidden else {hidden}:
            if rng.random() < 0.7:
                error = rng.choice(("softmax", "smooth_l1"))
                network.readout(layer, 3, error=error, gain=2.0, tau_ms=rng.choice((5.0, float("inf"))))
            else:
                network.reward(layer)
    return network, rules


def _connect(rng: random.Random, network: Network, pre: str, post: str, **options: object) -> None:
    n_pre, n_post = network.layer(pre).size, network.layer(post).size
    options.setdefault("delay", rng.choice((0, 0, 0, 1, 3)))
    size = (n_pre, n_post)
    if rng.random() < 0.35:
        mask = np.array([[rng.random() < 0.6 for _ in range(n_post)] for _ in range(n_pre)])
        indptr = np.concatenate([[0], np.cumsum(mask.sum(1))]).astype(np.int64)
        options["sparse"] = (indptr, np.nonzero(mask)[1].astype(np.int32))
        size = (int(mask.sum()),)
    if options["rule"] is None and rng.random() < 0.5:
        delays = [rng.randint(1, 4) for _ in range(int(np.prod(size)))]
        options["delays"] = np.array(delays, np.uint8).reshape(size)
    if rng.random() < 0.3:
        options.update(w_min=-0.6, w_max=0.4)
    values = [rng.uniform(-0.4, 1.0) for _ in range(int(np.prod(size)))]
    options.update(weights=np.array(values).reshape(size), bits=rng.choice((None, 4, 6)), spread=0.0)
    network.connect(pre, post, **options)


def _data(
    rng: random.Random, network: Network, contexts: int, steps: int
) -> tuple[dict[str, Events], np.ndarray, np.ndarray | None, tuple[Call, ...]]:
    """Events of all sources, labels, rewards, and the calls: samples, or one long run in pieces."""
    continuous = rng.random() < 0.25
    groups = 1 if continuous else 2
    length = max(1, steps // groups)
    samples = contexts * groups
    rate = rng.choice((0.15, 0.35, 0.6))
    events = {}
    for layer in network.layers:
        if layer.kind == "source":
            top = (1 << layer.payload_bits) - 1
            shape = (samples, length, layer.size)
            dense = [rng.randint(1, top) * (rng.random() < rate) for _ in range(int(np.prod(shape)))]
            events[layer.name] = Events.from_dense(np.array(dense).reshape(shape), graded=top > 1)
    labels = np.array([rng.randint(-1, 2) for _ in range(samples)], np.int32)
    rewards = None
    if rng.random() < 0.8:
        values = [rng.choice((0, 0, 16, -16, rng.randint(-128, 127))) for _ in range(samples * length)]
        rewards = np.array(values, np.int32).reshape(samples, length)
    if continuous:
        cut = rng.randint(1, length)
        calls = (Call("steps", stop=cut), Call("steps", rng.random() < 0.7, start=cut, stop=length))
    else:
        order = tuple(rng.sample(range(samples), samples))
        some = order[: rng.randint(1, samples)]
        calls = (Call("present", samples=order), Call("present", False, samples=some))
    return events, labels, rewards, calls


# ---------------------------------------------------------------- comparison


def compare(case: Case, backend: Backend) -> None:
    """Run a case on the reference and on a back end; AssertionError names the first difference."""
    bound = case.plan()
    mine, theirs = make_state(bound), make_state(bound)
    for number, call in enumerate(case.calls):
        before = copy_state(mine)
        wanted = case.run(bound, mine, call)
        given = case.run(bound, theirs, call, backend)
        found = difference(mine, theirs) or _outputs_differ(wanted, given)
        if found:
            step = _first_step(case, bound, before, call, backend)
            raise AssertionError(f"case {case.seed}, call {number} ({call.kind}), {step}: {found}")


def copy_state(state: State) -> State:
    """A state with arrays of its own."""
    return {name: array.copy() for name, array in state.items()}


def difference(wanted: State, given: State) -> str:
    """The first array, index and pair of values that differ (temps excepted), or an empty string."""
    for name in sorted(wanted):
        if "_t_" in name:
            continue
        a, b = wanted[name], given[name]
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"{name}: {a.dtype}{a.shape}, given {b.dtype}{b.shape}"
        if not np.array_equal(a, b):
            index = tuple(int(i) for i in np.argwhere(a != b)[0])
            return f"{name}{list(index)}: {a[index]}, given {b[index]} ({int((a != b).sum())} differ)"
    return ""


def _outputs_differ(wanted: object, given: object) -> str:
    for what in wanted or ():
        for name in wanted[what]:
            a, b = wanted[what][name], given[what][name]
            if not np.array_equal(a, b):
                return f"output {what} of {name}: {a.tolist()}, given {b.tolist()}"
    return ""


def _first_step(case: Case, bound: Plan, before: State, call: Call, backend: Backend) -> str:
    """Where the difference begins: the call is run again in ever longer pieces."""
    if call.kind == "steps":
        for stop in range(call.start + 1, call.stop + 1):
            found = _again(case, bound, before, replace(call, stop=stop), backend)
            if found:
                return f"first at step {stop}: {found}; at the end"
        return "at the end"
    size = bound.contexts
    for lo in range(0, len(call.samples), size):
        short = replace(call, samples=call.samples[: lo + size])
        if not _again(case, bound, before, short, backend):
            continue
        first = replace(call, samples=call.samples[:lo])
        start = copy_state(before)
        case.run(bound, start, first)
        last = replace(call, samples=call.samples[lo : lo + size])
        length = next(iter(case.events.values())).n_steps
        for stop in range(1, length + 1):
            found = _again(_shortened(case, stop), bound, start, last, backend)
            if found:
                return f"first at samples {last.samples}, step {stop}: {found}; at the end"
    return "at the end"


def _again(case: Case, bound: Plan, before: State, call: Call, backend: Backend) -> str:
    mine, theirs = copy_state(before), copy_state(before)
    wanted, given = case.run(bound, mine, call), case.run(bound, theirs, call, backend)
    return difference(mine, theirs) or _outputs_differ(wanted, given)


def _shortened(case: Case, stop: int) -> Case:
    """The case with only the first steps of every sample."""
    events = {
        name: Events.from_dense(e.to_dense()[:, :stop], graded=e.graded) for name, e in case.events.items()
    }
    rewards = None if case.rewards is None else np.ascontiguousarray(case.rewards[:, :stop])
    return replace(case, events=events, rewards=rewards)
