"""Spikes across cores: messages, hops, the work of each core, and the time of each step.

A spike is one message to each core that holds targets of it (one for each connection). A step's time is
that of its slowest core and the barrier:

    send(p)   = neurons of p x their times + spikes x spike_s + messages out x message_out_s
    finish(q) = max(send(q), max over p that sent to q of send(p) + route) + messages in x message_in_s
                + synaptic events x synaptic_event_s
    step      = max over q of finish(q) + barrier(tiles)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chipsim.chip import TIMED, Times
from chipsim.errors import SettingError
from chipsim.mapping.axons import conv_axons
from chipsim.mapping.columns import row_hops
from chipsim.mapping.partition import Partition
from chipsim.mapping.place import Placement
from chipsim.plan import ConnectionPlan, Plan

MOST = 60_000_000  # entries of a table axon x core that `loads` may build


@dataclass(frozen=True)
class Traffic:
    """Messages of a run: `events` replaces the axon events of a ledger that knows no cores."""

    messages: int
    hops_x: int
    hops_y: int
    between_chips: int

    def events(self) -> dict[str, int]:
        """As events of `chip.EVENTS`."""
        return {"axon_event": self.messages, "hop_x": self.hops_x, "hop_y": self.hops_y}


@dataclass(frozen=True)
class Loads:
    """Work by step and core, int64[steps, cores] each; route is the latest message on its way.

    synaptic_events   by format of the weight memory
    sent_to           bool[steps, cores, cores]: whether a message went from p to q
    """

    neurons: np.ndarray
    active: np.ndarray
    spikes: np.ndarray
    messages_out: np.ndarray
    messages_in: np.ndarray
    synaptic_events: dict[str, np.ndarray]
    sent_to: np.ndarray


@dataclass(frozen=True)
class StepTimes:
    """Seconds of each step, the core that decided it; `unknown` times count as 0, so it is a lower bound.

    barrier_s   of each step; barrier_span the published values on both sides where it is interpolated
    """

    seconds: np.ndarray
    critical: np.ndarray
    barrier_s: float
    barrier_span: tuple[float, float]
    unknown: tuple[str, ...] = field(default=())

    @property
    def total_s(self) -> float:
        """All steps."""
        return float(self.seconds.sum())


def here(plan: Plan, part: Partition, sources: Mapping[str, Any] | None = None) -> dict[int, np.ndarray]:
    """The core of each neuron by layer, -1 for what is outside the chip.

    sources   {source: core number or int[size]} for sources that stand on cores of their own
    """
    at = {x.index: np.full(x.size, -1, np.int64) for x in plan.layers}
    at |= part.core_of
    for name, cores in (sources or {}).items():
        layer = plan.layer(name)
        at[layer.index] = np.broadcast_to(np.asarray(cores, np.int64), layer.size).copy()
    return at


def traffic(
    plan: Plan,
    part: Partition,
    placed: Placement,
    spikes: Mapping[str, np.ndarray] | None = None,
    sources: Mapping[str, Any] | None = None,
) -> Traffic:
    """Messages, hops and crossings between chips of so many spikes per neuron.

    spikes   {layer: int[size]}, spikes of a run by neuron; default: one spike of every neuron
    """
    at, total = here(plan, part, sources), np.zeros(4, np.int64)
    for c in plan.connections:
        if c.purpose == "feedback" or c.post not in part.core_of:
            continue
        name = plan.layers[c.pre].name
        fired = np.ones(c.n_pre, np.int64) if spikes is None else np.asarray(spikes[name], np.int64)
        if c.conv is None and c.sparse:
            indptr, targets = plan.network.connections[c.index].sparse
            row_hops(
                np.asarray(indptr), np.asarray(targets), part.core_of[c.post], at[c.pre], fired,
                placed.chip, placed.x, placed.y, total,
            )  # fmt: skip
        else:
            total += _block_hops(plan, c, part, placed, at[c.pre], fired)
    return Traffic(*map(int, total))


def _block_hops(plan, c: ConnectionPlan, part, placed, at: np.ndarray, fired: np.ndarray) -> np.ndarray:
    """The same for dense connections and convolutions, from a table axon x core."""
    cores, table = _table(plan, c, part)
    reached = table > 0
    total = np.zeros(4, np.int64)
    total[0] = int((fired[:, None] * reached).sum())
    inside = at >= 0
    for p in np.unique(at[inside]):
        mine = at == p
        number = (fired[mine, None] * reached[mine]).sum(axis=0)
        same = placed.chip[cores] == placed.chip[p]
        total[1] += int((number * np.abs(placed.x[cores] - placed.x[p]))[same].sum())
        total[2] += int((number * np.abs(placed.y[cores] - placed.y[p]))[same].sum())
        total[3] += int(number[~same].sum())
    return total


def _table(plan: Plan, c: ConnectionPlan, part: Partition) -> tuple[np.ndarray, np.ndarray]:
    """(cores of the layer, int32[n_pre, cores]: synapses of each axon on each of them)."""
    core_of = part.core_of[c.post]
    cores, local = np.unique(core_of, return_inverse=True)
    if c.n_pre * len(cores) > MOST:
        raise SettingError(
            f"{c.n_pre} axons on {len(cores)} cores: a table of every axon and core is too large",
            where=c.name,
            remedy="take a smaller network for loads and step times",
        )
    if c.conv is None and not c.sparse:
        return cores, np.tile(np.bincount(local, minlength=len(cores)).astype(np.int32), (c.n_pre, 1))
    if c.conv is None:
        indptr, targets = plan.network.connections[c.index].sparse
        pre = np.repeat(np.arange(c.n_pre), np.diff(np.asarray(indptr)))
        post = local[np.asarray(targets)]
    else:
        start, pre = conv_axons(c.conv)
        post = np.repeat(local, np.diff(start))
    flat = np.bincount(pre * len(cores) + post, minlength=c.n_pre * len(cores))
    return cores, flat.reshape(c.n_pre, len(cores)).astype(np.int32)


def expected(plan: Plan, part: Partition, spikes: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """float[cores, cores]: messages from core to core, for `place`; sources are outside."""
    weights = np.zeros((part.cores, part.cores))
    for c in plan.connections:
        if c.purpose == "feedback" or c.pre not in part.core_of or c.post not in part.core_of:
            continue
        cores, table = _table(plan, c, part)
        name = plan.layers[c.pre].name
        fired = np.ones(c.n_pre) if spikes is None else np.asarray(spikes[name], np.float64)
        sent = fired[:, None] * (table > 0)
        for k, q in enumerate(cores):
            weights[:, q] += np.bincount(part.core_of[c.pre], weights=sent[:, k], minlength=part.cores)
    return weights


# ---------------------------------------------------------------- step by step


def loads(
    plan: Plan,
    part: Partition,
    spikes: Mapping[str, np.ndarray],
    *,
    sources: Mapping[str, Any] | None = None,
    active: Mapping[str, np.ndarray] | None = None,
    cores: int | None = None,
) -> Loads:
    """The work of each core in each step.

    spikes   {layer: bool[steps, size]} of every layer that sends or fires, sources too
    active   {layer: bool[steps, size]}, neurons with something to do; default: all of them
    cores    at least part.cores: with sources on cores of their own
    """
    steps = len(next(iter(spikes.values())))
    n = max(part.cores, cores or 0)
    zero = lambda: np.zeros((steps, n), np.int64)  # noqa: E731
    made = Loads(zero(), zero(), zero(), zero(), zero(), {}, np.zeros((steps, n, n), bool))
    at = here(plan, part, sources)
    for x in plan.layers:
        if x.kind == "source":
            continue
        busy = None if active is None else active.get(x.name)
        for k in np.unique(part.core_of[x.index]):
            mine = part.core_of[x.index] == k
            made.neurons[:, k] += int(mine.sum())
            made.active[:, k] += (
                int(mine.sum()) if busy is None else np.count_nonzero(np.asarray(busy)[:, mine], axis=1)
            )
            if x.name in spikes:
                made.spikes[:, k] += np.count_nonzero(np.asarray(spikes[x.name])[:, mine], axis=1)
    for c in plan.connections:
        if c.purpose != "feedback" and c.post in part.core_of:
            _add_connection(made, plan, c, part, at[c.pre], np.asarray(spikes[plan.layers[c.pre].name]) != 0)
    return made


def _add_connection(made: Loads, plan, c, part, at: np.ndarray, fired: np.ndarray) -> None:
    cores, table = _table(plan, c, part)
    kind = "conv" if c.conv else "sparse" if c.sparse else "dense"
    events = made.synaptic_events.setdefault(kind, np.zeros_like(made.neurons))
    events[:, cores] += fired.astype(np.int64) @ table
    reached = (table > 0).astype(np.int64)
    made.messages_in[:, cores] += fired.astype(np.int64) @ reached
    for p in np.unique(at[at >= 0]):
        mine = at == p
        sent = fired[:, mine].astype(np.int64) @ reached[mine]
        made.messages_out[:, p] += sent.sum(axis=1)
        made.sent_to[:, p, cores] |= sent > 0


def step_times(made: Loads, placed: Placement, times: Times, tiles: int | None = None) -> StepTimes:
    """Seconds of each step (this module's docstring), lower bounds where a time is not published."""
    value = {event: found.value_s for event, found in times.events.items()}
    unknown = tuple(event for event in TIMED if event not in value and event != "weight_update")
    t = {event: value.get(event, 0.0) for event in TIMED}
    idle = made.neurons - made.active
    send = (
        made.active * t["neuron_update_active"]
        + idle * t["neuron_update_inactive"]
        + made.spikes * t["spike"]
        + made.messages_out * t["message_out"]
    )
    x, y = _padded(placed, made.neurons.shape[1])
    route = np.abs(x[:, None] - x) * t["hop_x"] + np.abs(y[:, None] - y) * t["hop_y"]
    arrive = np.where(made.sent_to, send[:, :, None] + route[None], 0.0).max(axis=1)
    finish = np.maximum(send, arrive) + made.messages_in * t["message_in"]
    for kind, events in made.synaptic_events.items():
        found = times.events.get("synaptic_event")
        finish = finish + events * (0.0 if found is None else found.formats.get(kind, found.value_s))
    barrier, span = barrier_of(times, placed.tiles() if tiles is None else tiles)
    return StepTimes(finish.max(axis=1) + barrier, finish.argmax(axis=1), barrier, span, unknown)


def _padded(placed: Placement, cores: int) -> tuple[np.ndarray, np.ndarray]:
    if cores != len(placed.x):
        raise SettingError(f"{cores} cores in the loads, {len(placed.x)} are placed")
    return placed.x, placed.y


def barrier_of(times: Times, tiles: int) -> tuple[float, tuple[float, float]]:
    """Seconds of a barrier over so many tiles, interpolated between published values (chipsim's own
    assumption), and the two values on its sides."""
    known = sorted((int(k), v) for k, v in times.barrier.items())
    if not known:
        return 0.0, (0.0, 0.0)
    x, y = np.array([k for k, _ in known], float), np.array([v for _, v in known])
    low = max((v for k, v in known if k <= tiles), default=y[0])
    high = min((v for k, v in known if k >= tiles), default=y[-1])
    return float(np.interp(tiles, x, y)), (float(low), float(high))
