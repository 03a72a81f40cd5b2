"""The ideal twin: constants as written, surrogates as their formula, no limit of weights."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.cli.run import TWINS
from chipsim.data.events import Events
from chipsim.errors import RuleError, SettingError
from chipsim.float_twin import twin_of
from chipsim.microcode.declare import SHAPES
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.microcode.tables import FORMULAS, shape_text, shape_value
from chipsim.network import Network
from chipsim.settings import make_settings
from chipsim.simulator import Simulator
from chipsim.supervised import SupervisedSettings

RULE = """rule probe
param rate : shift = 0 in 0..8
param gain : s8.6 = 0.3
in v from neuron.v
in m from reward
const k   : u4.4 = decay(7 ms)
const c   : u4.4 = 0.03
const one : u4.2 = 1
table psi(v) : u4.3 = {shape}
pre  x : u8.4 = 0.7
post f : u4.3
post g : s8.6
post h : u4.4
syn  w : weight

on_step:
    x = x * k
on_pre:
    x += 1
on_membrane:
    f = psi(v)
    g = gain
    h = c
on_epoch 1:
    w += one * m >> rate
"""


def build(shape: str = "exp_abs(centre=threshold, reach=2, segments=4)", **options: object) -> Simulator:
    """One input, one leaky neuron at a threshold that its format does not hold."""
    net = Network()
    net.source("in", 1)
    net.lif("n", 1, tau_v_ms=7.0, tau_u_ms=3.0, threshold=0.7, bias=0.01)
    net.connect("in", "n", rule="probe", weights=np.array([[0.25]]))
    net.reward("n")
    return Simulator(net, load_chip("ideal"), {"probe": parse_rule(RULE.format(shape=shape), "p")}, **options)


def run(sim: Simulator, steps: int = 3) -> Simulator:
    """A spike in the first step only, and a reward of 7 in each."""
    dense = np.zeros((1, steps, 1), np.uint8)
    dense[0, 0] = 1
    return sim.run(Events.from_dense(dense), rewards=np.full((1, steps), 7.0))


def test_constants_are_what_was_written():
    twin = run(twin_of(build(), ideal=True))
    assert twin.read("in->n.x")[0] == pytest.approx(
        (0.7 * math.exp(-1 / 7) + 1) * math.exp(-2 / 7), rel=1e-15
    )
    assert twin.read("in->n.h")[0] == 0.03 and twin.read("in->n.g")[0] == 0.3
    assert twin.state["l1_thr"][0] == 0.7 and twin.state["l1_bias"][0] == 0.01


def test_membranes_decay_as_written():
    twin = twin_of(build(), ideal=True)
    v, u = 0.0, 0.0
    for step, w in enumerate((0.25, 0.0, 0.0)):
        run_one = np.full((1, 1, 1), int(step == 0), np.uint8)
        twin.run(Events.from_dense(run_one))
        u = u * math.exp(-1 / 3) + w
        v = v * math.exp(-1 / 7) + u + 0.01
        assert twin.read("n.v")[0] == pytest.approx(v, rel=1e-15)


def test_folded_twin_is_another():
    folded = run(twin_of(build()))
    assert folded.read("in->n.h")[0] == 0  # 0.03 is nothing in u4.4
    assert folded.read("in->n.w")[0] <= 127 / 128


def test_weights_have_no_limit():
    assert run(twin_of(build(), ideal=True)).read("in->n.w").item() == 0.25 + 3 * 7


def test_what_was_calibrated_stays():
    sim = build()
    sim.state["l1_thr"][0] = 12345
    assert twin_of(sim, ideal=True).state["l1_thr"][0] == twin_of(sim).state["l1_thr"][0]
    assert twin_of(build()).state["l1_thr"][0] != 0.7


@pytest.mark.parametrize("shape", SHAPES)
def test_a_named_shape_is_its_formula(shape):
    setting = "half_width=0.6" if shape in ("box", "triangle") else "reach=1, slope=3"
    text = f"{shape}(centre=threshold, {setting}, scale=0.3, segments=4)"
    twin = run(twin_of(build(text), ideal=True))
    options = twin.plan.connections[0].program.tables[0].options
    value = shape_value(shape, options, float(twin.state["l1_vc"][0, 0]) - 0.7)
    assert twin.read("in->n.f")[0] == pytest.approx(value, rel=1e-14)


def test_steps_stay_steps_with_their_own_numbers():
    twin = run(twin_of(build("steps(-9: 0.03, 0.011: 0.77, 8: 0)"), ideal=True), steps=1)
    assert twin.read("in->n.f")[0] == 0.77


def test_every_shape_has_both_forms():
    assert set(FORMULAS) == set(SHAPES)
    assert shape_text("box", (), "x") == "(1.0 * (f64(abs(x) <= 1.0)))"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("lorentz(centre=threshold, segments=4)", "lorentz needs its reach"),
        ("sigmoid(centre=threshold, reach=1, half_width=1, segments=4)", "sigmoid has no half_width"),
        ("lorentz(centre=threshold, reach=1, slope=0, segments=4)", "slope=0 is not above 0"),
        (
            "lorenz(centre=threshold, reach=1, segments=4)",
            "unknown table shape 'lorenz' .did you mean 'lorentz'",
        ),
    ],
)
def test_refusals_of_the_new_shapes(shape, message):
    with pytest.raises(RuleError, match=message):
        parse_rule(RULE.format(shape=shape), "p")


def test_no_ideal_of_a_lowered_program():
    net = Network()
    net.source("in", 2)
    net.lif("n", 2)
    net.connect("in", "n", rule="stdp_pair")
    sim = Simulator(net, load_chip("loihi2"), load_rule, params={"k_x": 0.9375, "k_y": 0.9375})
    with pytest.raises(SettingError, match="no ideal twin of rule stdp_pair lowered to products"):
        twin_of(sim, ideal=True)


def test_runs_choose_their_twin(chipsim):
    for text, twin in TWINS.items():
        wanted = {"folded": True, "ideal": "ideal", "none": False}[text]
        assert make_settings(SupervisedSettings, [f"twin={twin}"]).twin == wanted
    with pytest.raises(SettingError, match="twin=idel"):
        make_settings(SupervisedSettings, ["twin=idel"])
    done = chipsim("run", "digits", "--twin", "idel")
    assert done.status == 2 and "--twin idel: unknown (did you mean 'ideal'?)" in done.err
