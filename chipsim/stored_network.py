"""The network of a stored run, handed to a function instead of being evaluated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chipsim.errors import SettingError
from chipsim.experiment import Context, Experiment
from chipsim.library import find
from chipsim.progress import Progress
from chipsim.run_folder import Run
from chipsim.settings import restore_settings
from chipsim.stored_run import Stored


def hand_network(
    start: Run,
    said: Stored,
    loaded: Experiment,
    write: Callable[[Any, Any], Any],
    *,
    data: Path | None,
    progress: Progress,
    chip: str | None = None,
    engine: str | None = None,
) -> Any:
    """Call write(simulator, parts of the data) with a run's trained network, and return what it returns.

    chip, engine   other ones than the run's; the weights are requantised
    Raises SettingError for experiments without a stored network of this kind.
    """
    names, made = said.names(), []

    def hand(sim: Any, parts: Any) -> dict[str, Any]:
        made.append(write(sim, parts))
        return {}

    if loaded.evaluate is not None:
        loaded.evaluate(
            Context(
                settings=restore_settings(loaded.settings, said.settings),
                chip=chip or names["chip"],
                chip_path=find("chip", chip or names["chip"]),
                rule=names["rule"],
                rule_path=find("rule", names["rule"]) if names["rule"] else None,
                seed=said.seed,
                data=data,
                out=None,
                progress=progress,
                start=start,
                engine=engine or said.engine,
                fit=said.fit,
                noise=said.noise,
                instead=hand,
            )
        )
    if not made:
        raise SettingError(
            f"experiment '{loaded.name}' has no stored network that can be exported",
            where=str(start.path),
            remedy="export its Simulator in a script of your own",
        )
    return made[0]
