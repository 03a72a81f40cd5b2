"""Integers beside their float twin on the same recorded spikes, membranes and third factors."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.fixed import Format
from chipsim.library import entries
from chipsim.microcode.bind import bind
from chipsim.microcode.error_bound import error_bounds
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.open_loop import walk as walking
from chipsim.open_loop.inputs import random_inputs
from chipsim.open_loop.measure import allowed_errors, closeness, fairness, small_use, widened
from chipsim.open_loop.text import error_text
from chipsim.open_loop.walk import Walk
from chipsim.reference import reference_steps
from chipsim.state import make_state

HERE = Path(__file__).parent
RULES = list(entries("rule"))
AROUND = {"on_replay", "on_sample_end"}  # what follows a sample is not among the steps recorded here
FORWARD = [x for x in RULES if not any(y.section in AROUND for y in load_rule(x).lines)]


@pytest.fixture(scope="module")
def ideal():
    return load_chip("ideal")


def script():
    """tests/open_loop_twin.py as a module."""
    spec = importlib.util.spec_from_file_location("open_loop_twin", HERE / "open_loop_twin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------- the figure


@pytest.mark.parametrize("rule", RULES)
def test_integers_stay_within_their_bound_and_rounding_is_fair(rule, ideal):
    """1,000 inputs at up to 32 bits, 1,000 seeds in the rule's own formats."""
    program = load_rule(rule)
    text, good = error_text(program, ideal, 1000)
    print(text)  # shown by `pytest -rP`
    assert good, text
    close, fair = closeness(program, ideal), fairness(program, ideal)
    assert close.compared >= 1000 and close.wrong == 0
    # the widest operand of every product that rounds is at least 27 bits, and nearly all have 28 to 32
    assert all(x.bits >= 27 or x == Format(False, 1, 0) for x in close.formats.values()), close.formats
    stochastic = [x for x in fair.values() if x.writes]
    assert all(x.writes > 5000 for x in stochastic)
    if rule not in ("sdsp", "eprop_reckon"):  # the first draws nothing, the second compares with its draw
        registers = [r for r in program.registers if r.rounding == "stochastic"]
        assert stochastic and len(stochastic) >= len(registers) - 2


def test_the_limit_for_many_registers_is_bonferronis():
    assert allowed_errors(1) == pytest.approx(4.0)
    assert allowed_errors(10) == pytest.approx(4.52, abs=0.02)


# ---------------------------------------------------------------- what it would find


def test_a_twin_that_is_off_by_a_millionth_is_found(ideal, monkeypatch):
    """The bounds are tight enough to tell a wrong factor of 1 + 10^-6."""
    real = walking._real

    def wrong(line, *arguments):
        value = real(line, *arguments)
        return value if value is None or line.text != "x  = x * k_x" else value * (1 + 1e-6)

    assert closeness(load_rule("s_tllr"), ideal, 100).good
    monkeypatch.setattr(walking, "_real", wrong)
    found = closeness(load_rule("s_tllr"), ideal, 100)
    assert not found.good and found.largest["x"] > found.bounds["x"]


def test_a_decision_that_no_rounding_explains_is_found(ideal, monkeypatch):
    """sdsp compares exact numbers: one turned comparison is a wrong decision, not a redrawn input."""
    compare = walking._compare

    def turned(form, a, b):
        found = compare(form, a, b)
        return 1 - found if isinstance(np.asarray(a).flat[0], np.floating) and form == "ge" else found

    monkeypatch.setattr(walking, "_compare", turned)
    found = closeness(load_rule("sdsp"), ideal, 50)
    assert found.wrong and not found.good
    assert (
        "decisions differ although no operand was that close" in error_text(load_rule("sdsp"), ideal, 50)[0]
    )


@pytest.mark.parametrize("bits", [1, 5])
def test_a_biased_draw_is_found(bits, ideal, monkeypatch):
    """A generator whose numbers are half as large, or a 32nd too small, is not fair."""
    top = walking.top_bits
    monkeypatch.setattr(walking, "top_bits", lambda word, n: top(word, n) - (top(word, n) >> bits))
    found = fairness(load_rule("ell_chip"), ideal)
    assert max(abs(x.score) for x in found.values()) > allowed_errors(3)


# ---------------------------------------------------------------- the bound by hand

TEXT = """rule small
param rate : shift = 1 in 0..4
in m from third_factor
const k : u8.8 = 0.5
pre  x : u16.8 round=stochastic
post d : s16.10 round=nearest
syn  w : weight round=stochastic

on_step:
    x = x * k
on_pre:
    x += 1
on_third_factor:
    d  = m * k
    w -= d * x >> rate
"""


def test_the_bound_of_three_steps_by_hand(ideal):
    """x: one LSB more in every step, halved in between: L, 1.5 L, 1.75 L; at most 1.75 itself.

    d = m / 2 with 15 bits into 10: half an LSB, 2^-11, whatever m; |d| at most 0.5.
    w: in every step |d| dx + |x| dd + dd dx, halved by rate = 1, and one LSB of 2^-7.
    """
    use = small_use(ideal)
    bound = bind(parse_rule(TEXT, "small.rule"), ideal, use)
    found = error_bounds(bound, use, 3)
    lsb = 2.0**-8
    dx = [lsb, 1.5 * lsb, 1.75 * lsb]
    dd = 2.0**-11
    x, d = 1.75 + 2 * lsb, 0.5  # x may have been rounded up on its way
    w = sum((d * e + x * dd + dd * e) / 2 for e in dx)
    assert found["x"] == pytest.approx(dx[-1], rel=1e-9)
    assert found["d"] == pytest.approx(dd, rel=1e-9)
    assert found["w"] - 3 * 2.0**-7 == pytest.approx(w, rel=1e-2)


def test_formats_are_widened_as_far_as_the_proof_allows(ideal):
    bound, use = widened(load_rule("ell"), ideal)
    assert (str(bound.register("delta").fmt), str(bound.weight.fmt)) == ("s32.31", "s32.31")
    assert all(x.exact_bound < 2**62 for x in bound.lines)
    bound, use = widened(load_rule("ell_chip"), ideal)
    assert bound.register("x").fmt.bits == 32 and bound.register("delta").fmt.bits == 29
    assert all(x.exact_bound < 2**62 for x in bound.lines)
    wider = dict(use.formats) | {"delta": Format(True, 30, 29)}
    shifts = [replace(p, lo=int(p.value), hi=int(p.value)) for p in load_rule("ell_chip").params]
    with pytest.raises(Exception, match="the limit is 62"):
        bind(replace(load_rule("ell_chip"), params=tuple(shifts)), ideal, replace(use, formats=wider))


# ---------------------------------------------------------------- the open loop is the simulator's


@pytest.mark.parametrize("rule", FORWARD)
def test_its_integers_are_the_interpreters(rule, ideal):
    """Registers and weights after each of 25 steps of a network that learns."""
    tools = script()
    for seed in (3, 4):
        bound, events, rewards = tools.case(rule, seed)
        state = make_state(bound)
        c, threshold, start = bound.connections[0], int(state["l1_thr"][0]), state["c0_w"].copy()
        history = []

        def step(t, bound=bound, state=state, events=events, rewards=rewards, history=history):
            labels = np.array([1])
            reference_steps(bound, state, events, start=t - 1, stop=t, labels=labels, rewards=rewards)
            history.append({k: x.reshape(-1).copy() for k, x in state.items() if k[:3] in ("c0_",)})

        seen = {k: x.astype(np.int64) for k, x in tools.record(step, state).items()}
        reward = np.zeros((1, tools.STEPS), np.int64) if rewards is None else rewards
        inputs = tools.inputs_of(seen, events.to_dense().astype(np.int64), reward, threshold)
        use = small_use(ideal, v=bound.layers[1].v_fmt)
        walk, wrong = Walk(c.program, use, inputs, [seed], start.astype(np.int64)), []

        def check(event, history=history, wrong=wrong, program=c.program):
            last = [x for x in program.lines if x.target.name == event.line.target.name][-1]
            if event.line != last or event.line.target.temp:
                return
            name = "c0_w" if event.line.target.is_weight else f"c0_r_{event.line.target.name}"
            if event.after.reshape(-1).tolist() != history[event.step - 1][name].tolist():
                wrong.append((event.step, event.line.text))

        walk.run(check)
        assert not wrong
        assert rule == "tp_labels" or (state["c0_w"] != start).any()


def test_its_twin_is_the_twins_kernels(tmp_path):
    """Every register of every rule after 25 steps in float64, to the last bit."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "CHIPSIM_CACHE": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(HERE / "open_loop_twin.py")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr[-2000:]
    rows = {name: (float(gap), float(moved)) for name, gap, moved in map(str.split, run.stdout.splitlines())}
    assert sorted(rows) == sorted(FORWARD)
    assert max(gap for gap, _ in rows.values()) == 0
    assert all(moved > 0 for name, (_, moved) in rows.items() if name != "tp_labels")


def test_recordings_hold_what_they_should(ideal):
    inputs = random_inputs(small_use(ideal), 200, 20, 4, 3)
    assert set(np.unique(inputs.pre)) == {0, 1} and 0.1 < inputs.pre.mean() < 0.25
    assert 0.2 < inputs.post.mean() < 0.3 and (inputs.post == (inputs.v >= inputs.threshold)).all()
    assert (inputs.m.min(), inputs.m.max()) == (-128, 127) and 0.2 < (inputs.m == 0).mean() < 0.35
    close = abs(inputs.v / inputs.threshold - 1)
    assert close.max() <= 1 and (close < 1 / 32).mean() > 0.05
    later = random_inputs(small_use(ideal), 100, 20, 4, 3, first=100)
    np.testing.assert_array_equal(later.v, inputs.v[100:])


# ---------------------------------------------------------------- command


def test_the_command_prints_the_table(chipsim):
    done = chipsim("rule", "error", "tp", "--runs", "50")
    assert done.status == 0, done.err
    assert done.out.startswith("rule tp, open loop: 4 axons, 3 neurons, 20 steps\n")
    assert "within the bound: every write of every register" in done.out
    assert "fair: stochastic writes over 50 seeds" in done.out
    head = done.out.splitlines()[1].split()
    assert head[:4] == ["register", "wide", "bound", "largest"]


def test_the_command_fails_where_a_bound_does(chipsim, monkeypatch):
    monkeypatch.setattr(
        "chipsim.open_loop.measure.error_bounds",
        lambda bound, use, steps: dict.fromkeys((r.name for r in bound.registers), 0.0),
    )
    done = chipsim("rule", "error", "tp", "--runs", "20")
    assert done.status == 1 and "OUT OF BOUND: eps" in done.out


def test_a_tie_of_exact_numbers_is_no_difference(ideal):
    """Halving a trace in 32 bits loses nothing: bound above 0, difference 0."""
    program = load_rule("delta")
    found = closeness(program, ideal, 50)
    assert found.largest["x"] == 0 < found.bounds["x"]
    assert small_use(ideal).dt_ms == Fraction(1)
