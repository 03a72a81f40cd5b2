"""Rules on a fixed learning engine: hardware that runs one rule, whose constants alone are free.

`FIXED[name]` is the text of the engine's own rule, section by section, as `rules/<name>.rule` writes it. A
rule with exactly these lines is accepted, each line exact or approximated (what differs); any other is
refused with the first line that the engine does not have.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from chipsim.errors import LimitError
from chipsim.fixed import ROUNDINGS, Format, fold
from chipsim.microcode.program import BoundProgram, Lowered, Note, Program

SDSP = (
    ("on_pre", "high = v >= theta_m"),
    ("on_pre", "low = v < theta_m"),
    ("on_pre", "on = ca >= ca_1"),
    ("on_pre", "up = ca < ca_3"),
    ("on_pre", "up = up * on"),
    ("on_pre", "up = up * high"),
    ("on_pre", "down = ca < ca_2"),
    ("on_pre", "down = down * on"),
    ("on_pre", "down = down * low"),
    ("on_pre", "w += up >> rate when up"),
    ("on_pre", "w -= down >> rate when down"),
    ("on_post", "ca += 1"),
    ("on_epoch", "ca -= 1"),
    ("on_sample_end", "b = w >= w_half"),
    ("on_sample_end", "w += bistable >> rate when b"),
    ("on_sample_end", "w -= bistable >> rate when not b"),
)
RECKON_EPROP = (
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
FIXED = {"sdsp": SDSP, "reckon_eprop": RECKON_EPROP}
RULES = {"sdsp": "sdsp", "reckon_eprop": "eprop_reckon"}  # engine -> its rule on the shelf
# ReckOn: what the engine does otherwise than the text of a line
RECKON_DIFFERS = {
    0: "x decays with its neuron's own alpha (16 bits), rounded up with a probability; spikes of hidden "
    "neurons onto outputs have a trace of their own that decays with kappa (8 bits)",
    1: "an event adds 8 of 12 bits before FP_LOC_T* (2 of 10 bits towards the outputs)",
    2: "h has 5 values of 5 bits between 4 thresholds, and sees the membrane after leak and reset",
    3: "m is the 16-bit learning signal, target minus output through the 8-bit output weights",
    4: "32 bits, 28 for output weights; rate sets LR_P and LR_R",
    7: "32 bits from an LFSR: 25 bits of state for the 16 weights of a word",
    8: "q >= r",
    9: "one LSB of the 8-bit weight; a neuron's weight onto itself becomes 0",
}
CALCIUM = Format(False, 3, 0)
CLOCK = Format(False, 5, 0)
FLAGS = "part of the flags up and down, which the neuron's last update left"


def check_fixed(program: Program, chip) -> None:
    """Refuse a rule that is not the one of the chip's engine. Raises LimitError."""
    engine = chip.fixed
    own = RULES[engine]
    remedy = f"use rule {own}, or choose another chip; mapping and cost still work on this one"
    for k, (section, text) in enumerate(FIXED[engine]):
        line = program.lines[k] if k < len(program.lines) else None
        if line is not None and (line.section, _one(line.text)) == (section, text):
            continue
        raise LimitError(
            f"rule {program.name} is refused: the learning engine of chip {chip.name} is fixed hardware that "
            f"runs {own} alone; {_missing(program, engine, line, section, text)}",
            where=str(chip.path),
            remedy=remedy,
        )
    more = program.lines[len(FIXED[engine]) :] or program.products
    if more:
        raise LimitError(
            f"rule {program.name} is refused: line {more[0].line} is beyond the fixed engine of chip "
            f"{chip.name}, which runs {own} alone",
            where=str(chip.path),
            remedy=remedy,
        )


def _missing(program: Program, engine: str, line, section: str, text: str) -> str:
    """Why a rule is not the engine's: a line that it does not have, or the first one out of place."""
    foreign = [x for x in program.lines if (x.section, _one(x.text)) not in FIXED[engine]]
    if foreign:
        first = foreign[0]
        more = f" (and {len(foreign) - 1} more)" * (len(foreign) > 1)
        return f"it has no `{_one(first.text)}` in {first.section}, line {first.line}{more}"
    said = f"line {line.line}: {_one(line.text)}" if line else "nothing"
    return f"it has `{text}` in {section} where the rule has {said}"


def lower_fixed(bound: BoundProgram, chip, use) -> BoundProgram:
    """The program as the engine runs it: no lines, its constants as integers, a verdict for each line.

    consts of the result: theta (the membrane's format), th1, th2, th3, ca_leak, bistable. Raises LimitError
    for constants that the engine's registers cannot hold.
    """
    if chip.fixed == "reckon_eprop":
        return _reckon(bound)
    raw = {name: (Format.parse(fmt), value) for name, fmt, value in bound.consts}
    params = {p.name: p.raw for p in bound.params}
    theta = fold(raw["theta_m"][0].real(raw["theta_m"][1]), use.v)
    if theta.saturated:
        raise _outside("theta_m", float(raw["theta_m"][0].real(raw["theta_m"][1])), use.v, chip)
    if fold(bound.epoch, CLOCK).saturated:
        raise _outside("on_epoch", bound.epoch, CLOCK, chip)
    values = [("theta", str(use.v), theta.raw)]
    for name, register in (("th1", "ca_1"), ("th2", "ca_2"), ("th3", "ca_3")):
        value = raw[register][0].real(raw[register][1])
        found = fold(value, CALCIUM)
        if found.saturated or found.error:
            raise _outside(register, float(value), CALCIUM, chip)
        values.append((name, str(CALCIUM), found.raw))
    values += [("ca_leak", str(CLOCK), bound.epoch), ("bistable", "u1.0", params["bistable"])]
    half = raw["w_half"][0].real(raw["w_half"][1])
    table = tuple(_verdict(line, use, params, half) for line in bound.lines)
    refused = [row for row in table if row.verdict == "refused"]
    if refused:
        raise LimitError(
            f"line {refused[0].line}: {refused[0].text}: {refused[0].how}",
            where=str(chip.path),
            remedy="change the constant, or leave bistable=0",
        )
    notes = [Note("approximated", row.line, row.how) for row in table if row.verdict == "approximated"]
    if theta.error:
        kept = float(use.v.real(theta.raw))
        notes.append(Note("constant", 0, f"theta_m is {kept:g} in the membrane's format {use.v}"))
    return replace(
        bound,
        engine="fixed",
        registers=tuple(r for r in bound.registers if r.is_weight),
        lines=(),
        params=(),
        inputs=(),
        epoch=0,
        phase7=0,
        consts=tuple(values),
        notes=(*bound.notes, *dict.fromkeys(notes)),
        lowering=table,
    )


def _reckon(bound: BoundProgram) -> BoundProgram:
    """The verdicts of ReckOn's engine. Its registers are those of the chip, not the rule's."""
    table = []
    for k, line in enumerate(bound.lines):
        differs = RECKON_DIFFERS.get(k)
        how = differs or "as written"
        table.append(Lowered(line.line, _one(line.text), "approximated" if differs else "exact", how))
    notes = [Note("approximated", row.line, row.how) for row in table if row.verdict == "approximated"]
    kept = tuple(r for r in bound.registers if r.is_weight)
    own = dict(registers=kept, lines=(), inputs=(), tables=(), consts=(), phase7=0)
    params = tuple(p for p in bound.params if p.name == "rate")
    return replace(bound, engine="fixed", params=params, notes=tuple(notes), lowering=tuple(table), **own)


def own_registers(chip):
    """A chip to bind a rule for ReckOn's engine with: the engine's registers hold what the rule's lines
    write in formats of their own, so that the rule's formats are no limit."""
    if chip.fixed != "reckon_eprop":
        return chip
    bank = chip.registers.temp.model_copy(
        update={"count": None, "bits": 32, "signed": True, "unsigned_bits": 32, "rounding": ROUNDINGS}
    )
    banks = dict.fromkeys(("pre", "post", "syn", "layer", "temp"), bank)
    return chip.model_copy(update={"registers": chip.registers.model_copy(update=banks)})


def _verdict(line, use, params: dict[str, int], half: Fraction) -> Lowered:
    text = _one(line.text)
    if line.target.is_weight and line.section == "on_pre":
        lsb, step = float(use.weight.lsb), 2.0 ** -params["rate"]
        if lsb == step:
            return Lowered(line.line, text, "exact", "one LSB, saturating, before the spike is delivered")
        how = f"a weight moves by one LSB ({lsb:g}), not by 2^-rate ({step:g})"
        return Lowered(line.line, text, "approximated", how)
    if line.section == "on_pre":
        return Lowered(line.line, text, "exact", FLAGS)
    if line.section == "on_post":
        how = "where a spike and a calcium leak meet, calcium stays (rule: up, then down; 0 and 7 differ)"
        return Lowered(line.line, text, "approximated", how)
    if line.section == "on_epoch":
        how = "the clock is each neuron's own count of time references, not the run's step"
        return Lowered(line.line, text, "approximated", how)
    if not params["bistable"]:
        return Lowered(line.line, text, "exact", "not asked for (bistable = 0)")
    middle = 4 * use.weight.lsb
    if half != middle:
        how = f"w_half is {float(half):g}; the engine's middle is {float(middle):g}"
        return Lowered(line.line, text, "refused", how)
    return Lowered(line.line, text, "exact", "one bistability event for all rows at the sample's end")


def _outside(name: str, value: float, fmt: Format, chip) -> LimitError:
    return LimitError(
        f"{name} = {value:g} does not fit {fmt} of the engine",
        where=str(chip.path),
        remedy=f"choose a value of {float(fmt.real(fmt.lo)):g}..{float(fmt.real(fmt.hi)):g}",
    )


def _one(text: str) -> str:
    return " ".join(text.split())
