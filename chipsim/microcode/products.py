"""The definition of on_products: one section of a sum-of-products engine, on Python integers.

At every learning epoch, for each synapse and each synaptic variable z (the weight, a tag) that has
products, everything read as it stood before the section:

    acc = z << frac
    p   = product of the factors (0 where the gate is closed), each limited to its width
    p   = p * mantissa >> max(0, sum of widths + mantissa_bits - head)    floor
    p   = p << exponent + frac                                           floor where it is negative
    acc = limit(acc + limit(p))                                          for each product in order
    z   = limit(round(acc / 2**frac))                                    one draw per element

Gate and factors x0, y0: the axon was active, the neuron fired in this step; u<k>: the number of the
learning epoch is a multiple of 2**k. An element is written when one of its products is not 0 before
the shift; the others keep their value bit for bit, since z << frac has no fraction to round (unless
z << frac lies below the accumulator: Lava's tag of -257).

On an engine with shared streams (`traces`) x, y, x0 and y0 are those of epoch_traces.py, a product is
taken modulo 2^32 before its shift, and one draw serves all elements.

Counters of a variable (its own row, after those of the lines): `done` products that are not 0,
`skipped` always 0, the others count writes. `saturated`: the rounded result, a product or the
accumulator was limited. `rounded_to_zero`: the value did not change, nothing was limited, and
either the accumulator had moved or a product was not 0 before its shift and 0 after it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chipsim.fixed import limit, shift_round
from chipsim.microcode.epoch_traces import Evaluated, note_spikes
from chipsim.microcode.interpret import (
    CHANGED,
    DONE,
    DRAWS,
    ROUNDED_TO_ZERO,
    SATURATED,
    lfsr_words,
)
from chipsim.microcode.program import BoundProgram, Factor, ProductTerm, Sums
from chipsim.microcode.reach import Clock, Wiring, active_axons
from chipsim.microcode.streams import write_words
from chipsim.noise import draw_key, top_bits, word_pair

Value = Callable[[int, int, int], int]  # (axon j, neuron i, synapse s) -> raw


def scale_of(term: ProductTerm, params: dict[str, int], sums: Sums) -> tuple[int, int]:
    """Mantissa and exponent in use for the present shift parameters."""
    mantissa, exponent = term.mantissa, term.exponent
    if term.shift_sign:
        exponent += term.shift_sign * params[term.shift_param]
    if term.fine:
        while 2 * abs(mantissa) <= sums.mantissa_max and exponent > sums.exponent_min:
            mantissa, exponent = 2 * mantissa, exponent - 1
    return mantissa, exponent


def head_shift(term: ProductTerm, sums: Sums) -> int:
    """Bits by which the engine shifts a product right before it is scaled."""
    return max(0, sum(f.bits for f in term.factors) + sums.mantissa_bits - sums.head)


def gate_open(gate: str, n: int, epoch: int) -> bool:
    """Whether a u<k> gate is open in learning step n (x0 and y0 are decided per element)."""
    return gate[0] != "u" or (n // epoch) % (1 << int(gate[1:])) == 0


def run_products(plan: object, c: object, state: dict, clock: Clock) -> None:
    """Run on_products of a connection's program, where the present step is a learning epoch."""
    program = c.program
    if program.traces is not None:
        note_spikes(plan, c, state, clock)
    if clock.n % program.learning_epoch:
        return
    wiring = Wiring.of(c, state)
    values = state[f"c{c.index}_params"].tolist()
    params = {p.name: v for p, v in zip(program.params, values, strict=True)}
    made = _Reader if program.traces is None else _EpochReader
    read = made(plan, c, state, clock)
    before = {name: read.array(name).reshape(-1) for name in program.variables}
    jobs = []
    for k, name in enumerate(program.variables):
        terms = [t for t in program.products if t.target == name]
        parts = [_Part(t, params, program, read, clock.n) for t in terms]
        jobs.append((len(program.lines) + k, name, parts))
    after = [_variable(plan, c, state, clock, wiring, before[name], job) for job in jobs for name in [job[1]]]
    for job, new in zip(jobs, after, strict=True):
        before[job[1]][:] = new
    for name in program.sent:
        state[f"c{c.index}_r_{name}"][...] = 0


class _Part:
    """One product with its scale in numbers: the exact product, then what it adds."""

    def __init__(self, term: ProductTerm, params: dict, program: BoundProgram, read: _Reader, n: int):
        self.sums = program.sums
        self.open = gate_open(term.gate, n, program.learning_epoch)
        gates = [Factor(term.gate, "", 1)] if term.gate in ("x0", "y0") else []
        self.factors = [read.factor(f, term.gate) for f in (*gates, *term.factors)]
        self.wraps = program.traces is not None
        self.mantissa, self.exponent = scale_of(term, params, self.sums)
        self.drop = head_shift(term, self.sums)

    def exact(self, j: int, i: int, s: int) -> int:
        """Gate times factors times mantissa, before any shift; 0 where a u gate is closed."""
        if not self.open:
            return 0
        value = self.mantissa
        for factor in self.factors:
            value *= factor(j, i, s)
        return limit(value, -(1 << 31), (1 << 31) - 1, "wrap").raw if self.wraps else value

    def scaled(self, value: int) -> tuple[int, bool]:
        """What is added to the accumulator, and whether it was limited."""
        kept = shift_round(value, self.drop, "floor")
        kept = shift_round(kept, -(self.exponent + self.sums.frac), "floor")
        raw, limited, _ = limit(kept, self.sums.lo, self.sums.hi, "saturate")
        return raw, limited


def _variable(plan, c, state, clock: Clock, wiring: Wiring, old: np.ndarray, job: tuple) -> list[int]:
    """All new values of one variable; counts on the way."""
    ordinal, name, parts = job
    sums, register = c.program.sums, c.program.register(name)
    counts = state[f"c{c.index}_lines"][ordinal]
    word = _words(plan, c, clock, wiring, ordinal)
    new = old.tolist()
    for s, (j, i) in enumerate(zip(wiring.pre_of, wiring.post_of, strict=True)):
        exact = [(p, p.exact(j, i, s)) for p in parts]
        moving = sum(e != 0 for _, e in exact)
        full = new[s] << sums.frac
        if not moving and full >= sums.lo:
            continue
        acc, over, lost = full, False, False
        for part, e in exact:
            if e == 0:
                acc = max(acc, sums.lo)
                continue
            p, limited = part.scaled(e)
            acc, clipped, _ = limit(acc + p, sums.lo, sums.hi, "saturate")
            over |= limited or clipped
            lost |= p == 0
        draw = top_bits(word(s), sums.frac) if sums.rounding == "stochastic" else 0
        value, saturated, _ = limit(
            shift_round(acc, sums.frac, sums.rounding, draw), register.lo, register.hi, "saturate"
        )
        over |= saturated
        counts[DONE] += moving
        counts[DRAWS] += sums.rounding == "stochastic"
        counts[SATURATED] += over
        counts[CHANGED] += value != new[s]
        counts[ROUNDED_TO_ZERO] += value == new[s] and not over and (acc != full or lost)
        new[s] = value
    return new


def _words(plan, c, clock: Clock, wiring: Wiring, ordinal: int) -> Callable[[int], int]:
    """The 32-bit word of synapse s."""
    if c.program.traces is not None:
        shared = int(write_words(c.program.traces.write_seed, clock.n // c.program.learning_epoch, 1)[0])
        return lambda s: shared
    key = draw_key(plan.seed, c.index, ordinal, 0, clock.n)
    if c.noise == "lfsr":
        return lfsr_words(key, len(wiring.pre_of)).__getitem__
    return lambda s: word_pair(key, wiring.post_of[s], wiring.pre_of[s], c.noise)


class _Reader:
    """Values of factors as they stand before the section (context 0: the engine has one)."""

    def __init__(self, plan: object, c: object, state: dict, clock: Clock):
        self.c, self.state = c, state
        self.active = active_axons(plan, c, state, clock.ts, 0)
        self.fired = state[f"l{c.post}_fired"][0].tolist()

    def array(self, name: str) -> np.ndarray:
        """The stored array of a register."""
        weight = self.c.program.register(name).is_weight
        return self.state[f"c{self.c.index}_{'w' if weight else 'r_' + name}"]

    def factor(self, f: Factor, gate: str) -> Value:
        """The limited value of a factor at (j, i, s) in a product with this gate."""
        if f.name == "x0":
            return lambda j, i, s: int(j in self.active)
        if f.name == "y0":
            return lambda j, i, s: int(self.fired[i] != 0)
        owner = self.c.program.register(f.name).owner
        array = self.array(f.name)
        raw = (array.reshape(-1) if owner == "syn" else array[0]).tolist()
        position = {"pre": 0, "post": 1, "syn": 2}[owner]
        done = [_limited(x + f.add, f) for x in raw]
        return lambda *place: done[place[position]]


class _EpochReader(_Reader):
    """The same where traces live in the synapses: read at the step their product's gate names."""

    def __init__(self, plan: object, c: object, state: dict, clock: Clock):
        super().__init__(plan, c, state, clock)
        self.evaluated = Evaluated(c, state, clock)

    def factor(self, f: Factor, gate: str) -> Value:
        """The limited value of a factor at (j, i, s) in a product with this gate."""
        if f.name in ("x0", "y0"):
            return self.evaluated.spiked(f.name)
        if self.c.program.register(f.name).owner == "syn":
            return super().factor(f, gate)
        value = self.evaluated.at(f.name, gate)
        return lambda *place: _limited(value(*place) + f.add, f)


def _limited(x: int, f: Factor) -> int:
    if f.sgn:
        x = (x > 0) - (x < 0)
    return limit(x, -(1 << f.bits), (1 << f.bits) - 1, "saturate").raw
