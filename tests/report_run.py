"""A small run folder with everything that a report shows, hostile names included."""

import json
from pathlib import Path

import numpy as np

from chipsim.chip import load_chip
from chipsim.cli.report import report_data
from chipsim.data.events import Events
from chipsim.ledger import Shape, summary
from chipsim.ledger.neurobench import neurobench
from chipsim.network import Network
from chipsim.recording import record
from chipsim.run_folder import RunFolder, load_run, to_json
from chipsim.simulator import Simulator

HOSTILE = "<script>alert(1)</script> & \"quotes\" 'single' | bar"


def made(path: Path, chip_name: str) -> Path:
    """A run folder of a small network with a rule, three samples learned, two of them tested."""
    net = Network()
    net.source("in", 12)
    net.lif("out", 8, threshold=0.4, reset="hard")
    net.connect("in", "out", rule="stdp_pair")
    sim = Simulator(net, load_chip(chip_name), seed=2)
    draw = np.random.default_rng(0)
    events = Events.from_dense(draw.random((3, 10, 12)) < 0.3)
    sim.present(events)
    counted = sim.evaluate(events.slice(0, 2))[1]
    said = summary(
        sim.plan,
        sim.chip,
        sim.state,
        accuracy={"train": 0.9, "validation": 0.8, "test": 0.75, "twin": None},
        controls={HOSTILE: {"test": 0.5}},
        experiment=HOSTILE,
        evaluation={**sim.state, **counted},
        shape=Shape(3, 2, 10),
        neurobench=neurobench(sim, events, accuracy=0.75),
        notes=[{"place": HOSTILE, "kind": "note", "line": 3, "text": HOSTILE}],
    )
    folder = RunFolder.create("run", path, experiment=HOSTILE, rule="stdp_pair", chip=chip_name, seed=2)
    for epoch in (1, 2):
        folder.metric(network="chip", epoch=epoch, learning=0.5 + 0.1 * epoch, validation=0.6 + 0.1 * epoch)
    folder.weights({"c0_w": sim.state["c0_w"]})
    folder.note(arrays={"c0_w": {"what": "weights of in->out", "format": "s8.7"}})
    folder.summary(said)
    seen = record(sim, events, np.array([1, 0, 1]))
    for row in (seen["traces"][0], seen["ranges"][0]):
        row["of"] = row["name"] = HOSTILE
    seen["samples"][0]["layers"][0]["layer"] = HOSTILE
    seen["left_out"].append(HOSTILE)
    folder.recording(seen)
    folder.finish()
    return path


def reported(path: Path, chip_name: str = "loihi1") -> dict:
    """The report's data of such a run, as its JSON holds them."""
    return json.loads(to_json(report_data(load_run(made(path, chip_name)))))
