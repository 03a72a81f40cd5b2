"""Lowered rules on recorded signals: the walk over products is the interpreter's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import LimitError, SettingError
from chipsim.lava.from_lava import LavaRule, rule_text
from chipsim.microcode.bind import bind
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.open_loop.inputs import Inputs
from chipsim.open_loop.lowered import apart, rule_use, sparse_inputs
from chipsim.open_loop.products import ProductWalk
from chipsim.plan import plan
from chipsim.reference import reference_steps
from chipsim.state import make_state

pytestmark = pytest.mark.one_python
STEPS, SEED = 60, 3
IDEAL, LAVA = load_chip("ideal"), load_chip("loihi2_lava")


def recorded(rule: str):
    """(program, use, inputs, start weights, state at the end) of a run of the interpreter on loihi2_lava."""
    net = Network()
    net.source("in", 6)
    net.lif("h", 5, tau_v_ms=8, threshold=0.4, reset="hard")
    net.connect("in", "h", rule=rule, spread=0.9, settings={"engine": {"seed": SEED}})
    reward = rule.startswith("r_stdp")
    net.reward("h") if reward else net.readout("h", 3)
    made = plan(net, LAVA, load_rule, seed=SEED)
    state, rng = make_state(made), np.random.default_rng(1)
    start = state["c0_w"].astype(np.int64)
    events = Events.from_dense((rng.random((1, STEPS, 6)) < 0.3).astype(np.int8))
    rewards = rng.integers(-32, 32, (1, STEPS)) if reward else None
    rows = {name: [] for name in ("vc", "v", "fired", "m")}
    for t in range(1, STEPS + 1):
        reference_steps(
            made, state, events, start=t - 1, stop=t, labels=np.array([t // 9 % 3]), rewards=rewards
        )
        for name, row in rows.items():
            row.append(state[f"l1_{name}"][0].copy() if f"l1_{name}" in state else np.zeros(5, int))
    vc, v, fired, m = (np.array(x, np.int64)[None] for x in rows.values())
    pre = events.to_dense().astype(np.int64)
    given = np.zeros((1, STEPS), np.int64) if rewards is None else rewards
    inputs = Inputs(pre, vc, v, fired, m, given, int(state["l1_thr"][0]))
    return made.connections[0].program, rule_use(LAVA), inputs, start, state


@pytest.mark.parametrize(
    "rule", ["stdp_pair", "stdp_triplet", "decolle", "dalton_chip", "r_stdp_step", "ell"]
)
def test_the_walk_is_the_interpreter(rule):
    program, use, inputs, start, state = recorded(rule)
    walk = ProductWalk(program, use, inputs, [SEED], start, phases=LAVA.step.order)
    walk.run()
    assert (walk.raw["w"][0] != start).any()
    for r in program.registers:
        if not r.temp:
            found = state["c0_w" if r.is_weight else f"c0_r_{r.name}"]
            assert walk.raw[r.name].reshape(-1).tolist() == found.reshape(-1).tolist(), r.name


def test_exact_lines_differ_by_what_lava_adds_alone():
    """ELL is one exact product; received values decay with probability y / 65535, one LSB at a time."""
    found = apart(load_rule("ell"), IDEAL, LAVA, runs=200)
    assert found.updates > 5000 and found.change > 0.5
    assert found.largest <= 2**-5 and found.mean < 1e-4


def test_constants_that_lava_rounds_show_as_bias():
    """stdp_pair: potentiation 7.7 % low, depression 3.2 % high; both make weights smaller."""
    found = apart(load_rule("stdp_pair"), IDEAL, LAVA, runs=200)
    assert -0.09 * found.change < found.bias < -0.02 * found.change
    assert abs(found.bias) > 5 * found.error and found.mean > found.noise


def test_a_wrong_sign_is_as_large_as_the_change():
    text = load_rule("ell").source
    assert "w -= delta * s" in text
    wrong = parse_rule(text.replace("w -= delta * s", "w += delta * s"), "wrong.rule")
    use = rule_use(LAVA)
    inputs = sparse_inputs(use, 20, 40)
    walks = [ProductWalk(bind(p, LAVA, use), use, inputs, range(20)) for p in (wrong, load_rule("ell"))]
    for walk in walks:
        walk.run()
    assert (walks[0].raw["w"] == -walks[1].raw["w"]).mean() > 0.5


def test_inputs_are_as_rare_as_in_a_network():
    made = sparse_inputs(rule_use(LAVA), 50, 100)
    assert 0.04 < made.pre.mean() < 0.06 and 0.015 < made.post.mean() < 0.025
    assert ((made.v >= made.threshold) == (made.post != 0)).all()


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(LimitError, match="line 38"):
        apart(load_rule("sdsp"), IDEAL, LAVA)
    text = rule_text(LavaRule("2^-2*x1*y0", tau={"x1": 5}, impulse={"x1": 16}))
    use = rule_use(LAVA, engine_settings={"epoch": 4})
    with pytest.raises(SettingError, match="epoch"):
        ProductWalk(bind(parse_rule(text, "r.rule"), LAVA, use), use, sparse_inputs(use, 2, 4), [0, 1])
