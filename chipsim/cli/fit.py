"""`chipsim fit EXPERIMENT --chip C`: a network on the cores of a chip, before anything runs."""

from __future__ import annotations

import typer

from chipsim.cli.run import Chip, Data, Fit, FitOption, Json, Name, Rule, Seed, Sets, data_folder


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
    from chipsim.planned import planned
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
