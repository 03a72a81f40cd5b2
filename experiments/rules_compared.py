"""Every rule on one network and one budget: accuracy by weight width, operations and memory.

Papers: DECOLLE (Kaiser 2020), ELL, FELL, BELL (Ma 2022), Traces Propagation (Pes 2026), DALTON (Gaurav
2024), S-TLLR (Apolinario 2025), and e-prop (Bellec 2020) on MNIST, 784-256-128. Two tables that are never
mixed: `chip` forms (what was changed against the paper is in the row's label) and `paper` forms.
Compared: each rule at 8, 6, 5 and 4 bits with its float twin of the same equations, over the same seeds
and the same number of samples; the paired difference of 8 bits and twin; operations per learned sample
and per inference, the error pathway apart; memory by purpose.
Expected (3 seeds): chip forms at 8 bits 0.968 to 0.980, within 0.2 points of their twins; 6 bits 0 to 0.4
points less, 5 bits 0.5 to 1.4, 4 bits 1.7 to 3.9.
Seeds: `seeds` of them, from --seed on; settings of each rule were chosen on validation (mnist.toml).
Run time: about 1 min a cell and core, bell and tp_chip 2 to 5; 2 h for everything. An interrupted table
goes on with `--set reuse=FOLDER/cells`. Scaled down: at most 5 epochs, one static image set as spikes,
small dense layers.
"""

from pydantic import Field

from chipsim.cells import Cell, run_cells
from chipsim.errors import SettingError, did_you_mean
from chipsim.library import find
from chipsim.presets import family
from chipsim.settings import ExperimentSettings
from chipsim.tables import paired, spread, store

RULES = ()
CHIPS = ("ideal",)
PURPOSES = ("inference", "learning", "error")


class Settings(ExperimentSettings):
    """Every key of --set."""

    form: str = Field(
        "chip", pattern="^(chip|paper)$", description="these and, say, chip-dfa stand in the table"
    )
    rules: tuple[str, ...] = Field(
        (), description="RULE or RULE.FORM; default: all with a preset of that form"
    )
    bits: tuple[int, ...] = Field(
        (8, 6, 5, 4), min_length=1, description="weight widths, the first with twin"
    )
    seeds: int = Field(3, ge=1)
    experiment: str = Field("mnist", description="the experiment that every cell runs")
    sets: tuple[str, ...] | None = Field(
        None,
        description="further settings of every cell, key=value; default: steps=25 for mnist's chip forms",
    )
    controls: bool = Field(False, description="beside the first row: a linear readout, the same for all")
    workers: int = Field(2, ge=1, description="cells at a time")
    reuse: str = Field("", description="`cells` folder of an earlier run")


def run(context):
    """All cells, then the table."""
    s = context.settings
    chosen = _chosen(s)
    first = next(iter(chosen))
    cells = {
        (*c, b, k): _cell(context, *c, b, k, s.controls and c == first and b == s.bits[0])
        for c in chosen
        for b in s.bits
        for k in range(s.seeds)
    }
    done = run_cells(context, list(cells.values()), workers=s.workers, reuse=s.reuse)
    found = {key: done[cell] for key, cell in cells.items()}
    rows = [_row(c, label, s, found) for c, label in chosen.items()]
    text = store(context.out.path, f"rules_compared_{s.form}", rows, _values(found))
    return {"accuracy": {}, "table": rows, "report": text}


def _chosen(s):
    """{(rule, form): label} of the rows asked for; a rule stands for all its forms of that family."""
    known = {key: x.get("label", "") for key, x in family(find("experiment", s.experiment), s.form).items()}
    if not known:
        raise SettingError(
            f"experiment '{s.experiment}' has no {s.form} form of any rule",
            remedy=f"give a table [RULE.{s.form}] in {s.experiment}.toml beside it, or another form",
        )
    names = {rule: [key for key in known if key[0] == rule] for rule, _ in known}
    names |= {".".join(key): [key] for key in known}
    for name in s.rules:
        if name not in names:
            raise SettingError(
                f"experiment '{s.experiment}' has no {s.form} form of rule '{name}'"
                f"{did_you_mean(name, names)}",
                remedy=f"what has one: {', '.join(names)}",
            )
    return {key: known[key] for name in s.rules or names for key in names[name]}


def _cell(context, rule, form, bits, k, controls):
    s = context.settings
    exact = "ideal" if s.form == "paper" else "true"  # paper: the twin of the equations as written
    twin = f"twin={exact if bits == s.bits[0] else 'false'}"
    usual = ("steps=25",) if s.form == "chip" and s.experiment == "mnist" else ()
    more = usual if s.sets is None else s.sets
    sets = (f"form={form}", f"weight.bits={bits}", twin, f"controls={str(controls).lower()}", *more)
    return Cell(s.experiment, rule, context.chip, context.seed + k, sets)


def _row(chosen, label, s, found):
    rule, form = chosen

    def tests(bits, name="test"):
        cells = [found[rule, form, bits, k] for k in range(s.seeds)]
        return [
            c["accuracy"][name] for c in cells if "error" not in c and c["accuracy"].get(name) is not None
        ]

    first = s.bits[0]
    twins, ours = tests(first, "twin"), tests(first)
    row = {"rule": rule, "form": f"{form}: {label}" if label else form, "twin": spread(twins)}
    row |= {f"{bits} bits": spread(tests(bits)) for bits in s.bits}
    if s.controls:
        given = [found[rule, form, first, k].get("controls") or {} for k in range(s.seeds)]
        row["linear readout"] = spread([x["linear readout"]["test"] for x in given if "linear readout" in x])
    row[f"{first} bits - twin"] = paired(ours, twins) if len(ours) == len(twins) else "-"
    failed = [c["error"] for key, c in found.items() if key[:2] == chosen and "error" in c]
    row |= {"failed cells": f"{len(failed)}: {failed[0]}"} if failed else {}
    cell = found[rule, form, first, 0]
    if "error" in cell:
        return row
    sample, bits = cell["per_sample"], cell["per_sample"]["memory_bits"]
    row |= {f"learned: {p}": round(sample["learned"][p]) for p in PURPOSES}
    row["one inference"] = round(sum(sample["tested"].values()))
    row["memory (kbit)"] = round(sum(bits.values()) / 1000)
    row["of it beside weights"] = round(sum(n for what, n in bits.items() if what != "weights") / 1000)
    return row


def _values(found):
    kept = ("accuracy", "controls", "per_sample", "digest", "wall_s", "cpu_s", "error")
    return [
        {
            "rule": rule,
            "form": form,
            "bits": bits,
            "seed": k,
            **{name: cell[name] for name in kept if name in cell},
        }
        for (rule, form, bits, k), cell in found.items()
    ]
