"""Phase 7 as source text: every circuit forms its layer's third factor, from the top layer down."""

from __future__ import annotations

import numpy as np

from chipsim.compile.conv_driver import turned, unpool
from chipsim.noise import OP_CIRCUIT_SIGNAL
from chipsim.plan import NO_TARGET, CircuitPlan, ConnectionPlan, LayerPlan
from chipsim.plan.circuits import TARGET_FRAC

TABLED = ("softmax", "sign")  # errors that read the table of exponentials
NARROW = 2**31  # sums below this fit 32-bit lanes
LABEL_COLUMN = "lab_column = 0 if labels.shape[1] == 1 else ts - ts0 - 1"


def third(d, layer: LayerPlan) -> None:
    """The circuit forms the layer's third factor; then the phase-7 lines."""
    if layer.circuit is not None:
        circuit = d.plan.circuits[layer.circuit]
        if circuit.kind == "contrast":
            contrast(d, layer, circuit)
        else:
            _refresh(d, circuit)
            errors(d, circuit)
            signal(d, layer, circuit)
    for k in layer.incoming:
        d.section(d.plan.connections[k], "on_third_factor_a")


def _reward(d, layer: LayerPlan, x: CircuitPlan) -> None:
    d.put("for b in range(B):")
    scale = f" * {float(x.signal_fmt.lsb)!r}" if d.twin else ""
    d.put(f"    for i in range(l{layer.index}_m.shape[1]):")
    d.put(f"        l{layer.index}_m[b, i] = x_rew[b]{scale}")
    if d.counting and not d.twin:
        d.put(f"    k{x.index}_stat[0] += i64(x_rew[b] != 0)")


# ---------------------------------------------------------------- errors


def errors(d, x: CircuitPlan) -> None:
    """The errors of all contexts, where the circuit forms any."""
    if x.judged >= 0:
        d.put("for b in range(B):")
        d.level += 1
        _errors(d, x)
        d.level -= 1


def _errors(d, x: CircuitPlan) -> None:
    """Errors of one context into k_err, 0 without a target."""
    k = x.index
    missing = f"lab == {NO_TARGET}" if x.error == "regression" else "lab < 0"
    d.put(
        f"err = k{k}_err[b]",
        f"lab = labels[order[g + b], lab_column] if g + b < hi else {NO_TARGET}",
        f"if {missing}:",
        "    clear1(err)",
        "else:",
    )
    d.level += 1
    v = _potentials(d, x)
    if d.twin:
        scale = "1.0"
        if x.error != "spike":
            frac = d.plan.layers[x.judged].v_fmt.frac - TARGET_FRAC[x.error]
            scale = f"2.0 ** ({frac} - f64(k{k}_shift[0]))"
        d.put(f"{x.error}_error_twin({v}, {scale}, lab, err)")
    else:
        table = ", EXP16" if x.error in TABLED else ""
        d.put(f"{x.error}_error({v}, k{k}_shift[0], lab, err{table}, k{k}_stat)")
        if x.kind == "error":
            d.put(f"k{k}_stat[1] += err.shape[0]")
    _trigger(d, x)
    d.level -= 1
    if x.kind == "readout" and not d.twin:  # a readout subtracts in every step
        d.put(f"k{k}_stat[1] += err.shape[0]")


def _potentials(d, x: CircuitPlan) -> str:
    """Text of the row an error is formed from, after the statements that fill it."""
    k, y = x.index, x.judged
    if d.plan.layers[y].kind != "lif":
        return f"l{y}_v[b]"
    if x.error == "spike":
        return f"l{y}_fired[b]"
    given = f"l{y}_count[b], l{y}_thr, l{y}_v[b]"
    if d.twin:
        d.put(f"charge_twin({given}, x_k{k}_real)")
        return f"x_k{k}_real"
    d.put(f"charge({given}, x_k{k}_charge, k{k}_stat)")
    return f"x_k{k}_charge"


def _trigger(d, x: CircuitPlan) -> None:
    if x.trigger is None:
        return
    up, down, k = x.trigger.up, x.trigger.down, x.index
    if d.twin:
        unit = 2.0 ** -(x.error_fmt.frac + 8)
        d.put(f"trigger_errors_twin(err, k{k}_thr, {up * unit!r}, {down * unit!r})")
    else:
        d.put(f"trigger_errors(err, k{k}_thr, {up}, {down}, k{k}_stat)")


# ---------------------------------------------------------------- the way back


def _refresh(d, x: CircuitPlan) -> None:
    if not x.copy_every:
        return
    k, twin = x.index, "_twin" if d.twin else ""
    stat = "" if d.twin else f", k{k}_stat"
    words = f"k{k}_copy.reshape(-1), c{x.connection}_w.reshape(-1)"
    d.put(f"refresh{twin}({words}, k{k}_age, {x.copy_every}{stat})")


def signal(d, layer: LayerPlan, x: CircuitPlan) -> None:
    """The third factors of all contexts, from the errors that stand in the state, registers or rewards."""
    if x.kind == "reward":
        _reward(d, layer, x)
        return
    if x.kind == "pool":
        unpool(d, layer, x)
        return
    d.put("for b in range(B):")
    d.level += 1
    _signal(d, layer, x)
    d.level -= 1


def _signal(d, layer: LayerPlan, x: CircuitPlan) -> None:
    """The errors themselves, or errors or a register back through a matrix."""
    m = f"l{layer.index}_m[b]"
    if x.kind == "error":
        d.put(f"copy_error(k{x.index}_err[b], {m})")
        return
    c = d.plan.connections[x.connection]
    w = f"k{x.index}_copy" if x.copy_every else f"c{c.index}_w"
    source = f"{x.source}[b]" if x.source else f"k{x.index}_err[b]"
    rows = f"{w}, c{c.index}_ptr, c{c.index}_tgt" if c.sparse else w
    if c.conv is not None:
        rows = turned(d, c, w, _kernel(x, c)[0].endswith("_32"))
    if d.twin:
        name = "sparse_signal_twin" if c.sparse else "transpose_signal_twin"
        name = "conv_signal_twin" if c.conv else name
        d.put(f"{name}({rows}, {source}, {m}, {2.0**-x.signal_shift!r})")
        return
    name, last = _kernel(x, c)
    key = f"draw_key(seed, {layer.index}, {OP_CIRCUIT_SIGNAL}, b, clock)"
    d.put(f"{name}({rows}, {source}, {m}, {x.drop}, x_k{x.index}_words, {key}, k{x.index}_stat{last})")


def _kernel(x: CircuitPlan, c: ConnectionPlan) -> tuple[str, str]:
    """The kernel of a product with a matrix, and its last argument."""
    if x.kind == "readout":
        return "dense_signal", ", True"
    if c.sparse:
        return "sparse_signal", ""
    fan_out = c.n_post if c.conv is None else c.conv.kernel**2 * c.conv.post[2]
    largest = max(-x.source_fmt.lo, x.source_fmt.hi) * max(-c.w_lo, c.w_hi) * fan_out
    lanes = "_32" if largest < NARROW else ""
    if c.conv is not None:
        return f"conv_signal{lanes}", ""
    return f"dense_signal{lanes}", f", {not x.stepped}"


# ---------------------------------------------------------------- two paths compared


def contrast(d, layer: LayerPlan, x: CircuitPlan) -> None:
    """Targets y, products z, coefficients G, then the signal of every context."""
    k, first = x.index, x.inputs
    eps, twin, stat = x.source, "_twin" if d.twin else "", "" if d.twin else f", k{k}_stat"
    _targets(d, x, twin, stat)
    largest = max(-x.source_fmt.lo, x.source_fmt.hi) ** 2 * layer.size
    dot = "dot_twin" if d.twin else "dot_32" if largest < NARROW else "dot"
    d.put(f"for b in range({first}):", f"    for t in range({x.targets}):", f"        if x_k{k}_some[b]:")
    d.put(f"            k{k}_z[b, t] = {dot}({eps}[b], {eps}[{first} + t])")
    shift = _shift(x, 0, 2 * x.source_fmt.frac, d.twin)
    rest = "" if d.twin else f", EXP16, {layer.size}{stat}"
    d.put(f"coefficients{twin}(k{k}_z, {shift}, k{k}_y, k{k}_G, x_k{k}_some{rest})")
    for count, coefficients, begin, context in (
        (x.inputs, f"k{k}_G[b]", first, "b"),
        (x.targets, f"k{k}_G[:, b]", 0, f"{first} + b"),
    ):
        d.put(f"for b in range({count}):")
        m = f"l{layer.index}_m[{context}]"
        if d.twin:
            d.put(f"    combine_twin({coefficients}, {eps}, {begin}, {m}, {2.0**-x.signal_shift!r})")
            continue
        key = f"draw_key(seed, {layer.index}, {OP_CIRCUIT_SIGNAL}, {context}, clock)"
        words = f"x_k{k}_acc, {m}, {x.drop}, x_k{k}_words, {key}"
        d.put(f"    combine({coefficients}, {eps}, {begin}, {words}{stat})")


def _targets(d, x: CircuitPlan, twin: str, stat: str) -> None:
    """Statements that fill y, and which samples have a target."""
    k = x.index
    if x.geometry:
        shift = _shift(x, 1, x.geometry_frac, d.twin)
        rest = f"x_k{k}_real" if d.twin else f"x_k{k}_row, EXP16{stat}"
        d.put(f"geometry_targets{twin}({x.geometry}, {shift}, k{k}_y, x_k{k}_some, {rest})")
        return
    d.put(f"for b in range({x.inputs}):")
    d.put(f"    x_k{k}_lab[b] = labels[order[g + b], lab_column] if g + b < hi else {NO_TARGET}")
    d.put(f"class_targets{twin}(x_k{k}_lab, k{k}_y, x_k{k}_some)")


def _shift(x: CircuitPlan, which: int, frac: int, twin: bool) -> str:
    """Text of a logit shift, or of what the twin multiplies by instead."""
    shift = f"k{x.index}_shift[{which}]"
    return f"2.0 ** ({frac - TARGET_FRAC['softmax']} - f64({shift}))" if twin else shift


def circuit_scratch(x: CircuitPlan, size: int) -> dict[str, np.ndarray]:
    """Work arrays of a circuit that serves a layer of this size."""
    if x.kind == "error":
        return {"charge": np.zeros(size, np.int64), "real": np.zeros(size)}
    if x.kind != "contrast":
        return {}
    made = {name: np.zeros(x.inputs, np.int64) for name in ("lab", "some")}
    made |= {"acc": np.zeros(size, np.int64), "row": np.zeros(x.targets, np.int64)}
    return {**made, "real": np.zeros(x.targets)}
