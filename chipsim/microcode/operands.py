"""Names and numbers of a rule in their final formats: constants folded, parameters set."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

from chipsim.errors import SettingError, did_you_mean
from chipsim.fixed import Folded, Format, fold
from chipsim.microcode.program import (
    COMPARISONS,
    BoundParam,
    BoundRegister,
    BoundTable,
    Const,
    Input,
    Line,
    Note,
    Operand,
    Param,
    Program,
)
from chipsim.microcode.source import Source
from chipsim.microcode.symbols import BIT, INPUT_OWNERS
from chipsim.microcode.tables import bind_table


def decay(time_ms: Fraction, dt_ms: Fraction) -> Fraction:
    """exp(-dt/T) to 40 digits, the same on every machine."""
    with localcontext() as context:
        context.prec = 40
        ratio = dt_ms / time_ms
        return Fraction((-Decimal(ratio.numerator) / Decimal(ratio.denominator)).exp())


def real(name: str, value: Fraction | float | int) -> Fraction:
    """A setting as an exact rational; a float means its shortest decimal text (0.9 is 9/10)."""
    try:
        return Fraction(repr(float(value))) if isinstance(value, float) else Fraction(value)
    except (ValueError, TypeError, OverflowError):
        raise SettingError(f"{name} = {value!r} is no number", remedy="give a finite number") from None


class Folder:
    """Folds what a program names; collects the notes on the way."""

    def __init__(self, program: Program, registers: tuple[BoundRegister, ...], use, at: Source):
        self.use, self.at = use, at
        self.notes: list[Note] = []
        self.tables: dict[tuple[str, Format], BoundTable] = {}
        self._sources = {t.name: t for t in program.tables}
        self._registers = {r.name: r for r in registers}
        self._inputs = {i.name: i for i in program.inputs}
        _known(program, use)
        self.consts = {c.name: self._const(c) for c in program.consts}
        self.params = [self._param(p) for p in program.params]

    # ------------------------------------------------------------ operands

    def operand(self, name: str) -> Operand:
        """The operand of that name."""
        if name in self._registers:
            r = self._registers[name]
            return Operand("register", name, r.owner, r.fmt, per_context=r.per_context)
        if name in self.consts:
            return self.consts[name]
        if name in self._inputs:
            return self._input(self._inputs[name])
        param = next(p for p in self.params if p.name == name)
        return Operand("param", name, "none", param.fmt, exact=param.fmt.real(param.raw))

    def pair(self, line: Line, target: BoundRegister) -> tuple[Operand | None, Operand | None]:
        """Both operands of a line; a number takes the other's format, or the target's alone."""
        found = [self.operand(x) if isinstance(x, str) else x for x in (line.a, line.b)]
        named = next((x.fmt for x in found if isinstance(x, Operand)), target.fmt)
        lone = line.form not in ("min", "max", *COMPARISONS)
        fmt = target.fmt if lone else named
        a, b = (self._number(x, fmt, line.line) if isinstance(x, Fraction) else x for x in found)
        return a, b

    def _number(self, value: Fraction, fmt: Format, line: int) -> Operand:
        folded = self._fold(value, fmt, f"{float(value):g}", line)
        return Operand("number", f"{float(value):g}", "none", fmt, raw=folded.raw, exact=value)

    def _input(self, item: Input) -> Operand:
        use = self.use
        fmt = {
            "neuron.v": use.v,
            "neuron.v_after": use.v,
            "post.spike": BIT,
            "pre.spike": use.spike,
            "third_factor": use.third_factor,
            "reward": use.reward,
        }[item.source]
        owner = INPUT_OWNERS[item.source]
        return Operand(
            "input",
            item.name,
            owner,
            fmt,
            source=item.source,
            channel=item.channel,
            per_context=owner != "layer",
        )

    # ------------------------------------------------------------ constants

    def _const(self, c: Const) -> Operand:
        exact = c.value if c.value is not None else decay(c.decay_ms, self.use.dt_ms)
        computed = c.value is None
        if c.name in self.use.params:
            exact, computed = real(c.name, self.use.params[c.name]), False
            _inside(c.name, exact, c.fmt)
        folded = self._fold(exact, c.fmt, f"'{c.name}'", c.line, computed)
        return Operand("const", c.name, "none", c.fmt, raw=folded.raw, exact=exact)

    def _param(self, p: Param) -> BoundParam:
        given = self.use.params.get(p.name)
        if p.kind == "value":
            value = p.value if given is None else real(p.name, given)
            _inside(p.name, value, p.fmt)
            folded = self._fold(value, p.fmt, f"'{p.name}'", p.line)
            return BoundParam(p.name, "value", p.fmt, folded.raw, p.fmt.lo, p.fmt.hi, value)
        value = p.value if given is None else real(p.name, given)
        if value.denominator != 1 or not p.lo <= value <= p.hi:
            hint = f"declare `param {p.name} : shift = {p.value} in LOW..HIGH`" if p.lo == p.hi else None
            raise SettingError(
                f"{p.name} = {float(value):g} lies outside its declared range {p.lo}..{p.hi}",
                where=f"{self.at.path}:{p.line}",
                remedy=hint or f"choose a whole number from {p.lo} to {p.hi}",
            )
        return BoundParam(p.name, "shift", None, int(value), p.lo, p.hi)

    def _fold(self, value: Fraction, fmt: Format, what: str, line: int, computed: bool = False) -> Folded:
        """Fold with a note on the error. Under strict an error is refused; a computed value (decay,
        a named shape) is irrational anyway, so there only saturation is."""
        folded = fold(value, fmt)
        if not folded.error:
            return folded
        stored = float(fmt.real(folded.raw))
        lost = ", saturated" if folded.saturated else ""
        text = f"{what} = {float(value):.6g} is {stored:.6g} in {fmt} "
        text += f"(raw {folded.raw}, error {float(folded.error):+.2g}{lost})"
        if self.use.strict and (folded.saturated or not computed):
            self.at.fail(line, f"strict: {text}", remedy="choose a value or a format that holds it exactly")
        self.notes.append(Note("constant", line, text))
        return folded

    # ------------------------------------------------------------ tables

    def table(self, name: str, argument: Format) -> BoundTable:
        """The table for an argument of that format."""
        key = (name, argument)
        if key in self.tables:
            return self.tables[key]
        source = self._sources[name]
        bound, points, values = bind_table(source, argument)
        for kind, folded, fmt in (("breakpoint", points, argument), ("value", values, source.fmt)):
            worst = max(folded, key=lambda f: abs(f.error))
            if not worst.error:
                continue
            lost = " (saturated)" if any(f.saturated for f in folded) else ""
            text = f"table '{name}': largest {kind} error {float(abs(worst.error)):.2g} in {fmt}{lost}"
            if self.use.strict and (source.shape is None or lost):
                self.at.fail(source.line, f"strict: {text}", remedy="choose a finer format")
            self.notes.append(Note("constant", source.line, text))
        self.tables[key] = bound
        return bound


def _known(program: Program, use) -> None:
    names = [x.name for x in (*program.params, *program.consts)]
    for name in use.params:
        if name not in names:
            raise SettingError(
                f"rule {program.name} has no param or const '{name}'{did_you_mean(name, names)}",
                remedy=f"params and consts: {', '.join(names) or 'none'}",
            )


def _inside(name: str, value: Fraction, fmt: Format) -> None:
    lo, hi, half = fmt.real(fmt.lo), fmt.real(fmt.hi), fmt.lsb / 2
    if not lo - half <= value <= hi + half:
        raise SettingError(
            f"{name} = {float(value):g} lies outside {fmt}: {float(lo):g} .. {float(hi):g}",
            remedy="choose a value that the format holds",
        )
