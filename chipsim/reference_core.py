"""The definition of a crossbar core with address events (`step.mode = "event"`), in plain Python.

The core has 256 neurons, 256 x 256 synapses and one queue. An address event is executed at once, and the
spike events that it puts into the queue after it, one by one, until the queue is empty: then the next
address event is taken. `compile/core_kernels.py` must leave the same arrays, bit for bit.

    neuron   a leaky counter without sign, a threshold, calcium, and the flags up and down
    synapse  {map bit, weight 0..7}; excitatory or inhibitory by row
    flags    written with every update of a neuron, read when a spike event meets its synapses: they are
             those that the neuron's previous update left

Within a spike event the row is learned with the flags from before it, and the neurons are stimulated in
the order of their numbers with the weights from before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from chipsim.addresses import (
    BIST_ALL,
    BIST_ONE,
    SPIKE,
    SYNAPSE,
    TREF_ALL,
    TREF_ONE,
    VIRTUAL,
    bistability,
    decode,
    spike,
    time_reference,
)
from chipsim.errors import RunError
from chipsim.fixed import limit
from chipsim.plan import Plan
from chipsim.plan.core import PAR
from chipsim.state_core import (
    BISTABLE,
    DONE,
    DRIVEN,
    MOST_POPS,
    ON_SYN_STIM,
    OPEN_LOOP,
    OUT_SIZE,
    PROPAGATE_UNMAPPED,
    SINGLE,
    SPIKED,
    TIMED,
    UPDATE_UNMAPPED,
    Core,
    count,
    cycles_of,
    load_core,
    store_core,
)

LEAK, LEAK_EN, THR, CA_EN, THETA, TH1, TH2, TH3, CA_LEAK, DISABLE = range(len(PAR))
EXCITE, INHIBIT, TIME = 0, 1, 2


# ---------------------------------------------------------------- samples and steps


def core_present(
    plan: Plan, state: dict, events: Mapping[int, object], samples: Sequence[int], learn: bool
) -> tuple[dict, dict]:
    """Samples one after the other; before each one V = 0, all else stays. Returns rows of spike counts
    and membranes by layer."""
    counts: dict[str, list] = {x.name: [] for x in plan.layers if x.kind == "lif"}
    membranes: dict[str, list] = {name: [] for name in counts}
    n_steps = next(iter(events.values())).n_steps
    for sample in samples:
        for index in plan.core.columns:
            state[f"l{index}_v"][...] = 0
            state[f"l{index}_count"][...] = 0
        core_steps(plan, state, events, int(sample), range(n_steps), learn)
        if learn and plan.core.bistable:
            image = load_core(plan, state)
            run_event(image, bistability(), learn)
            store_core(plan, state, image, learn)
        for x in plan.layers:
            if x.kind == "lif":
                counts[x.name].append(state[f"l{x.index}_count"].copy())
                membranes[x.name].append(state[f"l{x.index}_v"].copy())
    empty = {x.name: np.zeros((0, x.size), np.int32) for x in plan.layers}
    made = (
        {name: np.concatenate([empty[name], *rows]) for name, rows in kept.items()}
        for kept in (counts, membranes)
    )
    return tuple(made)


def core_steps(
    plan: Plan, state: dict, events: Mapping[int, object], sample: int, steps: Iterable[int], learn: bool
) -> None:
    """Steps (from 0) of one sample."""
    image = load_core(plan, state)
    for t in steps:
        for array in (image.step_fired, image.out, image.out_n):
            array[:] = 0
        for word in step_words(plan, events, sample, t):
            run_event(image, word, learn)
        if learn:
            state["step"][0] += 1
    store_core(plan, state, image, learn)


def step_words(plan: Plan, events: Mapping[int, object], sample: int, t: int) -> list[int]:
    """The address events of one step: those of each source, then a time reference for all neurons where
    the step has ordinary sources."""
    words: list[int] = []
    for x in plan.layers:
        if x.kind != "source":
            continue
        axons = events[x.index].at(sample, t).tolist()
        bus = x.index in plan.core.buses
        words += axons if bus else [spike(plan.core.rows[x.index] + a) for a in axons]
    if any(x.kind == "source" and x.index not in plan.core.buses for x in plan.layers):
        words.append(time_reference())
    return words


# ---------------------------------------------------------------- an address event


def run_event(core: Core, word: int, learn: bool) -> None:
    """One address event, and what it puts into the queue. Raises RunError where the core never rests."""
    kind, number, detail = decode(word, core.documented)
    queue: list[tuple[int, int, int]] = []
    count(core, "events")
    if kind in (SPIKE, VIRTUAL):
        _push(core, queue, (kind, detail, number))
        count(core, "cycles_push", cycles_of(core, "push"))
    elif kind in (TREF_ONE, TREF_ALL):
        for neuron in (number,) if kind == TREF_ONE else range(len(core.v)):
            _update(core, queue, neuron, TIME, 0)
        count(core, "cycles_tref", cycles_of(core, "tref_one" if kind == TREF_ONE else "tref_all"))
    elif kind == SYNAPSE:
        _synapse(core, queue, number, detail, learn)
    elif kind in (BIST_ONE, BIST_ALL):
        _bistability(core, number if kind == BIST_ONE else None, learn)
    _drain(core, queue, word, learn)


def _drain(core: Core, queue: list, word: int, learn: bool) -> None:
    """Entries of the queue, first in, first out; an entry keeps its place until it is done."""
    done = 0
    while queue:
        if done == MOST_POPS:
            raise restless(word)
        kind, bits, number = queue[0]
        if kind == VIRTUAL:  # {weight 3, inhibitory, leak}
            _update(core, queue, number, TIME if bits & 1 else bits >> 1 & 1, bits >> 2)
            count(core, "cycles_popv", cycles_of(core, "pop_virtual"))
        else:
            _spike(core, queue, number, learn)
            count(core, "cycles_popn", cycles_of(core, "pop_spike"))
        queue.pop(0)
        done += 1


def restless(word: int) -> RunError:
    """What both back ends say of a core that keeps itself busy."""
    return RunError(
        f"the core does not come to rest: {MOST_POPS} queued events after address event 0x{word:05x}",
        remedy="raise thresholds or lower recurrent weights; a neuron of threshold 0 fires at every update",
    )


def _push(core: Core, queue: list, entry: tuple[int, int, int]) -> None:
    if len(queue) < core.depth:
        queue.append(entry)
        count(core, "pushed")
    else:
        count(core, "lost")


def _spike(core: Core, queue: list, pre: int, learn: bool) -> None:
    """A row meets all neurons."""
    size, sign = len(core.v), int(core.sign[pre])
    core.rows[pre] += 1
    count(core, "synapse_reads", size // core.per_word)
    count(core, "synapse_writes", size // core.per_word)
    count(core, "operations", size)
    for post in range(size):
        old = int(core.syn[pre, post])
        _learn(core, pre, post, old, learn)
        _update(core, queue, post, sign, _weight(core, old, False), DRIVEN)


def _synapse(core: Core, queue: list, pre: int, post: int, learn: bool) -> None:
    """One synapse; it learns only where the configuration says so."""
    old = int(core.syn[pre, post])
    if core.config[ON_SYN_STIM]:
        _learn(core, pre, post, old, learn)
    _update(core, queue, post, int(core.sign[pre]), _weight(core, old, core.documented), DRIVEN)
    core.learned[pre, core.slot[post], SINGLE] += 1
    for name in ("synapse_reads", "synapse_writes", "operations"):
        count(core, name)
    count(core, "cycles_syn", cycles_of(core, "synapse"))


def _bistability(core: Core, number: int | None, learn: bool) -> None:
    """Every weight of a row (as documented: of a column) moves away from the middle; None: of all rows."""
    size = len(core.v)
    lines = range(size) if number is None else (number,)
    for line in lines:
        for k in range(size):
            pre, post = (k, line) if core.documented else (line, k)
            old = int(core.syn[pre, post])
            if learn and _gated(core, old):
                _write(core, pre, post, moved(old, bool(old & 4), not old & 4), BISTABLE)
    words = len(lines) * size // core.per_word
    count(core, "synapse_reads", words)
    count(core, "synapse_writes", words)
    count(core, "cycles_bist", cycles_of(core, "bist_all" if number is None else "bist_one"))


# ---------------------------------------------------------------- a synapse


def _gated(core: Core, old: int) -> bool:
    return bool(old >> 3 or core.config[UPDATE_UNMAPPED])


def _weight(core: Core, old: int, any_synapse: bool) -> int:
    """What reaches the neuron: 0 where the map bit keeps it back."""
    return old & 7 if old >> 3 or any_synapse or core.config[PROPAGATE_UNMAPPED] else 0


def _learn(core: Core, pre: int, post: int, old: int, learn: bool) -> None:
    """SDSP of one synapse, by the flags that the neuron's previous update left."""
    up, down = bool(core.up[post]), bool(core.down[post])
    if learn and _gated(core, old) and (up or down):
        _write(core, pre, post, moved(old, up, down), DONE)


def moved(old: int, up: bool, down: bool) -> tuple[int, bool]:
    """A synapse after one step up or down within 0..7, and whether it was limited; the map bit stays.

    Both flags at once, which no neuron sets, are up, except at the ends.
    """
    if not (up or down):
        return old, False
    w = limit((old & 7) + 1 if up else (old & 7) - 1, 0, 7, "saturate")
    limited = w.saturated or (down and not old & 7)
    return (old, True) if limited else (old & 8 | w.raw, False)


def _write(core: Core, pre: int, post: int, new: tuple[int, bool], which: int) -> None:
    core.syn[pre, post] = new[0]
    core.learned[pre, core.slot[post], which] += 1
    core.learned[pre, core.slot[post], which + 1] += new[1]


# ---------------------------------------------------------------- a neuron


def _update(core: Core, queue: list, n: int, what: int, w: int, kind: int = TIMED) -> None:
    """One neuron, by a weight or a time reference: membrane, spike, calcium, flags."""
    p = [int(x) for x in core.par[n]]
    v, fired = membrane(int(core.v[n]), what, w, p[LEAK], p[LEAK_EN], p[THR])
    now = calcium(int(core.ca[n]), int(core.cnt[n]), v, fired, what == TIME, p)
    core.v[n] = v
    core.ca[n], core.cnt[n], core.up[n], core.down[n] = now
    count(core, "neuron_reads")
    count(core, "neuron_writes")
    core.updates[n, kind] += 1
    if fired and not p[DISABLE]:
        _send(core, queue, n)


def membrane(v: int, what: int, w: int, leak: int, leak_en: int, thr: int) -> tuple[int, bool]:
    """(V, whether the neuron fires) after one event: leak, inhibitory or excitatory weight; then reset."""
    if what == TIME:
        w = leak if leak_en else 0
    v = limit(v + w if what == EXCITE else v - w, 0, 255, "saturate").raw
    return (0, True) if v >= thr else (v, False)


def calcium(
    ca: int, cnt: int, v: int, fired: bool, tref: bool, p: Sequence[int]
) -> tuple[int, int, bool, bool]:
    """(calcium, its clock, up, down) after an event that left the membrane at v; p: parameters (PAR)."""
    if not p[CA_EN]:
        return ca, cnt, False, False
    leaked = False
    if tref and p[CA_LEAK]:
        leaked = cnt == p[CA_LEAK] - 1
        cnt = 0 if leaked else limit(cnt + 1, 0, 31, "wrap").raw
    if fired != leaked:
        ca = limit(ca + 1 if fired else ca - 1, 0, 7, "saturate").raw
    up = v >= p[THETA] and p[TH1] <= ca < p[TH3]
    down = v < p[THETA] and p[TH1] <= ca < p[TH2]
    return ca, cnt, up, down


def _send(core: Core, queue: list, n: int) -> None:
    """A spike leaves the chip, and enters the queue unless the core runs open loop."""
    core.updates[n, SPIKED] += 1
    core.fired[n] += 1
    core.step_fired[n] += 1
    at = int(core.out_n[0])
    if at < OUT_SIZE:
        core.out[at] = n
    core.out_n[0] = at + 1
    if not core.config[OPEN_LOOP]:
        _push(core, queue, (SPIKE, 0, n))
