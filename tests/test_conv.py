"""Convolutions and pool layers: what they mean, beside plain arithmetic, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.compile.conv_back_kernels import (
    transposed_conv,
    transposed_conv_32,
    transposed_conv_twin,
    turn_kernel,
)
from chipsim.data.events import Events
from chipsim.errors import LimitError, NetworkError, RuleError
from chipsim.float_twin import twin_of
from chipsim.geometry import Conv, Pool, conv_shape, size_of
from chipsim.ledger import event_counts, memory_items, memory_needed
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.reference import reference_present, reference_steps
from chipsim.reference_maps import transposed_conv as reference_transposed
from chipsim.simulator import Simulator
from chipsim.state import make_state

SUM = """rule sums
in s from pre.spike
in f from post.spike
syn w : weight round=nearest
on_post:
    w += f * s >> 7
"""


def ideal(net: Network, rules=None, **settings):
    return plan(net, load_chip("ideal"), rules or {}, **settings)


def direct(x: np.ndarray, w: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """Cross-correlation of maps x [h, w, c] with kernels w [ky, kx, c, o], written out."""
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    k = w.shape[0]
    h, width = (x.shape[0] - k) // stride + 1, (x.shape[1] - k) // stride + 1
    out = np.zeros((h, width, w.shape[3]), np.result_type(x, w))
    for y in range(h):
        for z in range(width):
            patch = x[y * stride : y * stride + k, z * stride : z * stride + k]
            out[y, z] = np.tensordot(patch, w, 3)
    return out


SHAPES = [
    (Conv(3, 1, 0, (5, 6, 2), (3, 4, 3))),
    (Conv(2, 2, 1, (5, 4, 1), (3, 3, 2))),
    (Conv(4, 3, 2, (6, 5, 3), (3, 2, 40))),
    (Conv(1, 1, 0, (3, 2, 2), (3, 2, 5))),
]


# ---------------------------------------------------------------- geometry


@pytest.mark.parametrize("conv", SHAPES)
def test_places_are_those_of_a_direct_convolution(conv):
    rng = np.random.default_rng(1)
    assert conv_shape(conv.pre, conv.post[2], conv.kernel, conv.stride, conv.pad) == conv.post
    w = rng.integers(-9, 9, (conv.kernel, conv.kernel, conv.pre[2], conv.post[2]))
    x = rng.integers(-9, 9, conv.pre)
    flat, out = w.ravel(), np.zeros(size_of(conv.post), np.int64)
    for axon, value in enumerate(x.ravel()):
        for neuron, weight in conv.places(axon):
            out[neuron] += value * flat[weight]
    np.testing.assert_array_equal(out.reshape(conv.post), direct(x, w, conv.stride, conv.pad))


def test_the_place_of_a_draw_counts_input_channel_then_y_then_x():
    conv = SHAPES[0]
    for ci in range(2):
        for ky in range(3):
            for kx in range(3):
                assert conv.draw_place((ky * 3 + kx) * 2 + ci) == ci * 9 + ky * 3 + kx


def test_windows():
    pool = Pool(2, "average", (3, 5, 2))  # the last row and column belong to no window
    assert pool.post == (1, 2, 2) and pool.bits == 3 and pool.scale == 2
    windows = np.array([pool.window(i) for i in range(30)]).reshape(3, 5, 2)
    assert windows[:2, :2, 1].tolist() == [[1, 1], [1, 1]] and windows[1, 3, 0] == 2
    assert (windows[2] == -1).all() and (windows[:, 4] == -1).all()
    assert Pool(3, "or", (6, 6, 1)).bits == 1 and Pool(3, "or", (6, 6, 1)).scale == 0


# ---------------------------------------------------------------- forward


def summing(conv: Conv, **options) -> Network:
    """A source and integrators without leak behind a convolution."""
    net = Network()
    net.source("in", conv.pre)
    net.integrator("out", conv.post, tau_v_ms=math.inf)
    net.conv("in", "out", conv.kernel, stride=conv.stride, pad=conv.pad, **options)
    return net


@pytest.mark.parametrize("conv", SHAPES)
def test_integrators_hold_the_convolution_of_the_spikes(conv):
    rng = np.random.default_rng(2)
    w = rng.integers(-100, 100, (conv.kernel, conv.kernel, conv.pre[2], conv.post[2])) / 128
    bound = ideal(summing(conv, weights=w))
    spikes = rng.random((1, 4, size_of(conv.pre))) < 0.4
    state = make_state(bound)
    got = reference_present(bound, state, Events.from_dense(spikes.astype(np.int8)), None)
    want = direct(spikes[0].sum(axis=0).reshape(conv.pre), w, conv.stride, conv.pad)
    real = got["potentials"]["out"][0] * float(bound.layer("out").v_fmt.lsb)
    np.testing.assert_array_equal(real.reshape(conv.post), want)
    fan_out = [sum(1 for _ in conv.places(j)) for j in range(size_of(conv.pre))]
    assert state["c0_stat"].tolist() == [spikes.sum(), (spikes.sum(axis=(0, 1)) * fan_out).sum(), 0]


def test_weights_may_be_given_flat_and_are_stored_once():
    conv = SHAPES[0]
    w = np.linspace(-0.5, 0.5, conv.weights).reshape(3, 3, 2, 3)
    states = [make_state(ideal(summing(conv, weights=x))) for x in (w, w.reshape(18, 3))]
    np.testing.assert_array_equal(states[0]["c0_w"], states[1]["c0_w"])
    assert states[0]["c0_w"].shape == (18, 3)


def pooled(kind: str, **options) -> Network:
    """Four neurons that repeat their axon's spike, in one window, and a reader of the window."""
    net = Network()
    net.source("in", 4)
    net.lif("map", (2, 2, 1), threshold=0.5, reset="hard")
    net.connect("in", "map", weights=np.eye(4) * 0.9)
    net.pool("map", "pool", 2, kind)
    net.integrator("sum", 1, tau_v_ms=math.inf)
    net.connect("pool", "sum", weights=[[0.5]], **options)
    return net


@pytest.mark.parametrize(("kind", "steps"), [("or", [0.5, 0.5, 0.0]), ("average", [0.125, 0.375, 0.0])])
def test_a_window_is_seen_in_the_step_of_its_spikes(kind, steps):
    """One neuron, three neurons, none: 0.5 where any fired, or 0.5 times the share that did."""
    net = pooled(kind)
    bound = ideal(net)
    state = make_state(bound)
    events = Events.from_dense(np.array([[[1, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0]]], np.int8))
    seen = []
    for ts in range(3):
        reference_steps(bound, state, events, start=ts, stop=ts + 1)
        seen.append(float(state["l3_v"][0, 0] * bound.layer("sum").v_fmt.lsb))
    assert np.diff([0.0, *seen]).tolist() == steps
    assert state["l2_stat"][0] == 2 and state["l2_count"][0, 0] == 2
    assert state["c1_stat"].tolist() == [2, 2, 2 if kind == "average" else 0]


def test_evaluation_of_both_backends_on_every_chip():
    """Chips that walk phase by phase too, where a pool layer sees its map in the same step."""
    rng = np.random.default_rng(5)
    events = Events.from_dense((rng.random((3, 6, 50)) < 0.4).astype(np.int8))
    for chip in ("ideal", "loihi1", "loihi2"):
        net = Network()
        net.source("in", (5, 5, 2))
        net.lif("map", (4, 4, 3), threshold=0.4, reset="hard")
        net.conv("in", "map", 4, pad=1)
        net.pool("map", "pool", 2, "average")
        net.integrator("top", 3)
        net.connect("pool", "top")
        sim = Simulator(net, load_chip(chip), seed=3)
        want = reference_present(sim.plan, sim.state, events, None, learn=False)
        got, counters = sim.evaluate(events)
        np.testing.assert_array_equal(want["potentials"]["top"], got["potentials"]["top"])
        np.testing.assert_array_equal(want["counts"]["map"], got["counts"]["map"])
        assert want["counts"]["map"].sum() > 0 and want["potentials"]["top"].any()
        assert {k: v.tolist() for k, v in counters.items()} == {
            k: v.tolist() for k, v in sim.state.items() if k.endswith(("_stat", "_lines"))
        }


# ---------------------------------------------------------------- learning


def test_contributions_of_all_places_are_added_before_the_one_write():
    """Kernel 2 over 3 x 3: of 4 neurons 3 fire, so a weight has up to 3 contributions of 1 / 128."""
    net = Network()
    net.source("in", (3, 3, 1))
    net.lif("map", (2, 2, 1), threshold=0.5)
    net.conv("in", "map", 2, rule="sums", weights=np.full((2, 2, 1, 1), 0.25))
    bound = ideal(net, {"sums": parse_rule(SUM, "sums")})
    state = make_state(bound)
    image = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]])
    reference_present(bound, state, Events.from_dense(image.reshape(1, 1, 9).astype(np.int8)), None)
    # neuron sums: 4 and 2, 3 and 3 quarters: all reach 0.5
    fired = direct(image[..., None], np.ones((2, 2, 1, 1), int), 1, 0)[..., 0] >= 2
    want = [
        sum(image[y + ky, x + kx] * fired[y, x] for y in (0, 1) for x in (0, 1))
        for ky, kx in np.ndindex(2, 2)
    ]
    assert (state["c0_w"][:, 0] - 32).tolist() == want
    line = state["c0_lines"][0]
    assert line.tolist() == [16, 0, 0, 0, 0, 0, 4]  # 16 places, 4 stored weights changed


def test_the_twin_learns_the_gradient_of_a_direct_computation():
    """Float twin: convolution, average pool and the sums of the rule as plain float64 arithmetic."""
    rule = """rule trace
in v from neuron.v
const rate : s8.7 = 0.0625
pre x : u8.0
syn w : weight round=stochastic
temp d per post : s24.20
on_pre:
    x += 1
on_epoch 1:
    d = v * rate
    w -= d * x >> 6
"""
    rng = np.random.default_rng(3)
    conv = Conv(3, 1, 1, (4, 4, 2), (4, 4, 3))
    net = Network()
    net.source("in", conv.pre)
    net.lif("map", conv.post, threshold=0.75, tau_v_ms=8.0)
    net.conv("in", "map", 3, pad=1, rule="trace")
    net.pool("map", "pool", 2, "average")
    net.integrator("top", 2, tau_v_ms=math.inf)
    net.connect("pool", "top")
    sim = Simulator(net, load_chip("ideal"), {"trace": parse_rule(rule, "trace")}, seed=4)
    twin = twin_of(sim)
    w = twin.state["c0_w"].reshape(3, 3, 2, 3).copy()
    top, k = twin.state["c1_w"].copy(), sim.plan.layer("map").k_v / 4096
    spikes = rng.random((6, 4, 4, 2)) < 0.4
    out = twin.present(Events.from_dense(spikes.reshape(1, 6, 32).astype(np.int8)))
    v, x, total = np.zeros(conv.post), np.zeros(conv.pre), np.zeros(2)
    fired_in_all = 0
    for step in spikes:
        compared = v * k + direct(step.astype(float), w, 1, 1)
        fired = compared >= 0.75
        v = compared - 0.75 * fired
        x = x + step
        share = fired.reshape(2, 2, 2, 2, 3).sum(axis=(1, 3)) / 4
        total += share.reshape(-1) @ top
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        for ky, kx in np.ndindex(3, 3):
            patch = padded[ky : ky + 4, kx : kx + 4]
            w[ky, kx] -= np.einsum("yxc,yxo->co", patch, compared * 0.0625) / 64
        w = w.clip(-1, 127 / 128)
        fired_in_all += fired.sum()
    assert fired_in_all > 10
    np.testing.assert_allclose(twin.state["c0_w"].reshape(w.shape), w, atol=1e-12)
    np.testing.assert_allclose(out["potentials"]["top"][0], total, atol=1e-12)


@pytest.mark.parametrize(("kind", "shift"), [("or", 0), ("average", 2)])
def test_unpooled_third_factors(kind, shift):
    """Each neuron gets its window's, to nearest of the shares; a neuron outside gets 0."""
    net = Network()
    net.source("in", (3, 2, 1))
    net.lif("map", (3, 2, 1), threshold=0.5)
    net.conv("in", "map", 1, weights=[[[[0.9]]]])
    net.pool("map", "pool", 2, kind)
    net.readout("pool", 3)
    net.unpool("map", "pool", rounding="nearest")
    bound = ideal(net)
    state = make_state(bound)
    reference_present(bound, state, Events.from_dense(np.ones((1, 2, 6), np.int8)), np.array([1]))
    m = int(state["l2_m"][0, 0])
    share = (m + (1 << shift >> 1)) >> shift
    assert m != 0 and state["l1_m"][0].tolist() == [share] * 4 + [0, 0]
    assert state["k1_stat"][0] == 2  # one message a step
    assert event_counts(bound, state)["map"]["error"]["error_message"] == 2


@pytest.mark.parametrize("conv", SHAPES)
def test_the_transposed_convolution(conv):
    """Reference, both lanes and the twin beside the adjoint of a direct convolution."""
    rng = np.random.default_rng(6)
    w = rng.integers(-128, 128, (conv.rows, conv.post[2])).astype(np.int8)
    r = rng.integers(-50, 50, size_of(conv.post)) * (rng.random(size_of(conv.post)) < 0.5)
    want = np.zeros(size_of(conv.pre), np.int64)
    kernels = w.astype(np.int64).reshape(conv.kernel, conv.kernel, conv.pre[2], conv.post[2])
    for j in range(len(want)):  # <conv(e_j), r>
        one = np.zeros(conv.pre, np.int64)
        one.ravel()[j] = 1
        want[j] = (direct(one, kernels, conv.stride, conv.pad).ravel() * r).sum()
    assert reference_transposed(conv, w.ravel().tolist(), r.tolist()) == want.tolist()
    geo, turned = np.array(conv.numbers()), np.zeros(w.shape[::-1], np.int8)
    turn_kernel(w, turned)
    for kernel, kind in ((transposed_conv, np.int64), (transposed_conv_32, np.int32)):
        out = np.zeros(len(want), kind)
        products = kernel(turned, geo, r.astype(np.int32), out)
        np.testing.assert_array_equal(out, want)
        assert products == sum(r[i] != 0 for j in range(len(want)) for i, _ in conv.places(j))
    real = np.zeros(len(want))
    transposed_conv_twin(turned.astype(float), geo, r.astype(float), real)
    np.testing.assert_allclose(real, want)


# ---------------------------------------------------------------- ledger and limits


def test_memory_counts_a_kernel_once():
    net = Network()
    net.source("in", (28, 28, 1))
    net.lif("map", (24, 24, 16))
    net.conv("in", "map", 5)
    net.pool("map", "pool")
    net.readout("pool", 10)
    bound = ideal(net)
    items = {x["what"]: x for x in memory_items(bound)}
    assert items["in->map weights"]["count"] == 400
    assert items["pool third factor"]["count"] == 12 * 12 * 16
    assert not any(what.startswith("pool ") and what != "pool third factor" for what in items)
    state = make_state(bound)
    assert memory_needed(bound) > sum(x.nbytes for x in state.values())


def test_report_and_activity_of_a_network_with_pools():
    net = pooled("average")
    sim = Simulator(net, load_chip("ideal"))
    sim.present(Events.from_dense(np.ones((2, 3, 4), np.int8)))
    assert "pool" in sim.report()
    counts = event_counts(sim.plan, sim.state)
    assert counts["sum"]["inference"]["synaptic_event_graded"] == 6
    assert counts["pool"]["inference"] == {"spike": 6}


def test_a_kernel_must_fit_a_core():
    net = Network()
    net.source("in", (16, 16, 64))
    net.lif("map", (10, 10, 512), reset="hard")
    net.conv("in", "map", 7)
    with pytest.raises(LimitError, match="loihi1.*shared kernels"):
        plan(net, load_chip("loihi1"), {})


def test_averages_need_guard_bits():
    """Windows of 64 divide 8-bit weights by 2^6: Loihi 1 has just these 6 bits below their LSB."""
    net = Network()
    net.source("in", (8, 8, 1))
    net.pool("in", "pool", 8, "average")
    net.lif("top", 2, reset="hard")
    net.connect("pool", "top")
    bound = plan(net, load_chip("loihi1"), {})
    assert bound.connections[0].scale == 6 and bound.layer("top").acc_shift == 0
    chip = load_chip("ideal")
    wide = next(bits for bits in chip.weight.bits if bits > chip.neuron.guard_bits + 8 - 6)
    with pytest.raises(LimitError, match="(?s)pooling windows.*smaller windows"):
        plan(net, chip, {}, weight_bits=wide)


# ---------------------------------------------------------------- refusals


def maps() -> Network:
    net = Network()
    net.source("in", (6, 6, 2))
    net.source("row", 72)
    net.source("graded", (6, 6, 2), payload_bits=4)
    net.lif("map", (4, 4, 3))
    net.integrator("sum", (4, 4, 3))
    return net


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda n: n.conv("row", "map", 3), "'row' is no map.*give it a shape"),
        (lambda n: n.conv("in", "map", 5), r"makes \(2, 2, 3\)"),
        (lambda n: n.conv("in", "map", 7), "use a smaller kernel"),
        (lambda n: n.conv("in", "map", 3, stride=0), "stride = 0"),
        (lambda n: n.conv("in", "map", 3, pad=3), "pad 3 for a kernel of 3"),
        (lambda n: n.conv("in", "map", 3, delays=np.zeros((72, 48))), "delays of a convolution"),
        (lambda n: n.conv("in", "map", 3, sparse=([0], [])), "sparse of a convolution"),
        (lambda n: n.conv("in", "map", 3, weights=np.zeros((3, 3, 2, 4))), "weights of shape"),
        (lambda n: n.conv("in", "map", 3, gian=2), "did you mean 'gain'"),
        (lambda n: n.connect("in", "map", conv=3), "unknown option 'conv'"),
        (lambda n: n.lif("more", (4, 4)), "give .h, w, channels."),
        (lambda n: n.lif("more", (4, 0, 1)), "shape"),
        (lambda n: n.lif("more", 9, shape=(3, 3, 2)), "which has 18 neurons"),
        (lambda n: n.lif("more", 9, pool=2), "unknown option 'pool'"),
        (lambda n: n.pool("row", "p"), "no map"),
        (lambda n: n.pool("sum", "p"), "no map of spiking"),
        (lambda n: n.pool("graded", "p"), "graded spikes"),
        (lambda n: n.pool("map", "p", 2, "max"), "unknown kind 'max'"),
        (lambda n: n.pool("map", "p", 5), "windows of size 5"),
        (lambda n: n.pool("map", "p", 3, "average"), "a power of two"),
        (lambda n: n.connect("in", n.pool("map", "p")), "a pool layer takes no connection"),
        (lambda n: n.unpool("in", n.pool("map", "p")), "does not pool 'in'"),
        (lambda n: n.unpool("map", n.pool("map", "p"), "floor"), "rounding 'floor'"),
    ],
)
def test_what_does_not_fit_is_refused(build, says):
    with pytest.raises(NetworkError, match=f"(?s){says}"):
        build(maps())


def test_a_pool_without_third_factor_has_none_to_hand_down():
    net = maps()
    net.conv("in", "map", 3)
    net.unpool("map", net.pool("map", "p"))
    with pytest.raises(NetworkError, match="no third factor to hand down"):
        ideal(net)


def learned(line: str, section: str = "on_post", **settings):
    net = Network()
    net.source("in", (4, 4, 1))
    net.lif("map", (3, 3, 2))
    net.conv("in", "map", 2, rule="r")
    rule = "rule r\npre x : u7.4\nsyn w : weight\nsyn t : s8.4 per context\n"
    rule += f"on_pre:\n    x += 1\non_step:\n    t = t >> 1\n{section}:\n    {line}\n"
    return ideal(net, {"r": parse_rule(rule, "r")}, **settings)


def test_an_assignment_from_an_axon_is_refused():
    with pytest.raises(RuleError, match="more operands than targets: 'x' exists per pre"):
        learned("w = x")
    learned("w += x")
    learned("w = t")


@pytest.mark.parametrize("rule", ["fell_exact", "eprop_reckon"])
def test_traces_of_single_synapses_are_refused(rule):
    """A trace per axon and neuron has no place in a shared weight."""
    net = Network()
    net.source("in", (4, 4, 1))
    net.lif("map", (3, 3, 2))
    net.conv("in", "map", 2, rule=rule)
    net.readout("map", 3)
    with pytest.raises(RuleError, match="(?s)once for all positions of a kernel.*dense connection"):
        Simulator(net, load_chip("ideal"))


def test_a_copy_per_context_that_meets_axons_is_refused():
    with pytest.raises(RuleError, match="'t' has a copy per context"):
        learned("w += x * t", contexts=2)
    learned("w += x * t")
    learned("w += t", contexts=2)


def test_sums_over_places_are_proved():
    """The exact value counts positions and contexts: 9 places and 2 contexts."""
    one, two = (learned("w += x", contexts=n).connections[0].program.lines[-1] for n in (1, 2))
    assert one.exact_bound >= 9 * 127 and two.exact_bound >= 18 * 127


def test_a_sum_of_products_engine_refuses_shared_weights():
    net = Network()
    net.source("in", (4, 4, 1))
    net.lif("map", (3, 3, 2), reset="hard")
    net.conv("in", "map", 2, rule="stdp_pair")
    with pytest.raises(LimitError, match="(?s)not shared kernels.*--engine lines"):
        Simulator(net, load_chip("loihi2"))
