"""`chipsim rule step`: one synapse, a few steps, every op, every register three ways.

A small walk of its own over one axon, one neuron and the synapse between them, for reading: each
register as raw integer, as real value and as its float twin (no rounding, constants as folded).
The sections of a step run in the order of definition 1; on_replay follows the last step, over the
stored steps backwards.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from chipsim.fixed import Format, fold, limit, shift_round
from chipsim.microcode.listing import table
from chipsim.microcode.program import COMPARISONS, BoundLine, BoundProgram, Operand
from chipsim.microcode.tables import lookup
from chipsim.noise import draw_key, top_bits, word_one, word_pair

THRESHOLD = Fraction(1)
COMPARE = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt, "eq": operator.eq}
SECTIONS = ("on_step", "on_pre", "on_membrane", "on_post", "on_third_factor", "on_epoch")


@dataclass(frozen=True)
class Moment:
    """What happens in one step: spikes (payloads), membrane before reset, signals, as real values."""

    pre: float = 0
    post: float = 0
    v: float = 0.0
    third_factor: float = 0.0
    reward: float = 0.0


DEFAULT_SCRIPT = (
    Moment(pre=1, v=0.25),
    Moment(v=0.75),
    Moment(post=1, v=1.25),
    Moment(v=0.75, third_factor=0.5, reward=1.0),
    Moment(pre=1, v=0.5),
    Moment(v=0.75, third_factor=-0.5, reward=-1.0),
)


@dataclass(frozen=True)
class Op:
    """One executed line: registers is ((name, raw, real value, twin value), ...) after it."""

    step: int
    section: str
    ordinal: int
    text: str
    target: str
    skipped: bool
    registers: tuple[tuple[str, int, float, float], ...]


def step_program(
    bound: BoundProgram, use, script: Iterable[Moment] = DEFAULT_SCRIPT, seed: int = 0
) -> Iterator[Op]:
    """Yield every op of a script; step t is the script's t-th Moment (from 1).

    The threshold is 1.0; weights and registers start at their initial values (the weight at 0, or
    its limit nearest to 0). Draws are those of population 0, axon 0, neuron 0, context 0.
    """
    walk = _Walk(bound, seed)
    script = tuple(script)
    yield from walk.section("on_sample_start", 1)
    for step, moment in enumerate(script, start=1):
        for section in SECTIONS:
            walk.sense(section, moment)
            if section != "on_epoch" or (bound.epoch and step % bound.epoch == 0):
                yield from walk.section(section, step)
        walk.remember()
    for step in range(len(script), 0, -1):
        walk.sense("on_replay", script[step - 1])
        yield from walk.replay(step)
    if script:
        walk.sense("on_replay", script[-1])
    yield from walk.section("on_sample_end", len(script))


def step_text(bound: BoundProgram, use, script: Iterable[Moment] = DEFAULT_SCRIPT, seed: int = 0) -> str:
    """The walk as aligned text: step 0 lists every register, then each op shows the one it wrote."""
    rows: list[tuple] = [("step", "section", "op", "line", "register", "raw", "value", "twin")]
    start = _Walk(bound, seed)
    for r in bound.registers:
        value = f"{float(r.fmt.real(start.raw[r.name])):.6g}"
        about = f"{r.fmt} per {r.owner}{', temp' * r.temp}, round={r.rounding}"
        rows.append((0, "start", "", about, r.name, start.raw[r.name], value, f"{start.twin[r.name]:.6g}"))
    last = 0
    for op in step_program(bound, use, script, seed):
        raw, real, twin = next(r[1:] for r in op.registers if r[0] == op.target)
        step = op.step if op.step != last else ""
        last = op.step
        note = " (skipped)" if op.skipped else ""
        text = " ".join(op.text.split()) + note
        rows.append((step, op.section, op.ordinal, text, op.target, raw, f"{real:.6g}", f"{twin:.6g}"))
    text = table(rows, "r r  rrr", indent="") + "\n"
    if bound.products:
        text += "the products at each step's end are not walked; --engine lines walks the rule's own lines\n"
    return text


class _Walk:
    """Raw and float state of one axon, neuron and synapse."""

    def __init__(self, bound: BoundProgram, seed: int):
        self.bound, self.seed = bound, seed
        self.raw = {r.name: min(max(r.init, r.lo), r.hi) for r in bound.registers}
        self.twin = {r.name: float(r.fmt.real(self.raw[r.name])) for r in bound.registers}
        self.raw |= {p.name: p.raw for p in bound.params}
        self.twin |= {p.name: float(p.fmt.real(p.raw)) for p in bound.params if p.fmt}
        self.shifts = {p.name: p.raw for p in bound.params if p.kind == "shift"}
        self.moment = Moment()
        self.stored: list[dict[str, tuple[int, float]]] = []  # the history, step by step
        for x in bound.inputs:
            self._input(x, 0)

    def sense(self, section: str, moment: Moment) -> None:
        """Renew the inputs that a section sees: the axon's from on_step, the neuron's from on_membrane."""
        self.moment = moment
        for x in self.bound.inputs:
            if x.source == "pre.spike" and section == "on_step":
                self._input(x, moment.pre)
            elif section == "on_membrane" and x.source in ("neuron.v", "neuron.v_after", "post.spike"):
                after = 0 if moment.post else moment.v
                by_source = {"neuron.v": moment.v, "neuron.v_after": after, "post.spike": moment.post}
                self._input(x, by_source[x.source])
            elif section in ("on_third_factor", "on_replay") and x.source in ("third_factor", "reward"):
                self._input(x, moment.third_factor if x.source == "third_factor" else moment.reward)

    def _input(self, x: Operand, value: float) -> None:
        self.raw[x.name] = fold(value, x.fmt).raw
        self.twin[x.name] = float(x.fmt.real(self.raw[x.name]))

    def remember(self) -> None:
        """Store the history at the end of a step."""
        self.stored.append({name: (self.raw[name], self.twin[name]) for name in self.bound.history})

    def replay(self, step: int) -> Iterator[Op]:
        """Run on_replay with the names of the history as they were in that step."""
        self._recall(step)
        yield from self.section("on_replay", step)
        self._recall(len(self.stored))

    def _recall(self, step: int) -> None:
        for name, (raw, twin) in self.stored[step - 1].items():
            self.raw[name], self.twin[name] = raw, twin

    def section(self, name: str, step: int) -> Iterator[Op]:
        """Run the lines of a section that reach their target."""
        for r in self.bound.registers:
            if r.temp:
                self.raw[r.name], self.twin[r.name] = 0, 0.0
        for line in self.bound.section(name):
            if not self._reached(line):
                continue
            skipped = line.when is not None and (self._value(line.when) != 0) == line.when_not
            if not skipped:
                self._run(line, step)
            kept = tuple(
                (r.name, self.raw[r.name], float(r.fmt.real(self.raw[r.name])), self.twin[r.name])
                for r in self.bound.registers
            )
            yield Op(step, name, line.ordinal, line.text, line.target.name, skipped, kept)

    def _reached(self, line: BoundLine) -> bool:
        owner, section, moment = line.target.owner, line.section, self.moment
        if section == "on_pre":
            return moment.pre != 0
        if section == "on_post":
            return moment.post != 0 or (owner == "pre" and not line.target.temp)
        if section == "on_third_factor":
            reads = {x.source for x in self.bound.inputs}
            signal = (
                moment.third_factor if "third_factor" in reads or "reward" not in reads else moment.reward
            )
            return signal != 0 or (owner == "pre" and not line.target.temp)
        return True

    # -------------------------------------------------------- one line

    def _value(self, x: Operand) -> int:
        return x.raw if x.raw is not None else self.raw[x.name]

    def _float(self, x: Operand) -> float:
        return float(x.fmt.real(x.raw)) if x.raw is not None else self.twin[x.name]

    def _run(self, line: BoundLine, step: int) -> None:
        t, n = line.target, line.drop(self.shifts)
        a = self._value(line.a) if line.a else 0
        b = self._value(line.b) if line.b else 1
        word = self._word(line, step)
        twin = self._twin(line, t.fmt.real(t.fmt.lo + top_bits(word, t.fmt.bits)))
        e = t.fmt.lo + top_bits(word, t.fmt.bits) if line.form == "random" else self._exact(line, a, b)
        draw = top_bits(word, n) if n > 0 and t.rounding == "stochastic" and line.form != "random" else 0
        if line.mode == "=":
            raw = shift_round(e, n, t.rounding, draw)
        else:
            e = -e if line.mode == "-=" else e
            old = self.raw[t.name]
            raw = shift_round((old << max(n, 0)) + (e << max(-n, 0)), max(n, 0), t.rounding, draw)
            twin = self.twin[t.name] + (-twin if line.mode == "-=" else twin)
        self.raw[t.name] = limit(raw, t.lo, t.hi, t.overflow).raw
        if t.is_weight:
            twin = min(max(twin, float(t.fmt.real(t.lo))), float(t.fmt.real(t.hi)))
        self.twin[t.name] = twin

    def _word(self, line: BoundLine, step: int) -> int:
        key = draw_key(self.seed, 0, line.ordinal, 0, step)
        return word_pair(key, 0, 0) if line.target.owner == "syn" else word_one(key, 0)

    def _exact(self, line: BoundLine, a: int, b: int) -> int:
        form = line.form
        if form == "scale":
            return -a * b if line.negate else a * b
        if form == "table":
            minus = fold(THRESHOLD, line.table.argument_fmt).raw if line.table.minus_threshold else 0
            return lookup(line.table, a - minus)
        if form in ("abs", "sign"):
            return abs(a) if form == "abs" else (a > 0) - (a < 0)
        frac = max(line.a.fmt.frac, line.b.fmt.frac)
        return _pair(form, a << (frac - line.a.fmt.frac), b << (frac - line.b.fmt.frac))

    def _twin(self, line: BoundLine, word: Fraction) -> float:
        form = line.form
        a = self._float(line.a) if line.a else 0.0
        b = self._float(line.b) if line.b else 1.0
        if form == "scale":
            k = line.shift + line.shift_sign * self.shifts.get(line.shift_param, 0)
            return (-a if line.negate else a) * b * 2.0**-k
        if form == "table":
            argument = a - float(THRESHOLD) * line.table.minus_threshold
            return _steps(line.table.argument_fmt, line.table, argument)
        if form == "random":
            return float(word)
        if form in ("abs", "sign"):
            return abs(a) if form == "abs" else float((a > 0) - (a < 0))
        return float(_pair(form, a, b))


def _pair(form: str, a, b):
    """add, sub, min, max and comparisons of two aligned numbers."""
    if form in COMPARISONS:
        return int(COMPARE[form](a, b))
    return {"add": operator.add, "sub": operator.sub, "min": min, "max": max}[form](a, b)


def _steps(argument: Format, bound_table, x: float) -> float:
    """The folded table at a real argument."""
    k = sum(float(argument.real(p)) <= x for p in bound_table.breakpoints)
    return float(bound_table.fmt.real(bound_table.values[k]))
