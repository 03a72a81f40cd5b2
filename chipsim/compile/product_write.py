"""The write of one variable in on_products: exact products, scaled, added, rounded, limited."""

from __future__ import annotations

from chipsim.microcode.products import head_shift
from chipsim.microcode.program import ProductTerm


class Written:
    """The part of the section's generator that writes a variable at one synapse."""

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
        live = [(k, t) for k, t in self._of(name) if k not in self.skipped]
        if self.counting and not (live and self._known(name)):
            self.put(*[f"{x} = i32(0)" for x in ("over_e", "lost_e", "met", "done_e")])
        for at, (k, term) in enumerate(live):
            drop = head_shift(term, sums)
            self.put(f"e = {self._exact(k, term)}")
            if self.program.traces is not None and self.lane == "i64":
                self.put("e = wrap32(e)")
            shifted = cast(f"e >> {cast(drop)}") if drop else "e"
            self.put(f"p = {self._scaled(k, shifted)}")
            if self.counting:
                self.put("was = acc")
            self.put("c = " + cast(f"min(max(p, {lo}), {hi})"), "a = " + cast("acc + c"))
            self.put("acc = " + cast(f"min(max(a, {lo}), {hi})"))
            if self.counting:
                self._count_product(name, at == 0)
        self.put(f"q = {self._rounded(v)}")
        self.put(f"new_{v} = " + cast(f"min(max(q, {cast(register.lo)}), {cast(register.hi)})"))
        if self.counting:
            self._count_write(v, name)

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

    def _twin_variable(self, v: int, name: str) -> None:
        """The same sum in float64; the weight is clipped at its limits."""
        register = self.program.register(name)
        self.put(f"new_{v} = {self.element(name, None)}")
        for k, term in ((k, t) for k, t in self._of(name) if k not in self.skipped):
            self.put(f"new_{v} += {self._exact(k, term)}")
        if register.is_weight:
            lsb = float(register.fmt.lsb)
            self.put(f"new_{v} = min(max(new_{v}, {register.lo * lsb!r}), {register.hi * lsb!r})")
