"""What one line does: reach, sum then round, conditions, limits and counters, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.microcode.interpret import run_section
from chipsim.microcode.program import COUNTS
from chipsim.microcode.reach import Clock, Wiring, reach_of
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.noise import draw_key, murmur3, top_bits, word_one, word_pair
from chipsim.plan import plan
from chipsim.state import make_state

MASK = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0]])  # sparse: 3 axons, 3 neurons


class Bench:
    """One connection of 3 axons and 3 neurons with a rule; sections are run one at a time."""

    def __init__(self, text: str, *, contexts: int = 1, sparse: bool = False, noise: str = "lane", **options):
        net = Network()
        net.source("in", 3, payload_bits=options.pop("payload_bits", 1))
        net.lif("out", 3)
        weights = np.full((3, 3), 0.25)
        if sparse:
            indptr = np.concatenate([[0], np.cumsum(MASK.sum(1))])
            options["sparse"], weights = (indptr, np.nonzero(MASK)[1]), np.full(MASK.sum(), 0.25)
        net.connect("in", "out", rule="r", weights=weights, **options)
        net.reward("out")
        program = parse_rule("rule r\n" + text, "r.rule")
        self.plan = plan(net, load_chip("ideal"), {"r": program}, seed=5, contexts=contexts, noise=noise)
        self.c = self.plan.connections[0]
        self.state = make_state(self.plan)

    def axons(self, context: int, *active: int, payloads: tuple[int, ...] = ()) -> None:
        """Make these axons active in step 1."""
        self.state["l0_hist"][0, context, : len(active)] = active
        self.state["l0_hist_n"][0, context] = len(active)
        if payloads:
            self.state["l0_pay"][0, context, : len(active)] = payloads

    def run(self, section: str, n: int = 1, reward: tuple[int, ...] = ()) -> list[dict]:
        """Run a section; returns the counters of all lines."""
        clock = Clock(1, n, reward)
        reach = reach_of(self.plan, self.c, self.state, section, clock, Wiring.of(self.c, self.state))
        run_section(self.plan, self.c, self.state, section, reach, clock)
        return [dict(zip(COUNTS, row, strict=True)) for row in self.state["c0_lines"].tolist()]

    def __getitem__(self, name: str) -> list:
        return self.state["c0_w" if name == "w" else f"c0_r_{name}"].tolist()


# one line per owner: what is written shows what is reached
REACH = """pre a : u8.0
post b : u8.0
syn w : weight
layer g : u8.0
{section}:
    a += 1
    b += 1
    w += 1
    g += 1
"""


def reached(section: str, head: str = "", *, sparse: bool = False, **state) -> dict:
    text = REACH.format(section=section)
    if section == "on_membrane":  # neurons only
        text = "post b : u8.0\nlayer g : u8.0\non_membrane:\n    b += 1\n    g += 1\n"
    bench = Bench(text, contexts=2, sparse=sparse)
    bench.axons(0, 0, 2)
    bench.state["l1_fired"][1] = [0, 1, 1]
    bench.state["l1_m"][0] = [0, -3, 0]
    bench.run(section.split()[0])
    names = [n for n in ("a", "b", "g") if f"c0_r_{n}" in bench.state]
    found = {n: bench[n] for n in names}
    found["w"] = (bench.state["c0_w"] != 32).astype(int).tolist()
    return found


ALL = [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("section", ["on_sample_start", "on_step", "on_epoch 3", "on_sample_end"])
def test_these_sections_reach_everything(section):
    # the layer register: one contribution per context
    assert reached(section) == {"a": ALL, "b": ALL, "g": [2], "w": [[1, 1, 1]] * 3}


def test_on_pre_reaches_active_axons_and_their_targets():
    # context 1 has no active axon, so it is not reached
    assert reached("on_pre") == {
        "a": [[1, 0, 1], [0, 0, 0]],
        "b": [[1, 1, 1], [0, 0, 0]],
        "g": [1],
        "w": [[1, 1, 1], [0, 0, 0], [1, 1, 1]],
    }


def test_on_pre_of_a_sparse_connection_reaches_the_union_of_targets():
    found = reached("on_pre", sparse=True)  # rows: 0 -> 0, 2; 1 -> 1; 2 -> 0, 1
    assert found["w"] == [1, 1, 0, 1, 1]
    assert found["b"] == [[1, 1, 1], [0, 0, 0]]
    bench = Bench(REACH.format(section="on_pre"), sparse=True)
    bench.axons(0, 1)
    bench.run("on_pre")
    assert (bench["b"], bench["a"]) == ([[0, 1, 0]], [[0, 1, 0]])


def test_on_membrane_reaches_all_neurons():
    assert reached("on_membrane") == {"b": ALL, "g": [2], "w": [[0, 0, 0]] * 3}


def test_on_post_reaches_fired_neurons_their_columns_and_all_axons():
    assert reached("on_post") == {
        "a": [[0, 0, 0], [1, 1, 1]],
        "b": [[0, 0, 0], [0, 1, 1]],
        "g": [1],
        "w": [[0, 1, 1]] * 3,
    }
    assert reached("on_post", sparse=True)["w"] == [0, 1, 1, 0, 1]


def test_on_third_factor_reaches_neurons_with_a_signal():
    assert reached("on_third_factor") == {
        "a": [[1, 1, 1], [0, 0, 0]],
        "b": [[0, 1, 0], [0, 0, 0]],
        "g": [1],
        "w": [[0, 1, 0]] * 3,
    }


# ---------------------------------------------------------------- sum, then round


def test_contributions_of_contexts_are_summed_before_rounding():
    """0.4 + 0.4 LSB is one LSB to nearest; each alone would be nothing."""
    text = "const k : u8.8 = 0.4\npre a : u4.0 = 1\nsyn w : weight round=nearest\n"
    text += "on_step:\n    w += a * k >> 7\n    a += 0\n"
    for contexts, wanted in ((1, 32), (2, 33)):
        bench = Bench(text, contexts=contexts)
        counts = bench.run("on_step")[0]
        # k = 102/256; E = 102 with 8 + 7 bits, n = 8: 32 * 256 + 102 c + 128 >> 8
        assert np.unique(bench.state["c0_w"]).tolist() == [wanted]
        assert (counts["done"], counts["changed"]) == (9 * contexts, 9 * (wanted - 32))
        assert counts["rounded_to_zero"] == 9 * (33 - wanted)


def test_neurons_feed_a_layer_register():
    text = "in v from neuron.v\nlayer g : s20.3 round=floor\non_membrane:\n    g -= v >> 3 when v\n"
    bench = Bench(text, contexts=2)
    bench.state["l1_vc"][:] = [[1, 2, 0], [4096, -5, 8192]]
    counts = bench.run("on_membrane")[0]
    # sum 12286 with 15 + 3 bits: floor(-12286 / 2**15) = -1
    assert bench["g"] == [-1]
    assert (counts["done"], counts["skipped"], counts["changed"]) == (5, 1, 1)


def test_equals_into_a_layer_register_runs_once():
    text = "const k : u8.4 = 1.5\nlayer g : u8.4\non_post:\n    g = k\n"
    bench = Bench(text, contexts=2)
    bench.state["l1_fired"][:, 0] = 1
    assert bench.run("on_post")[0]["done"] == 1
    assert bench["g"] == [24]
    bench.state["l1_fired"][:] = 0
    assert bench.run("on_post")[0]["done"] == 1  # not reached


def test_a_line_is_finished_before_the_next_begins():
    """The layer register sums all neurons before any neuron reads it."""
    text = "post b : u8.0\nlayer g : u8.0\non_membrane:\n    b += 1\n    g += b\n    b = g\n"
    bench = Bench(text)
    bench.run("on_membrane")
    assert (bench["b"], bench["g"]) == ([[3, 3, 3]], [3])


def test_temps_are_zero_when_their_section_begins():
    text = "post b : u8.0\ntemp d per post : u8.0\non_membrane:\n    d += 2\n    b += d\n"
    bench = Bench(text)
    bench.run("on_membrane")
    bench.run("on_membrane")
    assert bench["b"] == [[4, 4, 4]]


# ---------------------------------------------------------------- forms


def one(line: str, a: float, b: float, fmt: str = "s16.4", flags: str = "") -> int:
    """d after one line with registers a : s8.2 and b : s12.6."""
    text = f"post a : s8.2 = {a}\npost b : s12.6 = {b}\npost d : {fmt} = 1 {flags}\n"
    bench = Bench(text + f"on_membrane:\n    d {line}\non_step:\n    a += 0\n    b += 0\n")
    bench.run("on_membrane")
    return bench["d"][0][0]


@pytest.mark.parametrize(
    ("line", "raw"),
    [  # a = -6 (raw 2 bits) = -1.5, b = 147 / 64 = 2.296875; d has 4 fraction bits and begins at 16
        ("= a", -24),
        ("= -a", 24),
        ("= b", 36),  # 36.75 toward zero
        ("= -b", -36),
        ("= a * b", -55),  # -882 / 256 * 16 = -55.125
        ("= a * b >> 2", -13),
        ("= a << 3", -192),
        ("+= b", 52),  # (16 * 4 + 147) / 4 = 52.75
        ("-= b", -20),  # (64 - 147) / 4 = -20.75
        ("-= -b", 52),
        ("= a + b", 12),  # (-96 + 147) / 4 = 12.75
        ("= a - b", -60),
        ("= min(a, b)", -24),
        ("= max(a, b)", 36),
        ("= min(a, -2)", -32),
        ("= abs(a)", 24),
        ("= sign(a)", -16),
        ("= sign(b)", 16),
        ("= 2.5", 40),
        ("+= -0.5", 8),
    ],
)
def test_forms(line, raw):
    assert one(line, -1.5, 2.296875) == raw


@pytest.mark.parametrize(("rounding", "raw"), [("floor", -37), ("trunc", -36), ("nearest", -37)])
def test_roundings(rounding, raw):
    assert one("= -b", 0, 2.296875, flags=f"round={rounding}") == raw


@pytest.mark.parametrize(
    ("op", "bits"), [(">=", "110"), (">", "010"), ("<=", "101"), ("<", "001"), ("==", "100")]
)
def test_comparisons_align_the_formats(op, bits):
    found = [one(f"= a {op} b", a, 1.25, "u1.0") for a in (1.25, 1.5, 1.0)]
    assert "".join(map(str, found)) == bits


def test_saturate_and_wrap_count():
    for flags, raw, name in (("", 127, "saturated"), ("overflow=wrap", -116, "wrapped")):
        text = f"post d : s8.0 = 100 {flags}\non_membrane:\n    d += 40\n"
        bench = Bench(text)
        counts = bench.run("on_membrane")[0]
        assert bench["d"] == [[raw] * 3]
        assert {n for n in ("saturated", "wrapped") if counts[n]} == {name}
        assert counts[name] == 3


def test_rounded_to_zero():
    text = "const k : u8.8 = 0.1\npost d : u8.0 = 3\npost s : u8.0 = 255\npost z : u8.0\npost y : s8.0 = -1\n"
    text += "on_step:\n    y += 0\non_membrane:\n"
    bench = Bench(text + "    d += k\n    s += 1\n    z = k\n    z = y\n    d += 0\n")
    counts = bench.run("on_membrane")
    # s stays because it saturates, 0 is no lost update; z = -1 is written as 0, E is not
    assert [c["rounded_to_zero"] for c in counts[1:]] == [3, 0, 3, 3, 0]
    assert [c["saturated"] for c in counts[1:]] == [0, 3, 0, 3, 0]


def test_when_and_when_not():
    text = "post c : u1.0 = 1\npost d : u8.0\npost e : u8.0\non_step:\n    c += 0\non_membrane:\n"
    bench = Bench(text + "    d = 5 when c\n    e = 7 when not c\n")
    bench.state["c0_r_c"][0] = [1, 0, 1]
    counts = bench.run("on_membrane")
    assert (bench["d"], bench["e"]) == ([[5, 0, 5]], [[0, 7, 0]])
    assert [(x["done"], x["skipped"]) for x in counts[1:]] == [(2, 1), (1, 2)]


def test_weights_are_limited_at_every_write():
    text = "syn w : weight\non_step:\n    w += 0.5\n"
    bench = Bench(text, w_min=-0.25, w_max=0.5)
    assert bench.run("on_step")[0]["saturated"] == 9
    assert np.unique(bench["w"]).tolist() == [64]


def test_table_steps_are_left_closed():
    text = "post a : s8.2\npost d : u8.0\ntable t : u8.0 = steps(-1: 3, 0.5: 7, 2: 9)\n"
    text = "table t : u8.0 = steps(-1: 3, 0.5: 7, 2: 9)\n" + text.rpartition("table")[0]
    bench = Bench(text + "on_membrane:\n    d = t(a)\non_step:\n    a += 0\n")
    found = []
    for raw in (-128, -4, 1, 2, 7, 8, 127):
        bench.state["c0_r_a"][:] = raw
        bench.run("on_membrane")
        found.append(bench["d"][0][0])
    assert found == [3, 3, 3, 7, 7, 9, 9]


def test_table_centred_on_the_present_threshold():
    text = "in v from neuron.v\ntable t : u1.0 = box(centre=threshold, half_width=0.5, segments=1)\n"
    bench = Bench(text + "post d : u1.0\non_membrane:\n    d = t(v)\n")
    bench.state["l1_thr"][:] = [32768, 16384, 65536]
    bench.state["l1_vc"][:] = [16384, 32768, 65535 + 16384]  # [thr - .5, thr + .5) is 1
    bench.run("on_membrane")
    assert bench["d"] == [[1, 0, 1]]


def test_pre_spike_is_the_payload():
    text = "in s from pre.spike\npre a : u8.0\non_step:\n    a = s\n"
    bench = Bench(text, payload_bits=4)
    bench.axons(0, 0, 2, payloads=(9, 15))
    bench.run("on_step")
    assert bench["a"] == [[9, 0, 15]]


def test_reward_is_read_per_context():
    text = "in r from reward\npre a : s8.4\non_third_factor:\n    a += r\n"
    bench = Bench(text, contexts=2)
    bench.state["l1_m"][:] = 1
    bench.run("on_third_factor", reward=(5, -7))
    assert bench["a"] == [[5] * 3, [-7] * 3]


def test_published_registers_of_neurons_without_signal_are_zero():
    text = "in m from third_factor\npost p : s8.4 publish = 3\non_third_factor:\n    p = m\n"
    bench = Bench(text)
    bench.state["l1_m"][0] = [0, 7, 0]
    bench.run("on_third_factor")
    assert bench["p"] == [[0, 7, 0]]


# ---------------------------------------------------------------- draws


def test_draws_follow_key_and_element():
    """w += 0.5 LSB, so n = 1: each weight goes up where the top bit of its word is set."""
    text = "const k : u8.8 = 0.00390625\nsyn w : weight round=stochastic\non_step:\n    w += k\n"
    for noise in ("lane", "element", "shared"):
        bench = Bench(text, noise=noise)
        counts = bench.run("on_step", n=12)[0]
        key = draw_key(5, 0, 0, 0, 12)
        wanted = [[32 + top_bits(word_pair(key, i, j, noise), 1) for i in range(3)] for j in range(3)]
        assert bench["w"] == wanted
        assert counts["draws"] == 9


def test_draws_of_contexts_and_of_one_index():
    text = "const k : u8.8 = 0.5\npost b : u8.0 round=stochastic\non_membrane:\n    b += k\n"
    bench = Bench(text, contexts=2)
    bench.run("on_membrane", n=3)
    wanted = [[top_bits(word_one(draw_key(5, 0, 0, b, 3), i), 1) for i in range(3)] for b in range(2)]
    assert bench["b"] == wanted
    shared = Bench(text, noise="shared")
    shared.run("on_membrane", n=3)
    assert shared["b"] == [[murmur3((0,), draw_key(5, 0, 0, 0, 3)) >> 31] * 3]


def test_a_serial_register_advances_at_elements_that_are_not_reached():
    text = "post b : u32.0\non_post:\n    b = random\n"
    words = []
    for fired in ([1, 1, 1], [0, 0, 1]):
        bench = Bench(text, noise="lfsr")
        bench.state["l1_fired"][0] = fired
        assert bench.run("on_post")[0]["draws"] == sum(fired)
        words.append(bench["b"][0])
    assert words[1] == [0, 0, words[0][2]] and words[0][2] != 0


def test_random_is_uniform_over_the_format():
    text = "syn t : s3.0\non_step:\n    t = random\n"
    bench = Bench(text)
    found = []
    for n in range(1, 101):
        bench.run("on_step", n=n)
        found += np.ravel(bench["t"]).tolist()
    counts = np.bincount(np.array(found) + 4, minlength=8)
    assert len(counts) == 8 and counts.min() > 60 and counts.max() < 165  # 900 draws, 112 each
