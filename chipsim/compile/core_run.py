"""Call the kernels of a crossbar core with a state: what `Kernels` is for the other chips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chipsim.addresses import bistability, is_documented, spike, time_reference
from chipsim.compile.core_kernels import run_words
from chipsim.compile.samples import kept
from chipsim.errors import DataError, SettingError
from chipsim.plan import Plan
from chipsim.reference_core import restless
from chipsim.state_core import Core, load_core, store_core


class CoreKernels:
    """The compiled core of one plan; the arguments of its functions are those of `Kernels`."""

    def __init__(self, plan: Plan, state: dict, *, twin: bool = False, counting: bool = True):
        if twin:
            raise SettingError(
                f"a float twin on chip {plan.chip}",
                remedy="its core has one fixed integer engine; run without --twin",
            )
        self.plan = plan
        self.queue = np.zeros(plan.core.fifo_depth + 2, np.int64)
        self.drive = np.zeros(plan.core.size, np.int64)

    def clone(self) -> CoreKernels:
        """Another caller of the same machine code, with a queue of its own."""
        return CoreKernels(self.plan, {})

    def advance(
        self,
        state: dict,
        events: Sequence[np.ndarray],
        labels: np.ndarray,
        rewards: np.ndarray,
        order: np.ndarray,
        span: tuple[int, int],
        steps: tuple[int, ...],
        *,
        learn: bool,
        fresh: bool,
        outs: tuple,
    ) -> None:
        """Run order[span[0]:span[1]] over steps (first, last, length of the events, offset), in place."""
        offset = steps[3] if len(steps) > 3 else 0
        first, last = steps[0] - offset - 1, steps[1] - offset
        image = load_core(self.plan, state)
        for row, sample in enumerate(order[span[0] : span[1]]):
            if fresh:
                image.v[:] = 0
                image.fired[:] = 0
            words, final = sample_words(self.plan, events, int(sample), range(first, last), steps[2])
            self._run(image, words, final, learn)
            if learn:
                state["step"][0] += last - first
                if fresh and self.plan.core.bistable:
                    self._run(image, np.array([bistability()]), 2, learn)
            if fresh:
                self._keep(image, outs, row)
        store_core(self.plan, state, image, learn)

    def _run(self, image: Core, words: np.ndarray, final: int, learn: bool) -> None:
        i = image
        core = (
            (i.v, i.ca, i.cnt, i.up, i.down, i.par),
            (i.syn, i.sign, i.slot, i.config, i.cycles),
            (i.stat, i.rows, i.updates, i.learned, i.fired, i.step_fired, i.out, i.out_n),
        )
        at = run_words(words, final, core, self.queue, self.drive, i.depth, i.per_word, learn, i.documented)
        if at >= 0:
            raise restless(int(words[at]))

    def _keep(self, image: Core, outs: tuple, row: int) -> None:
        for (layer, array), out in zip(kept(self.plan), outs, strict=False):
            at = self.plan.core.columns[layer.index]
            out[row] = (image.fired if array == "count" else image.v)[at : at + layer.size]

    def outputs(self, count: int, steps: int = 0) -> tuple:
        """Empty output arrays for `count` samples in the order of `samples.kept`."""
        return tuple(np.zeros((count, x.size), np.int32) for x, _ in kept(self.plan))

    def named(self, outs: tuple, predictions: bool = False) -> dict:
        """Outputs by layer name: spike counts and membranes; there are no integrators."""
        named: dict = {"potentials": {}, "counts": {}, "membranes": {}}
        for (layer, array), out in zip(kept(self.plan), outs, strict=False):
            named["counts" if array == "count" else "membranes"][layer.name] = out
        return named | ({"predictions": {}} if predictions else {})


def sample_words(
    plan: Plan, events: Sequence[np.ndarray], sample: int, steps: range, length: int
) -> tuple[np.ndarray, int]:
    """The address words of some steps of one sample (see `reference_core.step_words`), and the number of
    the first one of the last step.

    events   (start, axon, payload) of every source in layer order
    """
    pieces, keys, plain = [], [], False
    sources = [x for x in plan.layers if x.kind == "source"]
    cells = np.arange(sample * length + steps.start, sample * length + steps.stop)
    for place, x in enumerate(sources):
        start, axon = events[3 * place], events[3 * place + 1]
        counts = np.diff(start[cells[0] : cells[-1] + 2]) if len(cells) else np.zeros(0, np.int64)
        mine = (
            axon[start[cells[0]] : start[cells[-1] + 1]].astype(np.int64) if len(cells) else np.zeros(0, int)
        )
        bus = x.index in plan.core.buses
        plain = plain or not bus
        pieces.append(mine if bus else (mine + plan.core.rows[x.index]) << 8 | spike(0))
        keys.append(np.repeat(np.arange(len(counts)), counts) * (len(sources) + 1) + place)
        if bus and plan.core.documented:
            _check_documented(mine)
    if plain:
        pieces.append(np.full(len(cells), time_reference(), np.int64))
        keys.append(np.arange(len(cells)) * (len(sources) + 1) + len(sources))
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    words = np.concatenate(pieces)[order]
    final = int(np.searchsorted(key[order], (len(cells) - 1) * (len(sources) + 1)))
    return np.ascontiguousarray(words, np.int64), final


def _check_documented(words: np.ndarray) -> None:
    bad = [int(w) for w in np.unique(words) if not is_documented(int(w))]
    if bad:
        raise DataError(
            f"address 0x{bad[0]:05x} has no documented meaning",
            remedy="leave it out, or run the chip as built",
        )
