"""Which elements a section reaches, context by context (definition 2, table of sections).

    on_sample_start, on_step, on_epoch, on_replay, on_sample_end   everything
    on_pre            the active axons, their synapses, the neurons these lead to
    on_membrane       all neurons
    on_post           the neurons that fired, their synapses, all axons
    on_third_factor   the neurons with a non-zero third factor, their synapses, all axons

A context in which nothing triggers the section is not reached at all. A layer register is reached
once if any context is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

OWNER_POSITION = {"layer": 1, "pre": 2, "post": 3, "syn": 4}
ALWAYS = ("on_sample_start", "on_step", "on_epoch", "on_replay", "on_sample_end")

# one element of one owner in one context: (context, 0, axon j, neuron i, synapse s); what the owner
# does not have is None
Place = tuple


@dataclass(frozen=True)
class Clock:
    """The present step. ts counts from 1 within the sample (0 before its first step); n is the
    number of the learning step; reward holds one raw integer per context."""

    ts: int
    n: int
    reward: tuple[int, ...] = ()


@dataclass(frozen=True)
class Wiring:
    """Axon and neuron of every synapse, in storage order (pre-major), and the synapses of each.

    Under shared kernels a synapse is a place where a stored weight meets an axon and a neuron:
    stored[s] is its weight's number, drawn the (i, j) of each stored weight's draws. Else both are
    empty: a synapse is its weight.
    """

    n_pre: int
    n_post: int
    pre_of: tuple[int, ...]
    post_of: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]
    columns: tuple[tuple[int, ...], ...]
    sparse: bool
    stored: tuple[int, ...] = ()
    drawn: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, c: object, state: dict) -> Wiring:
        """The wiring of a ConnectionPlan from its state arrays."""
        stored: tuple[int, ...] = ()
        drawn: tuple[tuple[int, int], ...] = ()
        if c.conv is not None:
            places = [(j, *place) for j in range(c.n_pre) for place in c.conv.places(j)]
            pre_of, post_of, stored = (tuple(x) for x in zip(*places, strict=True))
            channels = range(c.conv.post[2])
            drawn = tuple((o, c.conv.draw_place(r)) for r in range(c.conv.rows) for o in channels)
        elif c.sparse:
            ptr = state[f"c{c.index}_ptr"].tolist()
            post_of = tuple(state[f"c{c.index}_tgt"].tolist())
            pre_of = tuple(j for j in range(c.n_pre) for _ in range(ptr[j], ptr[j + 1]))
        else:
            pre_of = tuple(j for j in range(c.n_pre) for _ in range(c.n_post))
            post_of = tuple(i for _ in range(c.n_pre) for i in range(c.n_post))
        rows: list[list[int]] = [[] for _ in range(c.n_pre)]
        columns: list[list[int]] = [[] for _ in range(c.n_post)]
        for s, (j, i) in enumerate(zip(pre_of, post_of, strict=True)):
            rows[j].append(s)
            columns[i].append(s)
        rows, columns = tuple(map(tuple, rows)), tuple(map(tuple, columns))
        return cls(c.n_pre, c.n_post, pre_of, post_of, rows, columns, c.sparse, stored, drawn)

    def weight_of(self, s: int) -> int:
        """The stored weight of a synapse."""
        return self.stored[s] if self.stored else s

    def draw_of(self, e: int) -> tuple[int, int]:
        """(i, j) of the draws of a stored weight: its neuron and axon, or channel and place."""
        return self.drawn[e] if self.drawn else (self.post_of[e], self.pre_of[e])


@dataclass
class Reach:
    """The reached elements: for each reached context the axons, neurons and synapses, ascending."""

    wiring: Wiring
    whole: bool = False  # every stored weight is reached, also one that no axon and neuron meet in
    pre: dict[int, list[int]] = field(default_factory=dict)
    post: dict[int, list[int]] = field(default_factory=dict)
    syn: dict[int, list[int]] = field(default_factory=dict)
    _places: dict[str, list[Place]] = field(default_factory=dict)

    @property
    def contexts(self) -> list[int]:
        """The contexts in which the section runs, ascending."""
        return list(self.pre)

    def add(self, context: int, pre: list[int], post: list[int], syn: list[int]) -> None:
        """Reach these elements in one more context."""
        self.pre[context], self.post[context], self.syn[context] = pre, post, syn

    def places(self, owner: str) -> list[Place]:
        """All reached elements of one owner, contexts ascending; one per context for `layer`."""
        if owner not in self._places:
            self._places[owner] = self._list(owner)
        return self._places[owner]

    def _list(self, owner: str) -> list[Place]:
        if owner == "layer":
            return [(b, 0, None, None, None) for b in self.contexts]
        if owner == "pre":
            return [(b, 0, j, None, None) for b in self.contexts for j in self.pre[b]]
        if owner == "post":
            return [(b, 0, None, i, None) for b in self.contexts for i in self.post[b]]
        w = self.wiring
        if owner == "stored":
            return [(b, 0, None, None, e) for b in self.contexts for e in self._stored(b)]
        return [(b, 0, w.pre_of[s], w.post_of[s], w.weight_of(s)) for b in self.contexts for s in self.syn[b]]

    def _stored(self, b: int) -> list[int]:
        """Shared weights reached in a context, ascending."""
        if self.whole:
            return list(range(len(self.wiring.drawn)))
        return sorted({self.wiring.stored[s] for s in self.syn[b]})


def active_axons(plan: object, c: object, state: dict, ts: int, context: int) -> dict[int, int]:
    """Axons of a connection that are active in step ts, ascending, with their payloads (1: plain)."""
    back = ts - c.lookback
    if back < 1:
        return {}
    slot = back % plan.layers[c.pre].history
    count = int(state[f"l{c.pre}_hist_n"][slot, context])
    axons = state[f"l{c.pre}_hist"][slot, context, :count].tolist()
    if not c.graded:
        return dict.fromkeys(axons, 1)
    return dict(zip(axons, state[f"l{c.pre}_pay"][slot, context, :count].tolist(), strict=True))


def reach_of(plan: object, c: object, state: dict, section: str, clock: Clock, wiring: Wiring) -> Reach:
    """What a section reaches in the present step, read from the state."""
    reach = Reach(wiring, section in ALWAYS)
    axons, neurons = list(range(c.n_pre)), list(range(c.n_post))
    for b in range(plan.contexts):
        if section in ALWAYS:
            reach.add(b, axons, neurons, list(range(len(wiring.pre_of))))
        elif section == "on_membrane":
            reach.add(b, [], neurons, [])
        elif section == "on_pre":
            _reach_pre(reach, b, list(active_axons(plan, c, state, clock.ts, b)))
        elif section == "on_post":
            _reach_post(reach, b, state[f"l{c.post}_fired"][b].tolist())
        elif section == "on_third_factor":
            _reach_post(reach, b, state[f"l{c.post}_m"][b].tolist())
        else:
            raise ValueError(f"section {section} has no reach of lines")
    return reach


def _reach_pre(reach: Reach, b: int, active: list[int]) -> None:
    """The active axons, their rows, and the neurons these lead to (dense: all of them)."""
    if not active:
        return
    w = reach.wiring
    synapses = [s for j in active for s in w.rows[j]]
    targets = sorted({w.post_of[s] for s in synapses}) if w.sparse else list(range(w.n_post))
    reach.add(b, active, targets, synapses)


def _reach_post(reach: Reach, b: int, flags: list[int]) -> None:
    """The flagged neurons, their columns, and all axons."""
    w = reach.wiring
    neurons = [i for i, flag in enumerate(flags) if flag != 0]
    if neurons:
        reach.add(b, list(range(w.n_pre)), neurons, sorted(s for i in neurons for s in w.columns[i]))
