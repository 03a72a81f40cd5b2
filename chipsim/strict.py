"""What `strict` refuses: a write of a rule that lost something."""

from __future__ import annotations

from chipsim.errors import StrictError
from chipsim.microcode.program import COUNTS
from chipsim.plan import Plan
from chipsim.state import State
from chipsim.state_reckon import ENGINE_COUNTS

LOSSES = ("saturated", "wrapped", "rounded_to_zero")


def refuse_losses(plan: Plan, state: State) -> None:
    """Raise StrictError for the first line of a rule whose writes saturated, wrapped or rounded to zero."""
    if plan.reckon is not None:
        _refuse_core_losses(plan, state)
    for c in plan.connections:
        if c.program is None:
            continue
        table = state[f"c{c.index}_lines"]
        rows = [(x.ordinal, x.text.strip(), f"line {x.line}") for x in c.program.lines]
        rows += [(len(rows) + k, f"products into {x}", "products") for k, x in enumerate(_variables(c))]
        for ordinal, text, place in rows:
            for what in LOSSES:
                n = int(table[ordinal, COUNTS.index(what)])
                if n:
                    raise StrictError(
                        f"{n} writes of `{text}` {what.replace('_', ' ')}",
                        where=f"{c.name}, rule {c.program.name}, {place}",
                        remedy="widen the register, change the rate, or run without --strict",
                    )


def _refuse_core_losses(plan: Plan, state: State) -> None:
    """ReckOn: weights at their limits and full traces. A step with a probability loses nothing."""
    matrices = zip(plan.reckon.connections, state["f_matrix_stat"], strict=True)
    rows = [(plan.connections[c].name, "steps of weights", int(m[-1])) for c, m in matrices if c >= 0]
    full = int(state["f_stat"][ENGINE_COUNTS.index("trace_saturations")])
    for where, what, n in (*rows, (plan.layers[plan.reckon.hidden].name, "increments of traces", full)):
        if n:
            raise StrictError(
                f"{n} {what} saturated",
                where=f"{where} on chip {plan.chip}",
                remedy="lower the rate, or FP_LOC_T*, or run without --strict",
            )


def _variables(c: object) -> list[str]:
    """Synaptic variables a sum-of-products program writes, in the order of their counters."""
    return [getattr(x, "name", str(x)) for x in c.program.variables]
