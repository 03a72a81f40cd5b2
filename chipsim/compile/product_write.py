"""The write of one variable in on_products: exact products, scaled, added, rounded, limited, counted."""

from __future__ import annotations

from chipsim.microcode.products import head_shift
from chipsim.microcode.program import COUNTS, ProductTerm

COUNTED = {
    "done": "done",
    "draws": "written",
    "saturated": "over",
    "rounded_to_zero": "lost",
    "changed": "moved",
}


class Written:
    """The part of the section's generator that writes a variable at one synapse, and its counters."""

    def _once(self, name: str) -> bool:
        """Whether one product at most changes the variable in the present loop: done is written."""
        return sum(t.target == name and k not in self.skipped for k, t in self.terms) < 2

    def _unpack(self, v: int, name: str) -> list[str]:
        """Two counts of 15 bits in one 32-bit sum halve the reductions of a row."""
        out = [f"written_{v} += i64(both_n{v} & i32(32767))", f"over_{v} += i64(both_n{v} >> i32(15))"]
        out += [f"lost_{v} += i64(gone_n{v} & i32(32767))", f"moved_{v} += i64(gone_n{v} >> i32(15))"]
        done = f"i64(both_n{v} & i32(32767))" if self._once(name) else f"i64(done_n{v})"
        return [*out, f"done_{v} += {done}"]

    def _exact(self, k: int, term: ProductTerm) -> str:
        text = self.cast(self.cast(f"column_{k}[i]") + f" * z_{k}")
        if self.at != "i":
            text = self.cast(f"picked_{k}[{self.at}]")
        for f in (f for f in term.factors if f.owner == "syn"):
            text = self.cast(f"{text} * {self.value(f)}")
        return text

    def _variable(self, v: int, name: str) -> None:
        """New value of one variable at one synapse: new_v; counts."""
        cast, sums, register = self.cast, self.program.sums, self.program.register(name)
        lo, hi = cast(sums.lo), cast(sums.hi)
        self.put("old = " + cast(self.element(name, None)), "acc = " + cast(f"old << {cast(sums.frac)}"))
        self.put("over_e = i32(0)", "lost_e = i32(0)", "met = i32(0)")
        for k, term in ((k, t) for k, t in self.terms if t.target == name and k not in self.skipped):
            drop = head_shift(term, sums)
            self.put(f"e = {self._exact(k, term)}")
            if self.program.traces is not None and self.lane == "i64":
                self.put("e = wrap32(e)")
            shifted = cast(f"e >> {cast(drop)}") if drop else "e"
            self.put(f"p = {self._scaled(k, shifted)}")
            self.put("c = " + cast(f"min(max(p, {lo}), {hi})"), "a = " + cast("acc + c"))
            self.put("acc = " + cast(f"min(max(a, {lo}), {hi})"))
            if self.counting:
                self.put("over_e = i32(over_e | i32(c != p) | i32(acc != a))", "nz = i32(e != 0)")
                self.put("lost_e = i32(lost_e | i32(nz & i32(p == 0)))", "met = i32(met | nz)")
                if not self._once(name):
                    self.put(f"done_n{v} = i32(done_n{v} + nz)")
        self.put(f"q = {self._rounded(v)}")
        self.put(f"new_{v} = " + cast(f"min(max(q, {cast(register.lo)}), {cast(register.hi)})"))
        if self.counting:
            self._count(v)

    def _scaled(self, k: int, text: str) -> str:
        """The product times 2**exponent."""
        sums = self.program.sums
        if self.lane != "i32" or sums.exponent_max + sums.frac > 31:
            text = self.cast(f"{text} << {self.cast(f'left_{k}')}")
            return self.cast(f"{text} >> {self.cast(f'right_{k}')}") if self.downwards else text
        text = f"shl32({text}, i32(left_{k}))"
        return f"sar32({text}, i32(min(right_{k}, i64(31))))" if self.downwards else text

    def _rounded(self, v: int) -> str:
        cast, sums = self.cast, self.program.sums
        added = {"floor": "0", "nearest": str((1 << sums.frac) >> 1)}.get(sums.rounding)
        if added is None:
            added = f"u32({self._word(v)}) >> u32({32 - sums.frac})"
        total = cast(f"acc + {cast(added)}")
        return cast(f"{total} >> {cast(sums.frac)}")

    def _count(self, v: int) -> None:
        start = self.cast(f"old << {self.cast(self.program.sums.frac)}")
        self.put(f"over_e = i32(over_e | i32(new_{v} != q))", f"same = i32(new_{v} == old)")
        self.put(f"lost_e = i32(i32(lost_e | i32(acc != {start})) & same & i32(over_e == 0))")
        self.put(f"both_n{v} = i32(both_n{v} + i32(met + i32(over_e << i32(15))))")
        self.put(f"gone_n{v} = i32(gone_n{v} + i32(lost_e + i32(i32(i32(1) - same) << i32(15))))")

    def _twin_variable(self, v: int, name: str) -> None:
        """The same sum in float64; the weight is clipped at its limits."""
        register = self.program.register(name)
        self.put(f"new_{v} = {self.element(name, None)}")
        for k, term in ((k, t) for k, t in self.terms if t.target == name and k not in self.skipped):
            self.put(f"new_{v} += {self._exact(k, term)}")
        if register.is_weight:
            lsb = float(register.fmt.lsb)
            self.put(f"new_{v} = min(max(new_{v}, {register.lo * lsb!r}), {register.hi * lsb!r})")

    def _finish(self) -> None:
        """Add the counters to each variable's row."""
        if not self.counting:
            return
        self.array("lines")
        for v, _ in enumerate(self.program.variables):
            for count, name in COUNTED.items():
                if count == "draws" and self.program.sums.rounding != "stochastic":
                    continue
                row = len(self.program.lines) + v
                self.put(f"lines[{row}, {COUNTS.index(count)}] += {name}_{v}")
