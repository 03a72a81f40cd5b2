"""stdp_window: the closed form, its error bound, and the measured window inside it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from chipsim.experiment import load_experiment
from chipsim.fixed import Format
from chipsim.microcode.syntax import load_rule, parse_rule

SMALL = ("--set", "seeds=30", "--set", "max_lag=12", "--set", "bits=8")


@pytest.fixture(scope="module")
def parts() -> dict:
    """The names of the experiment's file."""
    return load_experiment("stdp_window").run.__globals__


def test_the_closed_form_is_the_rules_as_written(parts):
    window = parts["written"](load_rule("stdp_pair"))
    k = math.exp(-1 / 20)
    assert window.change(np.array([-3, -1, 0, 1, 5])) == pytest.approx(
        [-0.12 * k**3, -0.12 * k, 0.1, 0.1 * k, 0.1 * k**5]
    )


def test_a_rule_without_the_constants_has_no_closed_form(parts):
    rule = "rule other\nsyn w : weight  round=stochastic\npre x : u4.0\non_pre:\n    x += 1\n    w += x\n"
    with pytest.raises(Exception, match="no constant a_plus, a_minus, k_x, k_y"):
        parts["written"](parse_rule(rule, "other.rule"))


@pytest.mark.parametrize(("bits", "rate", "peak"), [(8, 5, 24.0), (6, 3, 24.0), (4, 3, 6.0), (10, 7, 24.0)])
def test_the_peak_is_16_lsb_where_the_weight_has_room(parts, bits, rate, peak):
    window = parts["written"](load_rule("stdp_pair"))
    assert parts["rate_shift"](bits, 60, window) == rate
    case = parts["Case"]("", bits, rate, {}, 60)
    assert case.scale * window.a_plus == pytest.approx(peak)


def test_the_bound_counts_folding_truncation_and_seeds(parts):
    from chipsim.chip import load_chip
    from chipsim.microcode.bind import Use, bind

    bound = bind(
        load_rule("stdp_pair"),
        load_chip("ideal"),
        Use(weight=Format(True, 8, 7), w_lo=-128, w_hi=127, v=Format(True, 30, 15), params={"rate": 5}),
    )
    window = parts["written"](load_rule("stdp_pair"))
    case = parts["Case"]("", 8, 5, {}, 60)
    found = parts["error_bound"](bound, case, window, np.array([0, -1]), 10**12)  # no sampling error
    scale = 60 * 2 ** (7 - 5)
    at_0 = abs(26 / 256 - 0.1) + 2**-12  # a trace of 4, a constant of 8 bits: 12 into 11, half a unit lost
    at_1 = abs(31 / 256 * 3896 / 4096 - 0.12 * math.exp(-1 / 20)) + 2**-12
    assert found == pytest.approx([scale * at_0, scale * at_1], rel=1e-3)
    assert parts["error_bound"](bound, case, window, np.array([0]), 25)[0] == pytest.approx(
        scale * at_0 + 5 * math.sqrt(60 * 0.40625 * 0.59375 / 25), rel=1e-3
    )


def test_the_mean_lies_inside_the_bound_and_is_the_same_twice(chipsim):
    told = []
    for out in ("one", "two"):
        done = chipsim("run", "stdp_window", "--json", "--out", out, *SMALL)
        assert done.status == 0, done.err
        told.append(json.loads(done.out))
    rows = told[0]["windows"]
    assert [row["case"] for row in rows] == ["8 bits, own traces", "8 bits, 32-bit traces"]
    for row in rows:
        assert row["peak_lsb"] >= 16 and row["within_bound"] and row["worst_error_lsb"] < 4
        assert row["standard_error_lsb"] < 1
    assert told[0]["digest"] == told[1]["digest"]
    line = told[0]["counters"]["8 bits, own traces"]["lines"]["pre->post"]
    last = [row["done"] for row in line if row["text"] == "y += 1"]
    assert last == [25 * 30 * 60]  # every post neuron fires once in every pairing
    assert told[0]["counters"]["8 bits, own traces"]["layers"]["pre"]["spikes"] == 25 * 30 * 60


def test_truncated_traces_leave_the_window_by_as_much_as_the_bound_says(chipsim):
    source = load_rule("stdp_pair").source.replace("u7.4  round=stochastic", "u7.4  round=trunc")
    Path("trunc.rule").write_text(source.replace("rule stdp_pair", "rule trunc"))
    done = chipsim("run", "stdp_window", "--json", "--rule", "./trunc.rule", "--set", "wide=false", *SMALL)
    assert done.status == 0, done.err
    (row,) = json.loads(done.out)["windows"]
    assert row["worst_error_lsb"] > 4 and row["within_bound"] and not row["within_1_lsb"]


def test_a_format_that_is_none_is_refused(chipsim):
    done = chipsim("run", "stdp_window", "--set", "x.format=u7", *SMALL)
    assert done.status == 2 and "x.format: 'u7' is no format" in done.err


@pytest.mark.one_python
@pytest.mark.slow
def test_1000_seeds_reach_1_lsb_with_32_bit_traces(chipsim):
    done = chipsim("run", "stdp_window", "--json")
    assert done.status == 0, done.err
    rows = json.loads(done.out)["windows"]
    assert len(rows) == 6 and all(row["within_bound"] for row in rows)
    assert all(row["within_1_lsb"] for row in rows if "32-bit" in row["case"])
    assert all(row["peak_lsb"] >= 16 for row in rows if row["bits"] > 4)
