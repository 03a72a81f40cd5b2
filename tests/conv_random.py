"""Random convolutional networks and rules; compare interpreter and kernels, one line of JSON.

`python tests/conv_random.py 0 20`: random cases number 0 to 19.
`python tests/conv_random.py ell bell`: shipped rules in a small stack with a pool.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.run import compiled_present
from chipsim.conformance.compare import difference
from chipsim.data.events import Events
from chipsim.errors import RuleError
from chipsim.geometry import conv_shape
from chipsim.microcode.program import COUNTS
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.plan import Plan, Update, plan
from chipsim.reference import reference_present
from chipsim.state import make_state

HEAD = """rule random
param rate : shift = 3 in 0..8
in v from neuron.v
in s from pre.spike
in m from third_factor
in r from reward
const k : u12.12 = 0.8
const c : s8.6 = -0.4
pre  x : u7.4 round=stochastic
post y : u7.4 round=stochastic publish
post z : u1.0
syn  w : weight round={weight}
syn  t : s12.8 round={tag} overflow={over} {copies}
layer q : s12.4 round=nearest
temp d per post : s16.11
temp g per syn : s16.10 round=stochastic
"""
ALWAYS = {
    "on_step": ("x = x * k", "y = y * k"),
    "on_pre": ("x += 1",),
    "on_membrane": ("z = v >= 0.2",),
    "on_post": ("y += 1", "q += y"),
    "on_third_factor": ("d = m * y",),
    "on_epoch 3": (),
    "on_sample_end": (),
}
CHOICE = {
    "on_step": "t -= t >> 3|t = t * k|t += x * c|w -= y >> rate|t += c|w += w >> 6|t += x * y|t = random",
    "on_pre": "t -= y >> rate|w -= y * c >> rate|w -= c >> rate|t += w|w += s >> rate|t = w|t = random|"
    "w += y * x >> rate when z|t -= x when t|w -= w * y >> rate|w += y >> rate when q",
    "on_post": "w += x >> rate|t += x * y|w -= x * w >> rate|w += x >> rate when x|w -= c >> rate when t|"
    "t += y when not x|t = t * k|w += t >> rate",
    "on_third_factor": "w -= d * x >> rate when x|t -= d * s|w -= d * s >> rate when s|w += t * m >> rate|"
    "w += m * x >> rate when not z|w -= t >> rate when t|w += d * x when t|w -= x * r >> rate when z|"
    "g = t * c; w += g >> rate|g += d * x; w += g|t -= d when w|w += m * q >> rate",
    "on_epoch 3": "t = t * k|w += t >> rate|w -= x >> rate when t|t = t - w|t = abs(t)",
    "on_sample_end": "w += t >> rate|w += t >> rate when not t|t = t * k|w += x * y >> rate|w = max(w, t)",
}


def random_rule(rng: np.random.Generator) -> dict[str, list[str]]:
    """Lines of a rule by section."""
    lines = {}
    for section, always in ALWAYS.items():
        choice = CHOICE.get(section, "").split("|")
        picked = rng.choice(choice, min(len(choice) - 1, int(rng.integers(1, 4))), replace=False)
        lines[section] = [*always, *(x for text in picked for x in text.split("; "))]
    return lines


def text_of(head: str, lines: dict[str, list[str]]) -> str:
    """A rule file; sections without lines are left out."""
    sections = (f"{name}:\n    " + "\n    ".join(x) for name, x in lines.items() if x)
    return head + "\n" + "\n".join(sections) + "\n"


def random_network(rng: np.random.Generator) -> Network:
    """Source, convolution, perhaps a pool, a second convolution, perhaps a recurrent one, readouts."""
    while True:
        net, shape = Network(), tuple(int(n) for n in rng.integers((4, 4, 1), (8, 8, 4)))
        kernel, stride = int(rng.integers(1, 5)), int(rng.integers(1, 4))
        pad = int(rng.integers(0, kernel))
        one = conv_shape(shape, int(rng.choice([1, 2, 3, 5, 33])), kernel, stride, pad)
        pooled = min(one) >= 2 and rng.random() < 0.8
        below = (one[0] // 2, one[1] // 2, one[2]) if pooled else one
        second = int(rng.integers(1, 4))
        around = int(rng.integers(0, second))
        two = conv_shape(below, int(rng.integers(1, 4)), second, 1, around)
        if min(one) < 1 or min(two) < 1:
            continue
        net.source("in", shape, payload_bits=int(rng.choice([1, 1, 4])))
        tau = None if rng.random() < 0.6 else 3.0
        net.lif("one", one, threshold=float(rng.choice([0.2, 0.5, 1.0])), tau_u_ms=tau)
        options = {"delay": int(rng.integers(0, 3)), "w_range": float(rng.choice([0.5, 1.0, 2.0]))}
        net.conv("in", "one", kernel, stride=stride, pad=pad, rule="first", **options)
        if pooled:
            net.pool("one", "pool", 2, str(rng.choice(["or", "average"])))
        net.lif("two", two, threshold=0.3)
        last = "pool" if pooled else "one"
        net.conv(last, "two", second, pad=around, rule="second")
        if rng.random() < 0.3:
            net.conv("two", "two", 3, pad=1, name="recurrent")
        net.lif("top", 4, threshold=0.3)
        net.connect(last, "top")
        net.readout("two", 3)
        if rng.random() < 0.5:
            register, copies = str(rng.choice(["third_factor", "y"])), int(rng.integers(0, 3))
            net.transport(last, f"{last}->two", register=register, copy_every=copies, signal_shift=1)
        else:
            net.readout(last, 3)
        if pooled:
            net.unpool("one", "pool", str(rng.choice(["stochastic", "nearest"])))
        return net


def random_plan(rng: np.random.Generator, contexts: int) -> tuple[Plan, int]:
    """A bound plan, and how many lines the binder refused on the way."""
    net, chip, refused = random_network(rng), load_chip("ideal"), 0
    lines = {name: random_rule(rng) for name in ("first", "second")}
    heads = {
        name: HEAD.format(
            weight=rng.choice(["stochastic", "nearest", "floor", "trunc"]),
            tag=rng.choice(["stochastic", "nearest", "floor"]),
            copies=rng.choice(["", "per context"]),
            over=rng.choice(["saturate", "wrap"]),
        )
        for name in lines
    }
    settings = {
        "seed": int(rng.integers(0, 99)),
        "contexts": contexts,
        "update": (Update(), Update("every", 2), Update("end"))[int(rng.integers(0, 3))],
        "noise": str(rng.choice(["lane", "element", "shared", "lfsr"])),
        "params": {"rate": int(rng.integers(0, 5))},
    }
    while True:
        try:
            rules = {name: parse_rule(text_of(heads[name], lines[name]), name) for name in lines}
            return plan(net, chip, rules, **settings), refused
        except RuleError as error:
            name, refused = error.path, refused + 1
            row = text_of(heads[name], lines[name]).splitlines()[error.line - 1]
            if row.startswith("    "):
                section = next(s for s, x in lines[name].items() if row.strip() in x)
                lines[name][section].remove(row.strip())
            else:  # a declaration that no line uses any more
                heads[name] = heads[name].replace(row + "\n", "")


def random_events(rng: np.random.Generator, bound: Plan, samples: int, steps: int) -> Events:
    """Sparse or dense spikes, with payloads for a graded source."""
    source = bound.layers[0]
    active = rng.random((samples, steps, source.size)) < rng.choice([0.1, 0.4])
    if source.payload_bits == 1:
        return Events.from_dense(active.astype(np.int8))
    cells = [np.nonzero(row)[0] for row in active.reshape(-1, source.size)]
    start = np.concatenate([[0], np.cumsum([len(x) for x in cells])]).astype(np.int32)
    payload = rng.integers(1, 16, start[-1]).astype(np.int16)
    return Events(source.size, steps, start, np.concatenate(cells).astype(np.int32), payload)


def shipped_plan(rule: str) -> Plan:
    """The rule in a convolution below and above an average pool; both layers have a third factor."""
    net = Network()
    net.source("in", (6, 6, 2))
    net.lif("one", (4, 4, 3), threshold=0.3)
    net.conv("in", "one", 3, rule=rule)
    net.pool("one", "pool", 2, "average")
    net.lif("two", (1, 1, 5), threshold=0.2)
    net.conv("pool", "two", 2, rule=rule)
    for layer in ("pool", "two"):
        net.readout(layer, 3)
    net.unpool("one", "pool")
    program = load_rule(rule)
    settings = {"params": {"rate": 1}} if any(p.name == "rate" for p in program.params) else {}
    return plan(net, load_chip("ideal"), {rule: program}, sample_steps=5, **settings)


def shipped(rule: str) -> tuple[str, dict[str, int]]:
    """The first difference of a shipped rule, and what happened."""
    return compared(np.random.default_rng(1), shipped_plan(rule), 4, 5, 0)


def agree(case: int) -> tuple[str, dict[str, int]]:
    """The first difference of a case ("" for none), and what happened in it."""
    rng = np.random.default_rng(case)
    contexts = int(rng.integers(1, 3))
    bound, refused = random_plan(rng, contexts)
    return compared(rng, bound, 2 * contexts, int(rng.integers(2, 6)), refused)


def compared(
    rng: np.random.Generator, bound: Plan, samples: int, steps: int, refused: int
) -> tuple[str, dict[str, int]]:
    """The first difference between interpreter and kernels on random events."""
    events = random_events(rng, bound, samples, steps)
    labels = rng.integers(0, 3, samples)
    rewards = rng.integers(-100, 100, (samples, steps))
    states = make_state(bound), make_state(bound)
    outputs = [
        run(bound, state, events, labels, rewards=rewards)
        for run, state in zip((reference_present, compiled_present), states, strict=True)
    ]
    found = difference(*states)
    for what in outputs[0]:
        for name, rows in outputs[0][what].items():
            if not np.array_equal(rows, outputs[1][what][name]):
                found = found or f"{what} of {name}"
    total = {"refused": refused, "transported": 0, "unpooled": 0}
    for c in bound.connections:
        for line in c.program.lines if c.program else ():
            if line.target.owner == "syn":
                for name, n in zip(COUNTS, states[0][f"c{c.index}_lines"][line.ordinal], strict=True):
                    total[name] = total.get(name, 0) + int(n)
    for k in bound.circuits:
        what = {"transport": "transported", "pool": "unpooled"}.get(k.kind)
        if what:
            total[what] += int(states[0][f"k{k.index}_stat"][0])
    return found, total


def main(arguments: list[str]) -> None:
    """Compare and print; `idle` are the cases that wrote nothing into a synapse."""
    numbers = arguments[0].isdigit()
    cases = range(*map(int, arguments)) if numbers else arguments
    differences, totals, idle = [], {}, []
    for case in cases:
        found, total = agree(case) if numbers else shipped(case)
        differences += [f"case {case}: {found}"] * bool(found)
        idle += [case] * (total["changed"] == 0)
        totals = {name: totals.get(name, 0) + n for name, n in total.items()}
    print(json.dumps({"cases": len(cases), "differences": differences, "idle": idle, **totals}))


if __name__ == "__main__":
    main(sys.argv[1:])
