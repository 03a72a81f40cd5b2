"""The rows of on_products where only products gated by y0 are left: fired columns, gathered.

A row has few fired columns, too few for a vector loop. So those of many rows are gathered into one
buffer, worked on in one long loop, and scattered.
"""

from __future__ import annotations

from chipsim.microcode.program import Factor, ProductTerm

BLOCK = 4096  # synapses of fired neurons that are gathered, worked on in one loop, and scattered


def factors_of(term: ProductTerm) -> list[Factor]:
    """The factors with the gate as the first (u<k> is tested for the whole section)."""
    if term.gate[0] == "u":
        return list(term.factors)
    return [Factor(term.gate, "pre" if term.gate == "x0" else "post", 1), *term.factors]


class Fired:
    """The part of the section's generator that gathers and scatters fired columns."""

    def _fired(self, slices: list[str]) -> None:
        """A row where only products with y0 are left: its fired columns, gathered for one long loop."""
        if not self.gathers:
            self.put(*slices)
            self._loop("for k in range(nf[0]):", "i = u32(fidx[0, k])")  # unsigned: no wrap-around check
            return
        self.put("pick_rows[stored] = j", "stored += 1", "for k in range(nf[0]):")
        self.level += 1
        self.put("i = u32(fidx[0, k])", *[f"picked_{a}[filled] = {a}[j, i]" for a in self._stored()])
        for k, _ in self._live():
            self.put(f"picked_{k}[filled] = {self.cast(f'column_{k}[i] * z_{k}')}")
        if self._drawn:
            for v, _ in enumerate(self.program.variables):
                self.put(f"picked_words_{v}[filled] = {self._word(v)}")
        self.put("filled += 1")
        self.level -= 1

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
        self.put(f"block = max(i64(1), i64({BLOCK}) // max(i64(nf[0]), i64(1)))")

    def _flush(self) -> None:
        """One loop over the gathered synapses of a block of rows, and their way back."""
        self.skipped, self.at = set(self._wide()), "m"
        self._loop("for m in range(filled):")
        self.at, self.skipped = "i", set()
        written = ["w" if self.program.register(v).is_weight else "r_" + v for v in self.program.variables]
        self.put("for r in range(stored):", "    j = u32(pick_rows[r])", "    m = r * i64(nf[0])")
        self.put("    for k in range(nf[0]):", "        i = u32(fidx[0, k])")
        self.put(*[f"        {a}[j, i] = picked_{a}[m + k]" for a in written])

    def _stored(self) -> list[str]:
        """Arrays of the synaptic values that products read or write."""
        return sorted({"w" if self.program.register(n).is_weight else "r_" + n for n in self._synaptic()})

    @property
    def gathers(self) -> bool:
        """Whether rows with y0 products only are worked on as gathered columns."""
        return len(self._wide()) < len(self.terms) and not self.c.sparse and self.c.noise != "lfsr"

    @property
    def _drawn(self) -> bool:
        return not self.twin and self.program.sums.rounding == "stochastic" and self.c.noise != "shared"
