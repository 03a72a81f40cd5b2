"""Two measurements of a rule: is it as close to its twin as its formats promise, and is rounding fair?

`closeness` runs the rule with registers as wide as the 62-bit proof of its lines allows (32 bits where it
can) and compares every write with the a-priori bound of `microcode/error_bound.py`. `fairness` runs it in
its own formats: each stochastic write, compared with the exact value of the same line on the same
integers and away from its limits, must err by 0 in the mean over the seeds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np

from chipsim.errors import RuleError, SettingError
from chipsim.fixed import Format
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.error_bound import error_bounds
from chipsim.microcode.program import COMPARISONS, BoundProgram, Program
from chipsim.open_loop.inputs import random_inputs
from chipsim.open_loop.walk import Event, Walk

RUNS, STEPS, N_PRE, N_POST = 1000, 20, 4, 3
BATCHES = 10  # times as many inputs are drawn at most
WIDE = 32
ERRORS = 4.0  # standard errors that one register may be off


@dataclass
class Close:
    """Registers of the widened rule: format, bound, largest difference; inputs left out, by reason."""

    formats: dict[str, Format] = field(default_factory=dict)
    bounds: dict[str, float] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)
    compared: int = 0  # inputs compared to their end
    limited: int = 0  # inputs that reached a limit: the bound ends there
    decided: int = 0  # an operand lay within its bound of a comparison's border, and fell on the other side
    wrong: int = 0  # decisions that differ although no operand was that close

    @property
    def good(self) -> bool:
        """Every difference within its bound, and something compared."""
        inside = all(self.largest[name] <= self.bounds[name] for name in self.largest)
        return inside and not self.wrong and self.compared > 0


@dataclass
class Fair:
    """One register of the rule in its own formats, differences in its LSB.

    writes   stochastic writes that dropped something, away from limits; mean, error: of their rounding
             error over the seeds; bias, rms: register minus twin at the end of the sample
    """

    fmt: Format
    writes: int
    mean: float
    error: float
    bias: float
    rms: float

    @property
    def score(self) -> float:
        """The mean error in standard errors; 0 where nothing was rounded."""
        return self.mean / self.error if self.error else 0.0


def small_use(chip, **changes: object) -> Use:
    """A connection of 4 axons and 3 neurons with the chip's default weights."""
    bits = chip.weight.default_bits
    weight = Format(chip.weight.signed, bits, bits - 1)
    use = Use(
        weight=weight,
        w_lo=weight.lo,
        w_hi=weight.hi,
        v=Format(True, chip.neuron.v_bits, 7 + chip.neuron.guard_bits),
        n_pre=N_PRE,
        n_post=N_POST,
        engine="lines",
    )
    return replace(use, **changes)


def closeness(program: Program, chip, runs: int = RUNS, steps: int = STEPS) -> Close:
    """Widen the rule, feed it random recordings until `runs` of them have been compared to their end."""
    bound, use = widened(program, chip)
    out = Close({r.name: r.fmt for r in bound.registers}, error_bounds(bound, use, steps))
    out.largest = dict.fromkeys(out.formats, 0.0)
    for first in range(0, BATCHES * runs, runs):
        inputs = random_inputs(use, runs, steps, N_PRE, N_POST, first)
        comparison = _Comparison(out, np.ones(runs, bool))
        seeds = np.arange(first, first + runs)
        Walk(bound, use, inputs, seeds, _weights(bound, inputs)).run(comparison.visit)
        out.compared += int(comparison.alive.sum())
        if out.compared >= runs:
            break
    return out


@dataclass
class _Comparison:
    """One batch of recordings; `alive` are those whose bound still holds."""

    out: Close
    alive: np.ndarray

    def visit(self, event: Event) -> None:
        """Compare one line's writes with the bound of its target."""
        out, line, target = self.out, event.line, event.line.target
        other = np.broadcast_to(event.differs, event.mask.shape) & self.alive[:, None, None]
        if other.any():
            allowed = sum(out.bounds.get(x.name, 0.0) for x in (line.a, line.b, line.when) if x)
            out.wrong += int((other & (event.margin > allowed)).sum())
            out.decided += self._leave(other)
        if not target.is_weight:
            out.limited += self._leave(event.limited)
        gap = abs(event.after * float(target.fmt.lsb) - event.real) * (event.mask & self.alive[:, None, None])
        out.largest[target.name] = max(out.largest[target.name], float(gap.max()))

    def _leave(self, which: np.ndarray) -> int:
        """Take recordings out of the comparison; how many."""
        gone = self.alive & which.any((1, 2))
        self.alive &= ~gone
        return int(gone.sum())


def fairness(program: Program, chip, runs: int = RUNS, steps: int = STEPS) -> dict[str, Fair]:
    """Run the rule in its own formats with `runs` seeds; one row per register that is no temp or is
    rounded stochastically."""
    use = small_use(chip)
    bound = bind(program, chip, use)
    sums = {r.name: np.zeros(runs) for r in bound.registers}
    counts = {name: np.zeros(runs, np.int64) for name in sums}

    def visit(event: Event) -> None:
        target, n = event.line.target, event.drop
        if target.rounding != "stochastic" or n <= 0:
            return
        floor, rest = event.total >> n, event.total & ((1 << n) - 1)
        fair = event.mask & (rest != 0) & (floor >= target.lo) & (floor < target.hi)
        error = (event.after - floor) - rest / 2.0**n
        sums[target.name] += (error * fair).sum((1, 2))
        counts[target.name] += fair.sum((1, 2))

    inputs = random_inputs(use, runs, steps, N_PRE, N_POST)
    walk = Walk(bound, use, inputs, np.arange(runs), _weights(bound, inputs))
    walk.run(visit)
    return {
        r.name: _fair(r, walk, sums[r.name], counts[r.name])
        for r in bound.registers
        if not r.temp or counts[r.name].any()
    }


def _fair(register, walk: Walk, total: np.ndarray, count: np.ndarray) -> Fair:
    # the errors of one seed are a martingale, so their sum has mean 0; their mean has not where what
    # was drawn decides how many follow (a trace that is rounded up lives longer)
    writes = int(count.sum())
    error = float(total.std(ddof=1)) * len(total) ** 0.5 / writes if writes else 0.0
    mean = float(total.sum()) / writes if writes else 0.0
    away = walk.raw[register.name] - walk.real[register.name] / float(register.fmt.lsb)
    return Fair(register.fmt, writes, mean, error, float(away.mean()), float((away**2).mean() ** 0.5))


def allowed_errors(registers: int) -> float:
    """Standard errors that each of several registers may be off, so that all together err as rarely as
    one at 4 (Bonferroni)."""
    tail = 1 - NormalDist().cdf(ERRORS)
    return NormalDist().inv_cdf(1 - tail / max(registers, 1))


# ---------------------------------------------------------------- formats


def widened(program: Program, chip) -> tuple[BoundProgram, Use]:
    """The rule with 32-bit registers and tables of the same range, fewer bits where a line's exact value
    would not fit the proof; shifts are pinned to their present values, which the proof would vary."""
    params = [
        replace(p, lo=int(p.value), hi=int(p.value)) if p.kind == "shift" else p for p in program.params
    ]
    tables = [replace(x, fmt=_wider(x.fmt, WIDE)) for x in program.tables]
    program = replace(program, params=tuple(params), tables=tuple(tables))
    bits = {x.target for x in program.lines if x.form in COMPARISONS}
    formats = {
        r.name: _wider(r.fmt, WIDE) for r in program.registers if r.fmt is not None and r.name not in bits
    }
    weight = Format(True, WIDE, WIDE - 1)
    for _ in range(64 * len(program.lines)):
        use = small_use(chip, formats=formats, weight=weight, w_lo=weight.lo, w_hi=weight.hi)
        try:
            return bind(program, chip, use), use
        except RuleError as error:
            line = next((x for x in program.lines if x.line == error.line), None)
            names = [x for x in (line.a, line.b, line.target) if x in formats] if line else []
            if not names or "bits" not in str(error):
                raise
            name = max(names[:-1] or names, key=lambda x: formats[x].bits)
            formats[name] = _wider(formats[name], formats[name].bits - 1)
    raise SettingError(f"rule {program.name} fits no wide formats", remedy="narrow the range of its shifts")


def _wider(fmt: Format, bits: int) -> Format:
    """The same range with another number of bits."""
    return Format(fmt.signed, bits, min(fmt.frac + bits - fmt.bits, 40))


def _weights(bound: BoundProgram, inputs) -> np.ndarray | int:
    """Random initial weights in the inner half of their range: words of the membranes' low bits."""
    if bound.weight is None:
        return 0
    t = np.arange(N_PRE) % inputs.v.shape[1]
    span = bound.weight.hi - bound.weight.lo + 1
    return (inputs.v[:, t, :] * 2654435761 % span + bound.weight.lo) // 2
