"""Random product programs for two back ends; also a script: `products_random.py SEEDS...`."""

from __future__ import annotations

import random
import sys

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.run import compiled_present
from chipsim.conformance import copy_state, difference
from chipsim.data.events import Events
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import Update, plan
from chipsim.reference import reference_present
from chipsim.state import make_state

HEAD = """rule mixed
param rate : shift = 1 in 0..3
in v from neuron.v
in m from third_factor
const k : u8.8 = 0.8
pre  x : u7.4 round=stochastic
pre  z : u7.5 round=stochastic
post y : u7.4 round=stochastic
post q : s8.0
syn  w : weight round=stochastic
syn  t : s9.7 round=stochastic
temp d per post : s8.7
on_step:
    x = x * k
    z = z * k
    y = y * k
on_pre:
    x += 1
    z += 0.5
{on_pre}on_membrane:
    q = random
on_post:
    y += 1
{on_post}on_third_factor:
    d = m
    w -= d * x >> rate
on_products:
{products}
"""


def program_text(rng: random.Random) -> str:
    """A rule with 2 to 5 products of its own and lowered lines beside them."""
    lines = [
        _product(rng, "t"),
        _product(rng, "w"),
        *(_product(rng, rng.choice("wwt")) for _ in range(rng.randint(0, 3))),
    ]
    rng.shuffle(lines)
    text = HEAD.format(
        on_pre=rng.choice(("", "    t -= y >> rate\n", "    w -= y * k\n")),
        on_post=rng.choice(("", "    t += x >> rate\n", "    w += x * t >> 2\n")),
        products="\n".join("    " + line for line in lines),
    )
    return text if rng.random() < 0.5 else _plain(text)


def column_text(rng: random.Random) -> str:
    """A rule whose products have a factor per neuron and no y0: all columns are worked on, or few."""
    lines = []
    for target in "wwt" if rng.random() < 0.7 else "wtt":
        gate, factors = rng.choice(("x0", "u0", "u0", "u1")), [rng.choice(("y", "y", "y", "(y - 3)"))]
        factors += rng.choice((["x"], ["z"], ["x"], ["x", "z"], ["sgn(w)"], []))
        number, power = rng.choice((1, 3, 5, 7)), rng.randint(-7, 4)
        lines.append(f"{target} {rng.choice('+-')}= {number} * 2^{power} * " + " * ".join([gate, *factors]))
    return _plain(HEAD.format(on_pre="", on_post="", products="\n".join("    " + line for line in lines)))


def _plain(text: str) -> str:
    """Without the third factor."""
    drop = ("in m from", "temp d", "on_third_factor:", "d = m", "w -= d * x")
    lines = [line for line in text.splitlines() if not any(x in line for x in drop)]
    if not any(">> rate" in line for line in lines):
        lines = [line for line in lines if "param rate" not in line]
    return "\n".join(lines) + "\n"


def _product(rng: random.Random, target: str) -> str:
    factors = [_factor(rng) for _ in range(rng.randint(0, 4))]
    gate = rng.choice(("x0", "y0", "u0", "u0", "u1", "u2"))
    number = rng.choice((1, 3, 5, 7))
    return f"{target} {rng.choice('+-')}= {number} * 2^{rng.randint(-7, 2)} * " + " * ".join([gate, *factors])


def _factor(rng: random.Random) -> str:
    name = rng.choice(("x", "x", "y", "q", "q", "z", "w", "t", "x0", "y0"))
    if name in ("x0", "y0"):
        return name
    if name in "wt" and rng.random() < 0.4:
        return rng.choice((f"sgn({name})", f"sgn({name} + {rng.randint(1, 9)})"))
    if rng.random() < 0.3:
        return f"({name} {rng.choice('+-')} {rng.randint(1, 100)})"
    return name


def chip_for(rng: random.Random):
    """loihi2, or one with another epoch, accumulator or rounding."""
    chip = load_chip("loihi2")
    products = chip.learning.products.model_copy(
        update={
            "write_rounding": rng.choice(("stochastic", "stochastic", "nearest", "floor")),
            "accumulator_min": rng.choice((-32768, -32769)),
            "exponent_min": rng.choice((-7, -9)),
        }
    )
    return chip.model_copy(update={"learning": chip.learning.model_copy(update={"products": products})})


def random_plan(seed: int):
    """(plan, events, labels) of case `seed`; every fifth has products with a factor per neuron, those from
    1000 on have long rows, those from 2000 on rows of more than 2^15 neurons."""
    rng = random.Random(seed)
    net = Network()
    size, text = (64, column_text(rng)) if seed % 5 == 0 else (6, program_text(rng))
    shape = (2, 15, 7)
    if seed >= 1000:
        size, shape = (600, (2, 3, 7)) if seed < 2000 else (33_000, (1, 2, 7))
    net.source("in", 7)
    net.lif("h", size, tau_v_ms=10, threshold=rng.choice((1.2, 2)) if size > 6 else 0.3, reset="hard")
    sparse = np.random.default_rng(seed).random((7, size)) < 0.5 if rng.random() < 0.3 else None
    net.connect("in", "h", rule="mixed", w_range=1.0, **({} if sparse is None else {"sparse": _csr(sparse)}))
    if "third_factor" in text:
        net.readout("h", 3)
    bound = plan(
        net,
        chip_for(rng),
        {"mixed": parse_rule(text, "mixed.rule")},
        seed=seed,
        update=rng.choice((Update(), Update("every", 3), Update("end"))),
        noise=rng.choice(("lane", "lane", "element", "shared", "lfsr")),
    )
    draws = np.random.default_rng(seed + 1)
    events = Events.from_dense((draws.random(shape) < 0.4).astype(np.int8))
    return bound, events, np.array([0, 2])[: shape[0]]


def _csr(mask: np.ndarray) -> tuple:
    return np.concatenate([[0], np.cumsum(mask.sum(1))]), np.nonzero(mask)[1]


def agree(seed: int) -> np.ndarray:
    """Run both back ends on a case; AssertionError where they differ. Returns the counters."""
    bound, events, labels = random_plan(seed)
    one = make_state(bound)
    two = copy_state(one)
    reference_present(bound, one, events, labels)
    compiled_present(bound, two, events, labels)
    found = difference(one, two)
    assert not found, f"case {seed}: {found}"
    program = bound.connections[0].program
    return one["c0_lines"][len(program.lines) :].sum(0)


if __name__ == "__main__":
    total = sum(agree(int(seed)) for seed in sys.argv[1:])
    print(*total.tolist())
