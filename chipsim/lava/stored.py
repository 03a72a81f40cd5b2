"""A stored run as a Lava export: its network, and the first samples of its training part in a row."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.data.events import Events
from chipsim.experiment import load_experiment
from chipsim.feed import feed, in_order
from chipsim.lava.export import export_lava
from chipsim.lava.export_samples import export_samples
from chipsim.plan import Update
from chipsim.progress import Progress
from chipsim.run_folder import load_run
from chipsim.simulator import Simulator
from chipsim.stored_network import hand_network
from chipsim.stored_run import stored

CHIP = "loihi2_lava"


def continuous(sim: Simulator, steps: int) -> Simulator:
    """The simulator with `update = end` as an update every `steps` steps: a run in one piece has one end."""
    if sim.plan.update.kind != "end":
        return sim
    made = copy.copy(sim)
    made.plan, made._kernels = replace(sim.plan, update=Update("every", steps)), None
    return made


def export_run(
    run: str | Path,
    folder: str | Path,
    samples: int,
    data: Path | None,
    progress: Progress,
    engine: str | None = None,
) -> dict[str, Any]:
    """Export a run folder's network with `samples` training samples as one continuous presentation.

    A run on another chip is brought to loihi2_lava: its weights are requantised, the loss is printed.
    With `engine` "lines" (default: the run's own) rules run as lines in processes of chipsim, and every
    sample begins with a reset. Returns the manifest. Raises SettingError for experiments without a stored
    network of this kind.
    """
    start = load_run(run)
    said = stored(start)
    names = said.names()
    loaded = load_experiment(names["experiment"])

    def write(sim: Simulator, parts: Any) -> dict[str, Any]:
        few = parts.train.events(np.arange(min(samples, len(parts.train))))
        title = f"{loaded.name}, rule {names['rule']}, seed {said.seed}"
        if sim.plan.engine == "lines":
            given = feed(sim, few, np.asarray(parts.train.labels[: few.samples]))
            labels = given.labels[given.order]
            return export_samples(sim, in_order(given), folder, labels, title=title)
        dense = few.to_dense().reshape(1, -1, few.n_axons)
        labels = np.repeat(np.asarray(parts.train.labels[: few.samples]), few.n_steps)
        events = Events.from_dense(dense, graded=few.graded)
        return export_lava(continuous(sim, few.n_steps), events, folder, labels, title=title)

    return hand_network(start, said, loaded, write, data=data, progress=progress, chip=CHIP, engine=engine)
