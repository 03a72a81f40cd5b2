"""Declarations that have no meaning: one short function per refusal."""

from __future__ import annotations

from fractions import Fraction

from chipsim.errors import did_you_mean
from chipsim.fixed import Format
from chipsim.microcode.program import Program, is_gate
from chipsim.microcode.refuse_replay import history_line
from chipsim.microcode.source import Source
from chipsim.microcode.symbols import RESERVED, symbols


def duplicate_name(program: Program, at: Source) -> None:
    """Two declarations of one name."""
    seen: dict[str, int] = {}
    groups = (program.registers, program.consts, program.params, program.inputs, program.tables)
    for item in sorted((x for group in groups for x in group), key=lambda x: x.line):
        if item.name in seen:
            at.fail(
                item.line, f"'{item.name}' is declared twice; first in line {seen[item.name]}", word=item.name
            )
        seen[item.name] = item.line


def reserved_name(program: Program, at: Source) -> None:
    """A name that is a word of the language or a built-in factor."""
    for name, symbol in symbols(program).items():
        if name in RESERVED or is_gate(name):
            why = "a built-in factor of on_products" if is_gate(name) else "a word of the language"
            column = at.row(symbol.line).rfind(f" {name}", 0, at.row(symbol.line).find(":")) + 2
            at.fail(symbol.line, f"'{name}' is {why}", column=max(column, 1), remedy="choose another name")


def weight_owner(program: Program, at: Source) -> None:
    """`weight` on something that is not a synaptic register."""
    for r in program.registers:
        if r.fmt is None and (r.owner != "syn" or r.temp):
            at.fail(
                r.line,
                f"'{r.name}' is no synaptic register, so it has no weight format",
                word="weight",
                remedy="write `syn w : weight`, or give a format such as s8.4",
            )


def second_weight(program: Program, at: Source) -> None:
    """More than one weight register."""
    weights = [r for r in program.registers if r.fmt is None]
    if len(weights) > 1:
        at.fail(
            weights[1].line,
            f"a second weight register; '{weights[0].name}' is the first",
            word=weights[1].name,
            remedy="a rule has one weight; give a tag its own format",
        )


def per_context_owner(program: Program, at: Source) -> None:
    """`per context` where it is already so, or has no meaning."""
    for r in program.registers:
        if r.per_context and (r.owner != "syn" or r.temp or r.fmt is None):
            at.fail(
                r.line,
                f"'per context' is for synaptic tags; '{r.name}' is none",
                word="context",
                remedy="pre, post and temp registers exist once per context already",
            )


def publish_owner(program: Program, at: Source) -> None:
    """`publish` on anything but a pre or post register."""
    for r in program.registers:
        if r.publish and (r.owner not in ("pre", "post") or r.temp):
            at.fail(
                r.line,
                f"'{r.name}' cannot be published: only a pre or post register can",
                word="publish",
                remedy="declare `post NAME : FORMAT publish` and write it",
            )


def temp_flags(program: Program, at: Source) -> None:
    """A temp that keeps or begins with a value."""
    for r in program.registers:
        if r.temp and (r.keep or r.init):
            word = "keep" if r.keep else "="
            at.fail(
                r.line,
                f"a temp is 0 when its section begins: '{r.name}' has no '{word}'",
                word=word,
                remedy="use a pre, post, syn or layer register",
            )


def keep_owner(program: Program, at: Source) -> None:
    """`keep` on a register that nothing resets."""
    for r in program.registers:
        if r.keep and r.owner in ("syn", "layer") and not r.per_context:
            at.fail(
                r.line,
                f"'{r.name}' stays from sample to sample already",
                word="keep",
                remedy="delete keep: only pre and post registers return to their initial value",
            )


def weight_init(program: Program, at: Source) -> None:
    """An initial value of the weight in the rule."""
    for r in program.registers:
        if r.fmt is None and r.init:
            at.fail(
                r.line,
                f"'{r.name}' takes its initial values from the network",
                word="=",
                remedy="delete the value; the experiment states the initial weights",
            )


def init_range(program: Program, at: Source) -> None:
    """A start value outside its register's format."""
    for r in program.registers:
        if r.fmt is not None:
            _inside(r.init, r.fmt, f"the initial value of '{r.name}'", r.line, at)


def param_range(program: Program, at: Source) -> None:
    """A parameter's value outside its format."""
    for p in program.params:
        if p.kind == "value":
            _inside(p.value, p.fmt, f"the value of '{p.name}'", p.line, at)


def _inside(value: Fraction, fmt: Format, what: str, line: int, at: Source) -> None:
    lo, hi = fmt.real(fmt.lo), fmt.real(fmt.hi)
    half = fmt.lsb / 2
    if not lo - half < value < hi + half:
        text = f"{what}, {float(value):g}, lies outside {fmt}: {float(lo):g} .. {float(hi):g}"
        at.fail(line, text, word="=", remedy="choose a format with more integer bits, or another value")


def table_steps(program: Program, at: Source) -> None:
    """steps without a step, or breakpoints that do not ascend."""
    for t in program.tables:
        if t.shape is None and not t.steps:
            at.fail(
                t.line, f"table '{t.name}' has no step", word="steps", remedy="steps(-0.5: 0, 0: 1, 0.5: 0)"
            )
        for (a, _), (b, _) in zip(t.steps, t.steps[1:], strict=False):
            if a >= b:
                text = f"the breakpoints of '{t.name}' do not ascend: {float(b):g} after {float(a):g}"
                at.fail(t.line, text, word="steps", remedy="sort them; each breakpoint stands once")


def table_shape(program: Program, at: Source) -> None:
    """A named shape without a reach, or with a setting that is not above 0."""
    for t in program.tables:
        if t.shape is None:
            continue
        if t.shape not in ("box", "triangle") and t.reach == 0:
            at.fail(
                t.line,
                f"'{t.name}': {t.shape} needs its reach",
                word=t.shape,
                remedy="add reach=2.0: the table is 0 outside centre - reach .. centre + reach",
            )
        for key, value in (("reach", t.reach), *t.options):
            if value <= 0:
                at.fail(t.line, f"'{t.name}': {key}={float(value):g} is not above 0", word=key)
        wrong = {k for k, _ in t.options} & ({"slope"} if t.shape in ("box", "triangle") else {"half_width"})
        for key in sorted(wrong):
            at.fail(
                t.line,
                f"'{t.name}': {t.shape} has no {key}",
                word=key,
                remedy="box and triangle have half_width; the others slope and reach",
            )


def table_argument(program: Program, at: Source) -> None:
    """A table argument that is not declared."""
    names = {n for n, s in symbols(program).items() if s.kind in ("register", "input")}
    for t in program.tables:
        if t.argument is not None and t.argument not in names:
            at.fail(
                t.line,
                f"the argument '{t.argument}' of table '{t.name}' is not declared"
                f"{did_you_mean(t.argument, names)}",
                word=t.argument,
                remedy="name an input or register",
            )


def circuit_use(program: Program, at: Source) -> None:
    """A circuit named by a rule that reads no signal."""
    if program.circuit and not any(x.source.startswith(("third_factor", "reward")) for x in program.inputs):
        at.fail(
            program.circuit_line,
            f"circuit {program.circuit}, but no input reads a third factor",
            column=1,
            remedy="declare `in m from third_factor`, or delete the line",
        )


def history_name(program: Program, at: Source) -> None:
    """history of a name that is no register or input of a neuron or axon."""
    known = {n: s for n, s in symbols(program).items() if s.kind in ("register", "input") and not s.temp}
    line = history_line(program)
    for name in program.history[0]:
        if name not in known:
            at.fail(
                line,
                f"history of an unknown name '{name}'{did_you_mean(name, known)}",
                word=name,
                remedy="store a pre or post register or an input",
            )
        if known[name].owner not in ("pre", "post"):
            at.fail(
                line,
                f"history of '{name}': owned by {known[name].owner}",
                word=name,
                remedy="store a pre or post register or an input",
            )
