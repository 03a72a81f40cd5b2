"""Phase 5 of neuron arithmetic "lava" as generated text: the kernel twin of `reference_lava.py`."""

from __future__ import annotations

from chipsim.plan import LayerPlan

HALF = 1 << 23


def lava_body(layer: LayerPlan, counting: bool) -> list[str]:
    """Statements of the fire function; all in int64, wrapped by hand."""
    out = ["    n = v.shape[1]", "    for b in range(B):"]
    if counting:
        out.append("        busy = over_a = over_u = over_v = i64(0)")
    out.append("        for i in range(n):")
    out += ["            " + x for x in _neuron(layer, counting)]
    if counting:
        names = ("busy", "n - busy", "over_a", "over_u", "over_v")
        out += [f"        stat[{k}] += {name}" for k, name in enumerate(names, 1)]
    return out


def _neuron(layer: LayerPlan, counting: bool) -> list[str]:
    has_u = layer.k_u is not None
    out = [
        f"a0 = i64(i64(acc[b, i]) << i64({layer.acc_shift}))",
        "acc[b, i] = 0",
        "a = wrap32(a0)",
        "x = i64(v[b, i])",
        "y = i64(u[b, i])" if has_u else "y = i64(0)",
    ]
    if counting:
        out.append("busy += i64((x != 0) | (y != 0) | (a != 0) | (bias[i] != 0))")
        out.append("over_a += i64(a != a0)")
    out += [
        "s = wrap32(i64(toward_zero(y, i64(ku[i])) + a))",
        f"y = i64(s - i64({2 * HALF})) if s > {HALF} else s",
        f"y = i64(s + i64({2 * HALF})) if s <= {-HALF} else y",
        "q = wrap32(i64(i64(toward_zero(x, i64(kv[i])) + y) + i64(bias[i])))",
        f"c = i64(min(max(q, i64({1 - HALF})), i64({HALF - 1})))",
    ]
    if counting:
        out += ["over_u += i64(y != s)"] * has_u + ["over_v += i64(c != q)"]
    out += ["u[b, i] = y"] * has_u
    if layer.kind == "integrator":
        return [*out, "vc[b, i] = c", "v[b, i] = c"]
    return [
        *out,
        "vc[b, i] = c",
        "f = i32(c > i64(thr[i]))",
        "v[b, i] = i64(0) if f else c",
        "fired[b, i] = f",
        "count[b, i] += f",
    ]
