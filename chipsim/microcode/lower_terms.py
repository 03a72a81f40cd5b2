"""Lines of a rule as sums of products: the algebra that lowering works with.

A temp that is folded into products becomes a list of terms, each a rational coefficient, powers of
two by shift parameters and factors (atoms). What is no sum of products raises Refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from chipsim.fixed import Format
from chipsim.microcode.program import BoundLine, BoundParam, Operand, Sums

BIT = Format(False, 1, 0)


class Refused(Exception):
    """Why a line cannot be lowered; never seen by the user as an exception."""


@dataclass(frozen=True)
class Atom:
    """A factor: a register, or x0 / y0. at is the ordinal of the line that reads it; sent: a copy
    that on_third_factor hands to the products; add is a raw integer."""

    name: str
    owner: str
    fmt: Format
    at: int
    sent: bool = False
    reward: bool = False
    add: int = 0

    @property
    def gate(self) -> bool:
        """True for x0 and y0."""
        return self.name in ("x0", "y0")


@dataclass(frozen=True)
class Term:
    """coef * 2**-(sum of sign * param over shifts) * atoms, in real values."""

    coef: Fraction
    atoms: tuple[Atom, ...] = ()
    shifts: tuple[tuple[str, int], ...] = ()

    def times(self, other: Term) -> Term:
        """The product of two terms."""
        return Term(self.coef * other.coef, self.atoms + other.atoms, self.shifts + other.shifts)


Terms = list  # of Term
Read = Callable[[Operand], Terms]


def polynomial(line: BoundLine, read: Read) -> Terms:
    """The right side of a line (without = += -=) as terms; read gives those of an operand."""
    if line.form == "scale":
        terms = read(line.a)
        if line.b is not None:
            terms = [x.times(y) for x in terms for y in read(line.b)]
        factor = Fraction(2) ** -line.shift * (-1 if line.negate else 1)
        shifts = ((line.shift_param, line.shift_sign),) if line.shift_sign else ()
        return [x.times(Term(factor, (), shifts)) for x in terms]
    if line.form in ("add", "sub"):
        return read(line.a) + scaled(read(line.b), 1 if line.form == "add" else -1)
    raise Refused(f"the engine adds products; it has no '{line.form}'")


def scaled(terms: Terms, factor: int) -> Terms:
    """All coefficients times a number."""
    return [replace(x, coef=x.coef * factor) for x in terms]


def largest(terms: Terms, params: dict[str, BoundParam]) -> tuple[Fraction, Fraction]:
    """Real interval of a sum of terms over all raw values and declared shifts."""
    lo = hi = Fraction(0)
    for term in terms:
        a = b = term.coef
        for atom in term.atoms:
            ends = [atom.fmt.real(raw + atom.add) for raw in (atom.fmt.lo, atom.fmt.hi)]
            corners = [x * y for x in (a, b) for y in ends]
            a, b = min(corners), max(corners)
        for name, sign in term.shifts:
            least = min(sign * params[name].lo, sign * params[name].hi)
            a, b = a * Fraction(2) ** -least, b * Fraction(2) ** -least
        lo, hi = lo + min(a, b, 0), hi + max(a, b, 0)
    return lo, hi


def nearest_scale(value: Fraction, sums: Sums) -> tuple[int, int]:
    """Odd mantissa and exponent of the number nearest to value, |mantissa| <= mantissa_max."""
    size, exponent = abs(value), 0
    top = sums.mantissa_max + 1
    while size >= top:
        size, exponent = size / 2, exponent + 1
    while size * 2 < top:
        size, exponent = size * 2, exponent - 1
    mantissa = min(range(1, top + 1), key=lambda m: (abs(m - size), m))
    while mantissa % 2 == 0:
        mantissa, exponent = mantissa // 2, exponent + 1
    return (mantissa if value > 0 else -mantissa), exponent
