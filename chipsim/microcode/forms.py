"""The closed list of lines: a flat expression becomes one `Line`, or is refused with its reason.

    d (=|+=|-=) [-]a [* b] [>> k | << k]
    d = a + b | a - b | min(a, b) | max(a, b) | abs(a) | sign(a) | a >= b (> < <= ==)
    d = table(a) | random
each with `when c` or `when not c` at its end (definition 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from lark import Token, Tree

from chipsim.errors import did_you_mean
from chipsim.microcode.program import Line, ProductFactor, ProductLine
from chipsim.microcode.source import Source

FUNCTIONS = {"min": 2, "max": 2, "abs": 1, "sign": 1}
COMPARE = {">=": "ge", ">": "gt", "<=": "le", "<": "lt", "==": "eq"}
LARGEST_MANTISSA = 7  # a larger even one is halved, its exponent raised
MAX_SHIFT = 40


@dataclass(frozen=True)
class Place:
    """Where a line stands: file, section, line number, column of its first character, tables."""

    at: Source
    section: str
    line: int
    offset: int
    text: str
    tables: tuple[str, ...]

    def fail(self, message: str, node: Token | Tree | None = None, remedy: str | None = None) -> NoReturn:
        """Refuse with the caret below `node`."""
        column = None
        if node is not None:
            inner = node.column if isinstance(node, Token) else node.meta.column
            column = self.offset + inner
        self.at.fail(self.line, message, column=column, remedy=remedy)


def number(text: str) -> Fraction:
    """`3`, `0.25`, `7e-3` or `2^-4` as an exact rational."""
    if text.startswith("2^"):
        return Fraction(2) ** int(text[2:])
    return Fraction(text)


# ---------------------------------------------------------------- lines


def read_line(tree: Tree, here: Place) -> Line:
    """One line of a section from its `operation` tree; RuleError where it is no form."""
    target, mode, expr, when = tree.children
    if mode.value not in ("=", "+=", "-="):
        here.fail(f"'{mode}' does not exist", mode, "use =, += or -=; scale with `x = x * k`, k a const")
    parts = _expression(expr, here)
    if mode.value != "=" and parts["form"] != "scale":
        here.fail(
            f"'{mode}' takes [-]a [* b] [>> k] only",
            mode,
            "write the value into a temp with `=`, then add the temp",
        )
    negated, condition = (when.children[0] is not None, str(when.children[1])) if when else (False, None)
    blank = dict(a=None, b=None, negate=False, shift=0, shift_param=None, shift_sign=0, table=None)
    return Line(
        section=here.section,
        target=str(target),
        mode=str(mode),
        when=condition,
        when_not=negated,
        line=here.line,
        text=here.text,
        **{**blank, **parts},
    )


def _expression(expr: Tree, here: Place) -> dict:
    terms, ops = expr.children[0::2], expr.children[1::2]
    for op in ops:
        if op.value in ("/", "%", "&", "|", "!="):
            remedy = {
                "/": "multiply by a const (1/3 is `const third : u8.8 = 0.333`) or shift with >>",
                "&": "AND of two u1.0 registers is a product: `c = c * d`",
                "|": "OR of two u1.0 registers is `c = max(c, d)`",
                "!=": "compare with == and use `when not c`",
            }.get(op.value, "the operators are * + - >> << >= > <= < ==")
            here.fail(f"there is no '{op}' in the rule language", op, remedy)
    for term in terms:
        if isinstance(term.children[1], Tree) and term.children[1].data == "group":
            here.fail("parentheses are not part of a line", term, "one line is one operation: use a temp")
    names = [str(op) for op in ops]
    if not names:
        return _single(terms[0], here)
    if names[0] in ("+", "-") or names[0] in COMPARE:
        return _pair(terms, ops, here)
    return _scale(terms, ops, here)


def _atom(term: Tree, here: Place, sign: bool = False) -> str | Fraction:
    """The name or number of a term; a minus before a name is refused unless `sign`."""
    minus, atom = term.children
    if isinstance(atom, Tree):
        here.fail(
            f"'{atom.children[0]}(...)' must stand alone",
            term,
            "nothing is nested: use a temp and a second line",
        )
    if atom.type == "NUMBER":
        return -number(atom) if minus else number(atom)
    if minus and not sign:
        here.fail(f"'-{atom}' cannot stand here", term, "a minus stands before the first factor only")
    return str(atom)


def _single(term: Tree, here: Place) -> dict:
    minus, atom = term.children
    if isinstance(atom, Tree):
        if minus:
            here.fail("a minus cannot stand before a function", minus, "negate in a second line: `d = -d`")
        return _call(atom, here)
    if atom == "random":
        return {"form": "random"}
    value = _atom(term, here, sign=True)
    return {"form": "scale", "a": value, "negate": bool(minus) and isinstance(value, str)}


def _call(call: Tree, here: Place) -> dict:
    name, *args = call.children
    args = [a for a in args if a is not None]
    if name.value not in FUNCTIONS and name.value not in here.tables:
        known = [*FUNCTIONS, *here.tables]
        here.fail(
            f"unknown function or table '{name}'{did_you_mean(name, known)}",
            name,
            f"functions: {', '.join(FUNCTIONS)}; tables: {', '.join(here.tables) or 'none declared'}",
        )
    for arg in args:
        if len(arg.children) > 1:
            here.fail(f"an argument of {name} is one name", arg, "use a temp and a second line")
    wanted = FUNCTIONS.get(name.value, 1)
    if len(args) != wanted:
        here.fail(f"{name} takes {wanted} argument{'s' * (wanted > 1)}, {len(args)} given", name)
    values = [_atom(arg.children[0], here) for arg in args]
    if name.value not in FUNCTIONS:
        if isinstance(values[0], Fraction):
            here.fail(f"the argument of {name} is a name, not a number", args[0])
        return {"form": "table", "table": str(name), "a": values[0]}
    if all(isinstance(v, Fraction) for v in values):
        here.fail(f"{name} of numbers only is a constant", name, "write the number itself")
    return {"form": str(name), "a": values[0], "b": values[1] if wanted == 2 else None}


def _pair(terms: list, ops: list, here: Place) -> dict:
    op = ops[0].value
    if len(ops) > 1:
        here.fail(
            f"'{ops[1]}' after '{op}': a line has one operation", ops[1], "use a temp and a second line"
        )
    a, b = (_atom(term, here) for term in terms)
    if op in COMPARE:
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            here.fail("a comparison of two numbers is a constant", terms[0], "compare a register")
        return {"form": COMPARE[op], "a": a, "b": b}
    for value, term in ((a, terms[0]), (b, terms[1])):
        if isinstance(value, Fraction):
            here.fail(
                f"a number cannot stand in a sum: '{op}' takes two names",
                term,
                "declare `const c : FORMAT = value` and use c, or write `d += value`",
            )
    return {"form": "add" if op == "+" else "sub", "a": a, "b": b}


def _scale(terms: list, ops: list, here: Place) -> dict:
    minus = terms[0].children[0]
    a = _atom(terms[0], here, sign=True)
    out: dict = {"form": "scale", "a": a, "negate": bool(minus) and isinstance(a, str)}
    rest = list(zip(ops, terms[1:], strict=True))
    if rest[0][0].value == "*":
        op, term = rest.pop(0)
        out["b"] = _atom(term, here)
        for value, node in ((a, terms[0]), (out["b"], term)):
            if isinstance(value, Fraction):
                here.fail(
                    "a number cannot be a factor: its format would be a guess",
                    node,
                    "declare `const c : u8.8 = value` (or a param) and multiply by c",
                )
    if rest and rest[0][0].value in (">>", "<<"):
        op, term = rest.pop(0)
        if isinstance(a, Fraction):
            here.fail("a number is not shifted", terms[0], "write the value itself")
        out.update(_shift(op.value, term, here))
    if rest:
        here.fail(
            f"'{rest[0][0]}' cannot follow here", rest[0][0], "one line is [-]a [* b] [>> k]: use a temp"
        )
    return out


def _shift(op: str, term: Tree, here: Place) -> dict:
    value = _atom(term, here)
    sign = 1 if op == ">>" else -1
    if isinstance(value, str):
        return {"shift_param": value, "shift_sign": sign}
    if value.denominator != 1 or not 0 <= value <= MAX_SHIFT:
        here.fail(f"a shift is a whole number from 0 to {MAX_SHIFT}, not {float(value):g}", term)
    return {"shift": sign * int(value)}


# ---------------------------------------------------------------- products


def read_product(tree: Tree, here: Place) -> ProductLine:
    """One line of on_products: numbers, powers of two and factors joined by `*`."""
    target, mode, expr, when = tree.children
    if when:
        here.fail("a product has no 'when'", when, "gate it with x0, y0 or u0")
    if mode.value not in ("+=", "-="):
        here.fail(f"a product is added: '{mode}' does not exist here", mode, "use += or -=")
    for op in expr.children[1::2]:
        if op.value != "*":
            here.fail(f"'{op}' between factors", op, "one product per line: write each term on its own line")
    scale, whole, factors = Fraction(1), 1, []
    for term in expr.children[0::2]:
        minus, atom = term.children
        whole = -whole if minus else whole
        if not (isinstance(atom, Token) and atom.type == "NUMBER"):
            factors.append(_factor(atom, here))
        elif atom.isdigit():
            whole *= int(atom)
        else:
            scale *= number(atom)
    mantissa, exponent = _dyadic(scale, expr, here)
    mantissa *= whole
    while abs(mantissa) > LARGEST_MANTISSA and mantissa % 2 == 0:
        mantissa, exponent = mantissa // 2, exponent + 1
    return ProductLine(str(target), str(mode), mantissa, exponent, tuple(factors), here.line, here.text)


def _factor(atom: Token | Tree, here: Place) -> ProductFactor:
    if isinstance(atom, Token):
        return ProductFactor(str(atom))
    sgn = atom.data == "call"
    if sgn and atom.children[0] != "sgn":
        name = atom.children[0]
        here.fail(
            f"unknown function '{name}' in a product{did_you_mean(name, ['sgn'])}", name, "only sgn exists"
        )
    inner = [c for c in atom.children if isinstance(c, Tree)]
    parts = inner[0].children if len(inner) == 1 else []
    names = [t.children[1] for t in parts[0::2] if t.children[1] is not None]
    good = len(parts) in (1, 3) and all(isinstance(n, Token) for n in names)
    good = good and names[0].type == "NAME" and parts[0].children[0] is None
    if len(parts) == 3:
        good = good and str(parts[1]) in ("+", "-") and names[1].type == "NUMBER"
    if not good:
        here.fail("a bracket holds one name and one whole number", atom, "write (w + 3), (t - 1) or sgn(w)")
    add = number(names[1]) if len(parts) == 3 else Fraction(0)
    if add.denominator != 1:
        here.fail("the number in a bracket is whole (raw units)", atom)
    return ProductFactor(str(names[0]), int(-add if len(parts) == 3 and parts[1] == "-" else add), sgn)


def _dyadic(scale: Fraction, expr: Tree, here: Place) -> tuple[int, int]:
    """Odd mantissa and exponent of a dyadic rational. (Whole numbers keep their place in the mantissa as
    written: 6 and 3 * 2^1 lose different bits to an engine's floor.)"""
    size = scale.denominator
    if size & (size - 1):
        here.fail(f"{scale} is no integer times a power of two", expr, "write for example 3 * 2^-4")
    mantissa, exponent = scale.numerator, 1 - size.bit_length()
    while mantissa and mantissa % 2 == 0:
        mantissa, exponent = mantissa // 2, exponent + 1
    return mantissa, exponent
