"""Phase 7 as source text: every circuit forms its layer's third factor, from the top layer down."""

from __future__ import annotations

from chipsim.noise import OP_CIRCUIT_SIGNAL
from chipsim.plan import NO_TARGET, CircuitPlan, ConnectionPlan, LayerPlan
from chipsim.plan.circuits import TARGET_FRAC

TABLED = ("softmax", "sign")  # errors that read the table of exponentials
NARROW = 2**31  # sums below this fit 32-bit lanes


def third(d, layer: LayerPlan) -> None:
    """The circuit forms the layer's third factor; then the phase-7 lines."""
    if layer.circuit is not None:
        circuit = d.plan.circuits[layer.circuit]
        if circuit.kind == "reward":
            _reward(d, layer, circuit)
        else:
            _refresh(d, circuit)
            d.put("for b in range(B):")
            d.level += 1
            if circuit.judged >= 0:
                _errors(d, circuit)
            _signal(d, layer, circuit)
            d.level -= 1
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


def _signal(d, layer: LayerPlan, x: CircuitPlan) -> None:
    """The errors themselves, or errors or a register back through a matrix."""
    m = f"l{layer.index}_m[b]"
    if x.kind == "error":
        d.put(f"copy_error(err, {m})")
        return
    c = d.plan.connections[x.connection]
    w = f"k{x.index}_copy" if x.copy_every else f"c{c.index}_w"
    source = f"{x.source}[b]" if x.source else "err"
    rows = f"{w}, c{c.index}_ptr, c{c.index}_tgt" if c.sparse else w
    if d.twin:
        name = "sparse_signal_twin" if c.sparse else "transpose_signal_twin"
        d.put(f"{name}({rows}, {source}, {m}, {2.0**-x.signal_shift!r})")
        return
    name, last = _kernel(x, c)
    key = f"draw_key(seed, {layer.index}, {OP_CIRCUIT_SIGNAL}, b, clock)"
    d.put(f"{name}({rows}, {source}, {m}, {x.drop}, x_k{x.index}_words, {key}, k{x.index}_stat{last})")


def _kernel(x: CircuitPlan, c: ConnectionPlan) -> tuple[str, str]:
    """The kernel of a product with a matrix, and its last argument."""
    if x.kind == "readout":
        return "transpose_signal", ""
    if c.sparse:
        return "sparse_signal", ""
    largest = max(-x.source_fmt.lo, x.source_fmt.hi) * max(-c.w_lo, c.w_hi) * c.n_post
    lanes = "_32" if largest < NARROW else ""
    return f"dense_signal{lanes}", f", {not x.stepped}"
