"""Products of a sum-of-products engine as data: as written in a rule file, and bound to a chip.

`ProductLine` is a line of on_products; lowering and binding turn it and other lines into
`ProductTerm`s, whose arithmetic is `Sums` and whose meaning is in products.py.
"""

from __future__ import annotations

from dataclasses import dataclass

# ---------------------------------------------------------------- text


@dataclass(frozen=True)
class ProductFactor:
    """A factor of a product: name, `(name + add)` or `sgn(name + add)`; add is a raw integer."""

    name: str
    add: int = 0
    sgn: bool = False


@dataclass(frozen=True)
class ProductLine:
    """One line of on_products: target (+|-)= mantissa * 2**exponent * factors, as written."""

    target: str
    mode: str  # += | -=
    mantissa: int
    exponent: int
    factors: tuple[ProductFactor, ...]
    line: int
    text: str

    @property
    def gates(self) -> tuple[str, ...]:
        """The factors x0, y0 and u<k> in order; the first says when the product is evaluated."""
        return tuple(f.name for f in self.factors if is_gate(f.name))


def is_gate(name: str) -> bool:
    """True for x0, y0 and u<k>: the built-in factors of a sum-of-products engine."""
    return name in ("x0", "y0") or (name[0] == "u" and name[1:].isdigit())


# ---------------------------------------------------------------- bound


@dataclass(frozen=True)
class Factor:
    """One factor of a bound product: a register's raw value + add, or its sign, limited to
    -2**bits..2**bits - 1. x0 and y0 are 0 or 1 (owner pre, post)."""

    name: str
    owner: str  # pre | post | syn
    bits: int  # magnitude bits W of the chip file
    add: int = 0
    sgn: bool = False

    def __str__(self) -> str:
        inner = f"{self.name} {'+' if self.add > 0 else '-'} {abs(self.add)}" if self.add else self.name
        return f"sgn({inner})" if self.sgn else f"({inner})" if self.add else inner


@dataclass(frozen=True)
class ProductTerm:
    """One product of a sum-of-products line: mantissa * 2**exponent * factors, added to target.

    gate is x0, y0 or u<k>. The exponent in use is exponent + shift_sign * shift_param; with `fine`
    the mantissa is doubled and the exponent lowered as far as both go, so that the floor after the
    multiplication loses least. line and text are the rule's.
    """

    mantissa: int
    exponent: int
    gate: str
    factors: tuple[Factor, ...]
    target: str
    shift_param: str | None = None
    shift_sign: int = 0
    fine: bool = False
    line: int = 0

    @property
    def text(self) -> str:
        """The product as a line of on_products, with the shift parameter by name."""
        power = str(self.exponent)
        if self.shift_sign:
            name = f"{'+' if self.shift_sign > 0 else '-'} {self.shift_param}"
            power = f"({self.exponent} {name})"
        sign = "-=" if self.mantissa < 0 else "+="
        names = " * ".join([self.gate, *map(str, self.factors)])
        return f"{self.target} {sign} {abs(self.mantissa)} * 2^{power} * {names}"


@dataclass(frozen=True)
class Sums:
    """Arithmetic of a sum-of-products engine (chip file, learning.products).

    lo..hi, frac   limits and fraction bits of the accumulator below the variable's LSB
    head           bits that a product keeps: it is shifted right by max(0, sum of W + mantissa_bits - head)
    """

    lo: int
    hi: int
    frac: int
    head: int
    mantissa_bits: int
    mantissa_max: int
    exponent_min: int
    exponent_max: int
    rounding: str  # of the write


@dataclass(frozen=True)
class Lowered:
    """What became of one line: verdict is exact, approximated or refused; how says why."""

    line: int
    text: str
    verdict: str
    how: str
    products: tuple[str, ...] = ()
