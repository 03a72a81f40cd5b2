"""Line by line: what stays, what is folded, what becomes products, and why something cannot."""

from __future__ import annotations

from dataclasses import replace

from chipsim.fixed import Format
from chipsim.microcode.lower_products import Scaler
from chipsim.microcode.lower_terms import BIT, Atom, Refused, Term, Terms, largest, polynomial, scaled
from chipsim.microcode.program import (
    BoundLine,
    BoundProgram,
    BoundRegister,
    Lowered,
    Operand,
    ProductLine,
    ProductTerm,
    Sums,
)

PHASE_OF = {
    "on_step": "decay",
    "on_pre": "on_pre",
    "on_membrane": "fire",
    "on_post": "on_post",
    "on_third_factor": "third",
    "on_epoch": "learn",
}
GATES = {"on_pre": "x0", "on_post": "y0", "on_step": "u0", "on_third_factor": "u0"}
SAMPLE = ("on_sample_start", "on_sample_end")
OWN_SPIKE = {"pre": ("on_pre", "axon's"), "post": ("on_post", "neuron's")}
PROGRAM = "the neuron's program"
FOLDED = "folded into the products"


def _copy(x: BoundLine, o: Operand, register: BoundRegister) -> BoundLine:
    """The line `register = o` in the place of line x."""
    plain = dict(negate=False, shift=0, shift_param=None, shift_sign=0, when=None, when_not=False, table=None)
    plain.update(text=f"{register.name} = {o.name}", exact_bound=max(-register.lo, register.hi))
    return replace(x, target=register, mode="=", form="scale", a=o, b=None, **plain)


class Lowering:
    """Collects what becomes of a program. After all `line` and `product` calls: `table()` has the
    verdicts, `needed()` the lines that are left, `products`, `sent` and `ranges` the rest."""

    def __init__(self, bound: BoundProgram, chip, sums: Sums, epoch: int):
        self.bound, self.chip = bound, chip
        self.programmable = chip.learning.third_factor in ("per_post_neuron", "any")
        self.epoch = epoch
        self.params = {p.name: p for p in bound.params}
        self.scaler = Scaler(bound, chip, sums)
        self.ranges = self.scaler.ranges
        self.folded: dict[tuple[str, str], Terms | Refused] = {}  # (section, temp) -> its terms
        self.kept: list[BoundLine] = []
        self.rows: list[tuple[BoundLine | None, Lowered]] = []
        self.products: list[ProductTerm] = []
        self.sent: dict[str, BoundRegister] = {}
        self._copies: dict[str, tuple[str, int]] = {}  # operand -> (register, kept lines so far)

    # ------------------------------------------------------------ lines

    def line(self, x: BoundLine) -> None:
        """Decide one line."""
        try:
            verdict, how, products = self._line(x)
        except Refused as reason:
            verdict, how, products = "refused", str(reason), []
        self.products += products
        self.rows.append((x, Lowered(x.line, x.text, verdict, how, tuple(p.text for p in products))))

    def _line(self, x: BoundLine) -> tuple[str, str, list[ProductTerm]]:
        t = x.target
        if x.section == "on_replay":
            raise Refused("the engine has no stored steps to go back to")
        if t.owner == "layer":
            raise Refused(f"'{t.name}' exists per layer; the engine has no such operand")
        if t.owner == "syn" and not t.temp:
            if t.per_context:
                raise Refused(f"'{t.name}' is one copy per context; the engine keeps one per synapse")
            return self._synapse(x)
        if t.temp:
            return self._temp(x)
        if x.section in SAMPLE:
            if x.mode != "=" or x.form != "scale" or x.a.raw is None or x.b is not None or x.when:
                raise Refused("between samples the host writes numbers only")
            self.kept.append(x)
            return "exact", "written by the host between samples", []
        if t.owner == "post" and self.programmable:
            if x.section == "on_pre":
                raise Refused("a neuron's program does not see which axons are active")
            self.kept.append(x)
            return "exact", PROGRAM, []
        return self._trace(x)

    def _trace(self, x: BoundLine) -> tuple[str, str, list]:
        """A decay by a constant or an impulse: the chip's trace registers do these two."""
        t = x.target
        section, whose = OWN_SPIKE[t.owner]
        alone = x.form == "scale" and x.when is None and not x.negate and x.shift_sign == 0
        if alone and x.section == "on_step" and x.mode == "=" and t.name in (x.a.name, x.b and x.b.name):
            factor = x.b if x.a.name == t.name else x.a
            if factor is None or factor.kind in ("const", "param"):
                return self._stays(x, "decay of a trace register")
        lives_one_step = self.chip.learning.products.streams is not None and x.a is not None and x.a.raw == 0
        if alone and x.section == "on_step" and x.mode == "=" and x.b is None and lives_one_step:
            return self._stays(x, "a trace that lives in the step of its spike")
        if alone and x.section == section and x.mode == "+=" and self.impulse(x):
            return self._stays(x, "impulse of a trace register")
        if t.owner == "post" and x.section in ("on_membrane", "on_third_factor"):
            raise Refused(f"chip {self.chip.name} computes nothing per neuron but membrane and traces")
        raise Refused(f"a trace decays by a constant and takes an impulse at its {whose} spikes")

    def _stays(self, x: BoundLine, how: str) -> tuple[str, str, list]:
        self.kept.append(x)
        t = x.target
        if x.drop({}) > 0 and (t.rounding != "stochastic" or t.fmt.signed):
            return "approximated", f"{how}; the chip's are unsigned and rounded stochastically", []
        return "exact", how, []

    @staticmethod
    def impulse(x: BoundLine) -> int:
        """Raw amount of an impulse line `x += number`, or 0 if it is none."""
        if x.form != "scale" or x.mode != "+=" or x.b is not None or x.when is not None or x.shift_sign:
            return 0
        number = x.a.kind in ("number", "const") and x.drop({}) <= 0
        return x.a.raw << -x.drop({}) if number and not x.negate else 0

    # ------------------------------------------------------------ temps

    def _temp(self, x: BoundLine) -> tuple[str, str, list]:
        t, key = x.target, (x.section, x.target.name)
        program = t.owner == "post" and self.programmable and x.section != "on_pre"
        if program:
            self.kept.append(x)
            if x.section == "on_third_factor":  # what the synapses need of it is sent to them
                return "exact", PROGRAM, []
        try:
            self.folded[key] = self._summed(x, key)
        except Refused as reason:
            self.folded[key] = reason
            if not program:
                raise
        lost = self._lost(x, self.folded[key])
        return ("approximated", f"{FOLDED}; {lost}", []) if lost else ("exact", FOLDED, [])

    def _summed(self, x: BoundLine, key: tuple[str, str]) -> Terms:
        if x.when is not None:
            raise Refused("'when' on a line that is folded into products")
        terms = scaled(polynomial(x, lambda o: self._read(o, x)), -1 if x.mode == "-=" else 1)
        if x.mode == "=":
            return terms
        before = self.folded.get(key, [])
        if isinstance(before, Refused):
            raise before
        return before + terms

    def _lost(self, x: BoundLine, terms: Terms | Refused) -> str:
        """What the temp's own format did and the products do not."""
        if isinstance(terms, Refused):
            return ""
        bounds = {p.name: (p.lo, p.hi) for p in self.bound.params}
        t, lost = x.target, []
        if x.drop_range(bounds)[1] > 0:
            lost.append(f"its rounding to {t.fmt} is left out")
        lo, hi = largest(terms, self.params)
        if lo < t.fmt.real(t.lo) or hi > t.fmt.real(t.hi):
            lost.append(f"its limits ({t.overflow} in {t.fmt}) are left out")
        return " and ".join(lost)

    # ------------------------------------------------------------ operands

    def _read(self, o: Operand, x: BoundLine) -> Terms:
        """An operand of a synapse's line or of a folded temp, as terms."""
        if o.raw is not None:
            return [Term(o.fmt.real(o.raw))]
        if o.kind == "param":
            p = self.params[o.name]
            self.ranges[p.name] = (p.raw, p.raw)
            return [Term(p.fmt.real(p.raw))]
        if o.source == "pre.spike":
            if o.fmt.bits > 1:
                raise Refused(f"'{o.name}' carries payloads of {o.fmt.bits} bits; x0 is 0 or 1")
            return [Term(1, (Atom("x0", "pre", BIT, x.ordinal),))]
        if o.source == "post.spike":
            return [Term(1, (Atom("y0", "post", BIT, x.ordinal),))]
        if x.section == "on_third_factor" and (
            o.source == "reward" or o.owner == "post" and self.programmable
        ):
            return [Term(1, (self._send(o, x),))]
        if o.kind == "input":
            raise Refused(f"'{o.name}' ({o.source}) is no factor of a product in {x.section}")
        register = self.bound.register(o.name)
        if register.temp:
            terms = self.folded.get((x.section, o.name), [])
            if isinstance(terms, Refused):
                raise Refused(f"it needs '{o.name}', and {terms}")
            return terms
        return [Term(1, (Atom(o.name, o.owner, o.fmt, x.ordinal),))]

    def _send(self, o: Operand, x: BoundLine) -> Atom:
        """Copy a value per neuron (or the reward) to a register that the products consume."""
        name, when = self._copies.get(o.name, ("", 0))
        written = any(k.target.name == o.name for k in self.kept[when:])
        if not name or written:
            name = self._name(f"y_{o.name}")
            fmt: Format = o.fmt
            register = BoundRegister(
                name, "post", False, fmt, "trunc", "saturate", 0, False, True, True, fmt.lo, fmt.hi
            )
            self.sent[name] = register
            copy = _copy(x, o, register)
            self.kept.append(copy)
            self._copies[o.name] = (name, len(self.kept))
        return Atom(name, "post", o.fmt, x.ordinal, sent=True, reward=o.source == "reward")

    def _name(self, name: str) -> str:
        taken = {r.name for r in self.bound.registers} | {*self.params, *self.sent}
        taken |= {c[0] for c in self.bound.consts} | {i.name for i in self.bound.inputs}
        while name in taken:
            name += "_"
        return name

    # ------------------------------------------------------------ synapses

    def _synapse(self, x: BoundLine) -> tuple[str, str, list[ProductTerm]]:
        gate = self._gate(x)
        own = [o.name for o in (x.a, x.b) if o is not None and x.form == "scale"]
        if x.when is not None and (x.when_not or x.when.name not in own):
            not_ = "not " if x.when_not else ""
            raise Refused(f"'when {not_}{x.when.name}': a condition must be a factor of its own line")
        if x.target.overflow == "wrap":
            raise Refused(f"'{x.target.name}' wraps; the engine saturates")
        terms = polynomial(x, lambda o: self._read(o, x))
        terms = self._decay(x, terms) if x.mode == "=" else scaled(terms, -1 if x.mode == "-=" else 1)
        if not all(any(a.sent for a in t.atoms) for t in terms) and x.section == "on_third_factor":
            raise Refused("no factor per neuron: the engine cannot tell the neurons that have a signal")
        notes: list[str] = []
        products = []
        for term in terms:
            for exact in self._corrected(term, x, gate, notes):
                products.append(self.scaler.product(exact, gate, x, notes))
        if x.target.rounding != self.scaler.sums.rounding:
            notes.append(f"'{x.target.name}' is rounded {self.scaler.sums.rounding}, not {x.target.rounding}")
        text = "; ".join(dict.fromkeys(notes))
        return ("approximated", text, products) if notes else ("exact", "products", products)

    def _gate(self, x: BoundLine) -> str:
        if x.section in GATES:
            if self.epoch != 1:
                raise Refused(f"a learning epoch of {self.epoch} steps misses the spikes of the others")
            return GATES[x.section]
        if x.section != "on_epoch":
            raise Refused(f"the engine does not run at {x.section}")
        n = self.bound.epoch
        k = (n // self.epoch).bit_length() - 1
        if n != self.epoch << k or not 0 <= k <= 9:
            raise Refused(f"on_epoch {n}: u<k> is open every {self.epoch} * 2^k steps, k from 0 to 9")
        return f"u{k}"

    @staticmethod
    def _decay(x: BoundLine, terms: Terms) -> Terms:
        """`t = t * k` is t += (k - 1) * t; nothing else is set."""
        name = x.target.name
        one = len(terms) == 1 and not terms[0].shifts and [a.name for a in terms[0].atoms] == [name]
        if not one:
            raise Refused(f"'{name} = ...' sets a value; products add, or scale '{name}' by a constant")
        return [replace(terms[0], coef=terms[0].coef - 1)]

    # ------------------------------------------------------------ when a factor is read

    def _corrected(self, term: Term, x: BoundLine, gate: str, notes: list[str]) -> Terms:
        """The term with every trace as it stood when the line read it."""
        out = [Term(term.coef, (), term.shifts)]
        for atom in term.atoms:
            out = [t.times(c) for t in out for c in self._as_read(atom, x, gate, notes)]
        return out

    def _as_read(self, atom: Atom, x: BoundLine, gate: str, notes: list[str]) -> Terms:
        if atom.gate or atom.sent:
            return [Term(1, (atom,))]
        writes = [y for y in self.bound.lines if y.target.name == atom.name and y.section in PHASE_OF]
        if atom.owner == "syn":
            others = [y for y in writes if y.ordinal != x.ordinal and self._key(y) < self._key(x)]
            if others:
                lines = ", ".join(str(y.line) for y in others)
                notes.append(f"'{atom.name}' is read before this step's updates (lines {lines})")
            return [Term(1, (atom,))]
        out = [Term(1, (atom,))]
        read = self.bound.lines[atom.at]
        for y in writes:
            if self._key(y) <= self._key(read):
                continue
            section = OWN_SPIKE[atom.owner][0]
            raw = self.impulse(y) if y.section == section else 0
            if not raw:
                notes.append(f"'{atom.name}' is read after line {y.line}, not before")
                continue
            notes.append(
                f"'{atom.name}' before line {y.line} is read as {atom.name} - {raw} raw, "
                "too low once it is at its limit"
            )
            spike = GATES[section]
            if spike == gate:
                atom = replace(atom, add=atom.add - raw)
                out = [Term(1, (atom,)), *out[1:]]
            else:
                out.append(Term(-atom.fmt.real(raw), (Atom(spike, atom.owner, BIT, atom.at),)))
        return out

    def _key(self, x: BoundLine) -> tuple[int, int]:
        return self.chip.step.order.index(PHASE_OF[x.section]), x.ordinal

    # ------------------------------------------------------------ products as written, and the end

    def product(self, p: ProductLine) -> None:
        """A line of the rule's own on_products section."""
        try:
            made = self.scaler.written(p)
            row = Lowered(p.line, p.text, "exact", "as written", (made.text,))
            self.products.append(made)
        except Refused as reason:
            row = Lowered(p.line, p.text, "refused", str(reason))
        self.rows.append((None, row))

    def count_traces(self) -> None:
        """Refuse more post factors than the synapse has y registers."""
        inputs = {i.name for i in self.bound.inputs if i.source == "reward" and not self.programmable}
        apart = {"y0", *(copy for name, (copy, _) in self._copies.items() if name in inputs)}
        used = dict.fromkeys(f.name for p in self.products for f in p.factors if f.owner == "post")
        names = [name for name in used if name not in apart]
        limit = self.chip.learning.products.traces_post
        if len(names) > limit:
            reason = f"{len(names)} values per neuron reach the synapses ({', '.join(names)}); "
            reason += f"the chip has {limit}"
            self.rows.append((None, Lowered(0, self.bound.name, "refused", reason)))

    def needed(self) -> list[BoundLine]:
        """The kept lines without temps that nothing kept reads."""
        lines = self.kept
        while True:
            read = {o.name for x in lines for o in (x.a, x.b, x.when) if o is not None}
            left = [x for x in lines if not x.target.temp or x.target.name in read]
            if len(left) == len(lines):
                return left
            lines = left

    def table(self) -> tuple[Lowered, ...]:
        """One row per line of the rule; folded lines that the neuron also runs say so."""
        kept = {id(x) for x in self.needed()}
        out = []
        for x, row in self.rows:
            if x is not None and x.target.temp and id(x) in kept and row.how.startswith(FOLDED):
                row = replace(row, verdict="exact", how=PROGRAM)
            out.append(row)
        return tuple(out)
