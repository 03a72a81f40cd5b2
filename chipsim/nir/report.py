"""What became of a NIR file on a chip: per layer and connection, in numbers, and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chipsim.nir.imported import Imported
from chipsim.nir.place import Layer, Placed, Wire
from chipsim.report.units import table


def report(imported: Imported, agreement: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Plain values: file, chip, convention, layers, connections with their losses, outputs, remarks."""
    placed = imported.placed
    d, plan = placed.described, placed.simulator.plan
    return {
        "file": d.graph.path,
        "nir_version": d.graph.version,
        "chip": placed.chip.name,
        "chip_sha256": placed.chip.sha256,
        "as_exported": placed.exact,
        "convention": d.how.text(),
        "dt_s": d.how.dt,
        "discretisation": d.how.discretisation,
        "layers": [_layer(placed, p) for p in d.populations],
        "connections": [
            _connection(placed, name, path, wire, wanted)
            for name, (path, wire, wanted) in placed.wires.items()
        ],
        "outputs": dict(d.outputs),
        "remarks": [*_remarks(placed), *(f"{n.kind}: {n.text}" for n in plan.notes if n.kind != "constant")],
        "agreement": agreement,
    }


def _layer(placed: Placed, p: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"name": p.name, "type": p.type, "kind": p.kind, "shape": list(p.shape)}
    if p.neuron is None:
        return made
    x, layer = placed.simulator.plan.layer(p.name), placed.layers[p.name]
    how = placed.described.how
    used = {"tau": x.k_v, "tau_mem": x.k_v, "tau_syn": x.k_u}
    made["tau_s"] = {
        key: {"file": tau, "used": how.tau(used[key] / 4096), "factor": used[key] / 4096}
        for key, tau in p.neuron.taus.items()
    }
    made |= {"scale": layer.scale, "membrane": str(x.v_fmt), "reset": x.reset}
    if layer.threshold is not None:
        made["threshold"] = _constant(placed, x, "thr", layer.threshold, layer)
    if layer.bias is not None and layer.bias.any():
        made["bias"] = _constant(placed, x, "bias", layer.bias, layer)
    return made


def _constant(placed: Placed, x: Any, name: str, wanted: np.ndarray, layer: Layer) -> dict[str, float]:
    """A constant of each neuron: the file's range in its own unit, and the largest error, in LSB."""
    raw = placed.simulator.state[f"l{x.index}_{name}"]
    error = np.abs(raw - wanted * layer.scale * 2.0**x.v_fmt.frac)
    return {"least": float(wanted.min()), "most": float(wanted.max()), "error_lsb": float(error.max())}


def _connection(placed: Placed, name: str, path: Any, wire: Wire, wanted: np.ndarray) -> dict[str, Any]:
    """Largest and rms error of its weights, in LSB and relative to the rms weight."""
    sim = placed.simulator
    plan = sim.plan.connection(name)
    lsb = float(plan.weight.lsb)
    raw = sim.state[f"c{plan.index}_w"].astype(np.float64).reshape(wanted.shape)
    error = raw - wanted / lsb
    rms, norm = (math.sqrt(float(np.mean(e**2))) if e.size else 0.0 for e in (error, wanted / lsb))
    return {
        "name": name,
        "from": None if path is None else path.pre,
        "to": next(x.name for x in sim.plan.layers if x.index == plan.post),
        "what": wire.what,
        "weights": int(wanted.size),
        "format": str(plan.weight),
        "lsb": lsb / placed.layers[sim.plan.layers[plan.post].name].scale,
        "delay": plan.delay,
        "max_error_lsb": float(np.abs(error).max(initial=0.0)),
        "rms_error_lsb": rms,
        "rms_error_relative": rms / norm if norm else 0.0,
        "saturated": int(((wanted / lsb > plan.w_hi + 0.5) | (wanted / lsb < plan.w_lo - 0.5)).sum()),
        "became_zero": int(((wanted != 0) & (raw == 0)).sum()),
    }


def _remarks(placed: Placed) -> list[str]:
    d = placed.described
    said = list(d.remarks)
    said += [note for path in d.paths for note in path.notes]
    said += [f"{name}: {note}" for name, layer in placed.layers.items() for note in layer.notes]
    back = [path for path in d.paths if path.back and path.steps == 0]
    if back:
        names = ", ".join(f"{path.pre} -> {path.post}" for path in back)
        said.append(f"{names}: leads back, so that a spike takes one step")
    if placed.low:
        said.append(f"every connection takes {placed.low} step(s) or more on this chip")
    others = sorted(set(d.graph.metadata) - {"chipsim"})
    if others:
        said.append(f"the graph's metadata {', '.join(others)}: ignored")
    return said


def agree(imported: Imported, spikes: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How far the chip and the float64 graph agree on an input, layer by layer."""
    chip, floats = imported.run(spikes), imported.run_floats(spikes)
    made: dict[str, Any] = {}
    for p in imported.placed.described.populations:
        if p.neuron is None:
            continue
        a, b = chip[p.name], floats[p.name]
        if p.kind == "lif":
            both = float((a * b).sum())
            total = float(a.sum() + b.sum())
            made[p.name] = {
                "spikes": int(a.sum()),
                "float_spikes": int(b.sum()),
                "equal": float((a == b).mean()),
                "spikes_shared": 2 * both / total if total else 1.0,
            }
        else:
            largest = float(np.abs(b).max())
            error = float(np.abs(a - b).max())
            made[p.name] = {"largest_potential": largest, "max_error": error}
    return {"steps": len(next(iter(chip.values()))), "layers": made}


def report_text(found: Mapping[str, Any]) -> str:
    """The report as lines."""
    chip = f"chip {found['chip']}" + (", as exported" if found["as_exported"] else "")
    lines = [f"{found['file']}: NIR {found['nir_version']} on {chip}", found["convention"], ""]
    lines += table([("layer", "type", "neurons", "scale", "time constants, file -> used", "threshold"),
                    *(_layer_row(x) for x in found["layers"])], left=2)  # fmt: skip
    lines.append("")
    head = ("connection", "weights", "format", "LSB", "max error", "rms error", "rel. rms", "cut", "lost")
    lines += table([head, *(_connection_row(c) for c in found["connections"])], left=1)
    lines += ["  errors in LSB; LSB in the file's unit; cut: saturated; lost: rounded to zero", ""]
    lines += [f"  {c['name']}: {c['from'] or 'constant'} -> {c['to']}, {c['what']}, delay {c['delay']}"
              for c in found["connections"]]  # fmt: skip
    lines += [f"  output {name} reads {layer}" for name, layer in found["outputs"].items()]
    lines += [f"  {remark}" for remark in found["remarks"]]
    return "\n".join([*lines, *_agreement_lines(found["agreement"])])


def _layer_row(x: Mapping[str, Any]) -> tuple[str, ...]:
    neurons = "x".join(map(str, x["shape"]))
    if "scale" not in x:
        return x["name"], x["type"], neurons, "", "", ""
    taus = [f"{key} {t['file']:.4g} -> {t['used']:.4g} s" for key, t in x["tau_s"].items()]
    threshold = ""
    if "threshold" in x:
        t = x["threshold"]
        same = f"{t['least']:.4g}" + (f"..{t['most']:.4g}" if t["most"] > t["least"] else "")
        threshold = f"{same} ({x['reset']})"
    return x["name"], x["type"], neurons, f"{x['scale']:.4g}", ", ".join(taus) or "no leak", threshold


def _connection_row(c: Mapping[str, Any]) -> tuple[str, ...]:
    errors = f"{c['max_error_lsb']:.2f}", f"{c['rms_error_lsb']:.2f}", f"{c['rms_error_relative']:.2%}"
    return (
        c["name"],
        str(c["weights"]),
        c["format"],
        f"{c['lsb']:.3g}",
        *errors,
        str(c["saturated"]),
        str(c["became_zero"]),
    )


def _agreement_lines(agreement: Mapping[str, Any] | None) -> list[str]:
    if agreement is None:
        return []
    lines = ["", f"beside the graph in float64, {agreement['steps']} steps:"]
    for name, a in agreement["layers"].items():
        if "equal" in a:
            shared = f"{a['spikes_shared']:.1%} shared, {a['equal']:.2%} of (neuron, step) equal"
            lines.append(f"  {name}: {a['spikes']} spikes, float {a['float_spikes']}; {shared}")
        else:
            lines.append(f"  {name}: largest error {a['max_error']:.3g} of {a['largest_potential']:.3g}")
    return lines
