"""Which rule ReckOn's fixed engine runs: `eprop_reckon`, by its lines; every other is refused."""

from __future__ import annotations

from chipsim.errors import LimitError
from chipsim.microcode.program import Program

ENGINE = "reckon_eprop"
LINES = (
    ("on_step", "x = x * k_x"),
    ("on_pre", "x += 1"),
    ("on_membrane", "h = h_tri(v)"),
    ("on_third_factor", "delta = m * h"),
    ("on_third_factor", "p = delta * x >> rate when x"),
    ("on_third_factor", "g = sign(p) when x"),
    ("on_third_factor", "q = abs(p) when x"),
    ("on_third_factor", "r = random when x"),
    ("on_third_factor", "c = q > r when x"),
    ("on_third_factor", "w -= g >> step when c"),
)
# What the engine does otherwise than the text of the rule.
DIFFERENCES = (
    "x decays with the neuron's own alpha (16 bits), in input, recurrent and output traces",
    "h reads the membrane after leak and reset, from 4 thresholds of 16 bits and 5 values of 5 bits",
    "the signal m has 16 bits: errors of 16 bits through the 8-bit output weights",
    "c is p * 2**32 >= r with r of 32 bits from an LFSR (25 bits of state for 16 lanes)",
    "a step is one LSB of the 8-bit weight; weights of a neuron onto itself become 0",
    "rate sets LR_P and LR_R; step, k_x and h_tri have no register of their own",
)


def check_rule(program: Program, chip: object) -> None:
    """Raises LimitError for a rule that is not the engine's own, saying what differs."""
    mine = [(line.section, " ".join(line.text.split("#")[0].split())) for line in program.lines]
    if tuple(mine) == LINES:
        return
    odd = next((pair for pair in mine if pair not in LINES), None)
    said = f"it has no unit for `{odd[1]}` ({odd[0]})" if odd else "lines of its own are missing"
    raise LimitError(
        f"rule '{program.name}' is refused: the engine {ENGINE} is fixed hardware and runs eprop_reckon only; "
        f"{said}",
        where=f"chip {chip.name} ({chip.path})",
        remedy="use rule eprop_reckon, or a chip with a programmable engine",
    )
