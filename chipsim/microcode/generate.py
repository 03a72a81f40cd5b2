"""Random legal rules: texts that together use every form of the language in every place.

A text is written around a few combinations of combos.py; taking them in turn, some 700 texts of 16
lines meet each one. It goes through the ordinary parser and binder; a line that they refuse (mostly
by the proof of 62 bits) is taken out again by `legal_text`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chipsim.errors import RuleError
from chipsim.fixed import OVERFLOWS, ROUNDINGS, Format
from chipsim.microcode.combos import FUZZED, Combo
from chipsim.microcode.program import OWNERS

SIGNS = {"add": "+", "sub": "-", "ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "=="}
COMPARE = ("ge", "gt", "le", "lt", "eq")
SIGNAL_SECTIONS = ("on_third_factor", "on_epoch", "on_sample_end")
NEURON_INPUTS = ("neuron.v", "neuron.v_after", "post.spike")
READABLE = {"layer": ("layer",), "pre": ("layer", "pre"), "post": ("layer", "post"), "syn": OWNERS}
STYLES = ("plain", "plain", "saturating", "plain", "wide", "wide")


@dataclass(frozen=True)
class Options:
    """What the surroundings allow: contexts in flight, signals that exist, the style of numbers.

    at_end   the update instant is the end of the sample: on_third_factor reads no present spike
    """

    contexts: int = 1
    third_factor: bool = True
    at_end: bool = False
    style: str = "plain"


@dataclass
class _Register:
    name: str
    owner: str
    temp: bool
    fmt: Format | None
    rounding: str
    overflow: str
    flags: str = ""
    per_context: bool = False  # declared so

    @property
    def once(self) -> bool:
        """Stored once for all contexts."""
        return not self.temp and not self.per_context and self.owner in ("syn", "layer")

    def text(self) -> str:
        head = f"temp {self.name} per {self.owner}" if self.temp else f"{self.owner} {self.name}"
        return f"{head} : {self.fmt or 'weight'}  round={self.rounding} overflow={self.overflow}{self.flags}"


@dataclass
class _Rule:
    """A text in the making."""

    rng: random.Random
    options: Options
    registers: list[_Register] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    consts: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    shifts: list[str] = field(default_factory=list)
    lines: dict[str, list[str]] = field(default_factory=lambda: {s: [] for s in FUZZED})
    written: dict[str, set[str]] = field(default_factory=lambda: {s: set() for s in FUZZED})
    count: int = 0

    # ------------------------------------------------------------ names and numbers

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count}"

    def format(self) -> Format:
        """A format in the style of the text."""
        pick, style = self.rng.randint, self.options.style
        if style == "saturating":
            bits = pick(1, 5)
            return Format(self.rng.random() < 0.5, bits, pick(0, bits))
        if style == "wide":
            bits = pick(18, 32)
            return Format(self.rng.random() < 0.6, bits, pick(10, 20))
        bits = pick(2, 16)
        return Format(self.rng.random() < 0.5, bits, pick(-2, bits + 1))

    def value(self, fmt: Format) -> str:
        """A number near the format: mostly inside, sometimes on its ends."""
        raw = self.rng.choice((self.rng.randint(fmt.lo, fmt.hi), fmt.lo, fmt.hi, min(1, fmt.hi)))
        if self.options.style == "wide":
            raw = self.rng.randint(fmt.hi // 2, fmt.hi)
        return repr(float(fmt.real(raw)))

    def const(self) -> str:
        """A const or a value parameter, an old one or a new one."""
        kind, names = self.rng.choice((("const", self.consts),) * 2 + (("param", self.params),))
        if names and self.rng.random() < 0.5:
            return self.rng.choice(names)
        name, fmt = self.fresh("k" if kind == "const" else "g"), self.format()
        number = "decay(7 ms)" if kind == "const" and self.rng.random() < 0.2 else self.value(fmt)
        self.declared.append(f"{kind} {name} : {fmt} = {number}")
        names.append(name)
        return name

    def input(self, source: str) -> str:
        if source not in self.inputs:
            self.inputs[source] = self.fresh("in")
        return self.inputs[source]

    def shift(self) -> str:
        """Empty, or a shift by a number or a parameter."""
        side = self.rng.choice((">>", ">>", "<<"))
        kind = self.rng.random()
        if kind < 0.4:
            return ""
        if kind < 0.7:
            return f" {side} {self.rng.randint(0, 6)}"
        if not self.shifts or self.rng.random() < 0.3:
            name, lo = self.fresh("rate"), self.rng.randint(0, 3)
            hi = lo + self.rng.randint(0, 5)
            self.declared.append(f"param {name} : shift = {self.rng.randint(lo, hi)} in {lo}..{hi}")
            self.shifts.append(name)
            return f" {side} {name}"
        return f" {side} {self.rng.choice(self.shifts)}"

    # ------------------------------------------------------------ registers

    def register(
        self, owner: str, rounding: str, overflow: str, *, bit: bool = False, once: bool = True
    ) -> _Register:
        """A register of that owner and arithmetic; once=False: not stored once for all contexts."""
        kind = self.rng.random()
        temp = kind < 0.35
        per_context = owner == "syn" and not temp and (not once or kind < 0.5)
        temp = temp or (owner == "layer" and not once)
        fmt: Format | None = Format(False, 1, 0) if bit else self.format()
        name, flags = self.fresh(("t" if temp else "r") + owner[0]), ""
        weight = any(r.fmt is None for r in self.registers)
        if owner == "syn" and once and not temp and not per_context and not bit and not weight:
            name, fmt = "w", None
        elif not temp:
            flags = f" = {self.value(fmt)}" if self.rng.random() < 0.6 else ""
            flags += " per context" if per_context else ""
            flags += " keep" if owner in ("pre", "post") and self.rng.random() < 0.2 else ""
            flags += " publish" if owner == "post" and self.rng.random() < 0.1 else ""
        new = _Register(name, owner, temp, fmt, rounding, overflow, flags, per_context)
        self.registers.append(new)
        return new

    def target(self, combo: Combo) -> _Register:
        """The register a combination writes: an old one where one fits, else a new one."""
        assigns = combo.op not in ("+=", "-=")
        once = not (assigns and combo.owner == "syn" and self.options.contexts > 1)
        bit = combo.op in COMPARE
        fits = [
            r
            for r in self.registers
            if (r.owner, r.rounding, r.overflow) == (combo.owner, combo.rounding, combo.overflow)
            and (r.fmt == Format(False, 1, 0) if bit else True)
            and (once or not r.once)
        ]
        if fits and self.rng.random() < 0.6:
            return self.rng.choice(fits)
        return self.register(combo.owner, combo.rounding, combo.overflow, bit=bit, once=once)

    # ------------------------------------------------------------ operands

    def names(self, owners: Iterable[str], section: str, temps: bool = True) -> list[str]:
        """Registers and inputs of these owners that may be read at the end of a section."""
        owners = tuple(owners)
        spikes = not (self.options.at_end and section == "on_third_factor")
        found = [
            r.name
            for r in self.registers
            if r.owner in owners and (not r.temp or (temps and r.name in self.written[section]))
        ]
        if "post" in owners:
            inputs = NEURON_INPUTS if spikes else NEURON_INPUTS[:2]
            found += [self.input(s) for s in inputs if self.rng.random() < 0.2]
            if section in SIGNAL_SECTIONS and self.options.third_factor:
                found += [self.input("third_factor")] * 3
        if "pre" in owners and spikes and self.rng.random() < 0.3:
            found.append(self.input("pre.spike"))
        signal = section in SIGNAL_SECTIONS and self.options.third_factor
        if signal and self.rng.random() < 0.3:
            found.append(self.input("reward"))
        return found

    def operand(self, owners: tuple[str, ...], section: str, temps: bool, const: float = 0.3) -> str:
        """A name that may be read; a new register where there is none."""
        if self.rng.random() < const:
            return self.const()
        found = self.names(owners, section, temps)
        # the target's own owner most often, else registers of lower owners would crowd it out
        own = self.names(owners[-1:], section, temps)
        pool = own if own and self.rng.random() < 0.6 else found
        if not pool:
            new = self.register(owners[-1], self.rng.choice(ROUNDINGS), self.rng.choice(OVERFLOWS))
            return new.name if not new.temp else self.const()
        return self.rng.choice(pool)

    # ------------------------------------------------------------ lines

    def add(self, combo: Combo) -> None:
        """Append one line of this combination to its section."""
        target = self.target(combo)
        owners, temps = READABLE[combo.owner], True
        if combo.owner == "layer":
            if combo.op in ("+=", "-="):  # fed by one kind of element, or by none
                sides = ("pre", "post") if combo.section != "on_membrane" else ("post",)
                owners = self.rng.choice((("layer",), *(("layer", side) for side in sides)))
            else:
                temps = not target.once or self.options.contexts == 1

        def read(const: float = 0.3) -> str:
            return self.operand(owners, combo.section, temps, const)

        text = self.expression(combo, target, read)
        if combo.when:
            text += f" {combo.when} {read(0.05)}"
        self.lines[combo.section].append(text)
        self.written[combo.section].add(target.name)

    def expression(self, combo: Combo, target: _Register, read: Callable[..., str]) -> str:
        """The line without its condition."""
        op, d, chance = combo.op, target.name, self.rng.random()
        number = self.value(target.fmt or Format(True, 8, 7))
        if op in ("=", "+=", "-="):
            if chance < 0.15:
                return f"{d} {op} {number}"
            minus = "-" if self.rng.random() < 0.3 else ""
            factor = f" * {read(0.5)}" if chance < 0.75 else ""
            first = d if op == "=" and chance > 0.9 and not target.temp else read(0.15)
            return f"{d} {op} {minus}{first}{factor}{self.shift()}"
        if op == "random":
            return f"{d} = random"
        if op in ("abs", "sign"):
            return f"{d} = {op}({read(0.1)})"
        if op == "table":
            argument = read(0.0)
            return f"{d} = {self.table(argument)}({argument})"
        second = number if op not in ("add", "sub") and chance < 0.3 else read()
        if op in ("min", "max"):
            return f"{d} = {op}({read(0.1)}, {second})"
        return f"{d} = {read(0.1)} {SIGNS[op]} {second}"

    def table(self, argument: str) -> str:
        """A new table; centred on the threshold only where the argument belongs to a neuron."""
        name, fmt, pick = self.fresh("tab"), self.format(), self.rng.uniform
        neuron = [n for s, n in self.inputs.items() if s in NEURON_INPUTS]
        neuron += [r.name for r in self.registers if r.owner == "post"]
        centre = ", centre=threshold" if argument in neuron and self.rng.random() < 0.5 else ""
        if self.rng.random() < 0.6:
            points = sorted({round(pick(-3, 3), 2) for _ in range(self.rng.randint(1, 6))})
            shape = "steps(" + ", ".join(f"{x}: {self.value(fmt)}" for x in points)
        else:
            kind = self.rng.choice(("box", "triangle", "fast_sigmoid", "atan", "exp_abs"))
            width = "half_width" if kind in ("box", "triangle") else "reach"
            shape = f"{kind}({width}={round(pick(0.2, 3), 2)}, segments={self.rng.randint(1, 9)}"
        self.declared.append(f"table {name} : {fmt} = {shape}{centre})")
        return name

    def large_product(self) -> None:
        """A product of 28 by 20 bits in every step, into a register of random arithmetic."""
        owner, section = self.rng.choice((("post", "on_membrane"), ("post", "on_step"), ("pre", "on_step")))
        target = self.register(owner, self.rng.choice(ROUNDINGS), self.rng.choice(OVERFLOWS))
        factor, k = self.fresh("big"), self.fresh("k")
        self.declared.append(f"const {k} : u20.{self.rng.randint(8, 14)} = 63.7")
        fmt = Format(False, 28, self.rng.randint(8, 14))
        self.registers.append(_Register(factor, owner, False, fmt, "trunc", "saturate", " = 9999.3 keep"))
        shift = self.rng.choice(("", " >> 3", " << 2"))
        self.lines[section].append(
            f"{target.name} {self.rng.choice(('=', '+=', '-='))} {factor} * {k}{shift}"
        )
        self.written[section].add(target.name)

    def finish(self) -> None:
        """Give every register that no line writes a line of its own."""
        done = set().union(*self.written.values())
        for r in self.registers:
            if r.name not in done:
                sections = FUZZED[:5] if r.owner == "post" else ("on_pre", "on_post", "on_step")
                section = self.rng.choice(sections)
                op = self.rng.choice(("+=", "-="))
                self.lines[section].append(f"{r.name} {op} {self.value(r.fmt or Format(True, 8, 7))}")
                self.written[section].add(r.name)

    def text(self, name: str) -> str:
        epoch = self.rng.randint(1, 7)
        rows = [f"# a random rule, style {self.options.style}", f"rule {name}", *self.declared]
        rows += [f"in {n} from {source}" for source, n in self.inputs.items()]
        rows += [r.text() for r in self.registers]
        for section in FUZZED:
            if self.lines[section]:
                rows += ["", f"{section} {epoch}:" if section == "on_epoch" else f"{section}:"]
                rows += [f"    {line}" for line in self.lines[section]]
        return "\n".join(rows) + "\n"


def random_rule(rng: random.Random, combos: Iterable[Combo], options: Options, name: str) -> str:
    """A rule text with one line per combination, in their order, and what these lines need."""
    rule = _Rule(rng, options)
    for combo in combos:
        if combo.section == "on_third_factor" and not options.third_factor:
            combo = combo._replace(section="on_step")
        rule.add(combo)
    if options.style == "wide":
        rule.large_product()
    rule.finish()
    return rule.text(name)


def legal_text(text: str, attempt: Callable[[str], object], path: str = "") -> tuple[str, list[RuleError]]:
    """The text without the lines that `attempt` (parse and bind) refuses, and the refusals."""
    refused: list[RuleError] = []
    while True:
        try:
            attempt(text)
        except RuleError as error:
            refused.append(error)
            rows = text.splitlines()
            if len(rows) < 3 or not 1 <= error.line <= len(rows):
                raise
            del rows[error.line - 1]
            text = "\n".join(rows) + "\n"
        else:
            return text, refused
