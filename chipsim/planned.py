"""The plan of an experiment's network on a chip, before anything runs.

A rule that the chip refuses is left out, with every third factor: what remains can be mapped and priced.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chipsim.errors import LimitError, RuleError, SettingError
from chipsim.experiment import Context
from chipsim.library import find
from chipsim.plan import Update, plan
from chipsim.plan.capture import Captured, capturing
from chipsim.progress import Progress
from chipsim.run_folder import RunFolder

if TYPE_CHECKING:
    from chipsim.experiment import Experiment
    from chipsim.plan import Plan


def planned(loaded: Experiment, options: dict[str, Any], chip: Any) -> tuple[Plan, str | None]:
    """The plan of the first network that an experiment makes, and why its rule was refused (or None).

    options  the fields of `Context` that the command line decides: settings, chip, rule, seed, data, fit
    Raises the errors of `plan.plan`, where the network without its rules is refused too; SettingError for
    an experiment that makes no network.
    """
    found = captured(loaded, options)
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


def captured(loaded: Experiment, options: dict[str, Any]) -> Captured:
    """What the experiment's first Simulator is made from; the folder it runs in is thrown away."""
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
