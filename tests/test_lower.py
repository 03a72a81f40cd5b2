"""Lowering: verdicts, constants, ranges and refusals, line by line."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from chipsim.chip import load_chip
from chipsim.errors import LimitError
from chipsim.fixed import Format
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.lower import lowering_table, sums_of
from chipsim.microcode.lower_terms import nearest_scale
from chipsim.microcode.products import head_shift, run_products, scale_of
from chipsim.microcode.reach import Clock
from chipsim.microcode.syntax import load_rule, parse_rule
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.state import make_state

USE = Use(Format(True, 8, 7), -128, 127, Format(True, 24, 13), n_pre=3, n_post=2)
HEAD = """rule t
{more}pre  x : u7.4 round=stochastic
post y : u7.4 round=stochastic
syn  w : weight round=stochastic
"""
TRACES = """on_step:
    x = x * k
    y = y * k
on_pre:
{before}    x += 1
{on_pre}on_post:
    y += 1
{on_post}{rest}"""


def rule(on_pre="", on_post="", rest="", more="", before=""):
    body = TRACES.format(before=before, on_pre=on_pre, on_post=on_post, rest=rest)
    return parse_rule(HEAD.format(more=f"const k : u12.12 = 0.9\n{more}") + body, "t.rule")


def lowered(name_or_rule, chip="loihi2", **use):
    program = load_rule(name_or_rule) if isinstance(name_or_rule, str) else name_or_rule
    return bind(program, load_chip(chip), replace(USE, **use))


def reasons(program, chip="loihi2", **use) -> str:
    with pytest.raises(LimitError) as caught:
        lowered(program, chip, **use)
    return caught.value.text()


# ---------------------------------------------------------------- shipped rules

STDP = """lowered to products on chip loihi1, learning epoch 1
  line  24  x = x * k_x      exact: decay of a trace register
  line  25  y = y * k_y      exact: decay of a trace register
  line  27  d = y * a_minus  approximated: folded into the products; its rounding to s16.11 is left out
  line  28  w -= d >> rate   approximated: 'y' before line 33 is read as y - 16 raw, too low once it is \
at its limit; -0.007568 is -0.007812 (+3.2%); 0.007568 is 0.007812 (+3.2%)
            w -= 1 * 2^(0 - rate) * x0 * y
            w += 1 * 2^(4 - rate) * x0 * y0
  line  29  x += 1           exact: impulse of a trace register
  line  31  e = x * a_plus   approximated: folded into the products; its rounding to s16.11 is left out
  line  32  w += e >> rate   approximated: 0.006348 is 0.005859 (-7.7%)
            w += 3 * 2^(-2 - rate) * y0 * x
  line  33  y += 1           exact: impulse of a trace register
  products read the values from before them; each variable is summed and written once
"""


def test_the_table_of_pair_stdp():
    assert lowering_table(lowered("stdp_pair", "loihi1")) == STDP


@pytest.mark.parametrize(
    ("name", "chip", "products", "sent", "ranges"),
    [
        ("decolle", "loihi2", 2, ("y_d",), {"rate": (0, 6)}),
        ("stdp_pair", "loihi2", 3, (), {"rate": (0, 5)}),
        ("stdp_pair", "loihi1", 3, (), {"rate": (0, 5)}),
        ("stdp_triplet", "loihi2", 5, (), {"rate": (0, 0)}),
        ("stdp_triplet", "loihi1", 5, (), {"rate": (0, 0)}),
        ("r_stdp", "loihi2", 5, ("y_r",), {"rate": (0, 8), "gain": (0, 5)}),
        ("r_stdp", "loihi1", 5, ("y_r",), {"rate": (0, 8), "gain": (0, 5)}),
        ("fell_step", "loihi2", 3, ("y_delta",), {"rate": (0, 7)}),
    ],
)
def test_the_shipped_rules_lower(name, chip, products, sent, ranges):
    bound = lowered(name, chip)
    assert (bound.engine, len(bound.products), bound.sent) == ("sum_of_products", products, sent)
    assert {p.name: (p.lo, p.hi) for p in bound.params} == ranges
    assert not [x for x in bound.lines if x.target.owner == "syn" or x.section == "on_epoch"]
    assert [x.ordinal for x in bound.lines] == list(range(len(bound.lines)))
    assert {row.verdict for row in bound.lowering} == {"exact", "approximated"}
    approximated = [row.how for row in bound.lowering if row.verdict == "approximated"]
    told = [n.text for n in bound.notes if n.kind == "approximated" and "fires before" not in n.text]
    assert told == approximated  # the order of the step: test_rule_order.py


def test_decolle_distributes_the_difference_and_sends_d():
    bound = lowered("decolle")
    assert [p.text for p in bound.products] == [
        "w -= 1 * 2^(-1 - rate) * u0 * y_d * a",
        "w += 1 * 2^(-1 - rate) * u0 * y_d * b",
    ]
    assert [(x.section, x.text) for x in bound.lines[-2:]] == [
        ("on_third_factor", "d  = m * psi"),
        ("on_third_factor", "y_d = d"),
    ]
    assert bound.phase7 == 2 and bound.register("y_d").publish and bound.needs_third_factor
    assert not [r for r in bound.registers if r.name == "p"]


def test_decolle_has_no_third_factor_on_loihi1():
    with pytest.raises(LimitError, match="needs per_post_neuron; chip loihi1 gives global_reward"):
        lowered("decolle", "loihi1")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fell_exact", "'t' is one copy per context; the engine keeps one per synapse"),
        ("fell_trace", "a trace decays by a constant and takes an impulse at its axon's spikes"),
        ("eprop", "'t' is one copy per context; the engine keeps one per synapse"),
        ("sdsp", "the engine adds products; it has no 'ge'"),
    ],
)
def test_what_the_engine_cannot_do_is_said(name, reason):
    with pytest.raises(LimitError, match=f"cannot be lowered to products(.|\n)*{reason}"):
        lowered(name)


@pytest.mark.parametrize("name", ["decolle", "stdp_pair", "stdp_triplet", "r_stdp"])
def test_each_product_has_the_constant_that_its_line_has(name):
    """From mantissa, exponent, head and formats back to a real constant, within 8 %."""
    wanted = {
        "decolle": [-1 / 16, 1 / 16],
        "stdp_pair": [-0.12 / 16, 0.12 / 16, 0.10 / 16],
        "stdp_triplet": [-2.3e-4, 2.3e-4, -7e-3, 7e-3, 9.3e-3],
        "r_stdp": [-0.12, 0.12, 0.10, 1 / 16, -1 / 125],
    }[name]
    bound = lowered(name)
    params = {p.name: p.raw for p in bound.params}
    for term, real in zip(bound.products, wanted, strict=True):
        mantissa, exponent = scale_of(term, params, bound.sums)
        frac = sum(bound.register(f.name).fmt.frac for f in term.factors if f.name not in ("x0", "y0"))
        unit = Fraction(2) ** (
            exponent - head_shift(term, bound.sums) + frac - bound.register(term.target).fmt.frac
        )
        # a correction's factor y0 stands for one impulse of 1
        assert float(mantissa * unit) == pytest.approx(real, rel=0.08)
        assert -7 <= exponent <= 8 and abs(mantissa) <= 7


def test_an_underflowing_constant_repeats_its_gate():
    first, second, *_ = lowered("stdp_triplet").products
    assert [str(f) for f in first.factors] == ["(r2 - 16)", "o1", "x0", "x0", "x0"]
    assert (first.mantissa, first.exponent, first.gate) == (-1, -7, "x0")
    assert [str(f) for f in second.factors][:2] == ["y0", "(r2 - 16)"]


def test_the_exponent_follows_the_shift_and_the_mantissa_stays_fine():
    bound = lowered("decolle")
    seen = [scale_of(bound.products[1], {"rate": r}, bound.sums) for r in range(7)]
    assert seen == [(4, -3), (4, -4), (4, -5), (4, -6), (4, -7), (2, -7), (1, -7)]


def test_nearest_scale_uses_the_mantissas_up_to_seven():
    sums = sums_of(load_chip("loihi1"))
    assert nearest_scale(Fraction(7, 64), sums) == (7, -6)
    assert nearest_scale(Fraction(-12, 100), sums) == (-1, -3)
    assert nearest_scale(Fraction(100), sums) == (3, 5)
    for k in range(1, 200):
        mantissa, exponent = nearest_scale(Fraction(k, 77), sums)
        assert abs(mantissa * Fraction(2) ** exponent / Fraction(k, 77) - 1) <= Fraction(1, 8)


# ---------------------------------------------------------------- what a line reads


def bench(program, chip="loihi2", size=(1, 1)):
    net = Network()
    net.source("in", size[0])
    net.lif("h", size[1], reset="hard")
    net.connect("in", "h", rule="t")
    bound = plan(net, load_chip(chip), {"t": program}, seed=1)
    state = make_state(bound)
    state["c0_w"][:] = 0
    return bound, state


@pytest.mark.parametrize(("fired", "wanted"), [(0, -32), (1, -16)])
def test_a_pre_line_reads_y_without_this_steps_impulse(fired, wanted):
    """y = 32 raw at the end of the step is 16 before a spike of the same step."""
    bound, state = bench(rule(on_pre="    w -= y >> 3\n"))
    state["c0_r_y"][:] = 32
    state["l0_hist_n"][:] = 1
    state["l1_fired"][:] = fired
    run_products(bound, bound.connections[0], state, Clock(1, 1))
    assert state["c0_w"][0, 0] == wanted  # u7.4 >> 3 is s8.7: raw for raw


def test_a_line_below_the_impulse_reads_it():
    assert lowered(rule(on_pre="    w -= x >> 4\n")).products[0].text == "w -= 1 * 2^-1 * x0 * x"
    before = rule(before="    w -= x >> 4\n")
    assert lowered(before).products[0].text == "w -= 1 * 2^-1 * x0 * (x - 16)"


def test_what_was_sent_is_consumed():
    net = Network()
    net.source("in", 2)
    net.lif("h", 2, reset="hard")
    net.connect("in", "h", rule="decolle")
    net.readout("h", 2)
    bound = plan(net, load_chip("loihi2"), load_rule, seed=1)
    state = make_state(bound)
    state["c0_w"][:] = 0
    state["c0_r_y_d"][:] = [[100, 0]]
    state["c0_r_a"][:] = 64
    run_products(bound, bound.connections[0], state, Clock(1, 1))
    assert state["c0_w"].tolist() == [[-25, 0], [-25, 0]]  # 100 * 64 * 2^-(4 + 4)
    assert not state["c0_r_y_d"].any()


# ---------------------------------------------------------------- refusals


def test_all_refused_lines_are_listed_with_the_remedy():
    program = rule(
        on_pre="    d = max(y, y)\n    w -= d >> 2\n",
        on_post="    w = x\n",
        more="temp d per post : u7.4\n",
    )
    assert reasons(program, "loihi1").splitlines()[1:] == [
        "  line 12: d = max(y, y): the engine adds products; it has no 'max'",
        "  line 13: w -= d >> 2: it needs 'd', and the engine adds products; it has no 'max'",
        "  line 16: w = x: 'w = ...' sets a value; products add, or scale 'w' by a constant",
        "  remedy: `--engine lines` runs the rule unlowered on the chip's widths and labels the run "
        "'not executable on this engine'; or choose another chip",
    ]


@pytest.mark.parametrize(
    ("parts", "chip", "reason"),
    [
        (
            dict(on_pre="    w += y when x\n"),
            "loihi2",
            "'when x': a condition must be a factor of its own line",
        ),
        (dict(on_pre="    w += y when not y\n"), "loihi2", "'when not y': a condition must be a factor"),
        (
            dict(rest="on_epoch 6:\n    w -= w >> 3\n"),
            "loihi2",
            "on_epoch 6: u<k> is open every 1 * 2^k steps",
        ),
        (
            dict(on_pre="    x = x >> 1\n    w += x\n"),
            "loihi2",
            "a trace decays by a constant and takes an impulse at its axon's",
        ),
        (
            dict(
                on_pre="    w += x\n",
                rest="on_membrane:\n    y = s(v)\n",
                more="in v from neuron.v\ntable s(v) : u1.0 = steps(0: 1)\n",
            ),
            "loihi1",
            "chip loihi1 computes nothing per neuron but membrane and traces",
        ),
        (
            dict(rest="on_third_factor:\n    w -= w >> 3\n    w += m * x\n", more="in m from third_factor\n"),
            "loihi2",
            "no factor per neuron: the engine cannot tell the neurons that have a signal",
        ),
        (
            dict(
                rest="on_third_factor:\n    d = m * y\n    w -= d * x\n",
                more="in m from third_factor\ntemp d per post : s16.11\n",
            ),
            "loihi2",
            "'d' is s16.11; as a factor it holds -128..127",
        ),
        (
            dict(rest="on_third_factor:\n    w -= m * x >> 20\n", more="in m from third_factor\n"),
            "loihi2",
            "needs the exponent -21; the engine's smallest is -7",
        ),
        (
            dict(rest="on_sample_end:\n    w -= w >> 3\n"),
            "loihi2",
            "the engine does not run at on_sample_end",
        ),
        (
            dict(on_pre="    y += 1\n    w += x\n"),
            "loihi2",
            "a neuron's program does not see which axons are active",
        ),
    ],
)
def test_why_a_line_is_refused(parts, chip, reason):
    assert reason in reasons(rule(**parts), chip)


def test_a_payload_is_no_gate():
    program = rule(on_pre="    w += s >> 4\n", more="in s from pre.spike\n")
    text = reasons(program, spike=Format(False, 8, 0))
    assert "'s' carries payloads of 8 bits; x0 is 0 or 1" in text
    assert lowered(program).products[0].text == "w += 1 * 2^3 * x0"


def test_decay_of_a_weight_is_a_product_with_itself():
    bound = lowered(rule(rest="on_epoch 4:\n    w = w * k\n"))
    assert [p.text for p in bound.products] == ["w -= 3 * 2^-5 * u2 * w"]  # 0.9 - 1 = -0.1, -3/32
    assert bound.epoch == 0


def test_engine_lines_leaves_the_program_alone():
    bound = lowered("decolle", engine="lines")
    assert (bound.engine, bound.products, bound.lowering, len(bound.lines)) == ("lines", (), (), 8)


def test_a_value_param_is_folded_and_fixed():
    program = rule(on_pre="    w += y * g\n", more="param g : s8.6 = 0.5\n")
    bound = lowered(program)
    assert bound.products[0].mantissa == 1 and (bound.params[0].lo, bound.params[0].hi) == (32, 32)
    assert "'g' may be 0.5 only: it is folded into constants on chip loihi2" in [n.text for n in bound.notes]
