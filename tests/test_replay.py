"""Stored history and on_replay: by hand, against kernels and numpy, refusals, memory, counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import DataError, LimitError, NetworkError, RuleError, SettingError
from chipsim.ledger import counters, event_counts, memory_items, memory_needed
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.listing import listing
from chipsim.microcode.step import step_program
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.noise import draw_key, top_bits, word_one
from chipsim.plan import Update, plan
from chipsim.reference import reference_present, reference_steps
from chipsim.simulator import Simulator
from chipsim.state import make_state

HERE = Path(__file__).parent
# axon 0 in step 1, axon 1 in step 2, both in step 3; neuron 0 fires in steps 1 and 3, neuron 1 in 2 and 3
EVENTS = Events.from_dense(np.array([[[1, 0], [0, 1], [1, 1]]]))
RULE = """rule back
in s from pre.spike
in f from post.spike
in m from third_factor
post g : s16.8 publish
post z : u8.0
syn  w : weight
syn  acc : s16.8
history f, s depth=T

on_replay:
    g = g >> 1
    g += m   when f
    acc += g * s
    z = random
on_sample_end:
    w -= acc
    acc = 0
"""


def network(**readout: object) -> Network:
    net = Network()
    net.source("in", 2)
    net.lif("out", 2, tau_v_ms=float("inf"), threshold=0.5, reset="hard")
    net.connect("in", "out", rule="back", weights=np.array([[0.5, 0.25], [0.25, 0.5]]))
    if readout:
        net.readout("out", 2, **readout)
    else:
        net.reward("out")
    return net


def planned(net: Network | None = None, text: str = RULE, chip: str = "ideal", **options: object):
    options.setdefault("sample_steps", 3)
    rules = {"back": parse_rule(text, "back.rule")}
    made = plan(net or network(), load_chip(chip), lambda n: rules.get(n) or load_rule(n), seed=7, **options)
    return made, make_state(made)


# ---------------------------------------------------------------- meaning


def test_three_steps_back_by_hand():
    """Rewards 1, 2, -1. g: -1, -1 in step 3; -0.5, 1.5 in step 2; 0.75, 0.75 in step 1."""
    made, state = planned()
    reference_present(made, state, EVENTS, None, rewards=np.array([[16, 32, -16]]))
    assert state["c0_h_f"][:, 0].tolist() == [[1, 0], [0, 1], [1, 1]]
    assert state["c0_r_g"].tolist() == [[192, 192]]
    # sums of g * s, raw: -64, -64 / -384, 128; a weight's LSB is two of theirs
    assert state["c0_w"].tolist() == [[64 + 32, 32 + 32], [127, 64 - 64]]
    assert state["c0_r_acc"].tolist() == [[0, 0], [0, 0]]
    assert state["step"][0] == 3


def test_a_draw_has_the_stored_steps_number():
    made, state = planned()
    for n in (1, 4):  # step 1 of the first and of the second sample is replayed last
        reference_present(made, state, EVENTS, None)
        key = draw_key(7, 0, 3, 0, n)
        assert state["c0_r_z"].tolist() == [[top_bits(word_one(key, i), 8) for i in (0, 1)]]


def test_nothing_is_replayed_without_a_sample_or_without_learning():
    made, state = planned()
    before = state["c0_w"].copy()
    reference_steps(made, state, EVENTS, start=0, stop=3, rewards=np.array([[16, 32, -16]]))
    assert state["c0_h_f"].any() and not state["c0_r_g"].any()
    made, state = planned()
    reference_present(made, state, EVENTS, None, learn=False)
    assert not state["c0_h_f"].any() and np.array_equal(state["c0_w"], before)


def test_delayed_spikes_are_those_of_the_replayed_step():
    """Delay 2 in a ring of 3 slots: the replay of step 1 must not see the spikes of step 2."""
    net = network()
    net.connections[0] = replace(net.connections[0], delay=2)
    made, state = planned(net, RULE.replace("when f", "").replace("history f, s", "history s"))
    assert made.layers[0].history == 3
    reference_present(made, state, EVENTS, None, rewards=np.array([[16, 32, -16]]))
    change = state["c0_w"].astype(int) - make_state(made)["c0_w"]
    assert change.tolist() == [[127 - 64, 127 - 32], [0, 0]]  # axon 0 in step 3 only: -1 * 1
    assert state["c0_lines"][2].tolist()[0] == 12


@pytest.mark.parametrize("update", [Update("end"), Update("step"), Update("every", 2)])
def test_errors_are_formed_in_every_step_whatever_the_update_instant(update):
    made, state = planned(network(error="softmax", logit_scale=1.0), update=update)
    reference_present(made, state, EVENTS, np.array([1]))
    errors = state["k0_errh"][:, 0]
    assert made.replay.errors == (0,) and made.replay.held == ()
    assert errors.all() and len({tuple(e) for e in errors.tolist()}) > 1
    assert state["k0_err"][0].tolist() == errors[0].tolist()  # step 1 was replayed last


def test_burn_in_stores_no_errors():
    made, state = planned(network(error="softmax"), update=Update("end", 1, 2))
    reference_present(made, state, EVENTS, np.array([1]))
    assert not state["k0_errh"][:2].any() and state["k0_errh"][2].all()


def test_a_held_error_serves_every_step_and_is_not_stored():
    made, state = planned(network(error="softmax", hold=True), update=Update("end", 1, 3))
    reference_present(made, state, EVENTS, np.array([1]))
    assert made.replay.held == (0,) and "k0_errh" not in state
    assert state["k0_err"].all() and state["c0_r_g"].any()
    assert state["k0_stat"][3] == 2  # one softmax of two classes in the sample
    assert "class errors" not in str(memory_items(made))


# ---------------------------------------------------------------- kernels and twin


def printed(script: str, *arguments: object, cache: Path, jit: bool = False) -> dict:
    """What a script of this folder prints, run in a process of its own."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
    environment |= {"PYTHONPATH": paths, "CHIPSIM_CACHE": str(cache)}
    environment |= {} if jit else {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def test_random_replays_in_plain_python(tmp_path):
    found = printed("replay_random.py", 0, 24, cache=tmp_path)
    assert found["differences"] == []
    assert found["replayed"] >= 20 and found["held"] > 0
    assert min(found[x] for x in ("layer_1", "layer_2", "phase_1", "phase_2")) > 0
    assert min(found[x] for x in ("pre", "post", "syn")) > 20
    assert min(found[x] for x in ("writes", "reads", "done", "skipped", "draws", "changed")) > 5000


@pytest.mark.one_python
@pytest.mark.slow
def test_random_replays_compiled(tmp_path):
    found = printed("replay_random.py", 101, 103, cache=tmp_path, jit=True)
    assert found["differences"] == [] and found["changed"] > 100


def test_the_twin_of_bell_is_backpropagation_through_time(tmp_path):
    """Errors of each step, the final one held, and two contexts, four samples; psi as folded."""
    found = printed("replay_bell.py", "twin", cache=tmp_path)
    for name in ("stored", "held", "two"):
        assert found[name] < 1e-9 and found[name + " moved"] > 0.1


def test_every_circuit_in_a_replay_is_the_references(tmp_path):
    found = printed("replay_bell.py", "equal", cache=tmp_path)
    assert len(found) == 7 and not any(found.values()), found


@pytest.mark.one_python
@pytest.mark.slow
def test_bell_learns_in_eight_bits_and_in_the_twin(tmp_path):
    found = printed("replay_bell.py", "learn", cache=tmp_path, jit=True)
    assert found["before"] < 0.5 and found["integers"] > 0.9 and found["twin"] > 0.9


# ---------------------------------------------------------------- refusals


def test_a_depth_must_be_given():
    with pytest.raises(SettingError, match="depth=T and T is not given"):
        planned(sample_steps=None)
    for wrong in (0, -1, 2.5, True):
        with pytest.raises(SettingError, match="sample_steps"):
            planned(sample_steps=wrong)
    with pytest.raises(SettingError, match="a history of 10001 steps"):
        planned(sample_steps=10_001)
    made, _ = planned(text=RULE.replace("depth=T", "depth=5"), sample_steps=None)
    assert made.replay.depth == 5
    made, _ = planned(text=RULE.replace("depth=T", "depth=5"))
    assert made.replay.depth == 5  # a number in the rule is a number


def test_a_longer_sample_is_refused_when_it_is_learned():
    made, state = planned(sample_steps=2)
    with pytest.raises(DataError, match="samples of 3 steps; the history of rule 'back' holds 2"):
        reference_present(made, state, EVENTS, None)
    reference_present(made, state, EVENTS, None, learn=False)
    rules = {"back": parse_rule(RULE, "back.rule")}
    sim = Simulator(network(), load_chip("ideal"), rules, sample_steps=2)
    with pytest.raises(DataError, match="holds 2"):
        sim.present(EVENTS)


def test_a_sum_stored_once_is_refused_with_several_contexts():
    with pytest.raises(RuleError, match="'acc' is stored once for 2 contexts and written by '='"):
        planned(contexts=2)
    planned(text=RULE.replace("acc : s16.8", "acc : s16.8 per context"), contexts=2)


def test_a_sum_of_products_engine_has_no_stored_steps():
    text = RULE.replace("s16.8", "s8.4").replace("u8.0", "u7.0")
    with pytest.raises(LimitError, match="the engine has no stored steps to go back to"):
        planned(text=text, chip="loihi2")
    made, _ = planned(text=text, chip="loihi2", engine="lines")
    assert made.replay.depth == 3


def two_layers(register: str) -> Network:
    """A replayed layer below a classifier of another rule."""
    net = network()
    net.circuits.clear()
    net.lif("top", 3)
    net.connect("out", "top", rule="above")
    net.error("top")
    net.transport("out", "out->top", register=register)
    return net


ABOVE = """rule above
in m from third_factor
post g : s8.7 publish
post delta : s8.7 publish
syn w : weight
history v depth=T
in v from neuron.v

on_third_factor:
    delta = m
    w -= delta
on_replay:
    g = m * v
"""


def above(register: str):
    rules = {"back": parse_rule(RULE, "back.rule"), "above": parse_rule(ABOVE, "above.rule")}
    return plan(two_layers(register), load_chip("ideal"), rules, sample_steps=3)


def test_what_is_transported_must_be_formed_in_the_replay():
    with pytest.raises(NetworkError, match="'delta' of out->top is not written in a replay"):
        above("delta")
    made = above("g")
    assert [made.layers[i].name for i in made.replay.layers] == ["top", "out"]
    assert above("third_factor").replay.errors == (0,)


def test_layers_without_on_replay_form_what_lower_ones_need():
    net = two_layers("third_factor")
    rules = {"back": parse_rule(RULE, "back.rule"), "above": load_rule("decolle")}
    made = plan(net, load_chip("ideal"), rules, sample_steps=3)
    assert [made.layers[i].name for i in made.replay.layers] == ["top", "out"]
    state = make_state(made)
    reference_present(made, state, EVENTS, np.array([2]))
    assert state["k0_errh"].any()


# ---------------------------------------------------------------- price


def test_stored_bits_are_priced():
    made, _ = planned(network(error="softmax"))
    items = {x["what"]: (x["count"], x["bits_each"]) for x in memory_items(made) if x["purpose"] == "history"}
    assert items == {"in->out f": (6, 1), "in->out s": (6, 1), "out class errors": (6, 8)}
    delayed = [x for x in memory_items(made) if "delayed" in x["what"]]
    assert delayed == []  # the ring of spikes is long for the replay, not for delays
    made, _ = planned()
    items = {x["what"]: (x["count"], x["bits_each"]) for x in memory_items(made) if x["purpose"] == "history"}
    assert items == {"in->out f": (6, 1), "in->out s": (6, 1), "out rewards": (3, 8)}
    deep, _ = planned(sample_steps=1000)
    assert memory_needed(deep) - memory_needed(made) > 997 * (2 + 2 * 4)


def test_reads_and_writes_are_counted():
    made, state = planned(network(error="softmax", logit_scale=1.0), sample_steps=5)
    reference_present(made, state, EVENTS, np.array([1]))
    assert counters(made, state)["histories"] == {
        "in->out": {"history_writes": 12, "history_reads": 12},  # f and s of two each, three steps
        "out": {"history_writes": 6, "history_reads": 6},
    }
    events = event_counts(made, state)["out"]
    assert events["learning"]["history_write"] == events["learning"]["history_read"] == 12
    assert events["error"]["history_write"] == 6
    # class errors: formed in three steps; sent in three forward steps and again in three replayed ones
    assert events["error"]["circuit_divide"] == 6
    assert events["error"]["error_message"] == 12


# ---------------------------------------------------------------- shown


def use_of_bell(**more: object) -> Use:
    made, _ = planned()
    return Use(weight=made.connections[0].weight, w_lo=-128, w_hi=127, v=made.layers[1].v_fmt, **more)


def test_the_listing_shows_what_is_stored():
    program, chip = load_rule("bell"), load_chip("ideal")
    for use, steps, bits in ((use_of_bell(), "T", "1280 T"), (use_of_bell(sample_steps=10), "10", "12800")):
        text = listing(bind(program, chip, use), use)
        row = next(x for x in text.splitlines() if x.strip().startswith("history of psi"))
        assert row.split() == ["history", "of", "psi", "5", "256", "x", steps, "steps", *bits.split()]
    assert "last step first; depth 10" in text


def test_rule_step_walks_back():
    use = use_of_bell()
    bound = bind(load_rule("bell"), load_chip("ideal"), use)
    ops = [op for op in step_program(bound, use) if op.section == "on_replay"]
    assert [op.step for op in ops[::6]] == [6, 5, 4, 3, 2, 1]
    last = {name: twin for name, _, _, twin in ops[-1].registers}
    # psi .46875, .78125 ... and third factors .5 and -.5 in steps 4 and 6: g by hand
    k, g = bound.consts[0][2] / 4096, 0.0
    for m, psi in ((-0.5, 0.78125), (0, 0.78125), (0.5, 0.78125), (0, 0.78125), (0, 0.78125), (0, 0.46875)):
        g = (m - k * g) * psi + k * g
    assert last["g"] == pytest.approx(g, abs=1e-12)
