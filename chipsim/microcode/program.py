"""A plasticity program as data: what the grammar yields and what a chip makes of it.

`Program` is the checked text of one `.rule` file (formats may still be open). `BoundProgram` has
every format, constant and table final for one chip and one connection: interpreter, compiler, float
twin and listing get nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from chipsim.fixed import Format
from chipsim.microcode.epoch_terms import EpochTraces
from chipsim.microcode.product_terms import Factor as Factor
from chipsim.microcode.product_terms import Lowered, ProductLine, ProductTerm, Sums
from chipsim.microcode.product_terms import ProductFactor as ProductFactor
from chipsim.microcode.product_terms import is_gate as is_gate

OWNERS = ("layer", "pre", "post", "syn")
SECTIONS = (
    "on_sample_start",
    "on_step",
    "on_pre",
    "on_membrane",
    "on_post",
    "on_third_factor",
    "on_epoch",
    "on_products",
    "on_replay",
    "on_sample_end",
)
FORMS = ("scale", "add", "sub", "min", "max", "abs", "sign", "ge", "gt", "le", "lt", "eq", "table", "random")
COMPARISONS = ("ge", "gt", "le", "lt", "eq")
# done, skipped count contributions; the others count writes (definition 5)
COUNTS = ("done", "skipped", "draws", "saturated", "wrapped", "rounded_to_zero", "changed")


# ---------------------------------------------------------------- text


@dataclass(frozen=True)
class Register:
    """A `pre`, `post`, `syn`, `layer` or `temp` line. fmt None: `weight`, open until bound."""

    name: str
    owner: str  # layer | pre | post | syn
    temp: bool
    fmt: Format | None
    rounding: str = "trunc"
    overflow: str = "saturate"
    init: Fraction = Fraction(0)
    keep: bool = False
    per_context: bool = False  # syn only: one copy per context, priced
    publish: bool = False
    line: int = 0


@dataclass(frozen=True)
class Const:
    """`const a : u8.8 = 0.10` or `= decay(20 ms)`; exactly one of value, decay_ms is set."""

    name: str
    fmt: Format
    value: Fraction | None
    decay_ms: Fraction | None
    line: int = 0


@dataclass(frozen=True)
class Param:
    """`param rate : shift = 11 in 0..20` (kind shift, fmt None) or `param a : s8.6 = -1.0`."""

    name: str
    kind: str  # shift | value
    fmt: Format | None
    value: Fraction
    lo: int = 0
    hi: int = 0
    line: int = 0


@dataclass(frozen=True)
class Input:
    """`in v from neuron.v`: source is neuron.v, neuron.v_after, post.spike, pre.spike,
    third_factor, reward; channel is the k of third_factor.k (0 without)."""

    name: str
    source: str
    channel: int = 0
    line: int = 0


@dataclass(frozen=True)
class Table:
    """`table psi5 : u5.5 = steps(-1.0: 0, ...)` or a named shape with its segments.

    steps    ((breakpoint or None for the value below the first, value), ...) as written
    shape    box | triangle | fast_sigmoid | atan | exp_abs | hyper, or None for steps
    """

    name: str
    argument: str | None
    fmt: Format
    steps: tuple[tuple[Fraction, Fraction], ...] = ()
    shape: str | None = None
    segments: int = 0
    reach: Fraction = Fraction(0)
    centre: Fraction | str = Fraction(0)  # a number or "threshold"
    options: tuple[tuple[str, Fraction], ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Line:
    """One line of a section. a, b are names or numbers; `random` and `table` use what they need."""

    section: str
    target: str
    mode: str  # = | += | -=
    form: str
    a: str | Fraction | None
    b: str | Fraction | None
    negate: bool
    shift: int  # >> k is +k, << k is -k; 0 with shift_param
    shift_param: str | None
    shift_sign: int  # +1 for >> param, -1 for << param, 0 without
    when: str | None
    when_not: bool
    table: str | None
    line: int
    text: str


@dataclass(frozen=True)
class Program:
    """One `.rule` file, parsed and checked. sections keeps the order of the lines."""

    name: str
    path: str
    source: str
    registers: tuple[Register, ...]
    consts: tuple[Const, ...]
    params: tuple[Param, ...]
    inputs: tuple[Input, ...]
    tables: tuple[Table, ...]
    lines: tuple[Line, ...]  # all sections, in file order
    epoch: int = 0  # n of on_epoch n
    history: tuple[tuple[str, ...], int] = ((), 0)  # names, depth
    header: str = ""  # the leading comment
    products: tuple[ProductLine, ...] = ()  # on_products, in file order
    circuit: str = ""  # the third factor the rule is made for
    circuit_line: int = 0


# ---------------------------------------------------------------- bound


@dataclass(frozen=True)
class Operand:
    """What a bound line reads. raw is set for const and number; owner 'none' for those and params.

    kind register: a register or temp; input: one of Input.source, its owner being
      neuron.v, neuron.v_after, post.spike, third_factor -> post; pre.spike -> pre; reward -> layer
    per_context False for stored-once registers (syn, layer), consts, params, numbers, reward.
    """

    kind: str  # register | const | param | input | number
    name: str
    owner: str
    fmt: Format
    raw: int | None = None
    source: str = ""  # for inputs
    channel: int = 0
    per_context: bool = False
    exact: Fraction | None = None  # const, number, param: the value before it was folded


@dataclass(frozen=True)
class BoundRegister:
    """A register with its final format. w_lo..w_hi are the write limits (the format's, or the
    connection's w_min..w_max for the weight)."""

    name: str
    owner: str
    temp: bool
    fmt: Format
    rounding: str
    overflow: str
    init: int
    keep: bool
    per_context: bool  # state has a context axis
    publish: bool
    lo: int
    hi: int
    is_weight: bool = False
    exact_init: Fraction | None = None  # the initial value before it was folded


@dataclass(frozen=True)
class BoundTable:
    """Piecewise constant: value[k], k = number of breakpoints <= argument (both raw)."""

    name: str
    argument_fmt: Format
    fmt: Format
    breakpoints: tuple[int, ...]
    values: tuple[int, ...]  # one more than breakpoints
    minus_threshold: bool
    shape: str | None = None
    centre: Fraction = Fraction(0)
    reach: Fraction = Fraction(0)
    options: tuple[tuple[str, Fraction], ...] = ()
    steps: tuple[tuple[Fraction, Fraction], ...] = ()  # as written, for the ideal twin
    ideal: bool = False  # the ideal twin's: a named shape is its formula


@dataclass(frozen=True)
class BoundLine:
    """One micro-op. E's fraction bits are frac + (shift + shift_sign * param).

    Exact value (definition 5), with raw integers a, b of formats fa, fb:
      scale  a [* b], sign by negate            F = fa (+ fb) + shift
      add, sub, min, max  both aligned to       F = max(fa, fb)
      abs, sign, comparisons, table, random     F = fa, 0, 0, ft, ftarget
    """

    ordinal: int
    section: str
    target: BoundRegister
    mode: str
    form: str
    a: Operand | None
    b: Operand | None
    negate: bool
    shift: int
    shift_param: str | None
    shift_sign: int
    when: Operand | None
    when_not: bool
    table: BoundTable | None
    line: int
    text: str
    exact_bound: int = 0  # |E| of one write (all contributions summed) never exceeds this

    def frac(self, params: dict[str, int]) -> int:
        """Fraction bits F of the exact value E for the present values of the parameters."""
        if self.form == "scale":
            base = self.a.fmt.frac + (self.b.fmt.frac if self.b else 0)
            return base + self.shift + (self.shift_sign * params[self.shift_param] if self.shift_sign else 0)
        if self.form in ("add", "sub", "min", "max"):
            return max(self.a.fmt.frac, self.b.fmt.frac)
        if self.form == "abs":
            return self.a.fmt.frac
        if self.form == "table":
            return self.table.fmt.frac
        if self.form == "random":
            return self.target.fmt.frac
        return 0  # sign, comparisons

    def drop(self, params: dict[str, int]) -> int:
        """n = F - f: bits dropped by the write (<= 0: exact)."""
        return self.frac(params) - self.target.fmt.frac

    def drop_range(self, bounds: dict[str, tuple[int, int]]) -> tuple[int, int]:
        """Smallest and largest n over the declared range of the shift parameter."""
        if not self.shift_sign:
            n = self.drop({})
            return n, n
        ends = [self.drop({self.shift_param: v}) for v in bounds[self.shift_param]]
        return min(ends), max(ends)


@dataclass(frozen=True)
class BoundParam:
    """A parameter's format (None for shift), raw initial value and declared range (raw)."""

    name: str
    kind: str
    fmt: Format | None
    raw: int
    lo: int
    hi: int
    exact: Fraction | None = None  # kind value: before it was folded


@dataclass(frozen=True)
class Note:
    """Something the binder did that the user must see: kind is constant, narrowed, approximated,
    range, sticking, dead; text is one sentence with numbers."""

    kind: str
    line: int
    text: str


@dataclass(frozen=True)
class BoundProgram:
    """What runs. engine is lines or sum_of_products. Lines are in file order with ordinals 0..n-1.

    registers   all, temps included; the weight is registers[weight]
    phase7      number of leading on_third_factor lines that run in phase 7
    """

    name: str
    chip: str
    engine: str
    registers: tuple[BoundRegister, ...]
    lines: tuple[BoundLine, ...]
    params: tuple[BoundParam, ...]
    inputs: tuple[Operand, ...]
    tables: tuple[BoundTable, ...]
    epoch: int
    phase7: int
    accumulate: str = "sum"
    products: tuple[ProductTerm, ...] = ()  # engine sum_of_products: see microcode/products.py
    notes: tuple[Note, ...] = ()
    source: str = ""
    consts: tuple[tuple[str, str, int], ...] = field(default=())  # name, format, raw: for listings
    learning_epoch: int = 1  # on_products runs every so many steps
    sums: Sums | None = None
    traces: EpochTraces | None = None  # engines whose traces live in the synapses: see epoch_traces.py
    sent: tuple[str, ...] = ()  # post registers that the products consume: 0 after them
    lowering: tuple[Lowered, ...] = ()
    history: tuple[str, ...] = ()  # registers and inputs stored at the end of each step
    depth: int = 0  # steps that the history holds; 0: T, the length of a sample, not given yet

    @property
    def stored(self) -> tuple[Operand | BoundRegister, ...]:
        """What the history stores, in its order: registers and inputs with owner and format."""
        known = {r.name: r for r in self.registers} | {x.name: x for x in self.inputs}
        return tuple(known[name] for name in self.history)

    @property
    def replays(self) -> bool:
        """Whether anything runs after the sample, step by step."""
        return any(line.section == "on_replay" for line in self.lines)

    def section(self, name: str) -> tuple[BoundLine, ...]:
        """The lines of one section, in order."""
        return tuple(line for line in self.lines if line.section == name)

    def register(self, name: str) -> BoundRegister:
        """The register or temp of that name."""
        return next(r for r in self.registers if r.name == name)

    @property
    def weight(self) -> BoundRegister | None:
        """The weight register, or None for a rule that writes no weight."""
        return next((r for r in self.registers if r.is_weight), None)

    @property
    def variables(self) -> tuple[str, ...]:
        """The synaptic variables that products write, in order. Variable k draws and counts under
        ordinal len(lines) + k."""
        return tuple(dict.fromkeys(p.target for p in self.products))

    @property
    def needs_third_factor(self) -> bool:
        """True where the layer must be given a circuit."""
        return any(line.section == "on_third_factor" for line in self.lines)
