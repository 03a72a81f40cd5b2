"""Networks of chipsim as NIR files: `nir` alone reads them, and they come back with the same integers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from chipsim import Network, Simulator, load_chip
from chipsim.data.events import Events
from chipsim.errors import DataError, LimitError, RunError
from chipsim.lava.export import fresh_copy
from chipsim.nir.export import export_nir
from chipsim.nir.imported import import_nir
from chipsim.nir.report import report, report_text
from chipsim.plain_json import check_of
from chipsim.reference import reference_steps

nir = pytest.importorskip("nir")
pytestmark = pytest.mark.one_python
SETS = ("hidden=16", "steps=4", "epochs=1", "controls=false", "twin=false")


def maps(chip):
    """Pools, kernels, delays, a current, recurrence, a readout; weights drawn."""
    net = Network(dt_ms=1.0)
    net.source("in", (4, 4, 2))
    net.pool("in", "any", 2, "or")
    net.pool("in", "mean", 2, "average")
    net.lif("h", (2, 2, 3), tau_v_ms=10, threshold=0.5, bias=0.03, reset="hard")
    net.conv("any", "h", 1)
    net.conv("mean", "h", 1, name="second")
    net.conv("in", "h", 2, stride=2, bits=4)
    net.lif("top layer", 5, tau_v_ms=20, tau_u_ms=5, threshold=0.3, reset="hard", refractory=2, bias=-0.01)
    net.connect("h", "top layer", delay=3)
    net.connect("top layer", "top layer", spread=0.2, w_range=0.25)
    net.integrator("sum", 3, tau_v_ms=float("inf"))
    net.connect("top layer", "sum")
    return Simulator(net, load_chip(chip), seed=3)


def sparse(chip):
    """Synapses of a part of a matrix, a soft reset that subtracts its leak, one threshold per neuron."""
    net = Network(dt_ms=0.5)
    net.source("a", 6)
    net.source("b", 4)
    index = np.array([0, 2, 3, 5, 5, 6, 8]), np.array([0, 2, 1, 0, 3, 2, 1, 3])
    net.lif("x", 4, tau_v_ms=float("inf"), threshold=0.6, reset="soft", leak="subtract", leak_step=0.02)
    net.connect("a", "x", sparse=index, weights=np.linspace(0.2, 0.9, 8))
    net.connect("b", "x", delays=np.array([[0, 1, 2, 3]] * 4), delay=0, weights=np.full((4, 4), 0.25))
    sim = Simulator(net, load_chip(chip), seed=4)
    sim.state["l2_thr"][:] += np.arange(4, dtype=np.int32) * 1000
    return sim


def stepped(sim, events, steps, names):
    """What the interpreter records; the simulator's state moves on."""
    rows = {name: [] for name in names}
    for t in range(steps):
        reference_steps(sim.plan, sim.state, events, start=t, stop=t + 1, learn=False)
        for name in names:
            rows[name].append(sim.read(name, raw=True))
    return {name: np.array(values) for name, values in rows.items()}


def same_network(sim, made, meta, steps=40):
    """Weights by connection, thresholds and biases by layer, and every spike of a random input."""
    for node, c in meta.connections.items():
        names = {x.name for x in sim.plan.connections}
        if c.name in names:
            a, b = sim.read(f"{c.name}.w", raw=True), made.simulator.read(f"{node}.w", raw=True)
            assert np.array_equal(a, b), node
            assert sim.plan.connection(c.name).weight == made.simulator.plan.connection(node).weight
    rng = np.random.default_rng(1)
    events, others = {}, {}
    layers = {layer.name: node for node, layer in meta.layers.items()}
    for x in sim.plan.layers:
        if x.kind == "source":
            given = (rng.random((1, steps, x.size)) < 0.3).astype(np.uint8)
            events[x.name], others[layers[x.name]] = Events.from_dense(given), Events.from_dense(given)
    spiking = [x.name for x in sim.plan.layers if x.kind == "lif"]
    membranes = [x.name for x in sim.plan.layers if x.kind in ("lif", "integrator")]
    for name in membranes:
        one, other = sim.plan.layer(name).index, made.simulator.plan.layer(layers[name]).index
        for key in ("thr", "bias"):
            assert np.array_equal(sim.state[f"l{one}_{key}"], made.simulator.state[f"l{other}_{key}"]), name
    names = [f"{x}.spikes" for x in spiking] + [f"{x}.v" for x in membranes]
    a = stepped(fresh_copy(sim), events, steps, names)
    b = stepped(
        made.simulator,
        others,
        steps,
        [f"{layers[x.rpartition('.')[0]]}.{x.rpartition('.')[2]}" for x in names],
    )
    assert all(np.array_equal(x, y) for x, y in zip(a.values(), b.values(), strict=True))
    assert all(a[f"{name}.spikes"].any() for name in spiking)


@pytest.mark.parametrize(("build", "chip"), [(maps, "ideal"), (maps, "loihi2"), (sparse, "ideal")])
def test_a_network_comes_back_with_the_same_integers(tmp_path, build, chip):
    sim = build(chip)
    meta = export_nir(sim, tmp_path / "x.nir", title="a test")
    made = import_nir(tmp_path / "x.nir", load_chip(chip))
    assert made.placed.exact and made.meta.title == "a test"
    same_network(sim, made, meta)
    for c in report(made)["connections"]:
        assert c["max_error_lsb"] < 1e-6 and c["saturated"] == 0
    again = export_nir(made.simulator, tmp_path / "y.nir")
    digests = [sorted(c.sha256 for c in x.connections.values()) for x in (meta, again)]
    assert digests[0] == digests[1]


def test_nir_alone_reads_it(tmp_path):
    """In a process that has only nir, h5py and numpy: types fit, weights are the integers times the LSB."""
    sim = maps("ideal")
    export_nir(sim, tmp_path / "x.nir")
    code = (
        "import sys, nir\n"
        f"g = nir.read({str(tmp_path / 'x.nir')!r})\n"
        "assert 'chipsim' not in sys.modules\n"
        "print(sorted(type(n).__name__ for n in g.nodes.values()), g.nodes['h_to_top_layer'].weight.sum())\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for kind in ("Conv2d", "AvgPool2d", "SumPool2d", "Threshold", "CubaLIF", "LIF", "I", "Delay", "Flatten"):
        assert f"'{kind}'" in done.stdout
    graph = nir.read(tmp_path / "x.nir")
    weight = graph.nodes["top_layer_to_top_layer"].weight
    assert np.array_equal(weight.T * 512, sim.read("top layer->top layer.w", raw=True))
    assert graph.nodes["h"].v_threshold.max() < 0.5 < graph.nodes["h"].v_threshold.max() + 1e-6


def test_what_cannot_be_carried_is_said(tmp_path):
    meta = export_nir(sparse("ideal"), tmp_path / "x.nir")
    said = "\n".join(meta.not_carried)
    assert "x: soft reset (NIR resets to v_reset): in chipsim's metadata only" in said
    assert "x: a leak that subtracts 0.02" in said and "b->x: one connection for each of its delays" in said
    assert "the arithmetic of chip ideal" in said
    assert json.loads(nir.read(tmp_path / "x.nir").metadata["chipsim"])["not_carried"] == meta.not_carried
    told = report_text(report(import_nir(tmp_path / "x.nir", load_chip("ideal"))))
    assert "not carried by the file: x: soft reset" in told


def test_contexts_feedback_and_third_factors_are_said(tmp_path):
    net = Network()
    net.source("in", 6)
    net.lif("h", 5, threshold=0.3)
    net.connect("in", "h", rule="decolle")
    net.readout("h", 3)
    sim = Simulator(net, load_chip("ideal"), contexts=2)
    said = "\n".join(export_nir(sim, tmp_path / "x.nir").not_carried)
    assert "h: its third factor (readout)" in said and "2 contexts" in said and "learning of in->h" in said
    made = import_nir(tmp_path / "x.nir", load_chip("ideal"), rules=True)
    assert "in_to_h: rule decolle needs a third factor" in report_text(report(made))


@pytest.mark.parametrize("chip", ["ideal", "loihi2"])
def test_a_rule_learns_on_as_it_would_have(tmp_path, chip):
    net = Network()
    net.source("in", 12)
    net.lif("x", 6, tau_v_ms=20, tau_u_ms=5, threshold=0.3, reset="hard")
    net.connect("in", "x", rule="stdp_pair", settings={"params": {"rate": 3, "a_plus": 0.2}})
    sim = Simulator(net, load_chip(chip), seed=5)
    sim.state["c0_params"][0] = 2  # a schedule moved it
    export_nir(sim, tmp_path / "x.nir")
    made = import_nir(tmp_path / "x.nir", load_chip(chip), rules=True)
    given = Events.from_dense((np.random.default_rng(2).random((1, 40, 12)) < 0.4).astype(np.uint8))
    before = sim.weights("in->x")
    for x in (sim, made.simulator):
        reference_steps(x.plan, x.state, given, start=0, stop=40, learn=True)
    learned = sim.read("in->x.w", raw=True)
    assert np.array_equal(learned, made.simulator.read("in_to_x.w", raw=True))
    assert np.abs(sim.weights("in->x") - before).max() > 0.1


def edited(path, change, seal=True):
    """The file with other metadata or weights."""
    graph = nir.read(path)
    meta = json.loads(graph.metadata["chipsim"])
    change(graph, meta)
    if seal:
        meta["check"] = check_of({key: value for key, value in meta.items() if key != "check"})
    graph.metadata["chipsim"] = json.dumps(meta)
    nir.write(path, graph)


def test_changed_weights_are_not_taken_for_the_same(tmp_path):
    path = tmp_path / "x.nir"
    sim = maps("ideal")
    export_nir(sim, path)

    def one_more(graph, meta):
        graph.nodes["h_to_top_layer"].weight[0, 0] += 1 / 128

    edited(path, one_more)
    with pytest.raises(DataError, match="weights of 'h_to_top_layer' are not those that chipsim wrote"):
        import_nir(path, load_chip("ideal"))
    made = import_nir(path, load_chip("ideal"), ignore_metadata=True)
    assert not made.placed.exact and made.meta is None

    def slower(graph, meta):
        graph.nodes["h_to_top_layer"].weight[0, 0] -= 1 / 128
        graph.nodes["h"].tau[:] *= 2

    edited(path, slower)
    with pytest.raises(DataError, match="its nodes or edges are not those that chipsim wrote"):
        import_nir(path, load_chip("ideal"))
    edited(path, lambda graph, meta: meta["layers"]["top_layer"].update(refractory=3), seal=False)
    with pytest.raises(DataError, match="metadata 'chipsim': are not what chipsim wrote"):
        import_nir(path, load_chip("ideal"))
    with pytest.raises(RunError, match="exists; nothing is overwritten"):
        export_nir(sim, path)


def test_another_chip_rounds_anew(tmp_path):
    path = tmp_path / "x.nir"
    export_nir(maps("ideal"), path)
    made = import_nir(path, load_chip("spinnaker2"))
    text = report_text(report(made))
    assert not made.placed.exact and "for chip ideal: rescaled and rounded anew" in text
    assert made.simulator.network.layer("top_layer").refractory == 2  # from the metadata

    def other(graph, meta):
        meta["chip"]["sha256"] = "0" * 64

    edited(path, other)
    assert not import_nir(path, load_chip("ideal")).placed.exact


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(dt_s=-1), "dt_s: Input should be greater than 0"),
        (lambda m: m.update(more=1), "more: Extra inputs"),
        (lambda m: m["connections"].pop("second"), "metadata do not know the weights 'second'"),
        (lambda m: m["connections"]["second"].update(w_range=0.3), "w_range 0.3 of 'second' is no power of"),
        (lambda m: m["connections"]["second"].update(bits=7), "are not those that chipsim wrote"),
        (lambda m: m["layers"]["h"].update(refractory=5000), "layers.h.refractory"),
    ],
)
def test_metadata_that_were_edited(tmp_path, change, message):
    path = tmp_path / "x.nir"
    export_nir(maps("ideal"), path)
    edited(path, lambda graph, meta: change(meta))
    with pytest.raises(Exception, match=message) as refused:
        import_nir(path, load_chip("ideal"))
    assert refused.value.remedy
    assert not import_nir(path, load_chip("ideal"), ignore_metadata=True).placed.exact


def test_matrices_into_maps(tmp_path):
    """A map that only matrices meet is a row in NIR; one that kernels meet as well has no node."""

    def build(kernel):
        net = Network()
        net.source("in", (2, 2, 2))
        net.lif("m", (2, 2, 3), threshold=0.5, reset="hard")
        net.connect("in", "m", spread=0.6)
        net.lif("out", 4, threshold=0.5, reset="hard")
        net.connect("m", "out", spread=0.6)
        if kernel:
            net.conv("in", "m", 1, name="k")
        return Simulator(net, load_chip("ideal"), seed=2)

    sim = build(False)
    meta = export_nir(sim, tmp_path / "x.nir")
    made = import_nir(tmp_path / "x.nir", load_chip("ideal"))
    assert made.placed.exact and made.placed.described.population("m").shape == (12,)
    weights = made.simulator.read("m_to_out.w", raw=True).reshape(3, 2, 2, 4).transpose(1, 2, 0, 3)
    assert np.array_equal(weights.reshape(12, 4), sim.read("m->out.w", raw=True))
    assert len(meta.connections) == 2
    with pytest.raises(LimitError, match="a matrix into a map that kernels or windows meet"):
        export_nir(build(True), tmp_path / "y.nir")
    assert not (tmp_path / "y.nir").exists()


def test_biases_of_currents_payloads_and_purposes(tmp_path):
    """An imported bias of a current goes out as a bias; graded sources and readouts stay what they were."""
    cuba = nir.CubaLIF(tau_syn=np.full(4, 0.004), tau_mem=np.full(4, 0.01), r=np.full(4, 10.0),
                       v_leak=np.zeros(4), v_threshold=np.ones(4), w_in=np.full(4, 4.0))  # fmt: skip
    nodes = {"in": nir.Input(np.array([3])), "a": nir.Affine(np.full((4, 3), 0.3), 0.1 * np.arange(4)),
             "x": cuba, "output": nir.Output(np.array([4]))}  # fmt: skip
    edges = [("in", "a"), ("a", "x"), ("x", "output")]
    nir.write(tmp_path / "x.nir", nir.NIRGraph(nodes, edges, {}))
    made = import_nir(tmp_path / "x.nir", load_chip("loihi2"))
    export_nir(made.simulator, tmp_path / "y.nir")
    assert sorted(nir.read(tmp_path / "y.nir").nodes) == ["a", "in", "output", "x"]
    again = import_nir(tmp_path / "y.nir", load_chip("loihi2"))
    assert again.placed.exact
    given = np.random.default_rng(1).random((50, 3)) < 0.3
    one, other = (m.run(given, interpreter=True)["x"] for m in (made, again))
    assert one.any() and np.array_equal(one, other)

    net = Network()
    net.source("in", 3, payload_bits=4)
    net.lif("h", 4)
    net.connect("in", "h")
    net.readout("h", 2)
    meta = export_nir(Simulator(net, load_chip("ideal")), tmp_path / "z.nir")
    assert "in: payloads of 4 bits; NIR's signals are plain numbers" in meta.not_carried
    plan = import_nir(tmp_path / "z.nir", load_chip("ideal")).simulator.plan
    assert plan.layer("in").payload_bits == 4 and plan.connection("h_to_h_readout").purpose == "error"


@pytest.mark.slow
def test_a_run_is_exported_and_read_back(tmp_path, root):
    """The command lines: a trained network, exported, imported onto its chip, kept as a run folder."""

    def chipsim(*arguments):
        command = [sys.executable, "-m", "chipsim", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    sets = [part for x in SETS for part in ("--set", x)]
    assert chipsim("run", "digits", *sets, "--out", "r")[0] == 0
    status, out, err = chipsim("export", "nir", "r", "r.nir")
    assert status == 0, err
    assert "r.nir: 3 layers, 2 connections, dt 0.001 s" in out
    assert "not carried: learning of" in out and "read it back with: chipsim import nir r.nir --chip" in out
    assert chipsim("export", "nir", "r", "r.nir")[0] == 2
    chip = out.rpartition("--chip ")[2].split()[0]
    status, out, err = chipsim("import", "nir", "r.nir", "--chip", chip, "--try", 10, "--out", "back")
    assert status == 0, err
    assert "as exported" in out and "beside the graph in float64, 10 steps" in out
    with np.load(tmp_path / "r" / "weights.npz", allow_pickle=False) as file:
        learned = {key: file[key] for key in file.files if key.endswith("_w")}
    made = import_nir(tmp_path / "back" / "network.nir", load_chip(chip))
    found = [made.simulator.read(f"{c.name}.w", raw=True) for c in made.simulator.plan.connections]
    for array in learned.values():
        assert any(np.array_equal(array, other) for other in found)
    manifest = json.loads((tmp_path / "back" / "manifest.json").read_text())
    assert manifest["status"] == "complete" and manifest["command"] == "import"
