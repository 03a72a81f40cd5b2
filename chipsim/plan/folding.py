"""What became of a layer's real constants in the chip's integers: one note for each that is not exact."""

from __future__ import annotations

import math
from fractions import Fraction

from chipsim.errors import LimitError
from chipsim.microcode.program import Note
from chipsim.network import Layer, Network
from chipsim.plan.types import LayerPlan


def folding_notes(network: Network, chip: object, layers: list[LayerPlan]) -> list[Note]:
    """Notes `layer: constant is stored value (error ...)` for decays, thresholds, biases, homeostasis.

    Raises LimitError for a current without decay on a chip that always decays it (u_decay_offset).
    """
    notes = []
    for layer, plan in zip(network.layers, layers, strict=True):
        if layer.kind in ("source", "pool"):
            continue
        if plan.k_u is not None and plan.k_u > 4096 - chip.neuron.u_decay_offset:
            raise LimitError(
                f"tau_u_ms of {layer.tau_u_ms} is no decay in 12 bits; this chip always decays the current",
                where=f"layer '{layer.name}' on chip {chip.name}",
                remedy=f"use tau_u_ms below {2048 * network.dt_ms:g}, or None for no current state",
            )
        texts = [_decay(layer, "tau_v_ms", plan.k_v, network), _decay(layer, "tau_u_ms", plan.k_u, network)]
        texts += [_stored(what, wanted, raw, plan) for what, wanted, raw in _constants(layer, plan)]
        notes += [Note("constant", 0, f"{layer.name}: {text}") for text in texts if text]
    return notes


def _constants(layer: Layer, plan: LayerPlan) -> list[tuple[str, float, int]]:
    up, target = layer.homeostasis or (0.0, 0.0)
    found = [("bias", layer.bias, plan.bias), ("leak_step", layer.leak_step, plan.leak_step)]
    found += [("homeostasis up", up, plan.homeo_up), ("homeostasis down", up * target, plan.homeo_down)]
    return found + ([("threshold", layer.threshold, plan.threshold)] if layer.kind == "lif" else [])


def _decay(layer: Layer, what: str, raw: int | None, network: Network) -> str:
    tau = getattr(layer, what)
    if raw is None or tau is None or math.isinf(tau) or (what == "tau_v_ms" and layer.leak == "subtract"):
        return ""
    wanted = math.exp(-network.dt_ms / tau)
    lost = "; that is no decay at all" if raw == 4096 else "; nothing is kept" if raw == 0 else ""
    return f"{what} = {tau:g}, the factor {wanted:.6f}, is {raw}/4096 (error {raw / 4096 - wanted:.2g}){lost}"


def _stored(what: str, wanted: float, raw: int, plan: LayerPlan) -> str:
    error = plan.v_fmt.real(raw) - Fraction(wanted)
    if not error:
        return ""
    lost = "; it is lost" if raw == 0 else ""
    return f"{what} = {wanted:g} is raw {raw} of {plan.v_fmt} (error {float(error):.2g}){lost}"
