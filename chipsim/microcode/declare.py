"""Declarations: param, const, in, table, registers and temps, from their parse trees."""

from __future__ import annotations

from fractions import Fraction

from lark import Token, Tree

from chipsim.errors import did_you_mean
from chipsim.fixed import OVERFLOWS, ROUNDINGS, Format
from chipsim.microcode.forms import MAX_SHIFT, number
from chipsim.microcode.program import Const, Input, Param, Register, Table
from chipsim.microcode.source import Source

UNITS_MS = {"ms": Fraction(1), "s": Fraction(1000), "us": Fraction(1, 1000)}
SOURCES = ("neuron.v", "neuron.v_after", "post.spike", "pre.spike", "third_factor", "reward")
SHAPES = ("box", "triangle", "fast_sigmoid", "atan", "exp_abs", "hyper", "sigmoid", "lorentz")
OPTIONS = {"round": ("rounding", ROUNDINGS), "overflow": ("overflow", OVERFLOWS)}
WORDS = ("keep", "publish")
SETTINGS = ("centre", "segments", "reach", "half_width", "slope", "scale")


def declaration(tree: Tree, at: Source, line: int) -> tuple[str, object]:
    """(`register` | `const` | `param` | `input` | `table`, its dataclass) of one declaration."""
    build = {"param": _param, "const": _const, "input": _input, "table": _table}
    if tree.data in ("register", "temp"):
        return "register", _register(tree, at, line)
    return str(tree.data), build[tree.data](tree, at, line)


def _value(tree: Tree) -> Fraction:
    minus, token = tree.children
    return -number(token) if minus else number(token)


def _format(token: Token, at: Source, line: int) -> Format:
    try:
        return Format.parse(str(token))
    except ValueError as error:
        at.fail(
            line,
            str(error),
            column=token.column,
            remedy="u or s, total bits 1-32, '.', fraction bits -32..40",
        )


def _param(tree: Tree, at: Source, line: int) -> Param:
    name, body = tree.children
    if body.data == "value":
        fmt = _format(body.children[0], at, line)
        return Param(str(name), "value", fmt, _value(body.children[1]), line=line)
    value, lo, hi = (None if c is None else _value(c) for c in body.children)
    lo, hi = (value, value) if lo is None else (lo, hi)
    for v in (value, lo, hi):
        if v.denominator != 1 or not 0 <= v <= MAX_SHIFT:
            at.fail(
                line,
                f"a shift is a whole number from 0 to {MAX_SHIFT}, not {float(v):g}",
                column=body.meta.column,
            )
    if not lo <= value <= hi:
        at.fail(
            line,
            f"shift {value} of '{name}' lies outside its range {lo}..{hi}",
            column=body.meta.column,
            remedy="the range is lowest..highest and holds the value",
        )
    return Param(str(name), "shift", None, value, int(lo), int(hi), line)


def _const(tree: Tree, at: Source, line: int) -> Const:
    name, token, body = tree.children
    fmt = _format(token, at, line)
    if body.data == "number":
        return Const(str(name), fmt, _value(body), None, line)
    function, amount, unit = body.children
    if function != "decay":
        at.fail(
            line,
            f"unknown function '{function}'{did_you_mean(function, ['decay'])}",
            column=function.column,
            remedy="a const is a number or decay(T ms) = exp(-dt/T)",
        )
    if unit.value not in UNITS_MS:
        at.fail(
            line,
            f"unknown unit '{unit}'{did_you_mean(unit, UNITS_MS)}",
            column=unit.column,
            remedy="times are in us, ms or s",
        )
    time = _value(amount) * UNITS_MS[unit.value]
    if time <= 0:
        at.fail(
            line,
            f"decay({float(_value(amount)):g} {unit}): a time constant is above 0",
            column=amount.meta.column,
        )
    return Const(str(name), fmt, None, time, line)


def _input(tree: Tree, at: Source, line: int) -> Input:
    name, source = tree.children
    text, channel = str(source), 0
    head, _, tail = text.partition(".")
    if head == "third_factor" and tail:
        if not tail.isdigit():
            at.fail(
                line,
                f"channel '{tail}' of third_factor is no number",
                column=source.column,
                remedy="write third_factor or third_factor.1",
            )
        text, channel = head, int(tail)
    if text not in SOURCES:
        at.fail(
            line,
            f"unknown input '{text}'{did_you_mean(text, SOURCES)}",
            column=source.column,
            remedy=f"inputs: {', '.join(SOURCES)}",
        )
    return Input(str(name), text, channel, line)


# ---------------------------------------------------------------- registers


def _register(tree: Tree, at: Source, line: int) -> Register:
    temp = tree.data == "temp"
    name, owner = (tree.children[0], tree.children[1]) if temp else (tree.children[1], tree.children[0])
    token = tree.children[2]
    fmt = None if token == "weight" else _format(token, at, line)
    fields: dict = {}
    for flag in tree.children[3:]:
        key, value = _flag(flag, at, line)
        if key in fields:
            at.fail(line, f"'{_flag_word(flag)}' stands twice", column=flag.meta.column)
        fields[key] = value
    return Register(name=str(name), owner=str(owner), temp=temp, fmt=fmt, line=line, **fields)


def _flag_word(flag: Tree) -> str:
    if flag.data == "option":
        return flag.children[0].split("=")[0].strip()
    return {"init": "=", "per_context": "per context"}.get(flag.data) or str(flag.children[0])


def _flag(flag: Tree, at: Source, line: int) -> tuple[str, object]:
    if flag.data == "init":
        return "init", _value(flag.children[0])
    if flag.data == "per_context":
        return "per_context", True
    word = _flag_word(flag)
    column = flag.children[0].column
    if flag.data == "word":
        if word not in WORDS:
            known = (*WORDS, *OPTIONS, "per context")
            at.fail(
                line,
                f"unknown word '{word}'{did_you_mean(word, known)}",
                column=column,
                remedy="keep, publish, per context, round=..., overflow=..., = value",
            )
        return word, True
    if word not in OPTIONS:
        at.fail(
            line,
            f"unknown option '{word}'{did_you_mean(word, OPTIONS)}",
            column=column,
            remedy="options: round=, overflow=",
        )
    field, allowed = OPTIONS[word]
    value = flag.children[1]
    if value.value not in allowed:
        at.fail(
            line,
            f"unknown {word}={value}{did_you_mean(value, allowed)}",
            column=value.column,
            remedy=f"{word} is one of {', '.join(allowed)}",
        )
    return field, str(value)


# ---------------------------------------------------------------- tables


def _table(tree: Tree, at: Source, line: int) -> Table:
    name, argument, token, shape, *rest = tree.children
    _shape(shape, [s.data for s in rest], at, line)
    steps = tuple((_value(s.children[0]), _value(s.children[1])) for s in rest if s.data == "step")
    settings = _settings([s for s in rest if s.data == "setting"], at, line)
    common = dict(
        name=str(name),
        argument=str(argument.children[0]) if argument else None,
        fmt=_format(token, at, line),
        centre=settings.pop("centre", Fraction(0)),
        line=line,
    )
    if shape == "steps":
        for key in settings:
            remedy = "steps(x: value, ..., centre=threshold)"
            at.fail(line, f"steps takes no '{key}'", word=key, remedy=remedy)
        return Table(steps=steps, **common)
    segments = settings.pop("segments", Fraction(0))
    reach = settings.pop("reach", None)
    if reach is None:
        reach = settings.get("half_width", Fraction(1)) if shape in ("box", "triangle") else Fraction(0)
    whole = _whole(segments, at, line)
    return Table(shape=str(shape), segments=whole, reach=reach, options=tuple(settings.items()), **common)


def _shape(shape: Token, parts: list[str], at: Source, line: int) -> None:
    known = ("steps", *SHAPES)
    if shape.value not in known:
        message = f"unknown table shape '{shape}'{did_you_mean(shape, known)}"
        at.fail(line, message, column=shape.column, remedy=f"shapes: {', '.join(known)}")
    if shape != "steps" and "step" in parts:
        message = f"{shape} takes settings, not steps"
        at.fail(line, message, column=shape.column, remedy="write steps(x: value, ...)")


def _settings(trees: list[Tree], at: Source, line: int) -> dict:
    out: dict = {}
    for tree in trees:
        key, value = tree.children
        if key.value not in SETTINGS:
            at.fail(
                line,
                f"unknown table setting '{key}'{did_you_mean(key, SETTINGS)}",
                column=key.column,
                remedy=f"settings: {', '.join(SETTINGS)}",
            )
        if isinstance(value, Token) and (key != "centre" or value != "threshold"):
            at.fail(
                line,
                f"{key}={value} is no number",
                column=value.column,
                remedy="centre may be a number or `threshold`; the others are numbers",
            )
        if key.value in out:
            at.fail(line, f"'{key}' stands twice", column=key.column)
        out[str(key)] = "threshold" if isinstance(value, Token) else _value(value)
    return out


def _whole(segments: Fraction, at: Source, line: int) -> int:
    if segments.denominator != 1 or not 1 <= segments <= 4096:
        at.fail(
            line,
            f"segments={float(segments):g}: a named shape has 1 to 4096 whole segments",
            word="segments",
            remedy="add segments=5 or the like",
        )
    return int(segments)
