"""on_products where traces live in the synapses: when the general form runs, and its call as text."""

from __future__ import annotations

from chipsim.compile.epoch_driver import is_general, synaptic


class General:
    """The part of the section's generator that calls `epoch_products`."""

    def _general(self) -> None:
        """The call of the general form: always, or where a tag lies below the accumulator."""
        program = self.program
        names = synaptic(program)
        flat = [f"{self._whole(name)}.reshape(-1)" for name in names]
        low = [
            r for r in map(program.register, program.variables) if r.lo << program.sums.frac < program.sums.lo
        ]
        if not is_general(self.c):
            if not low:
                return
            test = " or ".join(
                f"any_below({self._whole(r.name)}.reshape(-1), {-(-program.sums.lo >> program.sums.frac)})"
                for r in low
            )
            self.put(f"if {test}:")
            self.level += 1
        for name in ("terms", "factors", "limits", "sums", "s_write", "first", "no_syn", "tx", "ty", "lines"):
            self.array(name)
        for k, term in self.terms:
            every = program.learning_epoch << int(term.gate[1:]) if term.gate[0] == "u" else 1
            self.put(f"terms[{k}, 2], terms[{k}, 3], terms[{k}, 4] = i64(n % {every} == 0), m_{k}, e_{k}")
        ptr, tgt = ("ptr", "tgt") if self.c.sparse else ("no_ptr", "no_tgt")
        flat += ["no_syn"] * (3 - len(flat))
        arguments = f"{self.array(ptr)}, {self.array(tgt)}, {self.array('hpre')}, {self.array('hpost')}"
        self.put(
            f"epoch_products(terms, factors, limits, sums, {self._shared_word()}, "
            f"n_pre, n_post, {len(names)}, {self.c.sparse}, {arguments}, tx[0], ty[0], "
            f"{', '.join(flat)}, lines, {len(program.lines)})"
        )
        if not is_general(self.c):
            self.level -= 1
            self.put("else:")
            self.level += 1

    def _whole(self, name: str) -> str:
        """The array of a synaptic register."""
        return self.array("w" if self.program.register(name).is_weight else "r_" + name)

    def _shared_word(self) -> str:
        """The word of the present learning epoch."""
        self.array("s_write"), self.array("first")
        return f"s_write[n // {self.program.learning_epoch} - first[1]]"
