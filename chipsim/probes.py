"""Names of what a simulator can show: `layer.v`, `layer.spikes`, `pre->post.w`, `pre->post.register`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chipsim.errors import SettingError, did_you_mean
from chipsim.fixed import Format
from chipsim.plan import THIRD_FACTOR, ConnectionPlan, LayerPlan, Plan


def locate(plan: Plan, state: Mapping, name: str) -> tuple[str, Format | None]:
    """State array and format (None: plain integers) behind `layer.v|v_compared|u|spikes|threshold|
    third_factor|error` (of a crossbar core `calcium|up|down`) or `pre->post.w|register`.

    Raises SettingError with the near name."""
    head, _, tail = name.rpartition(".")
    found = {x.name: x for x in plan.layers if x.kind != "source"} | {c.name: c for c in plan.connections}
    if head not in found:
        raise _nothing(f"nothing is named '{head}'", head, found)
    item = found[head]
    known = _of_layer(plan, item, state) if isinstance(item, LayerPlan) else _of_connection(item)
    if tail not in known:
        raise _nothing(f"no '{tail}' in '{head}'", tail, known)
    return known[tail]


def _of_layer(plan: Plan, x: LayerPlan, state: Mapping) -> dict[str, tuple[str, Format | None]]:
    named = {
        "v": ("v", x.v_fmt),
        "v_compared": ("vc", x.v_fmt),
        "u": ("u", x.u_fmt),
        "spikes": ("fired", None),
        "threshold": ("thr", x.v_fmt),
        "third_factor": ("m", THIRD_FACTOR),
        "calcium": ("ca", None),
        "up": ("up", None),
        "down": ("down", None),
    }
    arrays = {key: (f"l{x.index}_{array}", fmt) for key, (array, fmt) in named.items()}
    if x.circuit is not None and plan.circuits[x.circuit].judged >= 0:
        arrays["error"] = (f"k{x.circuit}_err", THIRD_FACTOR)
    return {key: pair for key, pair in arrays.items() if pair[0] in state}


def _of_connection(c: ConnectionPlan) -> dict[str, tuple[str, Format | None]]:
    registers = c.program.registers if c.program else ()
    named = {r.name: (f"c{c.index}_r_{r.name}", r.fmt) for r in registers if not r.is_weight and not r.temp}
    return {"w": (f"c{c.index}_w", c.weight), **named}


def _nothing(what: str, name: str, known: Iterable[str]) -> SettingError:
    return SettingError(f"{what}{did_you_mean(name, known)}", remedy=f"known: {', '.join(known)}")
