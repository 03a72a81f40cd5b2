"""A run folder's network as a NIR file, on the chip that it ran on, with the weights that it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chipsim.errors import RunError
from chipsim.experiment import load_experiment
from chipsim.nir.export import export_nir, nir_package
from chipsim.nir.metadata import Meta
from chipsim.progress import Progress
from chipsim.run_folder import load_run
from chipsim.simulator import Simulator
from chipsim.stored_network import hand_network
from chipsim.stored_run import stored


def export_run(run: str | Path, file: str | Path, data: Path | None, progress: Progress) -> Meta:
    """Write a run's network with its learned weights and thresholds.

    Returns the metadata of the file. Raises RunError for a run without weights, SettingError for
    experiments without a stored network of this kind.
    """
    nir_package()
    start = load_run(run)
    said = stored(start)
    loaded = load_experiment(said.names()["experiment"])
    if Path(file).exists():
        raise RunError(f"{file} exists; nothing is overwritten", remedy="give a new file name")

    def write(sim: Simulator, parts: Any) -> Meta:
        return export_nir(sim, file, title=f"{loaded.name}, rule {said.rule}, seed {said.seed}")

    return hand_network(start, said, loaded, write, data=data, progress=progress)
