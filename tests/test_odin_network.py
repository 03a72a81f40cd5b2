"""Networks on chip odin: places, folding, learning through present and evaluate, ledger, refusals."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from chipsim import Events, Network, Simulator, load_chip, load_rule
from chipsim.addresses import ADDRESSES
from chipsim.conformance.compare import copy_state, difference
from chipsim.errors import ChipError, LimitError, NetworkError, SettingError
from chipsim.ledger import summary
from chipsim.plan.core import PAR
from chipsim.reference import reference_present
from chipsim.report import text_report
from chipsim.report.html import html_report
from chipsim.report.markdown import markdown_report
from chipsim.state import make_state

pytestmark = pytest.mark.one_python
LIF = dict(reset="hard", leak="subtract", leak_step=0.25, threshold=3.0)


def built(params=None, **options) -> Simulator:
    """12 axons learn on 5 neurons, 3 others inhibit them without a rule."""
    net = Network()
    net.source("in", 12)
    net.source("calm", 3)
    net.lif("cells", 5, **LIF)
    w = np.tile(np.arange(5) / 8 + 0.25, (12, 1))
    net.connect("in", "cells", rule="sdsp", weights=w, settings={"params": params or {}})
    net.connect("calm", "cells", weights=np.full((3, 5), -0.25))
    return Simulator(net, load_chip("odin"), load_rule, seed=3, **options)


def drive(seed=0, samples=6, steps=20) -> dict[str, Events]:
    rng = np.random.default_rng(seed)
    dense = {name: rng.random((samples, steps, n)) < p for name, n, p in (("in", 12, 0.5), ("calm", 3, 0.2))}
    return {name: Events.from_dense(x.astype(int)) for name, x in dense.items()}


# ---------------------------------------------------------------- folding


def test_places_signs_and_parameters():
    sim = built({"theta_m": 0.75, "ca_2": 3})
    core = sim.plan.core
    assert core.columns == {2: 0} and core.rows == {0: 0, 1: 12}  # open loop: rows are the sources'
    assert core.config == (1, 0, 1, 0)  # a connection without a rule conducts unmapped
    assert core.signs == {0: (0,) * 12, 1: (1,) * 3}
    named = dict(zip(PAR, sim.state["l2_par"][0].tolist(), strict=True))
    assert named == dict(
        leak=2, leak_en=1, thr=24, ca_en=1, theta=6, th1=1, th2=3, th3=7, ca_leak=8, disable=0
    )
    assert sim.state["c0_map"].all() and not sim.state["c1_map"].any()
    assert sim.weights("in->cells")[0].tolist() == [0.25, 0.375, 0.5, 0.625, 0.75]
    assert sim.weights("calm->cells")[0, 0] == -0.25
    assert str(sim.plan.layer("cells").v_fmt) == "u8.3"


def test_a_loop_gives_every_neuron_its_row():
    net = Network()
    net.source("in", 10)
    net.lif("a", 20, **LIF)
    net.lif("b", 30, **LIF)
    net.connect("in", "a", weights=np.full((10, 20), 0.5))
    net.connect("a", "b", rule="sdsp", weights=np.full((20, 30), 0.5))
    core = Simulator(net, load_chip("odin"), load_rule).plan.core
    assert core.columns == {1: 0, 2: 20} and core.rows == {1: 0, 0: 50}
    assert core.config == (0, 0, 1, 0)


def test_drawn_weights_take_the_sign_of_their_row():
    net = Network()
    net.source("in", 30)
    net.lif("cells", 40, **LIF)
    net.connect("in", "cells", w_max=0.0, spread=0.8)
    sim = Simulator(net, load_chip("odin"))
    w = sim.state["c0_w"]
    assert w.min() == -6 and w.max() == 0 and (w < 0).mean() > 0.8


def test_sparse_connections_equal_dense_ones_with_unmapped_zeros():
    rng = np.random.default_rng(5)
    mask = rng.random((12, 5)) < 0.5
    w = np.where(mask, rng.integers(1, 8, (12, 5)) / 8, 0.0)
    made = []
    for sparse in (True, False):
        net = Network()
        net.source("in", 12)
        net.lif("cells", 5, **LIF)
        indptr = np.concatenate([[0], np.cumsum(mask.sum(1))]).astype(np.int64)
        given = dict(sparse=(indptr, np.nonzero(mask)[1].astype(np.int32)), weights=w[mask])
        net.connect("in", "cells", rule="sdsp", **(given if sparse else dict(weights=w)))
        sim = Simulator(net, load_chip("odin"), load_rule)
        if not sparse:
            sim.state["c0_map"][...] = mask
        sim.present(drive()["in"])
        made.append(sim)
    one, two = made
    assert np.array_equal(one.weights("in->cells"), two.weights("in->cells")[mask])
    assert np.array_equal(one.state["l1_v"], two.state["l1_v"])
    assert (
        one.counters()["connections"]["in->cells"]["synaptic_events"]
        < two.counters()["connections"]["in->cells"]["synaptic_events"]
    )


# ---------------------------------------------------------------- running


@pytest.mark.parametrize("bistable", [0, 1])
def test_present_equals_the_interpreter(bistable):
    sim = built({"bistable": bistable, "w_half": 0.5})
    events, mine = drive(), make_state(sim.plan)
    order = [3, 0, 5, 1]
    given = sim.present(events, order=order)
    wanted = reference_present(sim.plan, mine, events, None, samples=order)
    assert difference(mine, sim.state) == ""
    for what in ("counts", "membranes"):
        assert np.array_equal(wanted[what]["cells"], given[what]["cells"])
    assert (given["counts"]["cells"] > 0).all()
    counted = sim.counters()
    assert counted["lines"]["in->cells"][0]["changed"] > 20
    assert counted["core"]["cycles_bist"] == 4 * 16384 * bistable
    assert (counted["lines"]["in->cells"][1]["done"] > 0) == bool(bistable)
    assert int(sim.state["step"][0]) == 4 * 20


def test_static_connections_keep_their_weights():
    sim = built({"bistable": 1, "w_half": 0.5})
    before = sim.weights("calm->cells")
    sim.present(drive())
    assert np.array_equal(sim.weights("calm->cells"), before)


def test_evaluation_changes_nothing_and_threads_share_it():
    sim = built()
    sim.present(drive())
    before = copy_state(sim.state)
    one, counters = sim.evaluate(drive(1))
    two, same = sim.evaluate(drive(1), threads=3)
    assert difference(before, sim.state) == ""
    assert np.array_equal(one["counts"]["cells"], two["counts"]["cells"])
    assert all(np.array_equal(counters[k], same[k]) for k in counters)
    assert counters["core_stat"][0] > 0 and counters["c0_lines"].sum() == 0


def test_snapshot_and_probes():
    sim = built()
    events = {name: e[0] for name, e in drive().items()}
    sim.probe("cells.v", "cells.spikes", "cells.calcium", "in->cells.w")
    sim.run(events)
    rows = sim.recorded()
    assert rows["cells.v"][0].shape == (20, 5) and rows["cells.spikes"][0].sum() > 3
    assert rows["cells.calcium"][0].max() >= 2 and rows["in->cells.w"][0].shape == (20, 60)
    saved, digest = sim.snapshot(), sim.digest()
    sim.run(events)
    assert sim.digest() != digest
    sim.restore(saved)
    assert sim.digest() == digest


def test_steps_in_pieces_are_one_run():
    whole, parts = built(), built()
    events = {name: e[0] for name, e in drive(steps=12).items()}
    whole.run(events)
    parts.probe("cells.v")  # a probed run goes step by step
    parts.run(events)
    assert difference(whole.state, parts.state) == ""


# ---------------------------------------------------------------- ledger


def test_the_ledger_counts_the_whole_crossbar():
    sim = built()
    events = drive()
    sim.present(events)
    spikes = sum(e.n_events for e in events.values())
    made = summary(sim.plan, sim.chip, sim.state)
    rows = {x["name"]: x["ledger"]["inference"] for x in made["layers"] if "ledger" in x}
    rest = rows["(rest of the crossbar)"]
    assert rows["cells"]["synaptic_event"] == 5 * spikes and rest["synaptic_event"] == 251 * spikes
    assert rows["cells"]["neuron_update_inactive"] == 5 * 6 * 20
    assert made["core"]["operations"] == 256 * spikes
    assert made["core"]["cycles"] == spikes * 513 + 6 * 20 * 512
    line = made["energy"]["lines"][0]
    assert (line["event"], line["count"]) == ("synaptic_event", 256 * spikes)
    assert line["energy_J"] == pytest.approx(256 * spikes * 8.43e-12)
    assert (
        made["energy"]["is_lower_bound"]
        and "neuron_update_inactive" in made["energy"]["unpriced"]["inference"]
    )
    text = text_report(made)
    assert "Event-driven core, as built" in text and "calcium clock" in text
    data = {"run": {}, "summary": made, "curves": [], "histograms": [], "warnings": []}
    assert 'data-path="summary/core/cycles"' in html_report(data)
    assert "| cycles |" in markdown_report(data).replace("\\", "")
    bits = {x["what"]: x["bits_each"] for x in made["memory"]}
    assert bits["cells v"] == 8 and bits["in->cells weights"] == 4 and bits["cells parameters"] == 40


def test_static_power_is_charged_for_the_cycles():
    """A busy core at 75 MHz: leakage, clock, and 8.43 pJ an operation (OD19's affine model)."""
    sim = built()
    sim.present(drive())
    made = summary(sim.plan, sim.chip, sim.state)
    seconds = made["core"]["cycles"] / 75e6
    watts = 27.3e-6 + 1.78e-12 * 75e6 + 8.43e-12 * made["core"]["operations"] / seconds
    assert made["energy"]["priced_J"] == pytest.approx(watts * seconds, rel=1e-9)
    assert 150e-6 < watts < 476.9e-6  # 476.9 uW where every second cycle is an operation


# ---------------------------------------------------------------- rules


def test_sdsp_is_accepted_with_its_approximations():
    sim = built()
    program = sim.plan.connections[0].program
    verdicts = {row.text: row.verdict for row in program.lowering}
    assert len(verdicts) == 16 and verdicts["up = up * high"] == "exact"
    assert verdicts["ca -= 1"] == verdicts["ca += 1"] == verdicts["w += up >> rate when up"] == "approximated"
    exact = built({"rate": 3}).plan.connections[0].program.lowering
    assert {row.text: row.verdict for row in exact}["w += up >> rate when up"] == "exact"


@pytest.mark.parametrize("rule", ["decolle", "stdp_pair", "eprop_reckon", "r_stdp", "delta"])
def test_other_rules_are_refused(chipsim, rule):
    done = chipsim("rule", "check", rule, "--chip", "odin")
    assert done.status == 2
    assert "fixed hardware that runs sdsp alone; it has no `" in done.err and "use rule sdsp" in done.err


def test_check_and_show(chipsim):
    done = chipsim("rule", "check", "sdsp", "--chip", "odin")
    assert done.status == 0 and "ok: rule sdsp fits chip odin (fixed, 16 lines)" in done.out
    assert "approximated: a weight moves by one LSB" in done.out
    shown = chipsim("rule", "show", "sdsp", "--chip", "odin").out
    assert "run by the fixed engine of chip odin" in shown and "line  46  down = down * low" in shown


def changed_rule(root, here, old, new):
    text = (root / "rules" / "sdsp.rule").read_text()
    assert old in text
    (here / "mine.rule").write_text(text.replace(old, new).replace("rule sdsp", "rule mine"))
    return "./mine.rule"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("up * on", "up * low", "it has no `up = up * low` in on_pre"),
        ("on_epoch 8:", "on_epoch 40:", "on_epoch = 40 does not fit u5.0"),
        ("    ca += 1\n", "    ca += 1\n    ca += 1\n", "has `ca -= 1` in on_epoch where the rule has line"),
        ("ca_2    : u3.0 = 4", "ca_2 : u3.1 = 1.5", "ca_2 = 1.5 does not fit u3.0"),
        ("bistable : u1.0  = 0", "bistable : u1.0  = 1", "the engine's middle is 0.5"),
    ],
)
def test_what_the_engine_cannot_hold_is_refused(chipsim, root, here, old, new, said):
    done = chipsim("rule", "check", changed_rule(root, here, old, new), "--chip", "odin")
    assert done.status == 2 and said in done.err


def test_a_rule_of_other_constants_is_accepted(chipsim, root, here):
    name = changed_rule(root, here, "on_epoch 8:", "on_epoch 31:")
    assert chipsim("rule", "check", name, "--chip", "odin").status == 0


# ---------------------------------------------------------------- refusals


def refused(build, error, said):
    net = Network()
    net.source("in", 8)
    with pytest.raises(error, match=said):
        build(net)


def lif(net, size=4, **options):
    net.lif("cells", size, **{**LIF, **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(reset="soft"), "soft reset"),
        (dict(leak="multiply"), "a leak by multiplication"),
        (dict(tau_u_ms=5.0), "tau_u_ms=5.0"),
        (dict(refractory=2), "refractory=2"),
        (dict(bias=0.5), "bias=0.5"),
        (dict(homeostasis=(0.1, 2.0)), "homeostasis"),
        (dict(threshold=40.0), "threshold 40 is outside 0..31.875"),
        (dict(leak_step=16.0), "leak_step 16 is outside 0..15.875"),
        (dict(size=257), "257 neurons; the core has 256"),
    ],
)
def test_neurons_that_the_core_does_not_have(options, said):
    def build(net):
        lif(net, **options)
        net.connect("in", "cells", weights=np.full((8, net.layer("cells").size), 0.5))
        Simulator(net, load_chip("odin"))

    refused(build, LimitError, said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(delay=3), "delay 3"),
        (dict(bits=8), "weights of 8 bits; the chip stores 3"),
        (dict(delays=np.ones((8, 4), np.uint8)), "one delay per synapse"),
        (dict(weights=np.tile([0.5, -0.5, 0, 0], (8, 1))), "row 0 has weights of both signs"),
        (dict(weights=np.full((8, 4), 3.0)), "given weights lie outside"),
        (dict(rule="sdsp", w_max=0.5), "w_max=0.5"),
        (dict(rule="stdp_pair"), "rule stdp_pair is refused"),
    ],
)
def test_connections_that_the_core_does_not_have(options, said):
    def build(net):
        lif(net)
        net.connect("in", "cells", **({"weights": np.full((8, 4), 0.5)} | options))
        Simulator(net, load_chip("odin"), load_rule)

    refused(build, LimitError, said)


def test_networks_that_the_core_does_not_have():
    def two(net, options=None, **more):
        lif(net)
        net.connect("in", "cells", weights=np.full((8, 4), 0.5), rule="sdsp")
        for build in more.values():
            build(net)
        Simulator(net, load_chip("odin"), load_rule, **(options or {}))

    refused(lambda net: two(net, {"contexts": 2}), LimitError, "2 contexts")
    refused(lambda net: two(net, {"engine": "lines"}), SettingError, "engine 'lines' on chip odin")
    refused(lambda net: two(net, {"weight_bits": 8}), LimitError, "weights of 8 bits")
    refused(lambda net: two(net, more=lambda n: n.reward("cells")), LimitError, r"a third factor \(reward\)")
    refused(lambda net: two(net, more=lambda n: n.integrator("out", 2)), LimitError, "of kind integrator")
    refused(lambda net: two(net, more=lambda n: n.source("g", 3, payload_bits=4)), LimitError, "graded")
    refused(lambda net: two(net, more=lambda n: n.source("more", 250)), LimitError, "258 rows; the core has")

    def differ(net):
        net.source("b", 2)
        net.connect("b", "cells", rule="sdsp", weights=np.ones((2, 4)) / 2, settings={"params": {"ca_1": 2}})

    refused(lambda net: two(net, more=differ), LimitError, "with different constants")

    def coarse(net):
        net.source("b", 2)
        net.connect("b", "cells", weights=np.ones((2, 4)), w_range=8.0)

    refused(lambda net: two(net, more=coarse), LimitError, "connections of different LSBs")

    def bus(net):
        net.source("bus", ADDRESSES)
        net.connect("bus", "cells", sparse=(np.zeros(ADDRESSES + 1, np.int64), np.zeros(0, np.int32)))

    refused(lambda net: two(net, more=bus), NetworkError, "a connection from the address bus")


def test_there_is_no_float_twin():
    sim = built()
    sim.twin = True
    with pytest.raises(SettingError, match="a float twin on chip odin"):
        sim.present(drive())


def test_no_leak_at_all():
    net = Network()
    net.source("in", 2)
    net.lif("cells", 2, reset="hard", tau_v_ms=math.inf, threshold=30.0)
    net.connect("in", "cells", weights=np.full((2, 2), 0.5))
    sim = Simulator(net, load_chip("odin"))
    sim.run(np.array([[1, 1]] * 3 + [[0, 0]] * 5))
    assert sim.read("cells.v").tolist() == [3.0, 3.0]


# ---------------------------------------------------------------- the chip file


def test_the_chip_file(tmp_path):
    chip = load_chip("odin")
    assert (chip.engine, chip.fixed, chip.step.mode) == ("fixed", "sdsp", "event")
    assert chip.crossbar.cycles.bist_one == 64 and chip.crossbar.cycles_documented.bist_one == 128
    assert chip.as_documented().crossbar.behaviour == "documented"
    path, text = tmp_path / "odin.toml", Path(chip.path).read_text(encoding="utf-8")
    for old, new, said in (
        ('mode = "event"\n', "", "needs a table"),
        ('fixed = "sdsp"', 'fixed = "stdp"', "fixed"),
        ("fifo_depth = 32\n", "", "not declared"),
        ("neurons = 256\n", "neurons = 512\n", "neurons"),
    ):
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(ChipError, match=said):
            load_chip(path)
