"""Third factors in integers."""

from __future__ import annotations

import math
from dataclasses import replace

from chipsim.circuits import STEPPED, Circuit
from chipsim.errors import NetworkError, did_you_mean
from chipsim.fixed import Format
from chipsim.microcode.program import BoundProgram, Note
from chipsim.plan.types import REWARD, THIRD_FACTOR, CircuitPlan, ConnectionPlan, LayerPlan, Trigger, Update

# fraction bits of a potential as each error reads it (softmax: its table is exp(-d/16))
TARGET_FRAC = {
    "softmax": 4,
    "sign": 4,
    "ternary": 4,
    "mse": 5,
    "regression": 5,
    "smooth_l1": 7,
    "hard_sigmoid": 7,
}
ERROR_START = 0.25  # first threshold of an error-triggered update
LARGEST_DROP = 32  # bits of a drawn word


def fold_circuits(
    described: list[Circuit],
    connections: list[ConnectionPlan],
    layers: list[LayerPlan],
    update: Update,
    contexts: int = 1,
) -> tuple[CircuitPlan, ...]:
    """All circuits of a network. Raises NetworkError for a register that nothing publishes, for shifts
    that leave nothing to round, and for a contrast over other contexts than the plan's."""
    for x in described:
        if x.kind == "contrast" and x.inputs + x.targets != contexts:
            raise NetworkError(
                f"{x.inputs} inputs and {x.targets} targets in {contexts} contexts",
                where=f"contrast of '{layers[x.layer].name}'",
                remedy=f"run with contexts={x.inputs + x.targets}",
            )
    folds = {"reward": _reward, "readout": _readout, "error": _error}
    folds |= {"broadcast": _broadcast, "transport": _transport, "contrast": _contrast, "pool": _pool}
    return tuple(folds[x.kind](x, described, connections, layers, update) for x in described)


def _reward(x: Circuit, *_: object) -> CircuitPlan:
    return CircuitPlan(x.index, "reward", x.layer, -1, -1, "", 0, REWARD, REWARD, REWARD.frac, "floor")


def _pool(x: Circuit, described, connections, layers, update: Update) -> CircuitPlan:
    above = layers[x.pool]
    if all(k.layer != x.pool for k in described):
        raise NetworkError(
            f"pool layer '{above.name}' has no third factor to hand down",
            where=f"layer '{layers[x.layer].name}'",
            remedy=f"give it a circuit, for example net.readout('{above.name}', classes=...)",
        )
    frac = THIRD_FACTOR.frac + above.pool.scale
    return CircuitPlan(
        x.index, "pool", x.layer, -1, -1, "", 0, signal_frac=frac, rounding=x.rounding, pool=x.pool
    )


def _readout(x: Circuit, described, connections, layers, update: Update) -> CircuitPlan:
    weight = connections[x.connection].weight
    return CircuitPlan(
        x.index,
        "readout",
        x.layer,
        x.readout,
        x.connection,
        x.error,
        logit_shift(x.logit_scale, layers[x.readout].v_fmt, x.error),
        signal_frac=weight.frac + THIRD_FACTOR.frac + x.signal_shift,
        signal_shift=x.signal_shift,
        trigger=_trigger(x, update),
    )


def _error(x: Circuit, described, connections, layers, update: Update) -> CircuitPlan:
    shift = 0 if x.error == "spike" else logit_shift(x.logit_scale, layers[x.layer].v_fmt, x.error)
    trigger = _trigger(x, update)
    return CircuitPlan(x.index, "error", x.layer, -1, -1, x.error, shift, trigger=trigger)


def _trigger(x: Circuit, update: Update) -> Trigger | None:
    """The circuit's own trigger, or that of the update instant."""
    rate, start = x.trigger or (update.rate, ERROR_START)
    if x.trigger is None and update.kind != "error":
        return None
    return Trigger(int(start * 128 * 256 + 0.5), round(256 * (1 - rate)), round(256 * rate))


def _broadcast(x: Circuit, described, connections, layers, update: Update) -> CircuitPlan:
    forming = next(k for k in described if k.layer == x.of)
    weight = connections[x.connection].weight
    return _returned(
        x,
        weight.frac + THIRD_FACTOR.frac,
        layers,
        error=forming.error,
        source=f"k{forming.index}_err",
        stepped=forming.error in STEPPED,
    )


def _transport(x: Circuit, described, connections, layers, update: Update) -> CircuitPlan:
    c = connections[x.connection]
    if x.register == "third_factor":
        above = next((k for k in described if k.layer == c.post), None)
        if above is None:
            raise NetworkError(
                f"layer '{layers[c.post].name}' has no third factor",
                where=f"transport to '{layers[x.layer].name}'",
                remedy="give it a circuit, or transport a published register",
            )
        source, fmt = f"l{c.post}_m", REWARD if above.kind == "reward" else THIRD_FACTOR
    else:
        source, fmt = post_register(x, c, x.register, layers, publish=True)
    return _returned(
        x, c.weight.frac + fmt.frac, layers, source=source, source_fmt=fmt, copy_every=x.copy_every
    )


def _contrast(x: Circuit, described, connections, layers, update: Update) -> CircuitPlan:
    source, fmt = post_register(x, connections[x.connection], x.register, layers, publish=False)
    geometry, shift_d, frac = "", 0, 0
    if x.geometry is not None:
        c, name = connections[x.geometry[0]], x.geometry[1]
        geometry, distance = stored_register(x, c, name, layers, ("pre", "post"))
        frac = distance.frac
        shift_d = _logits(frac, x.logit_scale_d)
    made = _returned(x, fmt.frac + THIRD_FACTOR.frac, layers, source=source, source_fmt=fmt)
    return replace(
        made,
        shift=_logits(2 * fmt.frac, x.logit_scale),
        shift_d=shift_d,
        inputs=x.inputs,
        targets=x.targets,
        geometry=geometry,
        geometry_frac=frac,
    )


def _logits(frac: int, scale: float) -> int:
    """The right shift that makes softmax logits, 4 fraction bits, of a number with frac bits."""
    return max(0, frac - TARGET_FRAC["softmax"] - round(math.log2(scale)))


def _returned(x: Circuit, frac: int, layers: list[LayerPlan], error: str = "", **fields) -> CircuitPlan:
    """A circuit whose signal is a product with a matrix; frac: fraction bits of that product."""
    made = CircuitPlan(
        x.index,
        x.kind,
        x.layer,
        -1,
        x.connection,
        error,
        0,
        signal_frac=frac + x.signal_shift,
        signal_shift=x.signal_shift,
        **fields,
    )
    if not 0 <= made.drop <= LARGEST_DROP:
        raise NetworkError(
            f"signal_shift {x.signal_shift} drops {made.drop} bits of the signal",
            where=f"{x.kind} to '{layers[x.layer].name}'",
            remedy=f"use {THIRD_FACTOR.frac - frac} to {LARGEST_DROP + THIRD_FACTOR.frac - frac}",
        )
    return made


def post_register(
    x: Circuit, c: ConnectionPlan, name: str, layers: list[LayerPlan], *, publish: bool
) -> tuple[str, Format]:
    """State array and format of a post register of a connection's rule; NetworkError where it has none,
    or (publish) does not publish it."""
    found = stored_register(x, c, name, layers, ("post",))
    if publish and not c.program.register(name).publish:
        raise NetworkError(
            f"rule '{c.program.name}' does not publish '{name}'",
            where=f"{x.kind} to '{layers[x.layer].name}'",
            remedy=f"write `publish` behind the declaration of {name}",
        )
    return found


def stored_register(
    x: Circuit, c: ConnectionPlan, name: str, layers: list[LayerPlan], owners: tuple[str, ...]
) -> tuple[str, Format]:
    """State array and format of a register of these owners; NetworkError where the rule has none."""
    where, kinds = f"{x.kind} to '{layers[x.layer].name}'", " or ".join(owners)
    if c.program is None:
        raise NetworkError(
            f"connection '{c.name}' has no rule, so no register '{name}'",
            where=where,
            remedy="give the connection a rule that writes it",
        )
    known = {r.name: r for r in c.program.registers if r.owner in owners and not r.temp}
    if name not in known:
        raise NetworkError(
            f"rule '{c.program.name}' has no {kinds} register '{name}'{did_you_mean(name, known)}",
            where=where,
            remedy=f"{kinds} registers: {', '.join(known) or 'none'}",
        )
    return f"c{c.index}_r_{name}", known[name].fmt


def logit_shift(scale: float, v: Format, error: str) -> int:
    """The right shift that stands for a logit scale (a power of two): a potential is read with
    TARGET_FRAC[error] fraction bits, softmax at d = (max - y) >> shift, smooth_l1 as y >> shift with
    1.0 = 128."""
    return max(0, v.frac - TARGET_FRAC[error] - round(math.log2(scale)))


def circuit_notes(
    described: list[Circuit], connections: list[ConnectionPlan], layers: list[LayerPlan]
) -> list[Note]:
    """What differs from the description: logit scales between powers of two, transport across delays."""
    notes = []
    for x in described:
        name = layers[x.layer].name
        for what, scale in (("logit_scale", x.logit_scale), ("logit_scale_d", x.logit_scale_d)):
            used = 2.0 ** round(math.log2(scale))
            if x.kind in ("readout", "error", "contrast") and used != scale:
                notes.append(Note("constant", 0, f"{name}: {what} = {scale:g} is {used:g}, a power of two"))
        delay = connections[x.connection].delay if x.kind == "transport" else 0
        if delay:
            text = (
                f"{name}: the error of step t meets the activity of step t + {delay} (a delay on the way up)"
            )
            notes.append(Note("approximated", 0, text))
    return notes


def check_circuits(
    layers: list[LayerPlan],
    connections: list[ConnectionPlan],
    circuits: tuple[CircuitPlan, ...],
    order: tuple[int, ...],
) -> None:
    """NetworkError for a rule without third factor, and for an error that is formed too late."""
    for c in connections:
        if c.program and _reads_signal(c.program) and layers[c.post].circuit is None:
            name = layers[c.post].name
            raise NetworkError(
                f"rule '{c.program.name}' needs a third factor and layer '{name}' has no circuit",
                where=c.name,
                remedy=f"add net.readout('{name}', classes=...), net.error, net.broadcast, net.transport, "
                f"net.contrast or net.reward('{name}')",
            )
    formed = {f"k{k.index}_err": k.layer for k in circuits}
    for k in circuits:
        if k.kind == "broadcast" and order.index(formed[k.source]) < order.index(k.layer):
            raise NetworkError(
                f"the error of layer '{layers[formed[k.source]].name}' is formed after this layer's turn",
                where=f"broadcast to '{layers[k.layer].name}'",
                remedy="describe the layer that forms the error later than the one that receives it",
            )


def _reads_signal(program: BoundProgram) -> bool:
    """Whether any section reads the third factor or the reward (on_epoch and on_sample_end may)."""
    return program.needs_third_factor or any(x.source in ("third_factor", "reward") for x in program.inputs)
