"""Random cases: small networks with random legal rules, random data and calls, one per number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from chipsim.chip import load_chip
from chipsim.conformance.case import Call, Case
from chipsim.data.events import Events
from chipsim.microcode.combos import COMBOS, Combo, quota
from chipsim.microcode.generate import STYLES, Options, legal_text, random_rule
from chipsim.network import Network
from chipsim.plan import Update

LOIHI_ORDER = ("fire", "arrive", "decay", "deliver", "on_pre", "on_post", "third", "learn")
RECKON_ORDER = ("fire", "decay", "on_post", "third", "learn", "arrive", "deliver", "on_pre")
LINES = 16  # combinations per rule
NO_RULE = "rule none\npre r : u1.0\non_pre:\n    r = 1\n"


def random_case(seed: int, steps: int = 50) -> Case:
    """Case number `seed`: always the same one. `steps` are spread over two or more samples."""
    rng = random.Random(seed)
    contexts = rng.choice((1, 1, 2, 3))
    chip = random_chip(rng)
    signal = any(combo.section == "on_third_factor" for combo in quota(seed, LINES))
    network, names = _network(rng, chip, signal)
    case = surround(rng, seed, network, chip, contexts, steps)
    quotas = [quota(seed + k * len(COMBOS) // (2 * LINES), LINES) for k in range(len(names))]
    return with_rules(rng, case, dict(zip(names, quotas, strict=True)))


def surround(
    rng: random.Random, seed: int, network: Network, chip: object, contexts: int, steps: int
) -> Case:
    """A case without rules: the network with random settings, data and calls."""
    settings = dict(
        seed=rng.getrandbits(64),
        update=rng.choice((Update(), Update("every", 3, 2), Update("step", 1, 4), Update("end"))),
        contexts=contexts,
        noise=rng.choice(("lane", "lane", "element", "shared", "lfsr")),
    )
    return Case(seed, network, chip, {}, settings, *_data(rng, network, contexts, steps))


def with_rules(rng: random.Random, case: Case, quotas: dict[str, list[Combo]]) -> Case:
    """The case with a random legal rule per name, written around these combinations."""
    # shifted each time the combinations begin anew, so that each meets every style
    style = STYLES[(case.seed + case.seed * LINES // len(COMBOS)) % len(STYLES)]
    third = bool(case.network.circuits)  # of every spiking layer, or of none
    at_end = case.settings["update"].kind == "end"
    options = Options(case.settings["contexts"], third, at_end, style)
    for name, combos in quotas.items():
        others = {n: NO_RULE for n in quotas if n not in case.rules}
        text, refused = legal_text(random_rule(rng, combos, options, name), _attempt(case, others, name))
        case = replace(case, rules={**case.rules, name: text}, refused=(*case.refused, *refused))
    return case


def _attempt(case: Case, others: dict[str, str], name: str) -> Callable[[str], object]:
    return lambda text: replace(case, rules={**others, **case.rules, name: text}).plan()


def random_chip(rng: random.Random) -> object:
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
        order = rng.choice((LOIHI_ORDER, LOIHI_ORDER, chip.step.order, RECKON_ORDER))
        step = step.model_copy(update=dict(order=order, walk="phase", min_delay=1))
    return chip.model_copy(update=dict(neuron=neuron, step=step))


def random_neurons(rng: random.Random, graded: bool) -> dict:
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
    hidden = network.lif("hidden", rng.randint(3, 5), **random_neurons(rng, bits > 2))
    rules = ["rule_0"]
    random_connection(rng, network, source, hidden, rule="rule_0")
    top = hidden
    if rng.random() < 0.4:
        top = network.lif("top", rng.randint(3, 5), **random_neurons(rng, False))
        plastic = rng.random() < 0.7
        random_connection(rng, network, hidden, top, rule="rule_1" if plastic else None)
        rules += ["rule_1"] if plastic else []
    if rng.random() < 0.3:
        other = network.source("other", 3)
        random_connection(rng, network, other, top, rule=None)
    if rng.random() < 0.4:
        rule = None if len(rules) > 1 else "rule_1"
        rules += [rule] if rule else []
        random_connection(rng, network, top, hidden, name="back", rule=rule, delay=rng.randint(1, 3))
    if signal or rng.random() < 0.5:
        for layer in dict.fromkeys((hidden, top)):  # not a set: its order differs between processes
            if rng.random() < 0.7:
                options = dict(error=rng.choice(("softmax", "smooth_l1")), spread=rng.choice((0.3, 1.0)))
                network.readout(layer, 3, tau_ms=rng.choice((5.0, float("inf"))), **options)
            else:
                network.reward(layer)
    return network, rules


def random_connection(rng: random.Random, network: Network, pre: str, post: str, **options: object) -> None:
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
    values = np.clip(values, options.get("w_min", -1.0), options.get("w_max", 1.0))
    options.update(weights=values.reshape(size), bits=rng.choice((None, 4, 6)), spread=0.0)
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
