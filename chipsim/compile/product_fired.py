"""The rows of on_products where few columns are left: fired ones, or those that are not 0; gathered.

A row has few such columns, too few for a vector loop. So those of many rows are gathered into one
buffer, worked on in one long loop, and scattered.
"""

from __future__ import annotations

from collections.abc import Callable

from chipsim.microcode.program import Factor, ProductTerm

BLOCK = 4096  # synapses that are gathered, worked on in one loop, and scattered
LANES = 32  # the loop's length is a multiple of it: products of 0 fill it up and change nothing
FEW = 16  # columns are gathered where one in so many is not 0


def factors_of(term: ProductTerm) -> list[Factor]:
    """The factors with the gate as the first (u<k> is tested for the whole section)."""
    if term.gate[0] == "u":
        return list(term.factors)
    return [Factor(term.gate, "pre" if term.gate == "x0" else "post", 1), *term.factors]


class Fired:
    """The part of the section's generator that gathers and scatters columns of a list."""

    def _blocks(self, column: str, many: str, row: Callable[[], None], skipped: set[int]) -> None:
        """Blocks of rows whose columns in a list are gathered.

        column   text of the list's k-th column; many: how many it has
        row      puts the statements of row j
        skipped  products that are left out of what is gathered
        """
        self.column, self.many = column, many
        self.put(f"block = max(i64(1), i64({BLOCK}) // max(i64({many}), i64(1)))")
        self.put("for row0 in range(0, n_pre, block):")
        self.level += 1
        self.put("filled = 0", "stored = 0")
        self.put("for j in range(row0, min(row0 + block, n_pre)):")
        self.level += 1
        row()
        self.level -= 1
        self.skipped = skipped
        self._flush()
        self.skipped = set()
        self.level -= 1

    def _few(self) -> None:
        """All rows where few columns are not 0: products are sparse where a third factor is."""
        some = " + ".join(f"live_{k}" for k, _ in self.terms)
        self.put(f"if {FEW} * ({some}) <= {len(self.terms)} * n_post:")
        self.level += 1
        cols = self.array("pick_cols")
        live = " | ".join(f"i32(column_{k}[i] != 0)" for k, _ in self.terms)
        self.put("count = i64(0)", "for i in range(n_post):", f"    {cols}[count] = i")
        self.put(f"    count += i64({live})")

        def row() -> None:
            self._row_scalars()
            self._gather()

        self._blocks(f"{cols}[k]", "count", row, set())
        self.level -= 1

    def _gather(self) -> None:
        """The columns of the list in row j."""
        self.put("pick_rows[stored] = j", "stored += 1", f"for k in range({self.many}):")
        self.level += 1
        self.put(f"i, m = u32({self.column}), u32(filled + k)")  # unsigned: no wrap-around check
        self.put(*[f"picked_{a}[m] = {a}[j, i]" for a in self._stored()])
        for k, _ in self._live():
            self.put(f"picked_{k}[m] = {self.cast(f'column_{k}[i] * z_{k}')}")
        if self._drawn:
            for v, _ in enumerate(self.program.variables):
                self.put(f"picked_words_{v}[m] = {self._word(v)}")
        self.level -= 1
        self.put(f"filled += {self.many}")

    def _wide(self) -> list[int]:
        """Products that are worked on along whole rows: those without y0, and beside one of x0 without y0
        all with x0, whose axons' rows are walked anyway."""
        names = {k: {f.name for f in factors_of(t)} for k, t in self.terms}
        wide = [k for k, used in names.items() if "y0" not in used]
        if any("x0" in names[k] for k in wide):
            wide = [k for k, used in names.items() if "y0" not in used or "x0" in used]
        return wide

    def _live(self) -> list[tuple[int, ProductTerm]]:
        """The products of the present loop."""
        return [(k, t) for k, t in self.terms if k not in self.skipped]

    def _views(self) -> None:
        """Rows of the buffers: exact products, then synaptic values; words."""
        lane = self.array("pick_" + self.lane)
        self.array("pick_rows")
        names = [str(k) for k, _ in self.terms] + self._stored()
        self.put(*[f"picked_{name} = {lane}[{r}]" for r, name in enumerate(names)])
        if self._drawn:
            words = self.array("pick_words")
            self.put(*[f"picked_words_{v} = {words}[{v}]" for v in range(len(self.program.variables))])

    def _flush(self) -> None:
        """One loop over the gathered synapses of a block of rows, and their way back."""
        self.put(f"whole = -(-filled // {LANES}) * {LANES}", "for m in range(filled, whole):")
        self.put(*[f"    picked_{k}[m] = 0" for k, _ in self._live()])
        self.at = "m"
        self._loop("for m in range(whole):")
        self.at = "i"
        written = ["w" if self.program.register(v).is_weight else "r_" + v for v in self.program.variables]
        self.put("for r in range(stored):", "    j = u32(pick_rows[r])", f"    m = r * i64({self.many})")
        self.put(f"    for k in range({self.many}):", f"        i = u32({self.column})")
        self.put(*[f"        {a}[j, i] = picked_{a}[u32(m + k)]" for a in written])

    def _stored(self) -> list[str]:
        """Arrays of the synaptic values that products read or write."""
        return sorted({"w" if self.program.register(n).is_weight else "r_" + n for n in self._synaptic()})

    @property
    def gathers(self) -> bool:
        """Whether columns are gathered at all."""
        return not self.c.sparse and self.c.noise != "lfsr"

    @property
    def _drawn(self) -> bool:
        return not self.twin and self.program.sums.rounding == "stochastic" and self.c.noise != "shared"
