"""Many recordings through a bound program at once: integers and float twin, line by line.

The integers are those of `microcode/interpret.py`, the twin's numbers those of the twin's kernels, on
one dense connection with one context; tests hold both. Registers are arrays [N, n_pre or 1, n_post or
1], so that operands of any owner broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chipsim.data.words import murmur3_array
from chipsim.fixed import shift_round
from chipsim.microcode.program import COMPARISONS, BoundLine, BoundProgram, BoundRegister, Operand
from chipsim.noise import top_bits
from chipsim.open_loop.inputs import Inputs

EVERY_STEP = ("on_step", "on_pre", "on_membrane", "on_post", "on_third_factor")
SOURCES = {"neuron.v": "v", "neuron.v_after": "v_after", "post.spike": "post", "third_factor": "m"}
RUN_IN = {"decay": "on_step", "on_pre": "on_pre", "fire": "on_membrane", "on_post": "on_post"}  # phases


@dataclass
class Event:
    """One executed line. Arrays have the target's shape.

    mask      elements written; before, after: raw values, with `real` the twin's after it
    total     what was rounded, with `drop` bits below the target's LSB
    differs   elements where integer and twin decided differently (comparison, sign, table, when)
    margin    the twin's distance from the border of that decision
    """

    line: BoundLine
    step: int
    mask: np.ndarray
    before: np.ndarray
    after: np.ndarray
    real: np.ndarray
    total: np.ndarray
    drop: int
    limited: np.ndarray
    differs: np.ndarray
    margin: np.ndarray


class Walk:
    """A program with the state of N recordings; `run` walks all steps of the sample.

    seeds   uint32 [N], one run's seed per recording
    real    the twin's recordings, if they are not the integers' as real numbers
    weights raw initial weights [N, n_pre, n_post], or 0
    phases  of a step, as a chip file gives them (default: those of definition 1)
    """

    def __init__(
        self,
        bound: BoundProgram,
        use,
        inputs: Inputs,
        seeds,
        weights=0,
        real: Inputs | None = None,
        phases: tuple[str, ...] = (),
    ):
        inner = tuple(RUN_IN[x] for x in phases if x in RUN_IN)
        self.order = (*inner, "on_third_factor") if phases else EVERY_STEP
        # these see the neuron's previous step
        self.early = ("on_sample_start", *self.order[: self.order.index("on_membrane")])
        self.bound, self.inputs, self.seeds = bound, inputs, np.asarray(seeds)
        self.twin_inputs = real or inputs.real(use)
        self.threshold = float(use.v.real(inputs.threshold))
        self.count, self.steps, n_pre = inputs.pre.shape
        self.sides = {"pre": (n_pre, 1), "post": (1, inputs.m.shape[2]), "layer": (1, 1)}
        self.sides["syn"] = (n_pre, inputs.m.shape[2])
        self.stored: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}  # by step and name
        self.shifts = {p.name: p.raw for p in bound.params if p.kind == "shift"}
        self.params = {p.name: p.raw for p in bound.params}
        self.raw = {r.name: self._full(r, min(max(r.init, r.lo), r.hi)) for r in bound.registers}
        if bound.weight:
            self.raw[bound.weight.name] += np.asarray(weights)
        self.real = {
            r.name: self.raw[r.name] * float(r.fmt.lsb) for r in bound.registers
        }  # temps are 0 in both

    def _full(self, r: BoundRegister, value: int) -> np.ndarray:
        return np.full((self.count, *self.sides[r.owner]), value, np.int64)

    def run(self, visit: Callable[[Event], None] = lambda event: None) -> None:
        """All steps; `visit` is called after every line that reached anything."""
        self._section("on_sample_start", 1, visit)
        for t in range(1, self.steps + 1):
            for section in self.order:
                self._section(section, t, visit)
            if self.bound.epoch and t % self.bound.epoch == 0:
                self._section("on_epoch", t, visit)
            self._end_step(t)
            self._store(t)
        for t in range(self.steps, 0, -1) if self.bound.replays else ():
            self._section("on_replay", t, visit)
        self._section("on_sample_end", self.steps, visit)

    def _end_step(self, t: int) -> None:
        """What follows the last section of a step: nothing for a program of lines."""

    def _store(self, t: int) -> None:
        """Keep what the history names at the end of a step; inputs are recorded anyway."""
        for name in self.bound.history:
            if name in self.raw:
                self.stored[t, name] = self.raw[name], self.real[name]

    def _section(self, section: str, t: int, visit: Callable[[Event], None]) -> None:
        lines = self.bound.section(section)
        for r in self.bound.registers:
            late = section == "on_third_factor" and r.publish and any(x.target == r for x in lines)
            if r.temp or late:
                self.raw[r.name] = self._full(r, 0)
                self.real[r.name] = self.raw[r.name] * 0.0
        for line in lines:
            event = self._line(line, t)
            if event.mask.any():
                visit(event)

    # ------------------------------------------------------------ what a line sees

    def _reach(self, section: str, owner: str, t: int) -> np.ndarray:
        """Elements of an owner that a section reaches, broadcastable to its shape."""
        if section not in ("on_pre", "on_post", "on_third_factor"):
            return np.ones((self.count, 1, 1), bool)
        name = {"on_pre": "pre", "on_post": "post", "on_third_factor": "m"}[section]
        reached = getattr(self.inputs, name)[:, t - 1] != 0
        own = "pre" if section == "on_pre" else "post"
        if owner in ("syn", own):
            return reached[:, :, None] if own == "pre" else reached[:, None, :]
        return reached.any(1)[:, None, None]

    def _value(self, x: Operand, line: BoundLine, t: int, real: bool) -> np.ndarray:
        """An operand as integers or as the twin's numbers."""
        if line.section == "on_replay" and (t, x.name) in self.stored:
            return self.stored[t, x.name][real]
        if x.kind == "register":
            return (self.real if real else self.raw)[x.name]
        if x.kind == "input":
            return self._input(x, line.section, t, self.twin_inputs if real else self.inputs)
        raw = self.params[x.name] if x.kind == "param" else x.raw
        return np.full((1, 1, 1), float(x.fmt.real(raw)) if real else raw)

    def _input(self, x: Operand, section: str, t: int, inputs: Inputs) -> np.ndarray:
        if x.source == "reward":
            return inputs.reward[:, t - 1, None, None]
        if x.source == "pre.spike":
            return inputs.pre[:, t - 1, :, None]
        back = section in self.early
        values = getattr(inputs, SOURCES[x.source])
        if back and t == 1:
            return np.zeros_like(values[:, 0])[:, None, :]
        return values[:, t - 1 - back][:, None, :]

    def _words(self, line: BoundLine, t: int) -> np.ndarray:
        key = murmur3_array((0, 0, line.ordinal, 0, t, 0), self.seeds)[:, None, None]
        n_pre, n_post = self.sides["syn"]
        post = murmur3_array((2 * np.arange(n_post)[None, None, :],), key)
        if line.target.owner == "syn":
            return (post ^ murmur3_array((2 * np.arange(n_pre)[None, :, None] + 1,), key)).astype(np.int64)
        size = max(self.sides[line.target.owner])
        words = murmur3_array((2 * np.arange(size)[None, :],), key[:, 0]).astype(np.int64)
        return words.reshape(self.count, *self.sides[line.target.owner])

    # ------------------------------------------------------------ one line

    def _line(self, line: BoundLine, t: int) -> Event:
        target = line.target
        shape = (self.count, *self.sides[target.owner])
        a, b, ra, rb = (
            self._value(x, line, t, real) if x else None for real in (False, True) for x in (line.a, line.b)
        )
        exact, differs, margin = _exact(line, a, b, ra, rb, self.threshold)
        value = _real(line, ra, rb, self.shifts, self.threshold)
        wide = line.target.owner == "layer" and line.mode != "="
        owners = {x.owner for x in (line.a, line.b, line.when) if x} & {"pre", "post"} if wide else set()
        mask = self._reach(line.section, owners.pop() if owners else target.owner, t)
        mask, twin_mask, other, gap = self._when(line, t, mask)
        words = self._words(line, t)
        if line.form == "random":
            exact = top_bits(words, target.fmt.bits) + target.fmt.lo
            value = exact * float(target.fmt.lsb)
        if line.mode == "-=":
            exact, value = -exact, -value
        if wide:
            full = np.broadcast_shapes(exact.shape, mask.shape, shape)
            exact = (np.broadcast_to(exact, full) * mask).sum((1, 2), keepdims=True)
            value = (np.broadcast_to(value, full) * twin_mask).sum((1, 2), keepdims=True)
            mask, twin_mask = (x.any((1, 2), keepdims=True) for x in (mask, twin_mask))
        before, drop = self.raw[target.name], line.drop(self.shifts)
        total, rounded = _rounded(line, exact, before, 0 if line.form == "random" else drop, words)
        kept = np.clip(rounded, target.lo, target.hi)
        limited = kept != rounded
        if target.overflow == "wrap":
            kept = (rounded - target.lo) % (target.hi - target.lo + 1) + target.lo
        self.raw[target.name] = np.where(mask, kept, before) + np.zeros(shape, np.int64)
        twin = value if line.mode == "=" else self.real[target.name] + value
        if target.is_weight:
            twin = np.clip(twin, target.lo * float(target.fmt.lsb), target.hi * float(target.fmt.lsb))
        self.real[target.name] = np.where(twin_mask, twin, self.real[target.name]) + np.zeros(shape)
        far = np.minimum(np.where(differs, margin, np.inf), np.where(other, gap, np.inf))
        return Event(
            line,
            t,
            np.broadcast_to(mask, shape),
            before,
            self.raw[target.name],
            self.real[target.name],
            np.broadcast_to(total, shape),
            max(drop, 0) if line.form != "random" else 0,
            np.broadcast_to(limited & mask, shape),
            (differs & mask) | other,
            far,
        )

    def _when(self, line: BoundLine, t: int, mask: np.ndarray):
        """Masks of integer and twin, and where they part without the line's own factor being 0."""
        nothing = np.zeros((1, 1, 1), bool)
        if line.when is None:
            return mask, mask, nothing, nothing * 0.0
        value, twin = (self._value(line.when, line, t, real) for real in (False, True))
        holds, twin_holds = ((x != 0) != line.when_not for x in (value, twin))
        factor = line.form == "scale" and line.when.name in (line.a.name, line.b and line.b.name)
        harmless = factor and not line.when_not and (line.mode != "=" or line.target.temp)
        differs = nothing if harmless else (holds != twin_holds) & mask
        return mask & holds, mask & twin_holds, differs, abs(twin)


def _rounded(line: BoundLine, exact, before, drop: int, words) -> tuple[np.ndarray, np.ndarray]:
    """(what is rounded, its rounding) by chipsim.fixed; trunc through floor of both signs."""
    rounding = line.target.rounding
    if line.mode == "=":
        total = exact if drop > 0 else exact << -drop
    else:
        total = (before << max(drop, 0)) + (exact << max(-drop, 0))
    if drop <= 0:
        return total, total
    if rounding == "trunc":
        size = shift_round(abs(total), drop, "floor")
        return total, np.where(total < 0, -size, size)
    draw = top_bits(words, drop) if rounding == "stochastic" else 0
    return total, shift_round(total, drop, rounding, draw)


def _exact(line: BoundLine, a, b, ra, rb, threshold: float):
    """E as integers; where the twin decides differently, and its distance from the border."""
    form = line.form
    same = np.zeros((1, 1, 1), bool)
    if form == "random":
        return None, same, same * 0.0
    if form == "scale":
        exact = a if b is None else a * b
        return -exact if line.negate else exact, same, same * 0.0
    if form == "abs":
        return abs(a), same, same * 0.0
    if form == "sign":
        return np.sign(a), np.sign(a) != np.sign(ra), abs(ra)
    if form == "table":
        # arguments of at most 32 bits: their real values are exact in float64
        k, twin = (_place(line, x, threshold) for x in (a * float(line.a.fmt.lsb), ra))
        return np.array(line.table.values)[k], k != twin, _distance(line, ra, threshold)
    frac = max(line.a.fmt.frac, line.b.fmt.frac)
    a, b = a << (frac - line.a.fmt.frac), b << (frac - line.b.fmt.frac)
    if form in COMPARISONS:
        exact = _compare(form, a, b)
        return exact, exact != _compare(form, ra, rb), abs(ra - rb)
    return _pair(form, a, b), same, same * 0.0


def _real(line: BoundLine, a, b, shifts: dict[str, int], threshold: float):
    """The twin's value of a line, the sign of -= left out."""
    form = line.form
    if form == "random":
        return None
    if form == "scale":
        k = line.shift + line.shift_sign * shifts.get(line.shift_param, 0)
        exact = (a if b is None else a * b) * 2.0**-k
        return -exact if line.negate else exact
    if form in ("abs", "sign"):
        return abs(a) if form == "abs" else np.sign(a)
    if form == "table":
        return (np.array(line.table.values) * float(line.table.fmt.lsb))[_place(line, a, threshold)]
    return _compare(form, a, b).astype(float) if form in COMPARISONS else _pair(form, a, b)


def _borders(line: BoundLine, threshold: float) -> np.ndarray:
    table = line.table
    points = np.array(table.breakpoints) * float(table.argument_fmt.lsb)
    return points + threshold if table.minus_threshold else points


def _place(line: BoundLine, argument, threshold: float) -> np.ndarray:
    """Which value of the line's table holds at a real argument."""
    return np.searchsorted(_borders(line, threshold), argument, side="right")


def _distance(line: BoundLine, argument, threshold: float) -> np.ndarray:
    """How far a real argument is from the nearest border of the line's table."""
    return abs(np.asarray(argument)[..., None] - _borders(line, threshold)).min(-1)


def _compare(form: str, a, b) -> np.ndarray:
    compare = {"ge": np.greater_equal, "gt": np.greater, "le": np.less_equal, "lt": np.less, "eq": np.equal}
    return compare[form](a, b).astype(np.int64)


def _pair(form: str, a, b) -> np.ndarray:
    return {"add": np.add, "sub": np.subtract, "min": np.minimum, "max": np.maximum}[form](a, b)
