"""Lava's learning-rule strings (lava-nc 0.10.0) read as products.

A rule is a sum of products; a product is a row of symbols with or without `*`: gates x0, y0, u0..u9,
traces x1, x2, y1, y2, y3, variables w, d, t, whole numbers and powers of two, brackets `(var + n)` and
`sgn(var + n)`. What Lava's parser misreads without a word is refused here, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chipsim.errors import SettingError

GATES = re.compile(r"x0|y0|u\d+")
NAMES = ("x1", "x2", "y1", "y2", "y3", "w", "d", "t")
NUMBER = re.compile(r"(?:(\d+)\*)?2\^([+-]?\d+)|(\d+)")
BRACKET = re.compile(r"(sgn)?\(([^()]*)\)")
MANTISSA, EXPONENT = (-8, 7), (-7, 8)


@dataclass(frozen=True)
class LavaFactor:
    """`x1`, `(x1 + add)`, `sgn(w + add)`, or a gate's name that is not the first."""

    name: str
    add: int = 0
    sgn: bool = False

    def __str__(self) -> str:
        inner = f"{self.name} {'+' if self.add > 0 else '-'} {abs(self.add)}" if self.add else self.name
        return f"sgn({inner})" if self.sgn else f"({inner})" if self.add else inner


@dataclass(frozen=True)
class LavaProduct:
    """mantissa * 2**exponent * gate * factors, as Lava normalises it."""

    mantissa: int
    exponent: int
    gate: str
    factors: tuple[LavaFactor, ...]

    def __str__(self) -> str:
        names = " * ".join([self.gate, *map(str, self.factors)])
        return f"{abs(self.mantissa)} * 2^{self.exponent} * {names}"


def lava_products(text: str) -> tuple[LavaProduct, ...]:
    """The products of a rule string such as `2^-2*x1*y0 - 2^-2*y1*x0`. Raises SettingError."""
    squeezed = re.sub(r"\s+", "", text)
    if not squeezed:
        raise _refused(text, "", "an empty rule")
    return tuple(_product(text, sign, body) for sign, body in _split(text, squeezed))


def _refused(text: str, part: str, reason: str, remedy: str = "") -> SettingError:
    return SettingError(f"'{part}': {reason}" if part else reason, where=f"Lava rule '{text}'", remedy=remedy)


def _split(text: str, squeezed: str) -> list[tuple[int, str]]:
    """Signed products: every + or - outside brackets and exponents begins one."""
    parts: list[tuple[int, str]] = []
    sign, body, depth = 1, "", 0
    for k, letter in enumerate(squeezed):
        depth += (letter == "(") - (letter == ")")
        begins = letter in "+-" and depth == 0 and not (k and squeezed[k - 1] == "^")
        if not begins:
            body += letter
            continue
        if body:
            parts.append((sign, body))
        elif k:
            raise _refused(text, squeezed[max(0, k - 1) : k + 1], "two signs in a row")
        sign, body = (1 if letter == "+" else -1), ""
    if depth or not body:
        raise _refused(text, squeezed, "ends early" if not body else "a bracket is not closed")
    return [*parts, (sign, body)]


def _product(text: str, sign: int, body: str) -> LavaProduct:
    mantissa, exponent, gate, factors, at = sign, 0, "", [], 0
    while at < len(body):
        rest = body[at:]
        if rest[0] == "*":
            if at == 0 or at == len(body) - 1:
                raise _refused(text, body, "a product begins and ends with a symbol")
            at += 1
            continue
        if found := GATES.match(rest):
            if not gate:
                gate = _gate(text, found[0])
            elif found[0][0] == "u":
                raise _refused(text, body, f"'{found[0]}' after '{gate}': u<k> can only be the first gate")
            else:
                factors.append(LavaFactor(found[0]))
        elif found := BRACKET.match(rest):
            made = _bracket(text, found[2], bool(found[1]))
            if isinstance(made, int):
                mantissa *= made
            else:
                factors.append(made)
        elif found := NUMBER.match(rest):
            mantissa *= int(found[1] or found[3] or 1)
            exponent += int(found[2] or 0)
        else:
            name = next((x for x in NAMES if rest.startswith(x)), "")
            if not name:
                raise _refused(
                    text, rest, "nothing that Lava knows", f"known: {', '.join(NAMES)}, x0, y0, u0..u9"
                )
            factors.append(LavaFactor(name))
            found = re.match(name, rest)
        at += found.end()
    return _scaled(text, body, mantissa, exponent, gate, tuple(factors))


def _gate(text: str, name: str) -> str:
    if name[0] == "u" and len(name) > 2:
        raise _refused(text, name, f"Lava reads {name[:2]} times {name[2:]}", "u0 to u9")
    return name


def _bracket(text: str, inner: str, sgn: bool) -> LavaFactor | int:
    """`(var)`, `(var + n)`, `(n + var)`, `(n)`."""
    terms = re.findall(r"([+-]?)([^+-]+)", inner)
    if "".join(a + b for a, b in terms) != inner or not 1 <= len(terms) <= 2 or "2^" in inner:
        reason = (
            "a constant of 2^-m in a bracket becomes a fraction" if "2^" in inner else "no bracket of Lava's"
        )
        raise _refused(text, f"({inner})", reason, "write (var), (var + n) or (n + var), n a whole number")
    names = [(s, x) for s, x in terms if not x.isdigit()]
    numbers = [int(f"{s}{x}") for s, x in terms if x.isdigit()]
    if not names and len(numbers) == 1 and not sgn:
        return numbers[0]
    if len(names) != 1 or len(numbers) != len(terms) - 1 or names[0][1] not in NAMES:
        raise _refused(text, f"({inner})", "a bracket holds one variable and at most one number")
    name = names[0][1]
    if names[0][0] == "-":
        raise _refused(text, f"({inner})", f"Lava drops the minus before '{name}' without a word")
    if sgn and name not in ("w", "d", "t"):
        raise _refused(text, f"sgn({inner})", "the sign is taken of w, d and t only")
    return LavaFactor(name, sum(numbers), sgn)


def _scaled(text, body, mantissa: int, exponent: int, gate: str, factors) -> LavaProduct:
    if not gate:
        raise _refused(text, body, "no x0, y0 or u<k> says when it is evaluated", "add `u0*`")
    while abs(mantissa) > MANTISSA[1] and mantissa % 2 == 0 and exponent < EXPONENT[1]:
        mantissa, exponent = mantissa // 2, exponent + 1
    if (
        not (MANTISSA[0] <= mantissa <= MANTISSA[1] and EXPONENT[0] <= exponent <= EXPONENT[1])
        or not mantissa
    ):
        limits = f"{MANTISSA[0]}..{MANTISSA[1]} times 2^{EXPONENT[0]}..2^{EXPONENT[1]}"
        raise _refused(text, body, f"the scale {mantissa} * 2^{exponent} is outside {limits}")
    return LavaProduct(mantissa, exponent, gate, factors)
