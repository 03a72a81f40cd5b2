"""Lava's rule strings, and rules as Lava would get them; no lava-nc is needed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.errors import LimitError, SettingError
from chipsim.fixed import Format
from chipsim.lava.from_lava import LavaRule, rule_text
from chipsim.lava.rules import lava_names, rule_options, rule_strings
from chipsim.lava.strings import lava_products
from chipsim.lava.weights import loaded_weights, sign_mode_of
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.epoch_terms import Trace
from chipsim.microcode.epoch_traces import decay_table, half_even
from chipsim.microcode.streams import sevens, uniform, write_words
from chipsim.microcode.syntax import load_rule, parse_rule

WEIGHT = Format(True, 9, 8)


def bound(text: str, **engine: object):
    """A rule text on chip loihi2_lava."""
    use = Use(WEIGHT, WEIGHT.lo, WEIGHT.hi, Format(True, 24, 14), engine_settings=engine)
    return bind(parse_rule(text, "r.rule"), load_chip("loihi2_lava"), use)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2^-2*x1*y0", ["1 * 2^-2 * y0 * x1"]),
        ("2^-2*x1*y0 - 2^-2*y1*x0", ["1 * 2^-2 * y0 * x1", "1 * 2^-2 * x0 * y1"]),
        ("x0y1", ["1 * 2^0 * x0 * y1"]),
        ("-u3*w*sgn(t+5)", ["1 * 2^0 * u3 * w * sgn(t + 5)"]),
        ("12*x0*(3+w)*x0", ["6 * 2^1 * x0 * (w + 3) * x0"]),
        ("3*2^-3*(-2)*x0*(d-1)", ["6 * 2^-3 * x0 * (d - 1)"]),
    ],
)
def test_products_of_a_string(text, wanted):
    assert [str(p) for p in lava_products(text)] == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(-x1)*x0", "Lava drops the minus before 'x1'"),
        ("sgn(-w)*x0", "Lava drops the minus before 'w'"),
        ("u10*x1", "Lava reads u1 times 0"),
        ("x0*(w+2^-2)", "becomes a fraction"),
        ("0.5*x0*x1", "nothing that Lava knows"),
        ("x1*y1", "no x0, y0 or u<k>"),
        ("x0*u1", "u<k> can only be the first gate"),
        ("9*x0", "outside -8..7"),
        ("2^9*x0", "outside"),
        ("x0*abs(w)", "nothing that Lava knows"),
        ("x0*(x1+y1)", "one variable"),
        ("x0*sgn(x1)", "w, d and t only"),
        ("2*-x0", "a product begins and ends"),
        ("x0 + ", "ends early"),
        ("", "an empty rule"),
    ],
)
def test_what_lava_misreads_is_refused(text, reason):
    with pytest.raises(SettingError, match="Lava rule") as caught:
        lava_products(text)
    assert reason in caught.value.text()


def test_a_string_survives_the_way_there_and_back():
    rule = LavaRule(
        dw="-6*2^-5*x0*(x2+40)+2^-1*y0*x1*y1",
        dt="2^4*x0-2^-2*u0*t*y3",
        tau={"x1": 20, "x2": 2.9, "y1": 7},
        impulse={"x1": 16, "x2": 3.25},
    )
    made = bound(rule_text(rule), epoch=1, seed=3)
    assert rule_strings(made) == {"dw": "-6*2^-5*x0*(x2+40)+1*2^-1*y0*x1*y1", "dt": "1*2^4*x0-1*2^-2*u0*t*y2"}
    assert lava_names(made)["y3"] == "y2"  # y registers are counted as they are declared
    options = rule_options(made)
    assert (options["x1_tau"], options["x2_tau"], options["x2_impulse"]) == (20, 2.9, 3.25)
    assert options["y2_tau"] == 0 and options["rng_seed"] == 3


def test_shipped_rules_as_lava_gets_them():
    """Factors and gains by hand: d s8.7 times a u7.4 into s9.8, right shift 3, rate 2^-5."""
    program = load_rule("decolle")
    use = Use(WEIGHT, WEIGHT.lo, WEIGHT.hi, Format(True, 24, 14), params={"rate": 5})
    made = bind(program, load_chip("loihi2_lava"), use)
    assert rule_strings(made) == {"dw": "-4*2^-7*u0*y1*x1+4*2^-7*u0*y1*x2"}
    assert made.traces.three_factor and not made.traces.bap
    pair = bind(load_rule("stdp_pair"), load_chip("loihi2_lava"), use)
    assert not pair.traces.three_factor and pair.traces.bap and not pair.lines


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("syn  t : s9.0\nsyn  q : s9.0", "one signed tag"),
        ("syn  t : s8.0", "the engine's has 9 bits"),
    ],
)
def test_tags_that_the_engine_does_not_have(text, reason):
    products = "".join(f"    {line.split()[1]} += u0 * x\n" for line in text.split("\n"))
    rule = f"rule r\npre x : u7.0\nsyn w : weight\n{text}\non_pre:\n    x += 1\non_products:\n{products}"
    with pytest.raises(LimitError, match=reason):
        bound(rule + "    w += u0 * x\n")


def test_settings_of_the_engine_are_checked():
    text = rule_text(LavaRule(dw="x0*x1", impulse={"x1": 1}))
    for engine, reason in (
        ({"epochs": 2}, "did you mean 'epoch'"),
        ({"epoch": 64}, "64"),
        ({"seed": -1}, "-1"),
    ):
        with pytest.raises(SettingError, match=reason):
            bound(text, **engine)


def test_streams_are_those_of_numpy():
    for seed in (0, 2, 12345):
        mine = np.random.default_rng(seed)
        drawn = [mine.random() for _ in range(40)]
        assert [m * 2.0**-53 for m in uniform(seed, 7, 33)] == drawn[7:]
        whole = np.random.default_rng(seed)
        drawn = [int(whole.integers(0, 128)) for _ in range(41)]
        for first in (0, 1, 6, 7):
            assert sevens(seed, first, 30).tolist() == drawn[first : first + 30]


def test_a_write_word_rounds_as_the_uniform_number_does():
    words, numbers = write_words(2, 1, 500), uniform(2, 1, 500) * 2.0**-53
    for part in (0, 1, 64, 127):
        up = (part + (words >> np.uint32(25)).astype(int)) >> 7
        assert up.tolist() == (numbers < part / 128).astype(int).tolist()


def test_decay_tables():
    trace = Trace("x", "pre", 1, 20.0, 16, 0, False, 0, 127)
    floors, ups = decay_table(trace)
    for value in (0, 1, 16, 127):
        exact = np.exp(-1 / 20.0) * value
        assert floors[value] == math.floor(exact)
        assert abs(ups[value] * 2.0**-53 - exact % 1) <= 2.0**-53
    received = Trace("y", "post", 1, 65535.0, 0, 0, True, -128, 127)
    floors, ups = decay_table(received)
    assert floors[0] == -128 and floors[128] == 0 and floors[255] == 126
    assert ups[255] * 2.0**-53 == pytest.approx(1 - 127 / 65535, rel=1e-4)


def test_payloads_are_halved_to_even():
    assert [half_even(p) for p in (0, 1, 3, 5, 49, 51, 255)] == [0, 0, 2, 2, 24, 26, 128]


def test_weights_as_lava_loads_them():
    w = np.array([[300, -300, 7, -7]])
    assert loaded_weights(w).tolist() == [[254, -256, 6, -8]]
    assert loaded_weights(w, clip=False).tolist() == [[300, -300, 6, -8]]
    assert loaded_weights(-np.abs(w), 8, "INHIBITORY").tolist() == [[-255, -255, -7, -7]]
    assert loaded_weights(np.abs(w), 6, "EXCITATORY").tolist() == [[252, 252, 4, 4]]
    assert (sign_mode_of(np.array([0, 3])), sign_mode_of(np.array([-1, 0]))) == ("EXCITATORY", "INHIBITORY")


def test_commands(chipsim):
    told = chipsim("rule", "lava", "stdp_pair")
    assert told.status == 0 and "Loihi2FLearningRule(" in told.out and "approximated" in told.out
    told = chipsim("rule", "lava", "sdsp")
    assert told.status == 2 and "line 38: high = v >= theta_m: the engine adds products" in told.err
    told = chipsim("rule", "from-lava", "--dw", "2^-2*x1*y0", "--tau", "x1=20", "--impulse", "x1=16")
    assert told.status == 0 and "    w += 1 * 2^-2 * y0 * x1\n" in told.out
    assert chipsim("rule", "from-lava", "--dw", "x1").status == 2
    told = chipsim("lava", "verify", "nothing")
    assert told.status == 2 and "no Lava export" in told.err
    told = chipsim("export", "lava", "nothing", "there")
    assert told.status == 2 and "no run folder" in told.err
    assert chipsim("rule", "from-lava", "--dw", "x0", "--tau", "x1=-3").status == 2
