"""Samples as a network takes them: one source, or inputs and labels over several contexts.

A network with a `contrast` circuit has a second source that shows labels to the target contexts. Its
groups are `inputs` samples followed by `targets` label samples: one per class, or one per input
showing that input's label. A label sample has no events on the input source, and an input sample
none on the label source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chipsim.data.events import Events
from chipsim.simulator import Simulator
from chipsim.wiring.contrast import LABELS


@dataclass(frozen=True)
class Feed:
    """What `Simulator.present` is given.

    events  Events, or {source: Events}
    labels  one per sample of the events, -1 in label samples
    order   samples in order of presentation, groups of contexts in a row
    kept    bool[len(order)]: rows of the outputs that belong to inputs
    """

    events: Events | dict[str, Events]
    labels: np.ndarray
    order: np.ndarray
    kept: np.ndarray


def feed(sim: Simulator, events: Events, labels: np.ndarray) -> Feed:
    """Learning: all samples in the given order; with contrast whole groups only (a remainder of
    samples waits for the next epoch)."""
    n = events.samples
    contrast = next((k for k in sim.plan.circuits if k.kind == "contrast"), None)
    if contrast is None:
        return Feed(events, labels, np.arange(n), np.ones(n, bool))
    classes = sim.plan.layer(LABELS).size
    inputs = contrast.inputs
    groups = np.arange(n // inputs * inputs).reshape(-1, inputs)
    if not contrast.geometry:
        targets = np.broadcast_to(n + np.arange(classes), (len(groups), classes))
    else:
        targets = n + np.asarray(labels)[groups]
    order = np.concatenate([groups, targets], axis=1)
    kept = np.zeros(order.shape, bool)
    kept[:, :inputs] = True
    both = {name: _padded(sim, name, events, classes) for name in _sources(sim)}
    labels = np.concatenate([labels, np.full(classes, -1, np.int64)])
    return Feed(both, labels, order.ravel(), kept.ravel())


def in_order(shown: Feed) -> Events | dict[str, Events]:
    """The events of a feed, sample after sample as they are presented."""
    if isinstance(shown.events, dict):
        return {name: events.take(shown.order) for name, events in shown.events.items()}
    return shown.events.take(shown.order)


def silent_labels(sim: Simulator, events: Events) -> Events | dict[str, Events]:
    """Evaluation: the label source, if there is one, stays silent."""
    if LABELS not in _sources(sim):
        return events
    empty = np.zeros(events.samples * events.n_steps + 1, np.int32)
    none = Events.trusted(sim.plan.layer(LABELS).size, events.n_steps, empty, np.zeros(0, np.int32))
    return {name: none if name == LABELS else events for name in _sources(sim)}


def _sources(sim: Simulator) -> list[str]:
    return [layer.name for layer in sim.plan.layers if layer.kind == "source"]


def _padded(sim: Simulator, name: str, events: Events, classes: int) -> Events:
    """The events of one source with `classes` label samples behind them."""
    n, steps = events.samples, events.n_steps
    if name != LABELS:
        start = np.concatenate([events.start, np.full(classes * steps, events.start[-1], np.int32)])
        return Events.trusted(events.n_axons, steps, start, events.axon, events.payload)
    start = np.concatenate([np.zeros(n * steps, np.int32), np.arange(classes * steps + 1, dtype=np.int32)])
    return Events.trusted(classes, steps, start, np.repeat(np.arange(classes, dtype=np.int32), steps))
