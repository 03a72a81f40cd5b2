"""A network on a chip, in integers: what the step, the kernels and the interpreter work from.

`plan(network, chip, ...)` folds every real number into the chip's formats, binds the rules and
orders the layers. A plan holds no state; `state.py` makes the arrays.

Formats of a layer: weights s<b>.<b-1> times w_range (a power of two); its membrane and current have
the frac of its finest 8-bit weight plus the chip's guard bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from chipsim.errors import ChipsimError, LimitError, NetworkError, SettingError, did_you_mean
from chipsim.fixed import Format, fold
from chipsim.microcode.program import BoundProgram, Note, Program
from chipsim.network import Circuit, Connection, Layer, Network

THIRD_FACTOR = Format(True, 8, 7)
REWARD = Format(True, 8, 4)
DECAY_FRAC = 12  # k = raw / 4096, raw 0..4096; 4096 is exactly 1 and rounds nothing
DEFAULT_ORDER = ("arrive", "decay", "deliver", "on_pre", "fire", "on_post", "third", "learn")


@dataclass(frozen=True)
class Update:
    """The update instant: kind step (after burn_in), every (k steps) or end (of the sample)."""

    kind: str = "step"
    every: int = 1
    burn_in: int = 0

    @classmethod
    def parse(cls, text: str, burn_in: int = 0) -> Update:
        """`step`, `end`, or `every:5`."""
        if text in ("step", "end"):
            return cls(text, 1, burn_in)
        kind, _, number = text.partition(":")
        if kind == "every" and number.isdigit() and int(number) > 0:
            return cls("every", int(number), burn_in)
        raise SettingError(f"update '{text}'", remedy="use step, end, or every:K (K >= 1)")

    def due(self, step: int, last: bool) -> bool:
        """Whether the step-th step of a sample (from 1) is an instant; last: its final step."""
        if self.kind == "end":
            return last
        return step > self.burn_in and (step - self.burn_in) % self.every == 0


@dataclass(frozen=True)
class LayerPlan:
    """One population in integers. Raw thresholds and biases are per layer here, per neuron in state.

    k_u, k_v     decay factors * 4096; k_u is None without a current state
    v_fmt        format of v and u (same frac); acc_shift aligns the accumulator to it
    acc_frac     fraction bits of the accumulator while it sums
    acc_lo..hi   limits of the summed input after alignment (the accumulator's format, frac of v)
    acc_wide     the sum needs 64-bit lanes
    ring         slots of the accumulator (1 + largest per-synapse delay)
    history      steps of spikes kept for delayed connections
    homeo_up/down  raw amounts added per spike and subtracted per learned sample
    """

    index: int
    name: str
    kind: str
    size: int
    payload_bits: int = 1
    k_u: int | None = None
    k_v: int = 4096
    decay_rounding: str = "trunc"
    u_fmt: Format = Format(True, 24, 15)
    v_fmt: Format = Format(True, 24, 15)
    u_overflow: str = "saturate"
    v_overflow: str = "saturate"
    acc_frac: int = 7
    acc_shift: int = 8
    acc_lo: int = 0
    acc_hi: int = 0
    acc_wide: bool = False
    threshold: int = 0
    bias: int = 0
    reset: str = "soft"
    compare: str = "ge"
    refractory: int = 0
    rectify: bool = False
    leak: str = "multiply"
    leak_step: int = 0
    reset_current: bool = False
    homeo_up: int = 0
    homeo_down: int = 0
    ring: int = 1
    history: int = 1
    incoming: tuple[int, ...] = ()
    circuit: int | None = None


@dataclass(frozen=True)
class ConnectionPlan:
    """One weight memory in integers.

    lookback     a spike of the pre layer fired at step t arrives at step t + lookback as the walk
                 of the step sees it (0: within the step)
    delay        the delay used (raised to the chip's minimum), asked the one described
    shift        left shift that aligns the weight to the accumulator
    """

    index: int
    name: str
    pre: int
    post: int
    n_pre: int
    n_post: int
    sparse: bool
    weight: Format
    w_lo: int
    w_hi: int
    shift: int
    graded: bool
    delay: int
    asked: int
    lookback: int
    synapse_delays: bool
    program: BoundProgram | None
    noise: str
    purpose: str
    spread: float = 0.0


@dataclass(frozen=True)
class CircuitPlan:
    """A third factor in integers. error has format error_fmt, the signal m signal_fmt."""

    index: int
    kind: str
    layer: int
    readout: int
    connection: int
    error: str
    shift: int
    error_fmt: Format = THIRD_FACTOR
    signal_fmt: Format = THIRD_FACTOR
    signal_frac: int = 14  # fraction bits of the summed product before rounding
    rounding: str = "stochastic"


@dataclass(frozen=True)
class Plan:
    """Everything that runs, before any state. layers in description order; `order` is the order of
    phases 1-6 (sources first). `order_of_phases` and `walk` come from the chip."""

    chip: str
    fidelity: str
    engine: str
    layers: tuple[LayerPlan, ...]
    connections: tuple[ConnectionPlan, ...]
    circuits: tuple[CircuitPlan, ...]
    order: tuple[int, ...]
    phases: tuple[str, ...]
    walk: str
    update: Update
    seed: int
    dt_ms: float
    contexts: int = 1
    strict: bool = False
    notes: tuple[Note, ...] = ()
    network: Network | None = field(default=None, compare=False)

    def layer(self, name: str) -> LayerPlan:
        """The layer of that name."""
        return next(x for x in self.layers if x.name == name)

    def connection(self, name: str) -> ConnectionPlan:
        """The connection of that name."""
        return next(x for x in self.connections if x.name == name)


def plan(
    network: Network,
    chip: object,
    rules: Mapping[str, Program] | Callable[[str], Program] | None = None,
    *,
    seed: int = 0,
    update: Update = Update(),
    contexts: int = 1,
    weight_bits: int | None = None,
    noise: str | None = None,
    engine: str | None = None,
    fit: str = "refuse",
    strict: bool = False,
    formats: Mapping[str, Format] | None = None,
    params: Mapping[str, object] | None = None,
) -> Plan:
    """Fold a network into a chip's integers and bind its rules.

    rules maps the names used in connections to parsed programs (or is a function that loads one).
    formats, params override registers and parameters of every rule; a connection's own `settings`
    ({"params": ..., "formats": ...}) come on top. Raises NetworkError, LimitError, RuleError.
    """
    order = _order(network, chip)
    bits = _weight_formats(network, chip, weight_bits)
    layers = _layers(network, chip, bits)
    notes: list[Note] = []
    connections = []
    for c in network.connections:
        use = dict(
            formats=formats or {}, params=params or {}, contexts=contexts, engine=engine, fit=fit, strict=strict
        )
        connections.append(
            _connection(network, chip, c, bits[c.index], layers[c.post], rules, update, noise, use, notes)
        )
    circuits = tuple(_circuit(x, connections, layers) for x in network.circuits)
    layers = _finish_layers(network, layers, connections, circuits)
    _check_circuits(layers, connections)
    return Plan(
        chip=chip.name,
        fidelity=chip.fidelity,
        engine=engine or chip.engine,
        layers=tuple(layers),
        connections=tuple(connections),
        circuits=circuits,
        order=order,
        phases=tuple(chip.step.order),
        walk=chip.step.walk,
        update=update,
        seed=seed,
        dt_ms=network.dt_ms,
        contexts=contexts,
        strict=strict,
        notes=tuple(notes),
        network=network,
    )


def _order(network: Network, chip: object) -> tuple[int, ...]:
    """Layers so that every connection with delay 0 leads forward (definition 1)."""
    low = chip.step.min_delay
    ahead = {layer.index: set() for layer in network.layers}
    for c in network.connections:
        if max(c.delay, low) == 0 and c.delays is None:
            ahead[c.post].add(c.pre)
    done: list[int] = []
    while len(done) < len(network.layers):
        ready = [i for i in ahead if i not in done and ahead[i] <= set(done)]
        if not ready:
            left = [c.name for c in network.connections if c.delay == 0 and c.post not in done and c.pre not in done]
            raise NetworkError(
                f"a cycle without delay: {', '.join(left)}", remedy="give one of them delay=1 or more"
            )
        done.append(min(ready))
    return tuple(done)


def _weight_formats(network: Network, chip: object, bits: int | None) -> list[Format]:
    formats = []
    for c in network.connections:
        width = c.bits or bits or chip.weight.default_bits
        if width not in chip.weight.bits:
            raise LimitError(
                f"weights of {width} bits; the chip stores {', '.join(map(str, chip.weight.bits))}",
                where=f"{c.name} on chip {chip.name}",
                remedy="set weight.bits to one of these, or take another chip",
            )
        exponent = math.log2(c.w_range)
        if exponent != int(exponent):
            raise NetworkError(f"w_range is {c.w_range}", where=c.name, remedy="use a power of two")
        formats.append(Format(True, width, width - 1 - int(exponent)))
    return formats


def _eight_bit_frac(network: Network, layer: Layer) -> int:
    """Fraction bits of the finest incoming weight, were it 8 bits wide."""
    ranges = [c.w_range for c in network.connections if c.post == layer.index]
    return 7 - int(math.log2(min(ranges, default=1.0)))


def _decay(tau_ms: float | None, dt_ms: float) -> int:
    return 4096 if tau_ms is None or math.isinf(tau_ms) else round(4096 * math.exp(-dt_ms / tau_ms))


def _raw(value: float, fmt: Format, what: str, layer: Layer) -> int:
    folded = fold(Fraction(value), fmt)
    if folded.saturated:
        raise LimitError(
            f"{what} {value} is outside {float(fmt.real(fmt.lo))}..{float(fmt.real(fmt.hi))} ({fmt})",
            where=f"layer '{layer.name}'",
            remedy="scale threshold and weights down together",
        )
    return folded.raw


def _layers(network: Network, chip: object, bits: list[Format]) -> list[LayerPlan]:
    plans = []
    for layer in network.layers:
        if layer.kind == "source":
            plans.append(
                LayerPlan(layer.index, layer.name, "source", layer.size, payload_bits=layer.payload_bits)
            )
            continue
        neuron = chip.neuron
        frac = _eight_bit_frac(network, layer) + neuron.guard_bits
        v = Format(True, neuron.v_bits, frac)
        if layer.kind == "lif" and layer.reset not in neuron.resets:
            raise LimitError(
                f"{layer.reset} reset; the chip does {', '.join(neuron.resets)}",
                where=f"layer '{layer.name}' on chip {chip.name}",
                remedy=f"use reset='{neuron.resets[0]}'",
            )
        limit = neuron.refractory_max
        if limit is not None and layer.refractory > limit:
            raise LimitError(
                f"refractory of {layer.refractory} steps; the chip does {limit}",
                where=f"layer '{layer.name}' on chip {chip.name}",
            )
        up, target = layer.homeostasis or (0.0, 0.0)
        fine = max((bits[c.index].frac for c in network.connections if c.post == layer.index), default=frac)
        if fine > frac:
            raise LimitError(
                f"weights have {fine} fraction bits, the membrane {frac}",
                where=f"layer '{layer.name}' on chip {chip.name}",
                remedy="use narrower weights or a larger w_range",
            )
        plans.append(
            LayerPlan(
                index=layer.index,
                name=layer.name,
                kind=layer.kind,
                size=layer.size,
                k_u=None if layer.tau_u_ms is None else _decay(layer.tau_u_ms, network.dt_ms),
                k_v=_decay(layer.tau_v_ms, network.dt_ms),
                decay_rounding=neuron.decay_rounding,
                u_fmt=Format(True, neuron.u_bits, frac),
                v_fmt=v,
                u_overflow=neuron.u_overflow,
                v_overflow=neuron.v_overflow,
                acc_frac=fine,
                acc_shift=frac - fine,
                acc_lo=Format(True, neuron.u_bits, frac).lo,
                acc_hi=Format(True, neuron.u_bits, frac).hi,
                threshold=_raw(layer.threshold, v, "threshold", layer) if layer.kind == "lif" else 0,
                bias=_raw(layer.bias, v, "bias", layer),
                reset=layer.reset if layer.kind == "lif" else "none",
                compare=neuron.compare,
                refractory=layer.refractory,
                rectify=layer.rectify,
                leak=layer.leak,
                leak_step=_raw(layer.leak_step, v, "leak_step", layer),
                reset_current=layer.reset_current,
                homeo_up=_raw(up, v, "homeostasis", layer),
                homeo_down=_raw(up * target, v, "homeostasis", layer),
            )
        )
    return plans


def _load(name: str, rules: object) -> Program:
    if callable(rules):
        return rules(name)
    if rules and name in rules:
        return rules[name]
    known = list(rules or ())
    raise SettingError(
        f"no program for rule '{name}'{did_you_mean(name, known)}",
        remedy="pass it in rules={name: load_rule(name)}",
    )


def _connection(
    network: Network,
    chip: object,
    c: Connection,
    weight: Format,
    layer: LayerPlan,
    rules: object,
    update: Update,
    noise: str | None,
    use: dict,
    notes: list[Note],
) -> ConnectionPlan:
    pre, post = network.layers[c.pre], network.layers[c.post]
    low = chip.step.min_delay
    delay = max(c.delay, low)
    high = chip.step.max_delay
    if high is not None and delay > high:
        raise LimitError(
            f"delay {delay}; the chip's largest is {high}", where=f"{c.name} on chip {chip.name}"
        )
    if delay != c.delay:
        notes.append(Note("approximated", 0, f"{c.name}: delay {c.delay} raised to the chip's minimum {low}"))
    w_lo = weight.lo if c.w_min is None else max(weight.lo, math.ceil(c.w_min / float(weight.lsb)))
    w_hi = weight.hi if c.w_max is None else min(weight.hi, math.floor(c.w_max / float(weight.lsb)))
    kind = noise or chip.noise_default
    if kind not in chip.noises:
        raise LimitError(
            f"noise '{kind}'{did_you_mean(kind, chip.noises)}",
            where=f"chip {chip.name}",
            remedy=f"one of {', '.join(chip.noises)}",
        )
    graded = pre.payload_bits > 1
    program = None
    if c.rule is not None:
        program = _bind(network, chip, c, weight, w_lo, w_hi, layer, rules, update, use)
        notes.extend(program.notes)
    fan_in = pre.size if c.sparse is None else max(1, round(len(c.sparse[1]) / max(1, post.size)))
    spread = c.gain * math.sqrt(3.0 / fan_in) if c.spread is None else c.spread
    # where fire comes before arrive, a spike of step t is on its axon in step t (min_delay 1)
    fired_first = chip.step.order.index("fire") < chip.step.order.index("arrive")
    return ConnectionPlan(
        index=c.index,
        name=c.name,
        pre=c.pre,
        post=c.post,
        n_pre=pre.size,
        n_post=post.size,
        sparse=c.sparse is not None,
        weight=weight,
        w_lo=w_lo,
        w_hi=w_hi,
        shift=layer.acc_frac - weight.frac,
        graded=graded,
        delay=delay,
        asked=c.delay,
        lookback=_lookback(delay, pre.kind == "source", fired_first),
        synapse_delays=c.delays is not None,
        program=program,
        noise=kind,
        purpose=c.purpose,
        spread=spread,
    )


def _lookback(delay: int, from_source: bool, fired_first: bool) -> int:
    """Steps between a spike's entry in the history and its arrival. External events are on their
    axon in their own step when the connection's delay is the chip's smallest."""
    return delay - 1 if fired_first else delay


def _bind(network, chip, c, weight, w_lo, w_hi, layer, rules, update, use) -> BoundProgram:
    from chipsim.microcode.bind import Use, bind

    own = c.settings
    pre = network.layers[c.pre]
    reward_only = any(x.kind == "reward" and x.layer == c.post for x in network.circuits)
    return bind(
        _load(c.rule, rules),
        chip,
        Use(
            weight=weight,
            w_lo=w_lo,
            w_hi=w_hi,
            v=layer.v_fmt,
            spike=Format(False, pre.payload_bits, 0),
            third_factor=REWARD if reward_only else THIRD_FACTOR,
            reward=REWARD,
            dt_ms=Fraction(network.dt_ms),
            n_pre=pre.size,
            n_post=network.layers[c.post].size,
            contexts=use["contexts"],
            formats={**use["formats"], **own.get("formats", {})},
            params={**use["params"], **own.get("params", {})},
            strict=use["strict"],
            fit=use["fit"],
            engine=use["engine"],
            end_of_sample=update.kind == "end",
        ),
    )


def _circuit(x: Circuit, connections: list[ConnectionPlan], layers: list[LayerPlan]) -> CircuitPlan:
    if x.kind == "reward":
        return CircuitPlan(x.index, "reward", x.layer, -1, -1, "", 0, REWARD, REWARD, REWARD.frac, "floor")
    weight = connections[x.connection].weight
    return CircuitPlan(
        x.index,
        "readout",
        x.layer,
        x.readout,
        x.connection,
        x.error,
        logit_shift(x.logit_scale, layers[x.readout].v_fmt, x.error),
        signal_frac=weight.frac + THIRD_FACTOR.frac,
    )


def logit_shift(scale: float, v: Format, error: str) -> int:
    """The right shift that stands for a logit scale (a power of two): softmax reads its table of
    exp(-d/16) at d = (max - y) >> shift; smooth_l1 compares y >> shift with 1.0 = 128."""
    target = 4 if error == "softmax" else THIRD_FACTOR.frac
    return max(0, v.frac - target - round(math.log2(scale)))


def _finish_layers(network, layers, connections, circuits) -> list[LayerPlan]:
    done = []
    for layer in layers:
        incoming = tuple(c.index for c in connections if c.post == layer.index)
        looks = [connections[c.index].lookback for c in network.connections if c.pre == layer.index]
        rings = [int(c.delays.max()) + 1 for c in network.connections if c.post == layer.index and c.delays is not None]
        bound = sum(_input_bound(network, connections[k]) for k in incoming)
        circuit = next((x.index for x in circuits if x.layer == layer.index), None)
        done.append(
            replace(
                layer,
                incoming=incoming,
                history=max(looks, default=0) + 1,
                ring=max(rings, default=1),
                acc_wide=bound >= 2**31,
                circuit=circuit,
            )
        )
    return done


def _input_bound(network: Network, c: ConnectionPlan) -> int:
    """Largest |sum| a connection can add to one accumulator in a step."""
    described = network.connections[c.index]
    steps = 1 if described.delays is None else int(described.delays.max()) + 1
    payload = 255 if c.graded else 1
    return c.n_pre * max(-c.w_lo, c.w_hi) * payload * steps << c.shift


def _check_circuits(layers: list[LayerPlan], connections: list[ConnectionPlan]) -> None:
    for c in connections:
        if c.program and c.program.needs_third_factor and layers[c.post].circuit is None:
            raise NetworkError(
                f"rule '{c.program.name}' needs a third factor and layer '{layers[c.post].name}' has no circuit",
                where=c.name,
                remedy=f"add net.readout('{layers[c.post].name}', classes=...) or net.reward(...)",
            )


__all__ = ["Plan", "Update", "plan", "ChipsimError"]
