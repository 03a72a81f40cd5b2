"""`chipsim fit EXPERIMENT --chip C`: a network on the cores of a chip, before anything runs."""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipsim.cli.run import Chip, Data, Fit, FitOption, Json, Name, Rule, Seed, Sets, data_folder
from chipsim.errors import LimitError, RuleError, SettingError

if TYPE_CHECKING:
    from chipsim.experiment import Experiment
    from chipsim.plan import Plan


def fit(
    experiment: Name,
    chip: Chip = None,
    rule: Rule = None,
    sets: Sets = None,
    seed: Seed = 1,
    data: Data = None,
    fit: FitOption = Fit.refuse,
    json: Json = False,
) -> None:
    """Used, limit and share of every resource of a chip's cores; which binds, what would help."""
    from chipsim.chip import load_chip
    from chipsim.experiment import choose_rule, default_chip, load_experiment
    from chipsim.mapping.fit import fit as fit_of
    from chipsim.presets import preset
    from chipsim.report.fit import fit_text
    from chipsim.run_folder import to_json
    from chipsim.settings import make_settings, parse_assignment

    loaded = load_experiment(experiment)
    chosen = choose_rule(loaded, rule)
    form = dict(map(parse_assignment, sets or ())).get("form", "")
    name = default_chip(loaded, chip)
    options = {
        "settings": make_settings(loaded.settings, list(sets or ()), preset(loaded.path, chosen, form)),
        "chip": name,
        "rule": chosen,
        "seed": seed,
        "data": data_folder(data),
        "fit": fit.value,
    }
    target = load_chip(name)
    plan, refused = planned(loaded, options, target)
    made = {"experiment": loaded.name, "rule": chosen, "rule_refused": refused, **fit_of(plan, target)}
    print(to_json(made) if json else fit_text(made), end="\n" if json else "")
    if not made["fits"]:
        raise typer.Exit(1)


def planned(loaded: Experiment, options: dict[str, Any], chip: Any) -> tuple[Plan, str | None]:
    """The plan of the first network that an experiment makes, and why its rule was refused (or None).

    A rule that the chip refuses is left out, with every third factor: what remains can be mapped.
    """
    from chipsim.plan import Update, plan

    found = _captured(loaded, options)
    wishes = dict(found.options)
    update = wishes.pop("update", None)
    wishes["update"] = Update.parse(update) if isinstance(update, str) else update
    try:
        return plan(found.network, chip, found.rules, limits=False, **wishes), None
    except (LimitError, RuleError) as error:
        network = found.network
        if not any(c.rule for c in network.connections):
            raise
        why = " ".join(error.message.split())
        network.connections = [replace(c, rule=None, settings={}) for c in network.connections]
        network.circuits = []
        return plan(network, chip, found.rules, limits=False, seed=wishes.get("seed", 0)), why


def _captured(loaded: Experiment, options: dict[str, Any]) -> Any:
    """Run the experiment up to its first Simulator, in a folder that is thrown away."""
    from chipsim.experiment import Context
    from chipsim.library import find
    from chipsim.plan.capture import Captured, capturing
    from chipsim.progress import Progress
    from chipsim.run_folder import RunFolder

    paths = {kind: find(kind, options[kind]) if options[kind] else None for kind in ("chip", "rule")}
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder.create("fit", Path(place) / "fit", experiment=loaded.name)
        context = Context(
            **options,
            chip_path=paths["chip"],
            rule_path=paths["rule"],
            out=folder,
            progress=Progress(io.StringIO(), live=False),
        )
        try:
            with capturing():
                loaded.run(context)
        except Captured as found:
            return found
    raise SettingError(
        f"experiment '{loaded.name}' makes no network", where=str(loaded.path), remedy="choose another one"
    )
