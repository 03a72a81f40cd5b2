"""A network on ReckOn: one source, one recurrent hidden layer, one output, in the chip's registers.

    source -> hidden (input weights), hidden -> hidden (recurrent weights), hidden -> output
    net.error(output, error="hard_sigmoid" | "regression"); net.transport(hidden, through="hidden->output",
    register="third_factor")

Folding. alpha and kappa come from the membranes' time constants (the input and recurrent traces share
alpha, the output traces kappa); a connection's w_range gives FP_LOC_W*, logit_scale FP_LOC_WOUT, the
threshold THR and the surrogate THR_H_*, H_*; a rate shift r makes a step with the probability
|L h x| * 2**-r, as in rules/eprop_reckon.rule, and sets LR_P_*, LR_R_*. `fixed={"REGUL_F0": ...}` sets any
register; those that follow from the network may be given, but not otherwise than it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chipsim.errors import LimitError, NetworkError, SettingError, did_you_mean
from chipsim.microcode.fixed_rules import check_fixed
from chipsim.microcode.program import Note
from chipsim.network import Connection, Network
from chipsim.plan.connections import fold_connection, load_program
from chipsim.plan.layers import finish_layers, fold_layers, weight_formats
from chipsim.plan.reckon_registers import MATRICES, SCALE, TRACES, alpha, kappa, rates, seeds, surrogate
from chipsim.plan.types import Plan, Update
from chipsim.reckon.registers import INDEX, QUIRKS, register_file

SIZES = {"inputs": 256, "hidden neurons": 256, "outputs": 16}


@dataclass(frozen=True)
class ReckonPlan:
    """The core's settings. connections: indices of input, recurrent, output weights, -1 for none.

    words, rows, columns   sizes of the memories (see `state_reckon`)
    threshold, alpha       of every hidden neuron; registers: `registers.register_file`
    rule                   the rule that the engine runs, or ""
    """

    n_inp: int
    n_rec: int
    n_out: int
    source: int
    hidden: int
    output: int
    connections: tuple[int, int, int]
    threshold: int
    alpha: int
    registers: tuple[int, ...]
    rule: str

    @property
    def words(self) -> int:
        """Words of two neurons that a STEP walks over."""
        return (max(self.n_inp, self.n_rec, self.n_out) + 1) // 2

    @property
    def rows(self) -> int:
        """Indices of the event sweep."""
        return max(self.n_inp, self.n_rec)

    @property
    def columns(self) -> int:
        """Post neurons, in words of 16."""
        return (self.n_rec + 15) // 16 * 16

    def register(self, name: str) -> int:
        """A configuration register by its name."""
        return self.registers[INDEX[name]]


def plan_reckon(
    network: Network,
    chip: object,
    rules: object,
    *,
    seed: int,
    update: Update,
    contexts: int,
    fixed: Mapping[str, int] | None,
    strict: bool = False,
    params: Mapping[str, object] | None = None,
    **other: object,
) -> Plan:
    """The plan of a network on ReckOn. Raises NetworkError for another topology, LimitError for sizes and
    values beyond the chip's, SettingError for settings that its fixed engine has no use for."""
    _no_other(chip, other, contexts, update)
    register_file(dict(fixed or {}))  # names and ranges, before anything is made of them
    parts = _parts(network, chip)
    _check_layers(network, chip, parts)
    parts = (*parts[:3], *(_with_params(c, params or {}) for c in parts[3:]))
    rule = _rule(network, chip, rules, parts)
    bits = weight_formats(network, chip, other.get("weight_bits"))
    notes: list[Note] = []
    chip = _with_guard(network, chip, parts, bits, dict(fixed or {}), notes)
    layers = fold_layers(network, chip, bits)
    connections = [
        fold_connection(network, chip, replace(c, rule=None), bits[c.index], layers[c.post], {}, update, None,
                        {}, notes)
        for c in network.connections
    ]  # fmt: skip
    layers = finish_layers(network, layers, connections, ())
    documented = dict.fromkeys(QUIRKS, 0) if chip.behaviour == "documented" else {}
    core = _core(network, parts, layers, bits, rule, {**documented, **(fixed or {})}, seed)
    notes += _notes(network, parts, core)
    rounding = "stochastic" if core.register("EN_STOCH_ROUND") else "floor"
    layers = [replace(x, decay_rounding=rounding) for x in layers]
    return Plan(
        chip=chip.name,
        fidelity=chip.fidelity,
        engine="fixed",
        layers=tuple(layers),
        connections=tuple(connections),
        circuits=(),
        order=tuple(x.index for x in parts[:3]),
        phases=tuple(chip.step.order),
        walk=chip.step.walk,
        update=update,
        seed=seed,
        dt_ms=network.dt_ms,
        strict=strict,
        notes=tuple(notes),
        network=network,
        reckon=core,
    )


def _no_other(chip: object, other: Mapping[str, object], contexts: int, update: Update) -> None:
    where = f"chip {chip.name}"
    if contexts != 1:
        raise LimitError(
            f"{contexts} contexts; the chip holds one sample", where=where, remedy="use contexts=1"
        )
    if update.kind == "error":
        raise LimitError(
            "error-triggered updates; the chip updates while a target is valid",
            where=where,
            remedy="use update step, every:K or end",
        )
    for name, plain in (("engine", (None, "fixed")), ("noise", (None, "lfsr")), ("formats", (None, {}))):
        if other.get(name) not in plain:
            raise SettingError(
                f"{name} = {other[name]!r}: the chip's learning engine is fixed",
                where=where,
                remedy=f"leave {name} out",
            )


# ---------------------------------------------------------------- topology


def _parts(network: Network, chip: object) -> tuple:
    """(source, hidden, output, input, recurrent, output connection); the last three may be None."""
    kinds: dict[str, list] = {"source": [], "lif": [], "integrator": [], "pool": []}
    for layer in network.layers:
        kinds[layer.kind].append(layer)
    found = {kind: len(layers) for kind, layers in kinds.items()}
    if found != {"source": 1, "lif": 1, "integrator": 1, "pool": 0}:
        said = ", ".join(f"{n} {kind}" for kind, n in found.items() if n)
        raise NetworkError(
            f"layers: {said}",
            where=f"chip {chip.name} ({chip.path})",
            remedy="ReckOn has one source, one hidden layer (net.lif) and one output (net.integrator)",
        )
    source, hidden, output = kinds["source"][0], kinds["lif"][0], kinds["integrator"][0]
    ends = {(source.index, hidden.index): 0, (hidden.index, hidden.index): 1, (hidden.index, output.index): 2}
    wires: list[Connection | None] = [None, None, None]
    for c in network.connections:
        k = ends.get((c.pre, c.post), -1)
        if k < 0 or wires[k] is not None or c.purpose != "inference":
            raise NetworkError(
                f"connection '{c.name}' has no weight memory",
                where=f"chip {chip.name} ({chip.path})",
                remedy="ReckOn has input, recurrent and output weights, one connection each",
            )
        if c.sparse is not None or c.conv is not None or c.delays is not None:
            raise NetworkError("the chip's connections are dense", where=c.name, remedy="connect all to all")
        if c.w_min is not None or c.w_max is not None:
            raise LimitError(
                "limits of weights; the chip's are -128 and 127 LSB",
                where=c.name,
                remedy="leave w_min, w_max out",
            )
        wires[k] = c
    return source, hidden, output, *wires


def _check_layers(network: Network, chip: object, parts: tuple) -> None:
    where = f"chip {chip.name} ({chip.path})"
    for (what, most), layer in zip(SIZES.items(), parts[:3], strict=True):
        if layer.size > most:
            raise LimitError(f"{layer.size} {what}; the chip has room for {most}", where=where)
    source, hidden, output = parts[:3]
    if source.payload_bits != 1:
        raise LimitError(
            "graded events; the chip takes plain spikes", where=f"layer '{source.name}', {where}"
        )
    for layer in (hidden, output):
        wishes = {"tau_u_ms": None, "bias": 0.0, "refractory": 0, "rectify": False, "leak": "multiply",
                  "reset_current": False, "homeostasis": None}  # fmt: skip
        for name, plain in wishes.items():
            if getattr(layer, name) != plain:
                raise LimitError(
                    f"{name} = {getattr(layer, name)!r}; the chip's neurons have none",
                    where=f"layer '{layer.name}', {where}",
                    remedy=f"leave {name} out",
                )


def _with_params(c: Connection | None, params: Mapping[str, object]) -> Connection | None:
    """A connection whose settings hold the plan's parameters too; its own come on top."""
    if c is None or c.rule is None:
        return c
    own = {**params, **c.settings.get("params", {})}
    return replace(c, settings={**c.settings, "params": own})


def _rule(network: Network, chip: object, rules: object, parts: tuple) -> str:
    """The name of the one rule, after a check that the engine runs it and that its signal is described."""
    wires = [c for c in parts[3:] if c is not None]
    names = {c.rule for c in wires} - {None}
    for name in sorted(names):
        check_fixed(load_program(name, rules), chip)
    if names:
        _check_circuits(network, parts)
    for c in wires:
        unknown = set(c.settings.get("params", {})) - {"rate", "step"}
        if unknown or c.settings.get("formats"):
            name = sorted(unknown)[0] if unknown else sorted(c.settings["formats"])[0]
            raise SettingError(
                f"'{name}' is fixed on chip {chip.name}{did_you_mean(name, ['rate'])}",
                where=c.name,
                remedy="the engine's only parameter is rate; registers are set with fixed={...}",
            )
    return next(iter(names), "")


def _check_circuits(network: Network, parts: tuple) -> None:
    hidden, output, wire = parts[1], parts[2], parts[5]
    made = {network.layers[k.layer].name: k for k in network.circuits}
    error, sent = made.get(output.name), made.get(hidden.name)
    if error is None or error.kind != "error" or error.error not in ("hard_sigmoid", "regression"):
        raise NetworkError(
            "the chip forms its errors by a hard sigmoid, or for a regression",
            where=f"layer '{output.name}'",
            remedy=f'call net.error("{output.name}", error="hard_sigmoid")',
        )
    if error.trigger is not None:
        raise LimitError(
            "the chip triggers nothing by errors", where=f"layer '{output.name}'", remedy="no trigger"
        )
    hidden_learns = any(c is not None and c.rule for c in parts[3:5])
    if hidden_learns and (
        wire is None
        or sent is None
        or sent.kind != "transport"
        or sent.connection != wire.index
        or (sent.register, sent.signal_shift, sent.copy_every) != ("third_factor", 0, 0)
    ):
        raise NetworkError(
            "the chip sends errors back through its output weights",
            where=f"layer '{hidden.name}'",
            remedy=f'connect it to the output and call net.transport("{hidden.name}", '
            f'through="{hidden.name}->{output.name}", register="third_factor")',
        )


# ---------------------------------------------------------------- folding


def _with_guard(network, chip, parts, bits, fixed, notes) -> object:
    """The chip with the membrane's fraction bits that FP_LOC_WINP asks for."""
    wire = parts[3] or parts[4]
    if wire is None or "FP_LOC_WINP" not in fixed:
        return chip
    finest = max(bits[c.index].frac for c in parts[3:5] if c is not None)
    guard = bits[wire.index].frac + fixed["FP_LOC_WINP"] - finest
    return chip.model_copy(update={"neuron": chip.neuron.model_copy(update={"guard_bits": max(0, guard)})})


def _core(network, parts, layers, bits, rule, fixed, seed) -> ReckonPlan:
    source, hidden, output, *wires = parts
    folded = layers[hidden.index]
    derived = {
        "NUM_INP_NEUR": source.size - 1,
        "NUM_REC_NEUR": hidden.size - 1,
        "NUM_OUT_NEUR": output.size - 1,
        "RST_MODE": int(hidden.reset == "hard"),
        "DO_EPROP": sum(1 << k for k, c in enumerate(wires) if c is not None and c.rule),
        "KAPPA": kappa(output, network.dt_ms),
        **_shifts(network, parts, layers, bits),
    }
    errors = {k.error for k in network.circuits if k.layer == output.index}
    derived |= {"REGRESSION": int("regression" in errors), "NO_OUT_ACT": int("regression" in errors)}
    chosen = {**TRACES, "LEARN_SIG_SCALE": SCALE, "EN_STOCH_ROUND": 1, **surrogate(folded), **seeds(seed)}
    chosen |= {name: value for name, value in fixed.items()}
    chosen |= {k: v for k, v in rates(wires, bits, chosen["LEARN_SIG_SCALE"]).items() if k not in fixed}
    for name in derived:
        if name in fixed and name not in ("DO_EPROP", "KAPPA", "NO_OUT_ACT", "FP_LOC_WOUT", "REGRESSION"):
            if fixed[name] != derived[name]:
                raise SettingError(
                    f"{name} = {fixed[name]}; the network makes it {derived[name]}",
                    where="ReckOn",
                    remedy="change the network (sizes, reset, w_range), or leave the register out",
                )
        chosen.setdefault(name, derived[name])
    wired = tuple(-1 if c is None else c.index for c in wires)
    return ReckonPlan(
        source.size, hidden.size, output.size, source.index, hidden.index, output.index, wired,
        folded.threshold, alpha(hidden, network.dt_ms), register_file(chosen), rule,
    )  # fmt: skip


def _shifts(network, parts, layers, bits) -> dict[str, int]:
    """FP_LOC_W*: left shifts that align weights to membranes and outputs."""
    hidden, output, *wires = parts[1:]
    shifts = {}
    for name, c in zip(MATRICES, wires, strict=True):
        if c is None:
            continue
        if name == "WOUT":
            scale = next((k.logit_scale for k in network.circuits if k.layer == output.index), 1.0)
            shift = 12 + round(math.log2(scale)) - bits[c.index].frac
        else:
            shift = layers[hidden.index].v_fmt.frac - bits[c.index].frac
        if not 0 <= shift <= 7:
            raise LimitError(
                f"weights of range {c.w_range:g} need a left shift of {shift}; FP_LOC_{name} holds 0 to 7",
                where=c.name,
                remedy="choose another w_range" + ", or another logit_scale" * (name == "WOUT"),
            )
        shifts[f"FP_LOC_{name}"] = shift
    return shifts


def _notes(network: Network, parts: tuple, core: ReckonPlan) -> list[Note]:
    hidden, notes = parts[1], []
    if core.rule:
        for text in (
            f"traces of {hidden.name} decay with its membrane ({core.alpha}/32768), those of its spikes to "
            "the output with the output's",
            "the surrogate reads the membrane after leak and reset",
            "the learning signal has 16 bits; an update is one step of a weight's LSB with a probability",
        ):
            notes.append(Note("approximated", 0, text))
    if max(core.n_inp, core.n_rec, core.n_out) % 2 and core.register("QUIRK_ODD"):
        notes.append(Note("approximated", 0, "an odd number of neurons: the last one never leaks or fires"))
    return notes
