"""A network on a chip, in integers: what the step, the kernels and the interpreter work from.

`plan(network, chip, ...)` folds every real number into the chip's formats, binds the rules and
orders the layers. A plan holds no state; `state.py` makes the arrays.

Formats of a layer: weights s<b>.<b-1> times w_range (a power of two); its membrane and current have
the frac of its finest 8-bit weight plus the chip's guard bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chipsim.errors import NetworkError, SettingError
from chipsim.fixed import Format
from chipsim.microcode.program import Note, Program
from chipsim.network import Network
from chipsim.plan.capture import offer
from chipsim.plan.circuits import check_circuits, circuit_notes, fold_circuits, logit_shift
from chipsim.plan.connections import bind_connection, fold_connection
from chipsim.plan.core import fold_core
from chipsim.plan.folding import folding_notes
from chipsim.plan.lava import seeded
from chipsim.plan.layers import finish_layers, fold_layers, weight_formats
from chipsim.plan.limits import check_limits
from chipsim.plan.reckon import plan_reckon
from chipsim.plan.replay import checked_steps, fold_replay, keep_spikes
from chipsim.plan.types import (
    DECAY_FRAC,
    NO_TARGET,
    REWARD,
    THIRD_FACTOR,
    CircuitPlan,
    ConnectionPlan,
    LayerPlan,
    Plan,
    Replay,
    Update,
)

__all__ = [
    "DECAY_FRAC",
    "NO_TARGET",
    "REWARD",
    "THIRD_FACTOR",
    "CircuitPlan",
    "ConnectionPlan",
    "LayerPlan",
    "Plan",
    "Replay",
    "Update",
    "logit_shift",
    "offered",
    "plan",
]


def plan(
    network: Network,
    chip: object,
    rules: Mapping[str, Program] | Callable[[str], Program] | None = None,
    *,
    seed: int = 0,
    update: Update | None = None,
    contexts: int = 1,
    weight_bits: int | None = None,
    noise: str | None = None,
    engine: str | None = None,
    fit: str = "refuse",
    strict: bool = False,
    formats: Mapping[str, Format] | None = None,
    params: Mapping[str, object] | None = None,
    sample_steps: int | None = None,
    fixed: Mapping[str, int] | None = None,
    limits: bool = True,
) -> Plan:
    """Fold a network into a chip's integers and bind its rules.

    rules maps the names used in connections to parsed programs (or is a function that loads one).
    formats, params override registers and parameters of every rule; a connection's own `settings`
    ({"params": ..., "formats": ...}) come on top. sample_steps is T of `history ... depth=T`: the most
    steps of a learned sample. fixed sets configuration registers of a chip whose whole step is fixed
    hardware. limits=False leaves the walls of cores to `chipsim.mapping`. Raises NetworkError, LimitError,
    RuleError, SettingError.
    """
    update = update or Update()
    if all(layer.kind == "source" for layer in network.layers):
        raise NetworkError("the network has no neurons", remedy="add a layer with net.lif(name, size)")
    if chip.fixed == "reckon_eprop":
        used = dict(weight_bits=weight_bits, noise=noise, engine=engine, formats=formats, params=params)
        return plan_reckon(
            network,
            chip,
            rules,
            seed=seed,
            update=update,
            contexts=contexts,
            fixed=fixed,
            strict=strict,
            **used,
        )
    if fixed:
        raise SettingError(
            f"chip {chip.name} has no registers of a fixed step",
            remedy="leave out `fixed`, or use chip reckon",
        )
    use = dict(
        formats=formats or {},
        params=params or {},
        contexts=contexts,
        engine=engine,
        fit=fit,
        strict=strict,
        sample_steps=checked_steps(sample_steps),
    )
    if chip.step.mode == "event":
        return _event_plan(network, chip, rules, update, seed, {**use, "weight_bits": weight_bits})
    made = dict(seed=seed, weight_bits=weight_bits, noise=noise, limits=limits)
    return _layered_plan(network, chip, rules, update, use, **made)


def _layered_plan(
    network: Network,
    chip: object,
    rules: object,
    update: Update,
    use: dict,
    *,
    seed: int,
    weight_bits: int | None,
    noise: str | None,
    limits: bool,
) -> Plan:
    """The plan of a chip that runs layers step by step."""
    order = _order(network, chip)
    bits = weight_formats(network, chip, weight_bits)
    layers = fold_layers(network, chip, bits)
    notes: list[Note] = folding_notes(network, chip, layers)
    connections = []
    for c in network.connections:
        connections.append(
            fold_connection(network, chip, c, bits[c.index], layers[c.post], rules, update, noise, use, notes)
        )
    connections = [seeded(c, seed) for c in connections]
    circuits = fold_circuits(network.circuits, connections, layers, update, use["contexts"])
    notes += circuit_notes(network.circuits, connections, layers)
    layers = finish_layers(network, layers, connections, circuits)
    check_circuits(layers, connections, circuits, order)
    replay = fold_replay(network, layers, connections, circuits, order)
    layers = keep_spikes(layers, connections)
    if limits:
        check_limits(network, chip, layers, connections)
    return Plan(
        chip=chip.name,
        fidelity=chip.fidelity,
        engine=use["engine"] or chip.engine,
        layers=tuple(layers),
        connections=tuple(connections),
        circuits=circuits,
        order=order,
        phases=tuple(chip.step.order),
        walk=chip.step.walk,
        update=update,
        seed=seed,
        dt_ms=network.dt_ms,
        contexts=use["contexts"],
        strict=use["strict"],
        notes=tuple(notes),
        network=network,
        replay=replay,
    )


def offered(network: Network, chip: object, rules: object, **options: object) -> Plan:
    """`plan` of a Simulator, which hands its parts over first where somebody wants nothing else."""
    offer(network, chip, rules, options)
    return plan(network, chip, rules, **options)


def _event_plan(network: Network, chip: object, rules: object, update: Update, seed: int, use: dict) -> Plan:
    """The plan of an event-driven crossbar core."""

    def bound(c, weight, w_lo, w_hi, layer):
        return bind_connection(network, chip, c, weight, w_lo, w_hi, layer, rules, update, use)

    core, layers, connections, notes = fold_core(network, chip, bound, use)
    return Plan(
        chip=chip.name,
        fidelity=chip.fidelity,
        engine=chip.engine,
        layers=tuple(layers),
        connections=tuple(connections),
        circuits=(),
        order=tuple(range(len(layers))),
        phases=tuple(chip.step.order),
        walk=chip.step.walk,
        update=update,
        seed=seed,
        dt_ms=network.dt_ms,
        contexts=1,
        strict=use["strict"],
        notes=tuple(notes),
        network=network,
        core=core,
    )


def _order(network: Network, chip: object) -> tuple[int, ...]:
    """Layers so that every connection with delay 0 leads forward (definition 1)."""
    low = chip.step.min_delay
    ahead = {layer.index: set() for layer in network.layers}
    for c in network.connections:
        if max(c.delay, low) == 0 and c.purpose != "feedback":
            ahead[c.post].add(c.pre)
    for layer in network.layers:
        if layer.pool is not None:  # a pool layer sees the spikes of this step
            ahead[layer.index].add(layer.below)
    done: list[int] = []
    while len(done) < len(network.layers):
        ready = [i for i in ahead if i not in done and ahead[i] <= set(done)]
        if not ready:
            left = [
                c.name
                for c in network.connections
                if c.delay == 0 and c.purpose != "feedback" and c.post not in done and c.pre not in done
            ]
            raise NetworkError(
                f"a cycle without delay: {', '.join(left)}", remedy="give one of them delay=1 or more"
            )
        done.append(min(ready))
    return tuple(done)
