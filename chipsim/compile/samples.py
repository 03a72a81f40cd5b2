"""What happens around a sample: states return to their initial values, homeostasis, outputs."""

from __future__ import annotations

from chipsim.compile.replay import replay_sample
from chipsim.plan import LayerPlan, Plan


def start_sample(d) -> None:
    """Per-context state returns to its initial value, then on_sample_start."""
    d.put("if fresh:")
    d.level += 1
    for layer in d.plan.layers:
        _reset_layer(d, layer)
    d.put("if learn:")
    d.level += 1
    for c in d.plan.connections:
        if c.program is None:
            continue
        if d._reads_spike(c.program):
            d.put(f"clear2(x_c{c.index}_spk)")
        if c.program.traces is not None:
            d.put(f"clear2(c{c.index}_tx)", f"clear2(c{c.index}_ty)")
        for r in c.program.registers:
            if (
                not r.keep
                and not r.temp
                and (r.owner in ("pre", "post") or r.per_context and r.owner == "syn")
            ):
                axes = 3 if r.owner == "syn" and not c.sparse else 2
                d.put(f"set{axes}(c{c.index}_r_{r.name}, {_initial(r, d.twin)})")
    _sample_sections(d, "on_sample_start")
    d.put("pass")
    d.level -= 2


def _initial(r, twin: bool) -> str:
    return repr(float(r.fmt.real(r.init))) if twin else str(r.init)


def _sample_sections(d, section: str) -> None:
    """on_sample_start and on_sample_end; n is the number of the coming (past) learning step."""
    for c in d.plan.connections:
        if f"c{c.index}_{section}{d.suffix}" in d.functions:
            d.put(f"nact_{c.index} = l{c.pre}_hist_n[0]", f"nf_{c.post} = l{c.post}_hist_n[0]")
            d.put(f"hist_{c.post} = l{c.post}_hist[0]", f"act_{c.index} = l{c.pre}_hist[0]")
            d.section(c, section)


def _reset_layer(d, layer: LayerPlan) -> None:
    k = layer.index
    d.put(f"clear2(l{k}_hist_n)")
    if layer.kind == "pool":
        d.put(f"clear2(l{k}_fired)", f"clear2(l{k}_count)")
    if layer.kind in ("source", "pool"):
        return
    d.put(f"clear3(l{k}_acc)")
    names = ["v", "vc", "fired", "count"]
    names += ["u"] if layer.k_u is not None else []
    names += ["refr"] if layer.refractory else []
    for name in names:
        d.put(f"clear2(l{k}_{name})")


def finish_sample(d) -> None:
    """Outputs of the sample; with learning its replay, on_sample_end and homeostasis."""
    d.put("if fresh:")
    d.level += 1
    d.put("if learn:")
    d.level += 1
    replay_sample(d)
    _sample_sections(d, "on_sample_end")
    for layer in d.plan.layers:
        if layer.homeo_up or layer.homeo_down:
            _homeostasis(d, layer)
    d.put("pass")
    d.level -= 1
    d.put("for b in range(B):", "    if g + b < hi:")
    slot = 0
    for layer, array in kept(d.plan):
        d.put(f"        copy_row(outs[{slot}], g + b - lo, l{layer.index}_{array}, b)")
        slot += 1
    d.level -= 1


def kept(plan: Plan) -> list[tuple[LayerPlan, str]]:
    """(layer, state array) of every output of a sample in the order of `outs`: membranes of integrators
    and spike counts, then the membranes of spiking layers. Predictions of the integrators follow."""
    layers = [x for x in plan.layers if x.kind in ("lif", "integrator")]
    first = [(x, "v" if x.kind == "integrator" else "count") for x in layers]
    return first + [(x, "v") for x in layers if x.kind == "lif"]


def predictions(d) -> None:
    """Largest potential of every integrator after each step, where the caller gave room for it."""
    slot = len(kept(d.plan))
    for layer in d.plan.layers:
        if layer.kind == "integrator":
            d.put(f"if outs[{slot}].shape[0] > 0:", "    for b in range(live):")
            d.put(f"        outs[{slot}][g + b - lo, ts - 1] = largest(l{layer.index}_v[b])")
            slot += 1


def _homeostasis(d, layer: LayerPlan) -> None:
    k = layer.index
    d.put("active = min(B, hi - g)", f"for i in range(l{k}_thr.shape[0]):")
    d.level += 1
    d.put("spikes = i64(0)", "for b in range(B):", f"    spikes += l{k}_count[b, i]")
    if d.twin:
        lsb = float(layer.v_fmt.lsb)
        up, down, top = layer.homeo_up * lsb, layer.homeo_down * lsb, layer.v_fmt.hi * lsb
        d.put(f"t = l{k}_thr[i] + {up!r} * spikes - {down!r} * active")
        d.put(f"l{k}_thr[i] = min(max(t, {lsb!r}), {top!r})")
    else:
        d.put(f"t = i64(l{k}_thr[i]) + {layer.homeo_up} * spikes - {layer.homeo_down} * active")
        d.put(f"l{k}_thr[i] = i32(min(max(t, i64(1)), i64({layer.v_fmt.hi})))")
    d.level -= 1
    if not d.twin:
        d.put(f"l{k}_stat[7] += l{k}_thr.shape[0]")


__all__ = ["finish_sample", "kept", "predictions", "start_sample"]
