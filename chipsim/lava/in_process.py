"""A network of chipsim as connected Lava processes, in the present Python process; needs lava-nc."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chipsim.data.events import Events
from chipsim.errors import DataError, LimitError, SettingError
from chipsim.lava.describe import Description
from chipsim.lava.export import fresh_copy
from chipsim.lava.network import build
from chipsim.simulator import Simulator


@dataclass(frozen=True)
class LavaNetwork(Mapping):
    """Connected Lava processes by the names of layers and connections: `network["hidden"].s_out`.

    processes  what `network[name]` gives
    inward     for each source layer the names of the connections that it feeds
    steps      labels, rewards and events are known for so many steps
    """

    processes: dict[str, Any]
    inward: dict[str, tuple[str, ...]]
    steps: int

    def __getitem__(self, name: str) -> Any:
        """The process of a layer or connection. Raises SettingError for an unknown name."""
        if name not in self.processes:
            raise SettingError(f"no Lava process of '{name}'", remedy=f"one of {', '.join(self.processes)}")
        return self.processes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.processes)

    def __len__(self) -> int:
        return len(self.processes)

    def feeds(self, source: str) -> list[Any]:
        """The connection processes that a source's spikes enter; a spike process of your own is connected to
        the `s_in` of each, where it is added to what the source sends."""
        if source not in self.inward:
            raise SettingError(f"no source '{source}'", remedy=f"one of {', '.join(self.inward)}")
        return [self.processes[name] for name in self.inward[source]]

    def run_config(self) -> Any:
        """Lava's `Loihi2SimCfg` with the fixed-point models, which chipsim computes bit for bit."""
        from lava.magma.core.run_configs import Loihi2SimCfg

        return Loihi2SimCfg(select_tag="fixed_pt")

    def run(self, steps: int | None = None) -> LavaNetwork:
        """Run (default: all steps that are known) and wait; the first call compiles and starts Lava's
        processes, later ones go on. Read results, then `stop()`. Returns itself."""
        from lava.magma.core.run_conditions import RunSteps

        self._one().run(condition=RunSteps(num_steps=steps or self.steps), run_cfg=self.run_config())
        return self

    def stop(self) -> None:
        """End Lava's processes. Variables cannot be read afterwards."""
        self._one().stop()

    def _one(self) -> Any:
        return next(iter(self.processes.values()))


def processes_of(
    sim: Simulator,
    events: Events | Mapping[str, Events] | None = None,
    *,
    steps: int | None = None,
    labels: np.ndarray | None = None,
    rewards: np.ndarray | None = None,
    learn: bool = True,
) -> LavaNetwork:
    """The network of a simulator on chip loihi2_lava as connected Lava processes.

    sim       its weights, tags, thresholds, biases and error scales are taken over; membranes and traces
              start at 0. Weights of mixed sign are made even, as Lava does when it loads them:
              `lava_start(sim)` is the simulator that computes what the processes will
    events    one sample of each source, which becomes a RingBuffer (a longer run repeats it); a source
              without events is silent: see `LavaNetwork.feeds`
    steps     for which labels and rewards are known (default: those of the events); a network with a
              circuit or a program in its neurons runs no further
    labels    int[steps], rewards real[steps]: of circuits with a target or a reward
    learn     False: plastic connections become Dense, and nothing sends errors down

    Returns a LavaNetwork. Raises SettingError without lava-nc or steps, LimitError for what Lava has no
    process for (see `chipsim rule lava` and docs/lava.md), DataError for events that do not fit.
    """
    _need_lava()
    if sim.plan.contexts != 1:
        raise LimitError(
            f"{sim.plan.contexts} contexts", where="Lava processes", remedy="run with one context"
        )
    given = _by_source(sim, events)
    steps = steps or next((e.n_steps for e in given.values()), None)
    if steps is None:
        raise SettingError("neither events nor steps", where="Lava processes", remedy="pass steps=...")
    copy = lava_start(sim)
    raw = None if rewards is None else copy._raw_rewards(np.asarray(rewards)[None], 1, steps)[0]
    made = Description(copy.plan, copy.state, steps, labels, raw)
    if not learn:
        _frozen(made)
    update = copy.plan.update
    due = np.array([learn and update.due(t, t == steps) for t in range(1, steps + 1)], np.uint8)
    arrays = made.arrays | {"labels": made.labels, "rewards": made.rewards, "due": due}
    arrays |= {f"{name}.data": e.to_dense()[0].T.astype(np.int16) for name, e in given.items()}
    for x in made.layers:
        if x["process"] == "RingBuffer":
            arrays.setdefault(f"{x['name']}.data", np.zeros((x["n"], 1), np.int16))
    manifest = {"layers": made.layers, "connections": made.connections, "wires": made.wires, "steps": steps}
    inward = {
        x["name"]: tuple(c["name"] for c in made.connections if c["pre"] == x["name"])
        for x in made.layers
        if x["process"] == "RingBuffer"
    }
    return LavaNetwork(build(manifest, arrays, record=False), inward, steps)


def lava_start(sim: Simulator) -> Simulator:
    """A copy of a simulator as its Lava processes begin: before the first step, weights as loaded."""
    return fresh_copy(sim)


def _need_lava() -> None:
    if importlib.util.find_spec("lava") is None or importlib.util.find_spec("lava.magma") is None:
        raise SettingError(
            "lava-nc 0.10.0 is not installed",
            where="Lava processes",
            remedy="install chipsim[lava] on Python 3.10; or write the network with "
            "chipsim.lava.export.export_lava and run that folder there",
        )
    try:
        import lava.magma.core.process.process  # noqa: F401
    except RuntimeError as error:  # it sets multiprocessing's start method when it is imported
        raise SettingError(
            f"Lava cannot be imported: {error}",
            where="Lava processes",
            remedy="import Lava before anything that uses multiprocessing",
        ) from None


def _by_source(sim: Simulator, events: Events | Mapping[str, Events] | None) -> dict[str, Events]:
    """Events by source, all of one sample and equally long."""
    sources = [x for x in sim.plan.layers if x.kind == "source"]
    if isinstance(events, Events):
        if len(sources) != 1:
            names = ", ".join(x.name for x in sources)
            raise DataError(f"one set of events for sources {names}", remedy="pass {source name: Events}")
        events = {sources[0].name: events}
    given = dict(events or {})
    known = {x.name: x.size for x in sources}
    for name, e in given.items():
        if name not in known:
            raise DataError(f"events for '{name}'", remedy=f"the sources are {', '.join(known)}")
        if e.samples != 1 or e.n_axons != known[name]:
            raise DataError(
                f"{e.samples} samples of {e.n_axons} axons for '{name}'",
                remedy=f"pass one sample of {known[name]} axons",
            )
    if len({e.n_steps for e in given.values()}) > 1:
        raise DataError("events of different lengths", remedy="give every source the same number of steps")
    return given


def _frozen(made: Description) -> None:
    """No learning: plastic connections are Dense, and no signal travels back."""
    names = {c["name"] for c in made.connections if "rule" in c}
    for c in made.connections:
        if c["name"] in names:
            c["process"] = "Dense"
            for key in ("rule", "bap", "y"):
                del c[key]
    made.wires = [w for w in made.wires if not names & {w[0], w[2]}]
