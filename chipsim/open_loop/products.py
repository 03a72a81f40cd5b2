"""Many recordings through a rule lowered to products, on an engine whose traces live in the synapses.

The integers are those of `microcode/products.py` and `microcode/epoch_traces.py` with an epoch of one step;
a test holds them. The lines that are left to the neurons run as in `walk.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chipsim.errors import SettingError
from chipsim.microcode.epoch_terms import Trace
from chipsim.microcode.epoch_traces import TOP, decay_table
from chipsim.microcode.products import gate_open, head_shift, scale_of
from chipsim.microcode.program import Factor, ProductTerm
from chipsim.microcode.streams import sevens, uniform, write_words
from chipsim.noise import top_bits
from chipsim.open_loop.walk import Event, Walk

Written = Callable[[int, str, np.ndarray], None]  # (step, variable, what is added in LSB before rounding)


class ProductWalk(Walk):
    """A lowered program with the state of N recordings; arguments as of Walk, phases of the chip. The
    engine's seed of a recording is its own. Raises SettingError for a program without traces in the
    synapses, or with learning epochs of several steps."""

    def __init__(self, bound, use, inputs, seeds, weights=0, phases: tuple[str, ...] = ()):
        super().__init__(bound, use, inputs, seeds, weights, phases=phases)
        if bound.traces is None or bound.learning_epoch != 1:
            raise SettingError(
                f"rule {bound.name} on chip {bound.chip} has no products with learning epochs of one step",
                remedy="bind it for chip loihi2_lava with epoch 1",
            )
        self.spiked = {"pre": inputs.pre[..., None] != 0, "post": inputs.post[:, :, None, :] != 0}
        if not bound.traces.bap:
            self.spiked["post"] = self.spiked["post"] & False
        self.draws = self._draws()
        self.words = write_words(bound.traces.write_seed, 1, self.steps)
        self.written: Written = lambda step, variable, added: None

    def _draws(self) -> dict[tuple[str, str], np.ndarray]:
        """[N, steps] numbers of each stream, those of the end of a step."""
        names = (("decay", "pre"), ("impulse", "pre"), ("decay", "post"), ("impulse", "post"))
        made = {}
        for name, offset in zip(names, self.bound.traces.offsets, strict=True):
            draw = uniform if name[0] == "decay" else sevens
            rows = [draw(int(seed) + offset, 2, 2 * self.steps)[::2] for seed in self.seeds]
            made[name] = np.array(rows)
        return made

    # ------------------------------------------------------------ the end of a step

    def _end_step(self, t: int) -> None:
        """Traces move on; all products read what was before them; what was sent is 0 again."""
        values = {x.register: self._trace(x, t) for x in self.bound.traces.all}
        after = {name: self._variable(name, values, t) for name in self.bound.variables}
        self.raw.update(after)
        for name in self.bound.sent:
            self.raw[name] = self.raw[name] * 0

    def _trace(self, x: Trace, t: int) -> np.ndarray:
        """The trace as products of this step read it."""
        floors, ups = (np.array(row, np.int64) for row in decay_table(x))
        at = self.raw[x.register] - x.lo
        decay, impulse = (self.draws[what, x.owner][:, t - 1, None, None] for what in ("decay", "impulse"))
        value = floors[at] + (decay < ups[at])
        more = np.clip(value + x.whole + (impulse < x.part), 0, TOP)
        value = np.where(self.spiked[x.owner][:, t - 1], more, value)
        if not x.received:
            self.raw[x.register] = value
        return value

    def _variable(self, name: str, values: dict[str, np.ndarray], t: int) -> np.ndarray:
        sums, register = self.bound.sums, self.bound.register(name)
        old = self.raw[name]
        full = acc = old << sums.frac
        moving, added = np.zeros(old.shape, bool), np.zeros(old.shape, np.int64)
        for term in (x for x in self.bound.products if x.target == name):
            exact = self._exact(term, values, t)
            p = np.where(exact != 0, self._scaled(term, exact), 0)
            acc = np.where(exact != 0, np.clip(acc + p, sums.lo, sums.hi), np.maximum(acc, sums.lo))
            moving, added = moving | (exact != 0), added + p
        self.written(t, name, added * 2.0**-sums.frac)
        draw = {"stochastic": top_bits(int(self.words[t - 1]), sums.frac), "floor": 0}.get(
            sums.rounding, 1 << sums.frac >> 1
        )
        new = np.clip((acc + draw) >> sums.frac, register.lo, register.hi)
        return np.where(moving | (full < sums.lo), new, old)

    def _exact(self, term: ProductTerm, values: dict[str, np.ndarray], t: int) -> np.ndarray:
        """Gate times factors times mantissa, modulo 2^32."""
        mantissa, _ = scale_of(term, self.params, self.bound.sums)
        exact = np.full((self.count, *self.sides["syn"]), mantissa, np.int64)
        if term.gate[0] == "u":
            exact *= gate_open(term.gate, t, 1)
        else:
            exact *= self._factor(Factor(term.gate, "", 1), values, t)
        for f in term.factors:
            exact = exact * self._factor(f, values, t)
        return (exact + (1 << 31)) % (1 << 32) - (1 << 31)

    def _factor(self, f: Factor, values: dict[str, np.ndarray], t: int) -> np.ndarray:
        if f.name in ("x0", "y0"):
            value = self.spiked["pre" if f.name == "x0" else "post"][:, t - 1].astype(np.int64)
        else:
            value = values.get(f.name, self.raw[f.name])
        value = value + f.add
        value = np.sign(value) if f.sgn else value
        return np.clip(value, -(1 << f.bits), (1 << f.bits) - 1)

    def _scaled(self, term: ProductTerm, exact: np.ndarray) -> np.ndarray:
        sums = self.bound.sums
        _, exponent = scale_of(term, self.params, sums)
        up = exponent + sums.frac
        kept = exact >> head_shift(term, sums)
        return np.clip(kept << up if up >= 0 else kept >> -up, sums.lo, sums.hi)


def changes_written(walk: Walk) -> np.ndarray:
    """Run a program of lines: what each step adds to the weights before rounding, in LSB,
    float64[N, steps, n_pre, n_post]."""
    found = np.zeros((walk.count, walk.steps, *walk.sides["syn"]))

    def visit(event: Event) -> None:
        if event.line.target.is_weight:
            added = event.total * 2.0**-event.drop - event.before
            found[:, event.step - 1] += np.where(event.mask, added, 0.0)

    walk.run(visit)
    return found


def changes_lowered(walk: ProductWalk) -> np.ndarray:
    """The same of the products."""
    found = np.zeros((walk.count, walk.steps, *walk.sides["syn"]))

    def written(step: int, variable: str, added: np.ndarray) -> None:
        if walk.bound.register(variable).is_weight:
            found[:, step - 1] = added

    walk.written = written
    walk.run()
    return found
