"""A run folder's network as a NIR file, on the chip that it ran on, with the weights that it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chipsim.errors import RunError, SettingError
from chipsim.experiment import Context, load_experiment
from chipsim.library import find
from chipsim.nir.export import export_nir, nir_package
from chipsim.nir.metadata import Meta
from chipsim.progress import Progress
from chipsim.run_folder import load_run
from chipsim.settings import restore_settings
from chipsim.simulator import Simulator
from chipsim.stored_run import stored


def export_run(run: str | Path, file: str | Path, data: Path | None, progress: Progress) -> Meta:
    """Write a run's network with its learned weights and thresholds.

    Returns the metadata of the file. Raises RunError for a run without weights, SettingError for
    experiments without a stored network of this kind.
    """
    nir_package()
    start = load_run(run)
    said = stored(start)
    names = said.names()
    loaded = load_experiment(names["experiment"])
    made: list[Meta] = []
    if Path(file).exists():
        raise RunError(f"{file} exists; nothing is overwritten", remedy="give a new file name")

    def write(sim: Simulator, parts: Any) -> dict[str, Any]:
        title = f"{loaded.name}, rule {said.rule}, seed {said.seed}"
        made.append(export_nir(sim, file, title=title))
        return {}

    if loaded.evaluate is not None:
        loaded.evaluate(
            Context(
                settings=restore_settings(loaded.settings, said.settings),
                chip=names["chip"],
                chip_path=find("chip", names["chip"]),
                rule=names["rule"],
                rule_path=find("rule", names["rule"]) if names["rule"] else None,
                seed=said.seed,
                data=data,
                out=None,
                progress=progress,
                start=start,
                engine=said.engine,
                fit=said.fit,
                noise=said.noise,
                instead=write,
            )
        )
    if not made:
        raise SettingError(
            f"experiment '{loaded.name}' has no stored network that can be exported",
            where=str(start.path),
            remedy="use chipsim.nir.export.export_nir in a script of your own",
        )
    return made[0]
