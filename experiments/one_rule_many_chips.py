"""Every shipped rule on every shipped chip: accepted, approximated or refused, and what it took where it ran.

Papers: those of the rules (rules/README.md) and the sources of the chip files (docs/chips).
Compared: for each pair the verdict with its reason; whether the network fits the chip's cores; test accuracy,
operations and energy of a learned sample and of an inference, memory. Energy is what the chip's profile
prices: "unpriced" where nothing is published, "at least" where a part of what happened has no price.
A rule with a third factor learns digits (64-64 and its circuit), STDP a winner-takes-all layer
without labels, r_stdp the cue task; `SIZES` makes each short. Each is a
`chipsim run` of its own.
A rule that only works inside another rule's network (`part_of`) names that row. A pair whose verdict allows
it and that did not run says why: no number stands for what was not run. Refused pairs show how the same
network maps without learning.
Expected: ideal and SpiNNaker run every rule that has a task, Loihi 2 those whose registers fit in 7 and 8
bits and whose lines are products, Loihi the rules without a third factor per neuron, ODIN and ReckOn their
own rule alone; BrainScaleS-2, MorphIC and TrueNorth none of them. Accuracies on digits 82 to 98 %, but SDSP
71 to 76 %, and the paper form of DALTON 56 % on SpiNNaker.
Seeds: `seeds` of them, from --seed on. Run time: about 25 min of a core, most of it compilation.
Scaled down: one small hidden layer, 12 epochs of 1078 images; settings of the rules as on digits elsewhere.
"""

from pathlib import Path

from pydantic import Field

from chipsim.cells import Cell, run_cells
from chipsim.chip import load_chip
from chipsim.errors import ChipsimError, SettingError, did_you_mean
from chipsim.experiment import load_experiment
from chipsim.ledger.memory import memory_items
from chipsim.library import entries
from chipsim.mapping.fit import fit
from chipsim.microcode.syntax import load_rule
from chipsim.microcode.verdict import verdict
from chipsim.planned import planned
from chipsim.plot import save
from chipsim.plot.verdicts import verdicts as draw
from chipsim.presets import forms
from chipsim.report.units import engineering
from chipsim.settings import ExperimentSettings, make_settings
from chipsim.tables import markdown, spread, store

RULES = ()
CHIPS = ("ideal",)
SIZES = {  # what makes the runs of each experiment short
    "digits": {
        "hidden": [64],
        "epochs": 12,
        "rate_steps": [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2],
        "steps": 16,
        "twin": False,
        "controls": False,
    },
    "stdp_digits": {"epochs": 2, "rates": [0, 1], "twin": False},
    "r_stdp_cue": {"replicas": 1, "blocks": 4},
    "odin_digits": {},
}
WIDTH = {"loihi2_lava": {"weight.bits": 9}}  # the only one that its weights have
DIGITS = {  # what digits needs on a chip, with learning or without
    "loihi1": {"reset": "hard"},
    "loihi2": {"rate_steps": [0]},  # its engine has no smaller scale than 2^-8
    "loihi2_lava": {"rate_steps": [0], "reset": "hard"},
    "brainscales2": {"reset": "hard", "weight.bits": 6},
    "morphic": {"reset": "hard", "weight.bits": 1},
    "odin": {"reset": "hard", "tau_u_ms": "none", "weight.bits": 4},
    "truenorth": {"weight.bits": 4},
}
NOT_SETTINGS = ("experiment", "part_of", "label", "why")
LEFT_OUT = "learning was left out"
SHORT = 160  # characters of a reason in the table; all of it is in the JSON


class Settings(ExperimentSettings):
    """Every key of --set."""

    rules: tuple[str, ...] = Field((), description="default: every shipped rule")
    chips: tuple[str, ...] = Field((), description="default: every shipped chip")
    seeds: int = Field(1, ge=1, le=100)
    sets: tuple[str, ...] = Field((), description="further settings of every run on digits, key=value")
    learn: bool = Field(True, description="false: verdicts and mapping only")
    workers: int = Field(1, ge=1, description="runs at a time")
    reuse: str = Field("", description="`cells` folder of an earlier run")


def run(context):
    """Verdicts of all pairs, runs of those that may, one table, one figure."""
    s = context.settings
    rules, chips = _chosen(s.rules, "rule"), _chosen(s.chips, "chip")
    pairs = [(rule, chip) for rule in rules for chip in chips]
    loaded = {chip: load_chip(chip) for chip in chips}
    said = {(r, c): verdict(load_rule(r), loaded[c]) for r, c in pairs}
    cells = {}
    for pair in pairs:
        if s.learn and said[pair].word != "refused" and own(*pair).get("experiment"):
            cells |= {(*pair, k): _cell(context, *pair, k) for k in range(s.seeds)}
    done = run_cells(context, list(cells.values()), workers=s.workers, reuse=s.reuse) if cells else {}
    found = {key: _placeless(done[cell], loaded[key[1]]) for key, cell in cells.items()}
    maps = _maps(context, loaded, {p for p in pairs if (*p, 0) not in found})
    rows = [_row(said[p], [found[x] for x in found if x[:2] == p], maps.get(p)) for p in pairs]
    table = matrix(rows, rules, chips)
    text = store(context.out.path, "one_rule_many_chips", rows, _values(said, found, maps))
    (context.out.path / "matrix.md").write_text(markdown(table), encoding="utf-8")
    fields = {(row["rule"], row["chip"]): (row["verdict"], short(row, energy=True)) for row in rows}
    save(draw(rules, chips, fields), context.out.figure("one_rule_many_chips.png"))
    return {"accuracy": {}, "table": rows, "matrix": table, "report": markdown(table) + "\n" + text}


def _placeless(cell, chip):
    """A cell whose error names the chip, not where its file lies."""
    if "error" not in cell:
        return cell
    return cell | {"error": cell["error"].replace(str(Path(chip.path).parent) + "/", "")}


def _chosen(names, kind):
    known = list(entries(kind))
    for name in names:
        if name not in known:
            raise SettingError(
                f"no shipped {kind} '{name}'{did_you_mean(name, known)}", remedy=f"one of {', '.join(known)}"
            )
    return list(names) or known


# ---------------------------------------------------------------- settings


def own(rule, chip):
    """What the settings file says of a rule on a chip; {} for one that it does not know."""
    known = forms(Path(__file__)).get(rule, {})
    return known.get(chip) or next(iter(known.values()), {})


def assignments(settings):
    """Settings of a file as the texts of --set."""
    texts = []
    for key, value in settings.items():
        if isinstance(value, dict):
            texts += [f"{key}.{inner}={x}" for inner, x in value.items()]
        elif key not in NOT_SETTINGS:
            listed = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            texts.append(f"{key}={listed.lower() if isinstance(value, bool) else listed}")
    return texts


def _cell(context, rule, chip, k):
    made = own(rule, chip)
    name, s = made["experiment"], context.settings
    keys = SIZES[name] | _of_chip(name, chip) | made
    more = s.sets if name == "digits" else ()
    changed = {text.partition("=")[0] for text in more}
    sets = [x for x in assignments(keys) if x.partition("=")[0] not in changed]
    return Cell(name, rule, chip, context.seed + k, (*sets, *more))


def _of_chip(name, chip):
    width = {} if name == "odin_digits" else WIDTH.get(chip, {})  # its weights have the core's 4 bits
    return width | (DIGITS.get(chip, {}) if name == "digits" else {})


# ---------------------------------------------------------------- without learning


def _maps(context, loaded, pairs):
    """How the networks of these pairs map without their rules, planned once per chip and experiment."""
    made, found = {}, {}
    for rule, chip in sorted(pairs):
        name = own(rule, chip).get("experiment")
        if name and (name, chip) not in made:
            made[name, chip] = _map(context, name, rule, loaded[chip])
        if name:
            found[rule, chip] = made[name, chip]
    return found


def _map(context, name, rule, chip):
    keys = SIZES[name] | _of_chip(name, chip.name)
    if name == "digits":
        rule = "decolle"  # one hidden layer under any rule
    experiment = load_experiment(name)
    options = {
        "settings": make_settings(experiment.settings, assignments(keys)),
        "chip": chip.name,
        "rule": rule,
        "seed": context.seed,
        "data": context.data,
    }
    try:
        plan, _ = planned(experiment, options, chip)
        made = fit(plan, chip, remedies=False)
        bits = sum(x["count"] * x["bits_each"] for x in memory_items(plan) if x["purpose"] != "learning")
    except ChipsimError as error:
        return {"fits": False, "reason": " ".join(error.message.split()), "cores": None}
    made["reason"] = " ".join(made["reason"].replace(str(chip.path), Path(chip.path).name).split())
    return {**{key: made.get(key) for key in ("fits", "reason", "cores", "chips", "binds")}, "bits": bits}


# ---------------------------------------------------------------- rows


def _row(said, cells, mapped):
    row = {"rule": said.rule, "chip": said.chip, "verdict": said.word, "how or why": _first(said.reasons)}
    good = [cell for cell in cells if "error" not in cell]
    if not good:
        return row | {"fits": _fits(mapped, "without learning"), "not run": _not_run(said, cells)}
    cell, cost = good[0], good[0].get("cost") or {}
    sample = cell["per_sample"]
    learned, tested = cost.get("per_learned_sample"), cost.get("per_inference")
    row |= {"fits": _fits(cell["mapping"], ""), "test": spread([score(x) for x in good])}
    row |= {"operations a learned sample": round(sum(sample["learned"].values()))}
    if any(sample["tested"].values()):
        row["operations an inference"] = round(sum(sample["tested"].values()))
    row["memory (kbit)"] = round(sum(sample["memory_bits"].values()) / 1000, 1)
    row |= {"energy a learned sample": joules(learned), "energy an inference": joules(tested)}
    failed = [x["error"] for x in cells if "error" in x]
    return row | ({"not run": f"{len(failed)} seed(s): {failed[0]}"} if failed else {})


def score(cell):
    """Share of right answers: on the test part, or in the last block of the cue task."""
    if "success_last_block" in cell:
        return cell["success_last_block"]["reward follows A"]
    return cell["accuracy"]["test"]


def joules(cost):
    """`1.2 uJ`, `at least 1.2 uJ`, `unpriced`, or None where no such sample was shown."""
    if cost is None:
        return None
    if cost["J"] is None:
        return "unpriced"
    return ("at least " if cost["is_lower_bound"] else "") + engineering(cost["J"], "J")


def _first(reasons):
    if not reasons:
        return "as written"
    text = reasons[0] if len(reasons[0]) <= SHORT else reasons[0][: SHORT - 3] + "..."
    return text + (f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else "")


def _fits(mapped, how):
    if mapped is None:
        return None
    word = f" ({how})" if how else ""
    if not mapped["fits"]:
        return f"no{word}: {mapped['reason']}"[:SHORT]
    return f"{mapped['cores']} core(s){word}"


def _not_run(said, cells):
    if said.word == "refused":
        return "refused"
    if cells:
        return cells[0]["error"]
    made = own(said.rule, said.chip)
    if "part_of" in made:
        host = verdict(load_rule(made["part_of"]), load_chip(said.chip)).word
        if host == "refused":
            return f"it works inside the network of {made['part_of']}, which is refused here"
        return f"runs inside the network of {made['part_of']}"
    return LEFT_OUT if "experiment" in made else made.get("why", "no task is known")


def short(row, energy=False):
    """Lines for one field: accuracy, then energy of a learned sample; words where there is none."""
    if "test" in row:
        priced = row["energy a learned sample"]
        told = priced and priced.replace("at least ", "\u2265 ")
        return [row["test"], *([told] if energy and told else [])]
    if row["verdict"] == "refused":
        return ["-"]
    if row["not run"] == LEFT_OUT:
        return [row["verdict"]]
    inside = row["not run"].startswith("runs inside")
    return ["in " + row["not run"].split()[-1]] if inside else ["not run"]


def matrix(rows, rules, chips):
    """Rules by chips: `96.4`, `~95.1` where approximated, `-` refused, or a word where nothing ran."""
    said = {(x["rule"], x["chip"]): x for x in rows}
    cells = {pair: ("~" * near(x) if "test" in x else "") + short(x)[0] for pair, x in said.items()}
    return [{"rule": f"`{r}`"} | {c: cells[r, c] for c in chips} for r in rules]


def near(row):
    """Whether the chip does the rule only nearly."""
    return row["verdict"] == "approximated"


def _values(said, found, maps):
    kept = (
        "accuracy",
        "success_last_block",
        "per_sample",
        "cost",
        "mapping",
        "digest",
        "wall_s",
        "cpu_s",
        "error",
    )
    return {
        "verdicts": [{**vars(x), "reasons": list(x.reasons)} for x in said.values()],
        "without learning": [{"rule": r, "chip": c, **m} for (r, c), m in maps.items()],
        "runs": [
            {"rule": r, "chip": c, "seed": k, "settings": assignments(own(r, c))}
            | {name: cell[name] for name in kept if name in cell}
            for (r, c, k), cell in found.items()
        ],
    }
