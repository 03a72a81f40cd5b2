"""Phase 5 of one layer as a generated function: leak, integrate, compare, reset."""

from __future__ import annotations

from chipsim.compile.fire_lava import lava_body
from chipsim.compile.sections import Function
from chipsim.noise import OP_NEURON_U, OP_NEURON_V
from chipsim.plan import LayerPlan


def fire_function(layer: LayerPlan, counting: bool, twin: bool) -> Function:
    """Generate phase 5; slot arrays (acc, hist, hist_n) are passed as [B, ...] views."""
    arrays = ["acc", "v", "vc", "thr", "bias", "fired", "hist", "hist_n", "count", "stat"]
    if layer.k_u is not None:
        arrays.append("u")
    if layer.refractory:
        arrays.append("refr")
    if layer.arithmetic == "lava" and not twin:
        arrays += ["ku", "kv"]
    elif not twin and _draws(layer):
        arrays += ["words_u", "words_v"]
    body = _twin_body(layer) if twin else _body(layer, counting)
    head = f"@jit_inner\ndef NAME(B, step, seed, place, ids, {', '.join(arrays)}):"
    text = [head, f'    """Phase 5: {layer.kind}."""', *body, *_compact(layer)]
    return Function(f"fire_{layer.kind}", tuple(arrays), "\n".join(text) + "\n")


def _draws(layer: LayerPlan) -> bool:
    return layer.decay_rounding == "stochastic"


def _lane(layer: LayerPlan) -> str:
    return "i32" if max(layer.v_fmt.bits, layer.u_fmt.bits) <= 30 else "i64"


def _decayed(x: str, k: int, layer: LayerPlan, lane: str, words: str) -> tuple[list[str], str]:
    """Statements and text of R(x * k / 4096); the product is split so that 32 bits suffice."""
    if k == 4096:
        return [], x
    mode = layer.decay_rounding

    def split(y: str, add: str) -> str:
        low = f"{lane}({lane}({y} & {lane}(4095)) * {lane}({k}))"
        low = f"{lane}({low} + {add})" if add else low
        return f"{lane}({lane}({lane}({y} >> {lane}(12)) * {lane}({k})) + {lane}({low} >> {lane}(12)))"

    if mode == "trunc":
        pre = [
            f"s_{x} = {lane}({x} >> {lane}({31 if lane == 'i32' else 63}))",
            f"a_{x} = {lane}({lane}({x} ^ s_{x}) - s_{x})",
            f"r_{x} = {split('a_' + x, '')}",
        ]
        return pre, f"{lane}({lane}(r_{x} ^ s_{x}) - s_{x})"
    add = {"floor": "", "nearest": f"{lane}(2048)", "stochastic": f"{lane}(u32({words}[i]) >> u32(20))"}[mode]
    return [], split(x, add)


def _limit(x: str, out: str, fmt, overflow: str, lane: str) -> str:
    if overflow == "saturate":
        return f"{out} = {lane}(min(max({x}, {lane}({fmt.lo})), {lane}({fmt.hi})))"
    size = fmt.hi - fmt.lo
    return f"{out} = {lane}({lane}({lane}({x} - {lane}({fmt.lo})) & {lane}({size})) + {lane}({fmt.lo}))"


def _body(layer: LayerPlan, counting: bool) -> list[str]:
    if layer.arithmetic == "lava":
        return lava_body(layer, counting)
    lane = _lane(layer)
    out = ["    n = v.shape[1]", "    for b in range(B):"]
    keys = {"words_u": (OP_NEURON_U, layer.k_u), "words_v": (OP_NEURON_V, layer.k_v)}
    if _draws(layer):
        for words, (op, k) in keys.items():
            if k is not None and k != 4096 and not (words == "words_v" and layer.leak == "subtract"):
                out.append(f"        fill_even(draw_key(seed, place, {op}, ids[b], step), {words})")
                if counting:
                    out.append("        stat[6] += n")
    if counting:
        out += [
            "        busy = i32(0)",
            "        over_a = i32(0)",
            "        over_u = i32(0)",
            "        over_v = i32(0)",
        ]
    out.append("        for i in range(n):")
    return out + ["            " + x for x in _neuron(layer, lane, counting)] + _totals(layer, counting)


def _packed(layer: LayerPlan) -> bool:
    """Whether one 32-bit sum holds both the busy neurons and the limited membranes (16 bits each)."""
    return layer.size < 1 << 15


def _totals(layer: LayerPlan, counting: bool) -> list[str]:
    if not counting:
        return []
    packed = _packed(layer)
    busy = "i64(busy & i32(65535))" if packed else "busy"
    return [
        f"        stat[1] += {busy}",
        f"        stat[2] += n - {busy}",
        "        stat[3] += over_a",
        "        stat[4] += over_u",
        f"        stat[5] += {'i64(busy >> i32(16))' if packed else 'over_v'}",
    ]


def _reach(layer: LayerPlan) -> tuple[bool, bool]:
    """Whether a step's input can exceed its limits, and whether the current can."""
    most = layer.acc_bound << layer.acc_shift
    over_a = most > layer.acc_hi
    if layer.k_u is None:
        return over_a, False
    most = min(most, layer.acc_hi + 1)
    kept = ((layer.u_fmt.hi + 1) * layer.k_u >> 12) + 1
    return over_a, kept + most > layer.u_fmt.hi


def _input(layer: LayerPlan, lane: str, counting: bool) -> list[str]:
    s = layer.acc_shift
    hi, lo = layer.acc_hi >> s, layer.acc_lo >> s
    wide = "i64" if layer.acc_wide else lane
    if not _reach(layer)[0]:
        return [f"a = {lane}({lane}(acc[b, i]) << {lane}({s}))", "acc[b, i] = 0"]
    out = [
        f"a0 = {wide}(acc[b, i])",
        "acc[b, i] = 0",
        f"a = {lane}({lane}(min(max(a0, {wide}({lo})), {wide}({hi}))) << {lane}({s}))",
        f"a = {lane}({layer.acc_hi}) if a0 > {wide}({hi}) else a",
    ]
    if counting:
        out.append(f"over_a = i32(over_a + i32((a0 > {wide}({hi})) | (a0 < {wide}({lo}))))")
    return out


def _neuron(layer: LayerPlan, lane: str, counting: bool) -> list[str]:
    out = _input(layer, lane, counting)
    out.append(f"x = {lane}(v[b, i])")
    busy = "(x != 0) | (a != 0) | (bias[i] != 0)"
    if layer.refractory:
        out.append("rest = refr[b, i] > 0")
        busy += " | rest"
    if layer.k_u is not None:
        out.append(f"y = {lane}(u[b, i])")
        busy += " | (y != 0)"
    if counting:
        out.append(f"busy = i32(busy + i32({busy}))")
    if layer.k_u is not None:
        pre, text = _decayed("y", layer.k_u, layer, lane, "words_u")
        over = _reach(layer)[1]
        out += [*pre, f"{'y' if over else 'a'} = {lane}({text} + a)"]
        out += [_limit("y", "a", layer.u_fmt, layer.u_overflow, lane)] if over else []
        if counting and over:
            out.append("over_u = i32(over_u + i32(a != y))")
    if layer.leak == "subtract":
        step = f"{lane}({layer.leak_step})"
        pre = [f"mag = {lane}(max({lane}({lane}(abs(x)) - {step}), {lane}(0)))"]
        text = f"{lane}({lane}(-mag) if x < 0 else mag)"
    else:
        pre, text = _decayed("x", layer.k_v, layer, lane, "words_v")
    out += [*pre, f"q = {lane}({lane}({text} + a) + {lane}(bias[i]))"]
    out.append(_limit("q", "c", layer.v_fmt, layer.v_overflow, lane))
    alive = " & (not rest)" if layer.refractory else ""
    if counting:
        over = f"i32((c != q){alive})"
        packed = f"busy = i32(busy + i32({over} << i32(16)))"
        out.append(packed if _packed(layer) else f"over_v = i32(over_v + {over})")
    if layer.rectify:
        out.append(f"c = {lane}(max(c, {lane}(0)))")
    if layer.refractory:
        out.append("c = x if rest else c")
    return out + _spike(layer, lane)


def _spike(layer: LayerPlan, lane: str) -> list[str]:
    out = ["vc[b, i] = c"]
    if layer.kind == "integrator":
        return [*out, "v[b, i] = c", *(["u[b, i] = a"] if layer.k_u is not None else [])]
    compare = ">=" if layer.compare == "ge" else ">"
    alive = " & (not rest)" if layer.refractory else ""
    out.append(f"t = {lane}(thr[i])")
    out.append(f"f = i32((c {compare} t){alive})")
    after = f"{lane}(0)" if layer.reset == "hard" else f"{lane}(c - t)"
    out.append(f"v[b, i] = {after} if f else c")
    if layer.k_u is not None:
        out.append(f"u[b, i] = {lane}(0) if f else a" if layer.reset_current else "u[b, i] = a")
    if layer.refractory:
        out.append(f"refr[b, i] = {layer.refractory} if f else (refr[b, i] - 1 if rest else 0)")
    return [*out, "fired[b, i] = f", "count[b, i] += f"]


def _compact(layer: LayerPlan) -> list[str]:
    if layer.kind == "integrator":
        return []
    return [
        "    for b in range(B):",
        "        k = 0",
        "        for i in range(v.shape[1]):",
        "            if fired[b, i]:",
        "                hist[b, k] = i",
        "                k += 1",
        "        hist_n[b] = k",
        "        stat[0] += k",
    ]


def _twin_body(layer: LayerPlan) -> list[str]:
    """The same neuron in float64: real values, exact decays as folded, no limits."""
    ku, kv = (layer.k_u or 0) / 4096, layer.k_v / 4096
    out = ["    n = v.shape[1]", "    for b in range(B):", "        for i in range(n):"]
    body = ["a = acc[b, i]", "acc[b, i] = 0.0", "x = v[b, i]"]
    if layer.refractory:
        body.append("rest = refr[b, i] > 0")
    if layer.k_u is not None:
        body.append(f"a = u[b, i] * {ku!r} + a")
    if layer.leak == "subtract":
        step = float(layer.v_fmt.real(layer.leak_step))
        body += [f"mag = max(abs(x) - {step!r}, 0.0)", "d = -mag if x < 0 else mag"]
    else:
        body.append(f"d = x * {kv!r}")
    body.append("c = d + a + bias[i]")
    if layer.rectify:
        body.append("c = max(c, 0.0)")
    if layer.refractory:
        body.append("c = x if rest else c")
    spike = [x.replace("f64(0)", "0.0") for x in _spike(layer, "f64")]
    return out + ["            " + x for x in body + spike]
