"""on_products as one generated function: the kernel twin of `microcode/products.py`.

A product is split in a column vector (mantissa, factors per neuron, y0), a row scalar z (factors per
axon, x0) and, inside the row, the factors per synapse. A product whose column or row part is 0 adds
nothing, so whole sections and rows are left out; what is left is one branch-free loop along a row, or
along the fired neurons where only products with y0 are left.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chipsim.compile.epoch_driver import is_general
from chipsim.compile.product_counts import Counts, columns_of
from chipsim.compile.product_epochs import General
from chipsim.compile.product_fired import BLOCK, LANES, Fired, factors_of
from chipsim.compile.product_write import Written
from chipsim.compile.sections import COMMON, Function
from chipsim.microcode.products import head_shift
from chipsim.microcode.program import BoundProgram, Factor, ProductTerm
from chipsim.plan import ConnectionPlan, Plan

SCRATCH = (
    *("prod_i32", "prod_i64", "prod_f64", "prod_words", "prod_odd", "prod_serial"),
    *("pick_i32", "pick_i64", "pick_f64", "pick_words", "pick_rows", "pick_cols"),
)


def product_scratch(c: ConnectionPlan, synapses: int) -> dict[str, np.ndarray]:
    """Work arrays of on_products: column vectors per product, words per variable."""
    products, variables = len(c.program.products), len(c.program.variables)
    if not products:
        return {}
    lane = lane_of(c.program)
    room = max(BLOCK, -(-c.n_post // LANES) * LANES)
    kinds = {lane: {"i32": np.int32, "i64": np.int64}[lane], "f64": np.float64}
    return {
        **{f"pick_{x}": np.zeros((2 * products + variables, room), kind) for x, kind in kinds.items()},
        "pick_words": np.zeros((variables, room), np.uint32),
        "pick_rows": np.zeros(c.n_pre, np.int64),
        "pick_cols": np.zeros(c.n_post, np.uint32),
        f"prod_{lane}": np.zeros((products, c.n_post), {"i32": np.int32, "i64": np.int64}[lane]),
        "prod_f64": np.zeros((products, c.n_post)),
        "prod_words": np.zeros((variables, c.n_post), np.uint32),
        "prod_odd": np.zeros((variables, c.n_pre), np.uint32),
        "prod_serial": np.zeros((variables, synapses if c.noise == "lfsr" else 1), np.uint32),
    }


def lane_of(program: BoundProgram) -> str:
    """i32 where every product and its scaled value fit 32 bits, else i64."""
    sums = program.sums
    for term in program.products:
        bits = sum(f.bits for f in term.factors) + sums.mantissa_bits - 1
        kept = bits - head_shift(term, sums)
        if bits > 30 or kept + sums.exponent_max + sums.frac > 30:
            return "i64"
    return "i32"


def product_function(plan: Plan, c: ConnectionPlan, counting: bool, twin: bool) -> Function:
    """Generate on_products of one connection."""
    if c.program.traces is not None:
        c = replace(c, noise="shared")  # one word for all synapses, whatever the lines draw from
    nest = _Nest(c, counting and not twin, twin)
    nest.section()
    arrays = tuple(sorted(nest.used))
    head = f"@jit_inner\ndef NAME({', '.join(COMMON + arrays)}):"
    text = [head, f'    """on_products of rule {c.program.name}."""', *nest.out]
    return Function(f"{c.program.name}_on_products", arrays, "\n".join(text) + "\n")


class _Nest(Fired, General, Written, Counts):
    """Builds the statements; `used` are the array arguments."""

    def __init__(self, c: ConnectionPlan, counting: bool, twin: bool):
        self.c, self.program, self.counting, self.twin = c, c.program, counting, twin
        self.lane = "f64" if twin else lane_of(self.program)
        self.prod = f"prod_{self.lane}"
        self.used: set[str] = set()
        self.out: list[str] = []
        self.level = 1
        self.at = "i"  # index along a row: the neuron, or the place among the fired ones
        self.skipped: set[int] = set()  # products left out of the present loop
        self.terms = list(enumerate(self.program.products))
        sums = self.program.sums
        self.downwards = sums.exponent_min + sums.frac < 0  # an exponent may shift below the accumulator

    def put(self, *lines: str) -> None:
        """Append statements at the present level."""
        self.out += ["    " * self.level + x for x in lines]

    def array(self, name: str) -> str:
        """Note that the function needs this array."""
        self.used.add(name)
        return name

    def cast(self, text: object) -> str:
        """Text in the lane of the section."""
        return f"{self.lane}({text})"

    # ------------------------------------------------------------ the section

    def section(self) -> None:
        """Scales, columns, rows; then what was sent is consumed."""
        self.put("place, n_pre, n_post = size[0], size[1], size[2]")
        for k, p in enumerate(self.program.params):
            self.put(f"p_{p.name} = params[{k}]")
        for k, term in self.terms:
            self.put(f"# {term.text}")
            self._scale(k, term)
        if self.program.traces is not None:
            self._general()
        if not (self.program.traces is not None and is_general(self.c)):
            self._fast()
        self.level = 1
        for name in self.program.sent:
            self.put(f"clear2({self.array('r_' + name)})")

    def _fast(self) -> None:
        gates = {k: t.gate if t.gate[0] == "u" else "" for k, t in self.terms}
        for gate in dict.fromkeys(gates.values()):
            self._columns(gate, [(k, t) for k, t in self.terms if gates[k] == gate])
        self.put(f"if {' + '.join(f'live_{k}' for k, _ in self.terms)} > 0:")
        self.level += 1
        self._rows()
        self.level -= 1

    def _scale(self, k: int, term: ProductTerm) -> None:
        """m_k, e_k: mantissa and exponent in use (products.scale_of)."""
        sums = self.program.sums
        shift = f" {'+' if term.shift_sign > 0 else '-'} i64(p_{term.shift_param})" if term.shift_sign else ""
        self.put(f"m_{k} = i64({term.mantissa})", f"e_{k} = i64(i64({term.exponent}){shift})")
        if term.fine:
            self.put(f"while 2 * abs(m_{k}) <= {sums.mantissa_max} and e_{k} > {sums.exponent_min}:")
            self.put(f"    m_{k} = i64(2 * m_{k})", f"    e_{k} = i64(e_{k} - 1)")
        if not self.twin:
            self.put(f"left_{k} = max(i64(e_{k} + {sums.frac}), i64(0))")
            if self.downwards:
                self.put(f"right_{k} = max(i64(-(e_{k} + {sums.frac})), i64(0))")

    def _columns(self, gate: str, terms: list[tuple[int, ProductTerm]]) -> None:
        """prod[k, i]: mantissa times the factors per neuron; live_k: how many are not 0. gate: u<k> or no."""
        self.array(self.prod)
        same = {k: next(m for m, t in terms if columns_of(t) == columns_of(term)) for k, term in terms}
        counted = sorted(set(same.values()))
        self.put(*[f"live_{k} = i64(0)" for k, _ in terms])
        if gate:
            every = self.program.learning_epoch << int(gate[1:])
            self.put(f"if n % {every} == 0:")
            self.level += 1
        self.put(*[f"some_{k} = i32(0)" for k in counted], "for i in range(n_post):")
        for k, term in terms:
            self.put(f"    {self.prod}[{k}, i] = {self._column(k, term)}")
        self.put(*[f"    some_{k} = i32(some_{k} + i32({self.prod}[{k}, i] != 0))" for k in counted])
        self.put(*[f"live_{k} = i64(some_{same[k]})" for k, _ in terms])
        self.level -= 1 if gate else 0

    def _column(self, k: int, term: ProductTerm) -> str:
        """Mantissa times the factors per neuron as text."""
        text = self.cast(f"m_{k}")
        if self.twin:
            lsb = float(self.program.register(term.target).fmt.lsb)
            text = f"m_{k} * 2.0 ** f64(e_{k} - {head_shift(term, self.program.sums)}) * {lsb!r}"
        for f in (f for f in factors_of(term) if f.owner == "post"):
            text = self.cast(f"{text} * {self.value(f)}")
        return text

    def value(self, f: Factor) -> str:
        """A factor's limited value as text (indices j, i, and s or the row's slice)."""
        if f.name == "y0":
            return self.cast(f"{self.array('fired')}[0, i] != 0")
        if f.name == "x0":
            return self.cast(f"{self.array('reach_pre')}[0, j]")
        register = self.program.register(f.name)
        text = self.element(f.name, {"pre": "j", "post": "i"}.get(f.owner))
        if self.twin:
            text = f"({text} * {2.0**register.fmt.frac!r} + {float(f.add)!r})"
            return f"(f64({text} > 0.0) - f64({text} < 0.0))" if f.sgn else text
        text = self.cast(f"{self.cast(text)} + {self.cast(f.add)}") if f.add else self.cast(text)
        if f.sgn:
            return self.cast(self.cast(f"{text} > 0") + " - " + self.cast(f"{text} < 0"))
        lo, hi = -(1 << f.bits), (1 << f.bits) - 1
        if register.lo + f.add < lo or register.hi + f.add > hi:
            text = self.cast(f"min(max({text}, {self.cast(lo)}), {self.cast(hi)})")
        return text

    def element(self, name: str, index: str | None) -> str:
        """An element of a register; index None: of a synapse, in the present row."""
        if index and self.program.traces is not None:
            t = self.program.traces.of(name)
            return f"{self.array('h' + t.owner)}[{t.slot - 1}, {self.program.learning_epoch}, {index}]"
        array = self.array("w" if self.program.register(name).is_weight else "r_" + name)
        if index:
            return f"{array}[0, {index}]"
        if self.at != "i":
            return f"picked_{array}[{self.at}]"
        return f"{array}[s]" if self.c.sparse else f"{array}_j[i]"

    # ------------------------------------------------------------ rows

    def _rows(self) -> None:
        if any(f.name == "x0" for _, t in self.terms for f in factors_of(t)):
            self.array("act"), self.array("reach_pre")
            self.put("for j in range(n_pre):", "    reach_pre[0, j] = 0")
            self.put("for k in range(nact[0]):", "    reach_pre[0, act[0, k]] = 1")
        if not self.twin:
            self._words()
        self.put(*[f"column_{k} = {self.prod}[{k}]" for k, _ in self.terms])
        self._start_counts()
        narrow = [k for k, _ in self.terms if k not in self._wide()]
        if self.gathers:
            self._views()
        if self.gathers and not narrow:
            self._few()
            self.put("else:")
            self.level += 1
        if self.gathers and narrow:
            self._blocks(f"{self.array('fidx')}[0, k]", "nf[0]", self._row, set(self._wide()))
        else:
            self.array("fidx")
            self.put("for j in range(n_pre):")
            self.level += 1
            self._row()
            self.level -= 1
        self.level -= 1 if self.gathers and not narrow else 0
        self._finish()

    def _row_scalars(self) -> None:
        """z_k: the part of row j in each product; rows where all are 0 are left out."""
        for k, term in self.terms:
            text = self.cast(1)
            for f in (f for f in factors_of(term) if f.owner == "pre"):
                text = self.cast(f"{text} * {self.value(f)}") if text != self.cast(1) else self.value(f)
            self.put(f"z_{k} = {text} if live_{k} > 0 else {self.cast(0)}")
        self.put(f"if {' and '.join(f'z_{k} == 0' for k, _ in self.terms)}:", "    continue")
        if self.c.noise == "lane" and not self.twin and self.program.sums.rounding == "stochastic":
            self.put(*[f"odd_{v} = odds_{v}[j]" for v in range(len(self.program.variables))])
        self._count_row()

    def _words(self) -> None:
        """What the draws of each variable need: vectors by neuron, a serial array, or one word."""
        if self.program.sums.rounding != "stochastic":
            return
        first = len(self.program.lines)
        if self.program.traces is not None:
            word = self._shared_word()
            self.put(*[f"word_{v} = u32({word})" for v in range(len(self.program.variables))])
            return
        for v, _ in enumerate(self.program.variables):
            self.put(f"key_{v} = draw_key(seed, place, {first + v}, 0, n)")
            if self.c.noise == "shared":
                self.put(f"word_{v} = word(key_{v}, u32(0))")
            elif self.c.noise == "lfsr":
                self.put(f"words_{v} = {self.array('prod_serial')}[{v}]", f"fill_lfsr(key_{v}, words_{v})")
            else:
                self.put(f"words_{v} = {self.array('prod_words')}[{v}]", f"fill_even(key_{v}, words_{v})")
            if self.c.noise == "lane":
                self.put(f"odds_{v} = {self.array('prod_odd')}[{v}]", f"fill_odd(key_{v}, odds_{v})")

    def _word(self, v: int) -> str:
        if self.at != "i" and self.c.noise != "shared":
            return f"picked_words_{v}[{self.at}]"
        if self.c.noise == "lane":
            return f"words_{v}[i] ^ odd_{v}"
        if self.c.noise == "element":
            return f"word(words_{v}[i], u32(2 * j + 1))"
        if self.c.noise == "shared":
            return f"word_{v}"
        return f"words_{v}[s]" if self.c.sparse else f"words_{v}[j * n_post + i]"

    def _row(self) -> None:
        """Row j: one loop along the whole row, or its fired neurons."""
        self._row_scalars()
        wide = self._wide()
        if self.c.sparse:
            self.array("ptr"), self.array("tgt")
            self._loop("for s in range(ptr[j], ptr[j + 1]):", "i = i64(tgt[s])")
            return
        slices = [f"{self.array(a)}_j = {a}[j]" for a in self._stored()]
        if len(wide) == len(self.terms):
            self.put(*slices)
            self._loop("for i in range(n_post):")
            return
        if wide:
            self.put(f"if {' or '.join(f'z_{k} != 0' for k in wide)}:")
            self.level += 1
            self.put(*slices)
            self._loop("for i in range(n_post):")
            self.level -= 1
            self.put("else:")
            self.level += 1
        self.skipped = set(wide)  # their z is 0 here
        if self.gathers:
            self._gather()
        else:
            self.put(*slices)
            self._loop("for k in range(nf[0]):", "i = u32(fidx[0, k])")  # unsigned: no wrap-around check
        self.skipped = set()
        self.level -= 1 if wide else 0

    def _synaptic(self) -> set[str]:
        read = {f.name for _, t in self.terms for f in t.factors if f.owner == "syn"}
        return read | set(self.program.variables)

    def _loop(self, head: str, *first: str) -> None:
        variables = list(enumerate(self.program.variables))
        self._start_loop()
        self.put(head)
        self.level += 1
        self.put(*first)
        for v, name in variables:
            (self._twin_variable if self.twin else self._variable)(v, name)
        for v, name in variables:
            self.put(f"{self.element(name, None)} = new_{v}")
        self.level -= 1
        self._end_loop()
