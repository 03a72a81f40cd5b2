"""What is stored for a replay and what runs in it: depths, layers, circuits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral

from chipsim.errors import DataError, NetworkError, SettingError
from chipsim.network import Network
from chipsim.plan.types import CircuitPlan, ConnectionPlan, LayerPlan, Plan, Replay

LONGEST = 10_000  # steps of a stored sample


def checked_steps(steps: int | None) -> int:
    """`sample_steps` of an experiment, 0 for none; SettingError unless it is a number of steps."""
    if steps is None:
        return 0
    if isinstance(steps, bool) or not isinstance(steps, Integral) or steps < 1:
        raise SettingError(f"sample_steps = {steps!r}", remedy="give a whole number of steps, 1 or more")
    return int(steps)


def fold_replay(
    network: Network,
    layers: Sequence[LayerPlan],
    connections: Sequence[ConnectionPlan],
    circuits: Sequence[CircuitPlan],
    order: Sequence[int],
) -> Replay | None:
    """The replay of a plan, or None. Raises SettingError for a depth that nobody gave, NetworkError for
    a circuit whose signal cannot be formed again."""
    replayed = [c for c in connections if c.program and c.program.replays]
    if not replayed:
        return None
    for c in replayed:
        _check_depth(c)
    needed: set[int] = set()
    waiting = [c.post for c in replayed]
    while waiting:
        index = waiting.pop()
        if index not in needed:
            needed.add(index)
            if layers[index].circuit is not None:
                waiting += _above(circuits[layers[index].circuit], layers, connections, circuits)
    errors = [layers[i].circuit for i in needed if layers[i].circuit is not None]
    errors = sorted(k for k in errors if circuits[k].judged >= 0)
    return Replay(
        depth=min(c.program.depth for c in replayed),
        layers=tuple(i for i in reversed(order) if i in needed),
        errors=tuple(errors),
        held=tuple(k for k in errors if network.circuits[k].hold),
    )


def _check_depth(c: ConnectionPlan) -> None:
    if c.program.depth == 0:
        raise SettingError(
            f"the history of rule '{c.program.name}' has depth=T and T is not given",
            where=c.name,
            remedy="pass sample_steps=STEPS (the steps of a sample), or write the number into the rule",
        )
    if c.program.depth > LONGEST:
        raise SettingError(
            f"a history of {c.program.depth} steps", where=c.name, remedy=f"at most {LONGEST} steps"
        )


def _above(
    k: CircuitPlan,
    layers: Sequence[LayerPlan],
    connections: Sequence[ConnectionPlan],
    circuits: Sequence[CircuitPlan],
) -> list[int]:
    """Layers whose circuits must run again before this one; NetworkError where it cannot be formed."""
    where = f"layer '{layers[k.layer].name}'"
    if k.kind == "contrast":
        raise NetworkError(
            "on_replay, and the third factor is a contrast of traces that are not stored",
            where=where,
            remedy="learn in on_third_factor, or give the layer another circuit",
        )
    if k.kind == "broadcast":
        return [x.layer for x in circuits if f"k{x.index}_err" == k.source]
    if k.kind == "pool":
        return [k.pool]
    if k.kind != "transport":
        return []
    c = connections[k.connection]
    if k.source == f"l{c.post}_m":
        return [c.post]
    register = k.source.split("_r_", 1)[1]
    if not any(x.section == "on_replay" and x.target.name == register for x in c.program.lines):
        raise NetworkError(
            f"on_replay, and the transported '{register}' of {c.name} is not written in a replay: every "
            "replayed step would see its last value",
            where=where,
            remedy=f"write {register} in on_replay of rule '{c.program.name}', or transport another register",
        )
    return [c.post]


def keep_spikes(layers: Sequence[LayerPlan], connections: Sequence[ConnectionPlan]) -> list[LayerPlan]:
    """The layers with rings of spikes long enough for the histories that hold pre.spike."""
    deep = {layer.index: 0 for layer in layers}
    for c in connections:
        if c.program and any(getattr(x, "source", "") == "pre.spike" for x in c.program.stored):
            deep[c.pre] = max(deep[c.pre], c.program.depth)
    kept = {x.index: max(0, deep[x.index] - x.history) for x in layers}
    return [replace(x, history=x.history + kept[x.index], kept=kept[x.index]) for x in layers]


def check_sample(plan: Plan, steps: int) -> None:
    """DataError for a learned sample that is longer than what a replay can go back to."""
    if plan.replay is None or steps <= plan.replay.depth:
        return
    c = min((c for c in plan.connections if c.program and c.program.replays), key=lambda c: c.program.depth)
    raise DataError(
        f"samples of {steps} steps; the history of rule '{c.program.name}' holds {plan.replay.depth}",
        where=c.name,
        remedy="use shorter samples, or a deeper history (sample_steps, or depth= in the rule)",
    )


def stored_values(plan: Plan, c: ConnectionPlan) -> int:
    """Values that the history of a connection holds of one step, in all contexts."""
    sizes = {"pre": c.n_pre, "post": c.n_post}
    return plan.contexts * sum(sizes[x.owner] for x in c.program.stored)
