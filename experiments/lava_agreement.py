"""Every shipped rule in Lava: exact, approximated (what, how large) or refused (why), and both run times.

Papers: those of the rules (rules/README.md). Lava: lava-nc 0.10.0, fixed_pt models of LIF and LearningDense.
Compared: what becomes of each rule when chip loihi2_lava lowers it to Lava's sum of products. What is
approximated is measured in open loop: the rule as written (chip ideal, engine lines) and its products get the
same spikes (5 % of the axons, 2 % of the neurons in a step), membranes, third factors and rewards; the table
says how far apart they are in what a step adds to a 9-bit weight before it is rounded, in LSB. `other draws`
is how far two runs of the rule as written are apart, whose traces are rounded with other random numbers: a
difference no larger than that is rounding of traces, and what is systematic shows in `bias`. Then one layer
under the rule (784x400, 5 % input, with its circuit) runs in chipsim and as Lava processes; spikes, membranes
of every step and final weights must be equal, or the row says where they differ.
    speed    CPU time of chipsim, counters on, and of Lava's busiest process, for the same steps of the same
             network, start-up and the first steps left out; for Lava's rule strings of pair STDP and u0*x1*y1
             and the shipped stdp_pair (every neuron is forced to fire in 2 % of the steps) also of Lava's
             LearningDense alone, in one process without channels (`model`)
Expected: 3 rules are one exact product; those with traces differ by the rounding of traces, STDP and
r_stdp_step also by constants that 4 bits cannot hold, the s_tllr family by the order of the step. Refused are
comparisons (sdsp), state per context (eprop, fell_exact), replay (bell), 12-bit traces. chipsim runs 500 to
750 times as many steps per second as Lava under pair STDP, about 200 times under u0*x1*y1, 70 to 2,000 times
under the rules with their circuits.
A rule that is refused as products, or needs several contexts, may still run as its lines in processes of
chipsim: the column `as lines` names them.
Without lava-nc (Python 3.10, or the interpreter that CHIPSIM_LAVA_PYTHON names) Lava's columns say so.
Seeds: one (--seed). Run time: 5 min, 9 where everything is compiled first; `--set lava=false`: 1 min.
Scaled down: nothing is trained; weights are drawn, thresholds and errors calibrated on random input.
"""

import re
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pydantic import Field

from chipsim.chip import load_chip
from chipsim.errors import ChipsimError, RunError, SettingError, did_you_mean
from chipsim.lava.beside import (
    CHIP,
    Case,
    as_lines,
    forced_case,
    lava_case,
    own_seconds,
    rule_case,
)
from chipsim.lava.timed import timed
from chipsim.lava.verify import lava_python
from chipsim.library import entries
from chipsim.microcode.bind import bind
from chipsim.microcode.syntax import load_rule
from chipsim.microcode.verdict import verdict
from chipsim.open_loop.lowered import Apart, apart, rule_use
from chipsim.presets import forms
from chipsim.settings import ExperimentSettings
from chipsim.tables import store

RULES = ()
CHIPS = ("loihi2_lava",)

FIGURE = {  # a Lava string, or "" for the shipped rule of that name; how many times as fast is asked for
    "pair STDP": ("2^-2*x1*y0 - 2^-2*y1*x0", 500),
    "stdp_pair": ("", 500),
    "u0*x1*y1": ("2^-6*u0*x1*y1", 150),
}
NO_LAVA = "no lava-nc 0.10.0 on this interpreter, nor named by CHIPSIM_LAVA_PYTHON"
LEFT_OUT = "left out"
SHOWN = 3
WORDS = {"accepted": "exact", "approximated": "approximate", "refused": "refused"}


class Settings(ExperimentSettings):
    """Every key of --set."""

    rules: tuple[str, ...] = Field((), description="default: every shipped rule")
    inputs: int = Field(784, ge=1, description="axons of the layer")
    size: int = Field(400, ge=1, description="neurons of the layer")
    first: int = Field(50, ge=1, description="steps before the clock starts")
    steps: int = Field(150, ge=10, description="steps in all")
    recordings: int = Field(200, ge=2, description="of the open loop")
    repeats: int = Field(20, ge=1, description="of chipsim's time, of which the least counts")
    lava: bool = Field(True, description="false: Lava is not run")
    seconds: float = Field(120.0, gt=0, description="time limit of each run in Lava")


def run(context):
    """Verdicts, measurements, times; two tables."""
    s = context.settings
    if s.first >= s.steps:
        raise SettingError(f"first={s.first} of steps={s.steps}", remedy="leave some steps to be timed")
    python = _python(s)
    figure = [_figure(context, name, python) for name in FIGURE]
    rows, values = [], []
    for rule in _chosen(s.rules):
        for form, own in (forms(Path(__file__)).get(rule) or {"": {}}).items():
            row, value = _row(context, rule, form, own, python)
            context.progress.line("  ".join(str(x)[:60] for k, x in row.items() if k != "what or why"))
            rows.append(row)
            values.append(value)
    texts = [
        store(context.out.path, "speed", figure),
        store(context.out.path, "lava_agreement", rows, values),
    ]
    return {"accuracy": {}, "speed": figure, "table": rows, "report": "\n".join(texts)}


def _chosen(names):
    known = list(entries("rule"))
    for name in names:
        if name not in known:
            raise SettingError(f"no shipped rule '{name}'{did_you_mean(name, known)}")
    return list(names) or known


def _python(s):
    """An interpreter with lava-nc, or why Lava's columns are empty."""
    if not s.lava:
        return None, LEFT_OUT
    try:
        return lava_python(), ""
    except SettingError:
        return None, NO_LAVA


# ---------------------------------------------------------------- a rule


def _row(context, rule, form, own, python):
    """A row of the table and the values behind it."""
    program, chip = load_rule(rule), load_chip(CHIP)
    said = verdict(program, chip, rule_use(chip))
    row = {
        "rule": f"{rule} ({form})" if len(forms(Path(__file__)).get(rule, {})) > 1 else rule,
        "in Lava": WORDS[said.word],
    }
    if said.word == "refused":
        row["what or why"] = why(program, said.reasons[0], chip)
        return row | _as_lines(context, rule, own), asdict(said)
    row["what or why"] = "; ".join(said.reasons) or "every line"
    found = measured(program, chip, context.settings.recordings)
    row |= told(found)
    return row | _times(context, rule, own, python), {**asdict(said), "open loop": asdict(found)}


def measured(program, chip, recordings):
    """How far the products are from the lines; registers as written, else narrowed."""
    ideal = load_chip("ideal")
    try:
        return apart(program, ideal, chip, runs=recordings)
    except ChipsimError:
        return apart(program, ideal, chip, fit="narrow", runs=recordings)


def told(found: Apart):
    """The measurement in LSB of the weight, for the table."""
    if not found.updates:
        return {"changes (LSB)": "it changes no weight"}
    return {
        "changes (LSB)": f"{found.change:.2f}",
        "apart, mean": f"{found.mean:.2g}",
        "largest": f"{found.largest:.3g}",
        "other draws": f"{found.noise:.2g}",
        "bias": f"{found.bias:+.2g} ({found.error:.1g})",
    }


def why(program, reason, chip):
    """The reason with the first lines of the rule file that it is about; where a register is too wide, also
    why narrowing it does not help."""
    reason = _short(program, reason, chip)
    if re.search(r"\bline \d", reason):
        return reason
    names = re.findall(r"'(\w+)'", reason)
    lines = {r.name: r.line for r in program.registers if r.name in names}
    text = program.source.splitlines()
    shown = [f"line {n}: {' '.join(text[n - 1].split('#')[0].split())}: " for n in lines.values() if n]
    try:
        bind(program, chip, rule_use(chip, fit="narrow"))
        more = ""
    except ChipsimError as error:
        more = _short(program, " ".join(error.message.split()), chip)
    return "".join(shown) + reason + (f"; narrowed: {more}" if more and more != reason else "")


def _short(program, reason, chip):
    """At most SHOWN lines of a refusal; the JSON has all."""
    for path in (
        f"{chip.path}: ",
        f"rule {program.name} cannot be lowered to products on chip {chip.name}: ",
    ):
        reason = reason.replace(path, "")
    head, *lines = re.split(r"(?:^| )(?=line \d+: )", reason)
    more = f" (and {len(lines) - SHOWN} more lines)" if len(lines) > SHOWN else ""
    return " ".join(filter(None, [head, "; ".join(lines[:SHOWN])])) + more


# ---------------------------------------------------------------- times


def _times(context, rule, own, python):
    s = context.settings
    if "part_of" in own:
        return {"chipsim, steps/s": f"in the network of {own['part_of']}"}
    try:
        case = rule_case(rule, own, (s.inputs, s.size), s.steps, context.seed)
        ours, _, theirs, spikes = _both(s, case, python, rule)
    except RunError as error:
        return {"Lava, steps/s": " ".join(error.message.split())}
    except ChipsimError as error:
        reason = f"no network for Lava: {' '.join(error.message.split())}"
        return {"chipsim, steps/s": reason} | _as_lines(context, rule, own)
    return _ratio(ours, theirs) | {"spikes of the layer": f"{100 * spikes:.1f} %"}


def _as_lines(context, rule, own):
    """Whether the rule runs in Lava as it is written, in processes of chipsim."""
    if "part_of" in own:
        return {}
    try:
        used = as_lines(rule, own, (context.settings.inputs, context.settings.size), context.seed)
    except ChipsimError:
        return {}
    return {"as lines": ", ".join(used)}


def _figure(context, name, python):
    s, (text, bar) = context.settings, FIGURE[name]
    sizes = (s.inputs, s.size), s.steps, context.seed
    case = lava_case(text, *sizes) if text else forced_case(name, load_rule, *sizes)
    ours, model, theirs, spikes = _both(s, case, python, name, model=True)
    row = {
        "rule": name,
        "Lava's string": text or "the shipped rule, lowered",
        "asked for": f"{bar} times",
    } | _ratio(ours, theirs)
    if isinstance(model, float):
        row |= {"Lava's model, steps/s": f"{model:.1f}", "times the model": f"{ours / model:.0f}"}
    return row | {"spikes of the layer": f"{100 * spikes:.1f} %"}


def _both(s, case: Case, python, title, model=False):
    """Steps per second of chipsim, of Lava's model, its network (or why not); spikes per neuron and step."""
    counted = s.steps - s.first
    ours = counted / own_seconds(case, s.first, s.repeats)
    with tempfile.TemporaryDirectory(prefix="chipsim-agreement-") as temporary:
        folder = Path(temporary, "export")
        made = case.export(folder, title)
        spikes = _spikes(folder, made)
        if python[0] is None:
            return ours, None, python[1], spikes
        options = {"seconds": s.seconds, "python": python[0]}
        alone = timed(folder, s.first, "model", **options).rate if model else None
        return ours, alone, timed(folder, s.first, **options), spikes


def _spikes(folder, made):
    layer = next(c["post"] for c in made["connections"] if "rule" in c)
    with np.load(folder / "expected.npz", allow_pickle=False) as file:
        return float(file[f"spikes.{layer}"].mean())


def _ratio(ours, theirs):
    row = {"chipsim, steps/s": f"{ours:,.0f}"}
    if isinstance(theirs, str):
        return row | {"Lava, steps/s": theirs}
    row |= {"Lava, steps/s": f"{theirs.rate:.1f}", "times": f"{ours / theirs.rate:,.0f}"}
    return row | {"Lava by the clock": f"{theirs.steps / theirs.wall_s:.1f}", "result": "equal"}
