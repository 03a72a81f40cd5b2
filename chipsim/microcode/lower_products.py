"""Terms in real numbers -> products with a mantissa, an exponent and factors of limited width."""

from __future__ import annotations

from fractions import Fraction

from chipsim.microcode.lower_terms import Atom, Refused, Term, nearest_scale
from chipsim.microcode.products import head_shift, scale_of
from chipsim.microcode.program import (
    BoundLine,
    BoundProgram,
    Factor,
    ProductFactor,
    ProductLine,
    ProductTerm,
    Sums,
    is_gate,
)

EXACT_BITS = 60  # a product of more bits leaves the 64-bit lanes
LAST_GATE = 9  # u0 .. u9


class Scaler:
    """Gives every product its scale; narrows the range of shift parameters on the way."""

    def __init__(self, bound: BoundProgram, chip, sums: Sums):
        self.bound, self.chip, self.sums = bound, chip, sums
        self.engine = chip.learning.products
        self.params = {p.name: p for p in bound.params}
        self.ranges: dict[str, tuple[int, int]] = {}

    # ------------------------------------------------------------ lowered terms

    def product(self, term: Term, gate: str, x: BoundLine, notes: list[str]) -> ProductTerm:
        """The product of one term; notes say what it costs. Raises Refused."""
        gate, atoms = self._gated(gate, term.atoms)
        factors = [self._factor(a) for a in atoms]
        param, sign = self._shift(term)
        present = sign * self.params[param].raw if param else 0
        real = term.coef * Fraction(2) ** -present
        if real == 0:
            raise Refused("its constant is 0")
        unit = x.target.fmt.frac - sum(a.fmt.frac for a in atoms)
        mantissa, exponent = nearest_scale(real * Fraction(2) ** (unit + self._head(factors)), self.sums)
        if exponent < self.sums.exponent_min:
            repeats = self._repeats(gate, factors, exponent, real)
            factors += repeats
            exponent = self.sums.exponent_min
            notes.append(f"{len(repeats)} repeated gates lower the gain of one product")
        if exponent > self.sums.exponent_max:
            raise Refused(f"its scale 2^{exponent} is above the largest, 2^{self.sums.exponent_max}")
        self._narrow(param, sign, exponent)
        made = ProductTerm(
            mantissa, exponent + present, gate, tuple(factors), x.target.name, param, -sign, True, x.line
        )
        self._fits(made)
        self._notes(made, real, unit, notes)
        return made

    def _gated(self, gate: str, atoms: tuple[Atom, ...]) -> tuple[str, list[Atom]]:
        """x0 and y0 count once; one of them takes the place of u0."""
        spikes = list(dict.fromkeys(a.name for a in atoms if a.gate))
        if gate == "u0" and spikes:
            gate = spikes[0]
        first = {a.name: a for a in atoms if a.gate and a.name != gate}
        return gate, [*first.values(), *(a for a in atoms if not a.gate)]

    def _factor(self, a: Atom) -> Factor:
        bits = self._bits(a.name, a.owner, a.reward)
        if not a.gate and (a.fmt.lo < -(1 << bits) or a.fmt.hi > (1 << bits) - 1):
            what = a.name[2:] if a.sent else a.name
            raise Refused(f"'{what}' is {a.fmt}; as a factor it holds {-(1 << bits)}..{(1 << bits) - 1}")
        self._constant(a.add, a.name)
        return Factor(a.name, a.owner, bits, a.add)

    def _bits(self, name: str, owner: str, reward: bool = False) -> int:
        widths = self.engine.factor_bits
        if reward:
            return (self.chip.learning.third_factor_bits or 8) - 1
        if is_gate(name):
            return widths.get(name, 1)
        if owner == "syn":
            return widths["w" if self.bound.register(name).is_weight else "t"]
        return widths["x1" if owner == "pre" else "y1"]

    def _constant(self, add: int, name: str) -> None:
        half = 1 << (self.engine.constant_bits - 1)
        if not -half <= add < half:
            raise Refused(f"the constant {add} beside '{name}' is outside {-half}..{half - 1}")

    def _shift(self, term: Term) -> tuple[str | None, int]:
        names = {name for name, _ in term.shifts}
        if len(names) > 1:
            raise Refused(f"two shift parameters ({', '.join(sorted(names))}) in one product")
        sign = sum(s for _, s in term.shifts)
        return (names.pop(), sign) if sign else (None, 0)

    def _head(self, factors: list[Factor]) -> int:
        return max(0, sum(f.bits for f in factors) + self.sums.mantissa_bits - self.sums.head)

    def _repeats(self, gate: str, factors: list[Factor], exponent: int, real: Fraction) -> list[Factor]:
        """The gate again and again: each halves the gain once the head is full."""
        missing = self.sums.exponent_min - exponent
        if gate[0] == "u":
            raise Refused(
                f"{float(real):.3g} needs the exponent {exponent}; "
                f"the engine's smallest is {self.sums.exponent_min}"
            )
        wanted = self._head(factors) + missing + self.sums.head - self.sums.mantissa_bits
        owner = "pre" if gate == "x0" else "post"
        count = wanted - sum(f.bits for f in factors)
        return [Factor(gate, owner, self._bits(gate, owner))] * count

    def _narrow(self, param: str | None, sign: int, exponent: int) -> None:
        """The exponent is `exponent` now and falls by sign for each step of the parameter."""
        if param is None:
            return
        p = self.params[param]
        lo, hi = self.ranges.get(param, (p.lo, p.hi))
        steps = abs(sign)
        down, up = (exponent - self.sums.exponent_min) // steps, (self.sums.exponent_max - exponent) // steps
        more, less = (down, up) if sign > 0 else (up, down)
        self.ranges[param] = (max(lo, p.raw - less), min(hi, p.raw + more))

    def _notes(self, made: ProductTerm, real: Fraction, unit: int, notes: list[str]) -> None:
        """The error of the constant and the bits that the head shift loses."""
        params = {name: p.raw for name, p in self.params.items()}
        mantissa, exponent = scale_of(made, params, self.sums)
        head = head_shift(made, self.sums)
        used = mantissa * Fraction(2) ** (exponent - head - unit)
        if used != real:
            notes.append(f"{float(real):.4g} is {float(used):.4g} ({float(used / real - 1):+.1%})")
        free = (mantissa & -mantissa).bit_length() - 1
        if head > free:
            notes.append(f"a product is floored to 2^{exponent} of the LSB of '{made.target}'")

    def _fits(self, made: ProductTerm) -> None:
        bits = sum(f.bits for f in made.factors) + self.sums.mantissa_bits
        if bits > EXACT_BITS:
            raise Refused(f"a product of {bits} bits; the limit is {EXACT_BITS}")
        most = self.engine.factors_max
        if most is not None and len(made.factors) + 1 > most:
            raise Refused(f"{len(made.factors) + 1} factors; the engine takes {most}")

    # ------------------------------------------------------------ products of the rule file

    def written(self, p: ProductLine) -> ProductTerm:
        """A product as the rule file has it."""
        mantissa = -p.mantissa if p.mode == "-=" else p.mantissa
        engine = self.engine
        if not mantissa:
            raise Refused("its constant is 0")
        if not engine.mantissa_min <= mantissa <= engine.mantissa_max:
            raise Refused(f"mantissa {mantissa} is outside {engine.mantissa_min}..{engine.mantissa_max}")
        if not engine.exponent_min <= p.exponent <= engine.exponent_max:
            raise Refused(f"exponent {p.exponent} is outside {engine.exponent_min}..{engine.exponent_max}")
        if self.bound.register(p.target).overflow == "wrap":
            raise Refused(f"'{p.target}' wraps; the engine saturates")
        gate, *_ = p.gates
        if gate[0] == "u" and int(gate[1:]) > LAST_GATE:
            raise Refused(f"gates are u0..u{LAST_GATE}, not {gate}")
        first = next(k for k, f in enumerate(p.factors) if f.name == gate)
        rest = [f for k, f in enumerate(p.factors) if k != first]
        made = ProductTerm(
            mantissa, p.exponent, gate, tuple(self._written(f) for f in rest), p.target, line=p.line
        )
        self._fits(made)
        return made

    def _written(self, f: ProductFactor) -> Factor:
        if is_gate(f.name):
            if f.name[0] == "u":
                raise Refused(f"'{f.name}' can only be the first gate")
            if f.add or f.sgn:
                raise Refused(f"'{f.name}' stands alone")
            return Factor(f.name, "pre" if f.name == "x0" else "post", 1)
        owner = self.bound.register(f.name).owner
        if owner == "layer":
            raise Refused(f"'{f.name}' exists per layer; the engine has no such operand")
        if f.sgn and owner != "syn":
            raise Refused(f"sgn({f.name}): the engine takes the sign of synaptic variables only")
        self._constant(f.add, f.name)
        return Factor(f.name, owner, self._bits(f.name, owner), f.add, f.sgn)
