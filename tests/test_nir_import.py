"""Graphs written with `nir` itself, for what other tools' exporters leave out: on a chip they fire as in
float64, node by node."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.errors import NetworkError, SettingError
from chipsim.nir.discrete import Convention, convention
from chipsim.nir.floats import _applied
from chipsim.nir.graph import Node, read_graph
from chipsim.nir.imported import import_nir
from chipsim.nir.linear import matrix_of, shape_after
from chipsim.nir.paths import described
from chipsim.nir.report import report, report_text

nir = pytest.importorskip("nir")
pytestmark = pytest.mark.one_python
DT = 1e-3


def full(shape, value):
    return np.full(shape, float(value))


def lif(shape, tau=0.01, threshold=1.0, leak=0.0, reset=0.0):
    return nir.LIF(
        tau=full(shape, tau),
        r=full(shape, tau / DT),
        v_leak=full(shape, leak),
        v_threshold=full(shape, threshold),
        v_reset=full(shape, reset),
    )


def weights(rng, *shape, size=1.0):
    return size * rng.standard_normal(shape)


def written(tmp_path, nodes, edges, metadata=None):
    path = tmp_path / "x.nir"
    nir.write(path, nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata or {}, type_check=False))
    return path


def chain(*names):
    return list(zip(names, names[1:], strict=False))


def run(path, how=None, chip="ideal", bits=16, steps=60, rate=0.3, least=0.98):
    """The graph on a chip and in float64; both fire, alike."""
    made = import_nir(path, load_chip(chip), how or Convention(dt=DT), bits=bits)
    rng = np.random.default_rng(3)
    given = {name: rng.random((steps, *shape)) < rate for name, shape in made.inputs().items()}
    a, b = made.run(given, interpreter=True), made.run_floats(given)
    for p in made.placed.described.populations:
        if p.kind == "lif":
            assert b[p.name].any(), f"{p.name} never fires"
            assert (a[p.name] == b[p.name]).mean() >= least, p.name
        elif p.kind == "integrator":
            error = 0.02 if bits > 8 else 0.1
            assert np.abs(a[p.name] - b[p.name]).max() <= error * np.abs(b[p.name]).max() + 1e-3, p.name
    return made, b, given


def test_delays_of_layers_and_of_neurons(tmp_path):
    rng = np.random.default_rng(1)
    nodes = {
        "in": nir.Input(np.array([6])),
        "a": nir.Linear(weights(rng, 5, 6)),
        "lif": lif(5),
        "d": nir.Delay(full(5, 3 * DT)),
        "b": nir.Linear(weights(rng, 4, 5)),
        "each": nir.Delay(np.array([0, 1, 2, 5]) * DT),
        "end": lif(4),
        "output": nir.Output(np.array([4])),
    }
    path = written(tmp_path, nodes, chain("in", "a", "lif", "d", "b", "each", "end", "output"))
    made, found, _ = run(path)
    assert made.simulator.plan.connection("b").synapse_delays
    assert [p.steps for p in made.placed.described.paths] == [0, 3]
    assert not found["end"][:3].any() and found["lif"][:3].any()
    made, _, _ = run(path, chip="loihi2", bits=8, least=0.95)  # delays of 1 and more
    assert made.simulator.plan.connection("a").delay == 1


def test_a_delay_is_rounded_to_steps_and_said(tmp_path):
    nodes = {
        "in": nir.Input(np.array([2])),
        "d": nir.Delay(full(2, 2.4 * DT)),
        "lif": lif(2, threshold=0.5),
        "output": nir.Output(np.array([2])),
    }
    made, _, _ = run(written(tmp_path, nodes, chain("in", "d", "lif", "output")))
    assert "d: delays moved by up to 0.0004 s to whole steps" in report_text(report(made))


def test_recurrence_over_two_layers_and_a_subgraph(tmp_path):
    rng = np.random.default_rng(2)
    inner = nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([5])),
            "lif": lif(5),
            "w": nir.Linear(weights(rng, 5, 5, size=0.5)),
            "output": nir.Output(np.array([5])),
        },
        edges=[("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")],
    )
    nodes = {
        "in": nir.Input(np.array([6])),
        "a": nir.Affine(weights(rng, 5, 6), weights(rng, 5, size=0.1)),
        "sub": inner,
        "b": nir.Linear(weights(rng, 4, 5)),
        "top": lif(4),
        "back": nir.Linear(weights(rng, 5, 4, size=0.5)),
        "output": nir.Output(np.array([4])),
    }
    edges = [*chain("in", "a", "sub", "b", "top", "output"), ("top", "back"), ("back", "sub")]
    made, _, _ = run(written(tmp_path, nodes, edges))
    back = {(p.pre, p.post): p.back for p in made.placed.described.paths}
    assert back == {
        ("in", "sub.lif"): False,
        ("sub.lif", "sub.lif"): True,
        ("sub.lif", "top"): False,
        ("top", "sub.lif"): True,
    }
    assert {c.name: c.delay for c in made.simulator.plan.connections}["back"] == 1


def test_maps_of_every_kind(tmp_path):
    """An or over windows, a sum over odd windows, groups, dilation and a stride of its own per axis."""
    rng = np.random.default_rng(4)
    pair = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
    nodes = {
        "in": nir.Input(np.array([2, 9, 8])),
        "odd": nir.Conv2d(
            (9, 8), weights(rng, 4, 1, 3, 2), (2, 1), (1, 0), (1, 2), 2, weights(rng, 4, size=0.1)
        ),
        "m": lif((4, 5, 6), threshold=2.0),
        "sum": nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0])),
        "any": nir.Threshold(full((4, 2, 3), 0.5)),
        "k": nir.Conv2d((2, 3), weights(rng, 3, 4, 1, 1), groups=1, bias=full(3, 0), **pair),
        "n": lif((3, 2, 3)),
        "avg": nir.AvgPool2d(kernel_size=np.array([2, 3]), stride=np.array([2, 3]), padding=np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([3, 1, 1])}, 0, -1),
        "w": nir.Linear(weights(rng, 4, 3, size=6)),
        "end": lif(4),
        "output": nir.Output(np.array([4])),
    }
    path = written(tmp_path, nodes, chain(*nodes))
    made, _, _ = run(path, steps=40)
    what = {name: wire.what for name, (_, wire, _) in made.placed.wires.items()}
    assert "synapses (Conv2d, unrolled)" in what["odd"] or "dense (Conv2d, unrolled)" in what["odd"]
    assert what["k"] == "or of 2x2, 1x1 kernels, shared" and what["w"] == "dense (AvgPool2d x Linear)"
    assert made.simulator.network.layer("sum").pool.kind == "or"


@pytest.mark.parametrize("case", range(12))
def test_matrices_are_what_their_nodes_do(case):
    """Unrolled convolutions and windows, beside the definition applied to signals."""
    rng = np.random.default_rng(case)

    def two(low, high):
        return rng.integers(low, high, 2).astype(float)

    shape = (int(rng.integers(1, 4)) * 2, int(rng.integers(5, 9)), int(rng.integers(5, 9)))
    groups = float(rng.choice([1, 2]))
    kernel = rng.integers(1, 4, 2)
    values = {"stride": two(1, 3), "padding": two(0, 2), "dilation": two(1, 3), "groups": np.array(groups)}
    conv = {"weight": weights(rng, 4, shape[0] // int(groups), *kernel), "bias": weights(rng, 4), **values}
    pool = {"kernel_size": kernel.astype(float), "stride": values["stride"], "padding": values["padding"]}
    flat = rng.standard_normal(int(np.prod(shape)))
    for kind, held in (("Conv2d", conv), ("SumPool2d", pool), ("AvgPool2d", pool)):
        node = Node("x", kind, held)
        matrix, bias = matrix_of(node, shape, "here")
        out = matrix.T @ flat + (0 if bias is None else bias)
        assert out.size == np.prod(shape_after(node, shape, "here"))
        np.testing.assert_allclose(out, _applied(node, flat, shape), atol=1e-12)
    one = Node(
        "x",
        "Conv1d",
        {
            "weight": weights(rng, 3, shape[0], 2),
            "bias": weights(rng, 3),
            **{key: np.array([1.0]) for key in ("stride", "dilation", "groups")},
            "padding": "valid",
        },
    )
    matrix, bias = matrix_of(one, (shape[0], 7), "here")
    signal = rng.standard_normal(shape[0] * 7)
    np.testing.assert_allclose(matrix.T @ signal + bias, _applied(one, signal, (shape[0], 7)), atol=1e-12)


def test_leaks_resets_thresholds_of_neurons_and_currents(tmp_path):
    """v_leak and v_reset other than 0, a threshold each, a current with w_in and a biased Affine."""
    rng = np.random.default_rng(5)
    first = lif(6, leak=-0.3, reset=-0.2)
    first.v_threshold = np.linspace(0.5, 1.5, 6)
    cuba = nir.CubaLIF(
        tau_syn=full(4, 0.004),
        tau_mem=full(4, 0.01),
        r=full(4, 10),
        v_leak=full(4, 0.1),
        v_threshold=full(4, 1),
        w_in=np.array([3.0, 4.0, 5.0, 6.0]),
    )
    read = nir.CubaLI(tau_syn=full(3, 0.004), tau_mem=full(3, 0.02), r=full(3, 20), v_leak=full(3, 0.2))
    nodes = {
        "in": nir.Input(np.array([8])),
        "a": nir.Affine(weights(rng, 6, 8), weights(rng, 6, size=0.1)),
        "x": first,
        "b": nir.Affine(weights(rng, 4, 6), full(4, 0.05)),
        "s": nir.Scale(full(4, 2)),
        "y": cuba,
        "c": nir.Linear(weights(rng, 3, 4)),
        "z": read,
        "output": nir.Output(np.array([3])),
    }
    path = written(tmp_path, nodes, chain(*nodes))
    made, _, _ = run(path)
    sim = made.simulator
    raw = sim.state[f"l{sim.plan.layer('x').index}_thr"]
    assert len(set(raw.tolist())) == 6 and (np.diff(raw) > 0).all()
    assert [c.name for c in sim.plan.connections] == ["a", "b s", "c", "chipsim:constant->y"]
    run(path, chip="loihi2", bits=8, least=0.9)
    made.run({"in": np.zeros((2, 8))}, interpreter=True)  # a second run starts anew, constants included
    assert np.array_equal(raw, sim.state[f"l{sim.plan.layer('x').index}_thr"])


def test_integrators_outputs_without_neurons_and_one_to_one(tmp_path):
    rng = np.random.default_rng(6)
    nodes = {
        "in": nir.Input(np.array([5])),
        "f": nir.IF(r=full(5, 400), v_threshold=full(5, 1)),
        "w": nir.Linear(weights(rng, 3, 5)),
        "sum": nir.I(r=full(3, 1000)),
        "kept": nir.Output(np.array([3])),
        "v": nir.Affine(weights(rng, 2, 5), full(2, 0.5)),
        "now": nir.Output(np.array([2])),
    }
    edges = [*chain("in", "f", "w", "sum", "kept"), ("f", "v"), ("v", "now")]
    made, found, given = run(written(tmp_path, nodes, edges))
    assert made.placed.described.outputs == {"kept": "sum", "now": "now"}
    weight = nodes["v"].weight
    np.testing.assert_allclose(found["now"], found["f"] @ weight.T + 0.5, atol=1e-9)
    np.testing.assert_allclose(found["sum"], np.cumsum(found["f"] @ nodes["w"].weight.T, axis=0), atol=1e-9)
    assert "in->f" in made.placed.wires  # no node holds its weights


def test_two_connections_share_a_scale_but_not_a_range(tmp_path):
    rng = np.random.default_rng(7)
    nodes = {
        "in": nir.Input(np.array([8])),
        "big": nir.Linear(weights(rng, 6, 8)),
        "x": lif(6),
        "small": nir.Linear(weights(rng, 6, 6, size=0.05)),
        "output": nir.Output(np.array([6])),
    }
    path = written(tmp_path, nodes, [*chain("in", "big", "x", "output"), ("x", "small"), ("small", "x")])
    found = {c["name"]: c for c in report(run(path, bits=8, least=0.97)[0])["connections"]}
    assert (found["big"]["format"], found["small"]["format"]) == ("s8.7", "s8.11")
    assert found["small"]["lsb"] == found["big"]["lsb"] / 16
    assert all(c["rms_error_relative"] < 0.02 for c in found.values())


def test_small_weights_leave_room_for_the_threshold(tmp_path):
    """A weight of a ten-thousandth of the threshold: the membrane decides the scale, and it is said."""
    nodes = {
        "in": nir.Input(np.array([4])),
        "w": nir.Linear(full((2, 4), 1e-4)),
        "x": lif(2),
        "output": nir.Output(np.array([2])),
    }
    path = written(tmp_path, nodes, chain(*nodes))
    made = import_nir(path, load_chip("loihi2"), Convention(dt=DT))
    assert "so that the threshold fits the membrane" in report_text(report(made))
    layer = made.simulator.plan.layer("x")
    assert layer.threshold <= layer.v_fmt.hi // 2 + 1


def test_conventions():
    for how in (Convention(dt=1e-3), convention("sinabs", dt=1e-3)):
        for tau in (0.002, 0.05):
            assert how.tau(float(how.keep(np.float64(tau)))) == pytest.approx(tau)
    assert convention("norse").w_in == "jump" and convention("norse", dt=0.5).dt == 0.5
    assert convention("snntorch").keep(np.float64(1e-3)) == pytest.approx(0.9)
    with pytest.raises(SettingError, match=r"no tool 'snntorc' \(did you mean 'snntorch'\?\)"):
        convention("snntorc")
    with pytest.raises(SettingError, match="discretisation 'eule'"):
        Convention(discretisation="eule")


def test_time_constants_of_single_neurons(tmp_path):
    node = lif(4)
    node.tau = np.array([0.01, 0.01, 0.02, 0.03])
    nodes = {"in": nir.Input(np.array([4])), "x": node, "output": nir.Output(np.array([4]))}
    graph = read_graph(written(tmp_path, nodes, chain(*nodes)))
    with pytest.raises(NetworkError, match=r"node 'x': tau: 0.01 to 0.03 s; the neurons of a layer share"):
        described(graph, Convention(dt=DT))
    found = described(graph, Convention(dt=DT, taus="mean"))
    assert found.population("x").neuron.taus == {"tau": pytest.approx(0.0175)}
    assert found.remarks == ("x: tau of 0.01 to 0.03 s: their mean 0.0175 s for all",)


def test_a_batch_of_one_is_no_axis(tmp_path):
    """Norse writes shapes with a batch, which nir itself then refuses to read."""
    nodes = {
        "in": nir.Input(np.array([1, 5])),
        "w": nir.Linear(full((3, 5), 0.4)),
        "x": lif(1),
        "output": nir.Output(np.array([1, 3])),
    }
    made, _, _ = run(written(tmp_path, nodes, chain(*nodes)))
    assert made.inputs() == {"in": (5,)} and made.placed.described.population("x").shape == (3,)
