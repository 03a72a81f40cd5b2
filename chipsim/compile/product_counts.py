"""The counters of on_products as text: from set sizes where those tell, else one by one in the loops.

Where no factor of a variable's products lies in the synapse, a product is not 0 exactly where its
column and its row are not 0. So `done` and the writes are known from the rows walked. And a write
that changes nothing and is not limited has rounded to zero, unless its two products cancelled.
"""

from __future__ import annotations

from chipsim.compile.product_fired import BLOCK, factors_of
from chipsim.microcode.program import COUNTS, ProductTerm

COUNTED = {
    "done": "done",
    "draws": "written",
    "saturated": "over",
    "rounded_to_zero": "lost",
    "changed": "moved",
}


class Counts:
    """The part of the section's generator that counts what a variable's writes did."""

    def _of(self, name: str) -> list[tuple[int, ProductTerm]]:
        """All products of a variable."""
        return [(k, t) for k, t in self.terms if t.target == name]

    def _known(self, name: str) -> bool:
        """Whether writes are known from rows and columns (wrap32 may make a product 0)."""
        terms = self._of(name)
        plain = not any(f.owner == "syn" for _, t in terms for f in t.factors)
        wraps = self.program.traces is not None and self.lane == "i64"
        return plain and len(terms) < 3 and not self.c.sparse and not wraps

    def _once(self, name: str) -> bool:
        """Whether one product at most changes the variable in the present loop: done is written."""
        return sum(k not in self.skipped for k, _ in self._of(name)) < 2

    def _start_counts(self) -> None:
        """Zero the counters; rows_k: where product k is not 0, both_v: where the two of a variable are."""
        for v, name in enumerate(self.program.variables if self.counting else ()):
            self.put(*[f"{x}_{v} = i64(0)" for x in (*COUNTED.values(), "gone")])
            if self._known(name):
                self.put(*[f"rows_{k} = i64(0)" for k, _ in self._of(name)], f"both_{v} = i64(0)")

    def _count_row(self) -> None:
        """Row j of those."""
        for v, name in enumerate(self.program.variables if self.counting else ()):
            if not self._known(name):
                continue
            terms = self._of(name)
            self.put(*[f"rows_{k} += i64(z_{k} != 0)" for k, _ in terms])
            if len(terms) == 2:
                self.put(f"both_{v} += " + " & ".join(f"i64(z_{k} != 0)" for k, _ in terms))

    def _known_writes(self, v: int, name: str) -> None:
        """done and writes of a variable from its rows and columns that are not 0."""
        terms = self._of(name)
        self.put(f"done_{v} = " + " + ".join(f"rows_{k} * live_{k}" for k, _ in terms))
        common = f"live_{terms[0][0]}"
        if len(terms) == 2 and columns_of(terms[0][1]) != columns_of(terms[1][1]):
            common = f"common_{v}"
            columns = " & ".join(f"i32(column_{k}[i] != 0)" for k, _ in terms)
            self.put(f"common_{v} = i32(0)", f"for i in range(n_post if both_{v} > 0 else 0):")
            self.put(f"    common_{v} = i32(common_{v} + ({columns}))")
        self.put(f"written_{v} = done_{v} - both_{v} * {common}", f"lost_{v} = written_{v} - gone_{v}")

    def _sums(self, name: str) -> list[list[tuple[str, str]]]:
        """(counter, its increment at a synapse), by the 32-bit sum they share in a loop."""
        if self._known(name):
            found = [("over", "over_e"), ("moved", "moved_e"), ("gone", "gone_e")]
        else:
            found = [("written", "met"), ("over", "over_e"), ("lost", "lost_e"), ("moved", "moved_e")]
        step = len(self._fields())
        sums = [found[at : at + step] for at in range(0, len(found), step)]
        alone = [] if self._known(name) or self._once(name) else [[("done", "done_e")]]  # more than 1 each
        return sums + alone

    def _fields(self) -> tuple[int, ...]:
        """Where the counts that share a 32-bit sum begin: in a short loop there is room for more. (Bit 0 is
        left out because adding a constant under a mask takes one instruction unless it is 1.)"""
        longest = max(self.c.n_post, 0 if self.at == "i" else BLOCK)
        return (1, 11, 21) if longest < 1 << 10 else (1, 16) if longest < 1 << 15 else (0,)

    def _start_loop(self) -> None:
        for v, name in enumerate(self.program.variables if self.counting else ()):
            self.put(*[f"n{v}_{at} = i32(0)" for at in range(len(self._sums(name)))])

    def _end_loop(self) -> None:
        """Add a loop's counts to the section's."""
        fields = self._fields()
        for v, name in enumerate(self.program.variables if self.counting else ()):
            for at, group in enumerate(self._sums(name)):
                for place, (counter, _) in zip(fields, group, strict=False):
                    text = f"n{v}_{at}"
                    if len(group) > 1:
                        text = f"i32({text} >> i32({place})) & i32({(1 << (fields[1] - fields[0])) - 1})"
                    self.put(f"{counter}_{v} += i64({text})")
                    if counter == "written" and self._once(name):
                        self.put(f"done_{v} += i64({text})")

    def _count_product(self, name: str, first: bool) -> None:
        """At a synapse: what became of one product. What is added to the accumulator differs from the
        product exactly where one of the two was limited."""
        over = self.cast("acc - was")
        self.put(f"over_e = i32({over} != p)" if first else f"over_e = i32(over_e | i32({over} != p))")
        if self._known(name):
            return
        self.put("nz = i32(e != 0)", "lost_e = i32(lost_e | i32(nz & i32(p == 0)))", "met = i32(met | nz)")
        if not self._once(name):
            self.put("done_e = i32(done_e + nz)")

    def _count_write(self, v: int, name: str) -> None:
        """At a synapse: what became of the write."""
        start = self.cast(f"old << {self.cast(self.program.sums.frac)}")
        self.put(f"over_e = i32(over_e | i32(new_{v} != q))", f"moved_e = i32(new_{v} != old)")
        if self._known(name):
            cancelled = "" if self._once(name) else f" | i32(i32(acc == {start}) & i32(p != 0))"
            self.put(f"gone_e = i32(over_e | moved_e{cancelled})")
        else:
            kept = "i32(over_e == 0) & i32(moved_e == 0)"
            self.put(f"lost_e = i32(i32(lost_e | i32(acc != {start})) & {kept})")
        for at, group in enumerate(self._sums(name)):
            ones = [one for _, one in group]
            if len(group) > 1:
                pairs = zip(ones, self._fields(), strict=False)
                ones = [f"i32({one} << i32({place}))" for one, place in pairs]
            text = ones[0]
            for one in ones[1:]:
                text = f"i32({text} + {one})"
            self.put(f"n{v}_{at} = i32(n{v}_{at} + {text})")

    def _finish(self) -> None:
        """Add the counters to each variable's row."""
        if not self.counting:
            return
        self.array("lines")
        for v, variable in enumerate(self.program.variables):
            if self._known(variable):
                self._known_writes(v, variable)
            for count, name in COUNTED.items():
                if count == "draws" and self.program.sums.rounding != "stochastic":
                    continue
                row = len(self.program.lines) + v
                self.put(f"lines[{row}, {COUNTS.index(count)}] += {name}_{v}")


def columns_of(term: ProductTerm) -> tuple:
    """What decides in which columns a product is not 0."""
    gate = term.gate if term.gate[0] == "u" else ""
    return gate, term.mantissa != 0, sorted(map(repr, (f for f in factors_of(term) if f.owner == "post")))
