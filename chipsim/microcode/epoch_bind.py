"""Trace lines of a lowered program -> the trace units of an engine with shared streams.

`x = x * k` in on_step gives the time constant, `x += a` in on_pre (on_post) the impulse. A rule whose
neurons do nothing but this has two factors: its y traces live in the synapses. Any other line of a
neuron makes it a three-factor rule: the neuron's program writes y1..y3, the synapses receive them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from chipsim.errors import LimitError, SettingError, did_you_mean
from chipsim.microcode.epoch_terms import GRADED, RECEIVED_TAU, EpochTraces, Trace
from chipsim.microcode.program import BoundLine, BoundProgram, BoundRegister, Note

TAG_LOW = -257  # Lava's signed tag; its accumulator holds -32769 / 128
PARTS = 256  # of an impulse's unit
SEEDS = 1 << 31
SMALLEST = Fraction(1, 10**300)  # a smaller factor is 0


@dataclass(frozen=True)
class EngineSettings:
    """A connection's `settings["engine"]`: steps per learning epoch, graded mode, seed of the streams."""

    epoch: int
    graded: str = "regular"
    seed: int | None = None

    @classmethod
    def of(cls, chip: Any, use: Any) -> EngineSettings:
        """Checked settings of a Use. Raises SettingError for unknown keys and values."""
        products, given = chip.learning.products, dict(use.engine_settings)
        made = cls(products.epoch_default)
        if given and products.streams is None:
            raise SettingError(f"engine settings on chip {chip.name}", remedy="only engines with streams")
        for key, value in given.items():
            if key not in cls.__dataclass_fields__:
                known = did_you_mean(key, cls.__dataclass_fields__)
                raise SettingError(f"no engine setting '{key}'{known}", remedy="epoch, graded or seed")
            made = replace(made, **{key: value})
        most = products.epoch_max
        if not (isinstance(made.epoch, int) and 1 <= made.epoch <= most):
            raise SettingError(f"a learning epoch of {made.epoch} steps", remedy=f"1 to {most}")
        if made.graded not in GRADED:
            raise SettingError(f"graded '{made.graded}'", remedy=f"one of {', '.join(GRADED)}")
        if made.seed is not None and not (isinstance(made.seed, int) and 0 <= made.seed < SEEDS):
            raise SettingError(f"a stream's seed of {made.seed}", remedy="0 to 2^31 - 1")
        return made


def bind_traces(bound: BoundProgram, chip: Any, engine: EngineSettings) -> BoundProgram:
    """The program without its trace lines and with `traces`; unchanged on engines without streams.

    The streams' seed is left open (-1) where the settings name none: the plan gives it one.
    Raises LimitError for registers and gates that the engine does not have.
    """
    streams = chip.learning.products.streams
    if streams is None:
        return bound
    _one_clock(bound, chip)
    registers = tuple(_limits(r, bound, chip, engine.graded) for r in bound.registers)
    bound = replace(bound, registers=registers)
    three = any(not _is_trace(x) for x in bound.lines if x.target.owner == "post")
    own = [x for x in bound.lines if x.target.owner == "pre" or (x.target.owner == "post" and not three)]
    pre = tuple(_trace(bound, r, k, own) for k, r in enumerate(_owned(bound, "pre"), 1))
    used = {f.name for p in bound.products for f in p.factors if f.owner == "post"}
    gated = "y0" in used or any(p.gate == "y0" for p in bound.products)
    if three:
        names = [r for r in _owned(bound, "post") if r.name in used]
        post = tuple(_received(r, k) for k, r in enumerate(names, 1))
    else:
        post = tuple(_trace(bound, r, k, own) for k, r in enumerate(_owned(bound, "post"), 1))
    traces = EpochTraces(
        pre=_graded(pre, engine.graded),
        post=post,
        three_factor=three,
        bap=gated or bool(post) and not three,
        graded=engine.graded,
        seed=-1 if engine.seed is None else engine.seed,
        write_seed=streams.write_seed,
        offsets=(streams.pre_decay, streams.pre_impulse, streams.post_decay, streams.post_impulse),
    )
    gone = {x.ordinal for x in own}
    lines = tuple(x for x in bound.lines if x.ordinal not in gone)
    verdicts = tuple(
        replace(row, verdict="exact", how="trace in the synapses")
        if row.line in {x.line for x in own} and row.verdict == "exact"
        else row
        for row in bound.lowering
    )
    return replace(
        bound,
        lines=tuple(replace(x, ordinal=k) for k, x in enumerate(lines)),
        traces=traces,
        lowering=verdicts,
        notes=(*_needed(bound, own, lines), *(Note("trace", 0, text) for text in map(_said, traces.all))),
    )


def _needed(bound: BoundProgram, own: list[BoundLine], left: tuple[BoundLine, ...]) -> list[Note]:
    """The notes but those on constants that only trace lines read: traces take them as written."""
    names = {x.name for y in own for x in (y.a, y.b) if x is not None and x.kind == "const"}
    names -= {x.name for y in left for x in (y.a, y.b) if x is not None}
    written = {y.line for y in own}
    return [
        n
        for n in bound.notes
        if not (n.kind == "constant" and (n.line in written or any(f"'{x}'" in n.text for x in names)))
    ]


def _owned(bound: BoundProgram, owner: str) -> list[BoundRegister]:
    return [r for r in bound.registers if r.owner == owner and not r.temp]


def _said(t: Trace) -> str:
    name = f"{'x' if t.owner == 'pre' else 'y'}{t.slot}"
    if t.received:
        return f"{name} is '{t.register}', sent by the neuron in every step"
    part = f" + {t.part}/256" if t.part else ""
    return f"{name} is '{t.register}': tau {t.tau:.9g} steps, impulse {t.whole}{part}"


# ---------------------------------------------------------------- one trace


def _is_trace(x: BoundLine) -> bool:
    """Whether a line is a decay or an impulse of a trace of its own owner."""
    t = x.target
    if t.temp or t.fmt.signed or x.form != "scale" or x.when is not None or x.negate or x.shift_sign:
        return False
    if x.section == "on_step" and x.mode == "=":
        return _tau(x) is not None
    number = x.a is not None and x.a.kind in ("number", "const") and x.b is None
    return x.section == {"pre": "on_pre", "post": "on_post"}[t.owner] and x.mode == "+=" and number


def _tau(x: BoundLine) -> float | None:
    """Time constant of `x = x * k` in steps, 0 for `x = 0`; None if the line is neither."""
    if x.b is None:
        return 0.0 if x.a.raw == 0 and x.a.kind in ("number", "const") else None
    if x.target.name not in (x.a.name, x.b.name):
        return None
    factor = x.b if x.a.name == x.target.name else x.a
    if factor.kind not in ("const", "param"):
        return None
    value = (factor.exact if factor.exact is not None else factor.fmt.real(factor.raw)) / Fraction(
        2
    ) ** x.shift
    if value >= 1:
        return math.inf
    if value <= SMALLEST:
        return 0.0
    with localcontext() as context:
        context.prec = 40
        tau = float(-1 / (Decimal(value.numerator) / Decimal(value.denominator)).ln())
    near = round(tau, 6)  # a factor given as a float is no more exact than this
    return near if abs(tau - near) <= 1e-12 * tau else tau


def _trace(bound: BoundProgram, r: BoundRegister, slot: int, lines: list[BoundLine]) -> Trace:
    mine = [x for x in lines if x.target.name == r.name]
    taus = [_tau(x) for x in mine if x.section == "on_step"]
    amounts = [_impulse(x) for x in mine if x.section != "on_step"]
    if len(taus) > 1 or len(amounts) > 1:
        raise LimitError(
            f"rule {bound.name}: '{r.name}' has {len(taus)} decays and {len(amounts)} impulses",
            where=f"chip {bound.chip}",
            remedy="give a trace one decay and one impulse",
        )
    if r.init:
        raise LimitError(
            f"trace '{r.name}' begins at {r.init}; the engine's begin at 0", where=f"chip {bound.chip}"
        )
    amount = amounts[0] if amounts else Fraction(0)
    whole = math.floor(amount)
    part = round((amount - whole) * PARTS)  # half to even, as numpy rounds
    tau = taus[0] if taus else math.inf
    return Trace(r.name, r.owner, slot, tau, whole, part, False, 0, r.hi)


def _impulse(x: BoundLine) -> Fraction:
    """Raw units that an impulse adds, before it was folded into the register's format."""
    value = x.a.exact if x.a.exact is not None else x.a.fmt.real(x.a.raw)
    return value * Fraction(2) ** (x.target.fmt.frac - x.shift)


def _received(r: BoundRegister, slot: int) -> Trace:
    return Trace(r.name, "post", slot, RECEIVED_TAU, 0, 0, True, r.lo, r.hi)


def _graded(pre: tuple[Trace, ...], mode: str) -> tuple[Trace, ...]:
    """Payloads take the place of x1's impulse."""
    if mode == "regular":
        return pre
    return tuple(replace(t, whole=0, part=0) if t.slot == 1 else t for t in pre)


# ---------------------------------------------------------------- limits


def _one_clock(bound: BoundProgram, chip: Any) -> None:
    gates = {p.gate: p.line for p in reversed(bound.products) if p.gate[0] == "u"}  # first line of each
    if len(gates) > 1:
        used = ", ".join(f"{gate} (line {gates[gate]})" for gate in sorted(gates))
        raise LimitError(
            f"rule {bound.name} uses {used}; the engine has one u<k> for all",
            where=f"chip {chip.name}",
            remedy="use one of them",
        )


def _limits(r: BoundRegister, bound: BoundProgram, chip: Any, graded: str) -> BoundRegister:
    """Lava's ranges: a signed tag from -257, an unsigned one from 0; x1 up to 128 where payloads set it."""
    if r.temp or r.is_weight:
        return r
    if r.owner == "pre" and graded != "regular":
        return replace(r, hi=255)
    if r.owner != "syn":
        return r
    signed = [x.name for x in bound.registers if x.owner == "syn" and not x.temp and not x.is_weight]
    kinds = [x.fmt.signed for x in bound.registers if x.name in signed]
    if len(kinds) > len(set(kinds)):
        raise LimitError(
            f"rule {bound.name} has the tags {', '.join(signed)}; the engine has one signed tag (t) and one "
            "unsigned (d)",
            where=f"chip {chip.name}",
            remedy="declare one s9 and one u8 tag",
        )
    bits = 9 if r.fmt.signed else 8
    if r.fmt.bits != bits:
        text = f"tag '{r.name}' is {r.fmt}; the engine's has {bits} bits"
        raise LimitError(text, where=f"chip {chip.name}")
    return replace(r, lo=TAG_LOW) if r.fmt.signed else r
