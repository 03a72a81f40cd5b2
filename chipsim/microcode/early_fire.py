"""What a line means where a chip's neurons fire before traces decay and axons are heard (Loihi, Lava).

Definition 1 runs on_step and on_pre before the neurons fire. A chip file may name another order; lines that
meet what on_membrane has written, or the neuron itself, then see this step instead of the previous one.
"""

from __future__ import annotations

from typing import Any

from chipsim.microcode.program import BoundLine, Note

PHASE = {"on_step": "decay", "on_pre": "on_pre"}
OF_THE_NEURON = ("neuron.v", "neuron.v_after", "post.spike")


def order_notes(lines: tuple[BoundLine, ...], chip: Any) -> list[Note]:
    """One note on each line of on_step and on_pre whose meaning the chip's order of phases changes."""
    order = chip.step.order
    late = [name for name, phase in PHASE.items() if order.index("fire") < order.index(phase)]
    written = {x.target.name for x in lines if x.section == "on_membrane" and not x.target.temp}
    notes = []
    for x in (x for x in lines if x.section in late):
        read = [o for o in (x.a, x.b, x.when) if o is not None]
        if x.target.name in written:
            what = f"on_membrane writes '{x.target.name}' before this line, not after it"
        elif seen := [o.name for o in read if o.name in written or o.source in OF_THE_NEURON]:
            what = f"'{seen[0]}' is this step's, not the previous one's"
        else:
            continue
        notes.append(Note("approximated", x.line, f"chip {chip.name} fires before {x.section}: {what}"))
    return notes
