"""ReckOn: vectors of its RTL, cycles, quirks, samples on both back ends, and what the chip refuses."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.compile.run import compiled_present, compiled_steps
from chipsim.conformance.compare import copy_state, difference
from chipsim.conformance.vectors import conformance
from chipsim.data.events import Events
from chipsim.errors import ChipsimError, DataError
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.plan import Update, plan
from chipsim.reckon import cycles
from chipsim.reckon.registers import NAMES, QUIRKS
from chipsim.reference import reference_present, reference_steps
from chipsim.reference_reckon import Core
from chipsim.simulator import Simulator
from chipsim.state import make_state

pytestmark = pytest.mark.one_python
GOLDEN = Path(__file__).parent / "golden" / "reckon"
RULE = "eprop_reckon"


def network(n_inp=6, n_rec=10, n_out=3, rule=RULE, error="hard_sigmoid", hidden=None, output=None):
    net = Network()
    net.source("in", n_inp)
    net.lif("hidden", n_rec, **{"tau_v_ms": 20, "threshold": 0.5, **(hidden or {})})
    net.integrator("out", n_out, **{"tau_v_ms": 20, **(output or {})})
    net.connect("in", "hidden", rule=rule)
    net.connect("hidden", "hidden", rule=rule)
    net.connect("hidden", "out", rule=rule)
    if error:
        net.error("out", error=error, logit_scale=1.0)
        net.transport("hidden", through="hidden->out", register="third_factor")
    return net


def core(fixed=None, chip=None, seed=1, **sizes) -> tuple[Core, dict]:
    made = plan(network(**sizes), chip or load_chip("reckon"), load_rule, seed=seed, fixed=fixed)
    state = make_state(made)
    return Core(made, state), state


def events(samples=3, steps=14, axons=6, rate=0.3, seed=0) -> Events:
    rng = np.random.default_rng(seed)
    return Events.from_dense((rng.random((samples, steps, axons)) < rate).astype(np.uint8))


# ---------------------------------------------------------------- vectors


def test_the_committed_extract_of_the_vectors():
    results = list(conformance("reckon", GOLDEN))
    assert [(r.file, r.part, r.mismatch) for r in results if r.mismatch] == []
    assert sum(r.checked for r in results) == 16410
    assert {r.part.rpartition(", ")[2] or r.part for r in results} == {"kernels", "interpreter"}


def test_all_vectors(data_dir):
    folder = data_dir / "rtl_vectors"
    if not folder.is_dir():
        pytest.skip("no rtl_vectors under CHIPSIM_DATA")
    results = list(conformance("reckon", folder))
    assert [(r.file, r.part, r.mismatch) for r in results if r.mismatch] == []
    assert sum(r.checked for r in results) >= 1_801_852


def test_the_first_mismatch_is_named(tmp_path):
    case = json.loads(gzip.decompress((GOLDEN / "reckon_e2e_0.json.gz").read_bytes()))
    line = next(k for k, text in enumerate(case["expected"]) if text.startswith("O ") and k > 10)
    words = case["expected"][line].split()
    words[3] = "1234"
    case["expected"][line] = " ".join(words)
    (tmp_path / "reckon_e2e_0.json.gz").write_bytes(gzip.compress(json.dumps(case).encode()))
    table = dict(np.load(GOLDEN / "reckon_step.npz"))
    table["out"] = table["out"].copy()
    table["out"][7, 2] += 1
    np.savez(tmp_path / "reckon_step.npz", **table)
    kernels, interpreter, lanes, _ = list(conformance("reckon", tmp_path))
    assert kernels.mismatch == interpreter.mismatch
    assert kernels.mismatch.register == "output 2"
    assert kernels.mismatch.expected == "1234"
    assert kernels.mismatch.place.startswith("operation ")
    assert (lanes.mismatch.place, lanes.mismatch.register) == ("lane 7", "t_inp")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["config"].pop("KAPPA"), "config has no KAPPA"),
        (lambda c: c["config"].update(KAPPA=300), "KAPPA = 300"),
        (lambda c: c["config"].update(KAPA=3), "config KAPA = 3: no register"),
        (lambda c: c["config"].update(LOCAL_TICK=1), "LOCAL_TICK"),
        (lambda c: c["memories"]["neur"].pop(), "memory neur: 127 words of 128"),
        (lambda c: c["memories"]["winp"].__setitem__(3, "xyz"), "memory winp"),
        (lambda c: c["ops"].__setitem__(2, [7, 0]), "operation 2 is"),
        (lambda c: c["ops"].__setitem__(2, [0, 999]), "operation 2 is"),
        (lambda c: c.pop("expected"), "no lists"),
        (lambda c: c.pop("config"), "no configuration"),
    ],
)
def test_damaged_cases_are_refused(tmp_path, change, message):
    case = json.loads(gzip.decompress((GOLDEN / "reckon_e2e_0.json.gz").read_bytes()))
    change(case)
    (tmp_path / "reckon_e2e_0.json.gz").write_bytes(gzip.compress(json.dumps(case).encode()))
    with pytest.raises(DataError, match=message):
        list(conformance("reckon", tmp_path))


def test_a_table_of_another_shape_is_refused(tmp_path):
    shutil.copy(GOLDEN / "reckon_step.npz", tmp_path / "reckon_lfsr.npz")
    with pytest.raises(DataError, match="seeds"):
        list(conformance("reckon", tmp_path))
    shutil.move(tmp_path / "reckon_lfsr.npz", tmp_path / "reckon_eprop_product.npz")
    with pytest.raises(DataError, match=r"needed integers \[rows, 11\]"):
        list(conformance("reckon", tmp_path))


# ---------------------------------------------------------------- cycles


@pytest.mark.parametrize(
    ("sizes", "expected"), [((256, 256, 16), 8704), ((40, 100, 2), 1624), ((8, 26, 14), 168)]
)
def test_cycles_of_an_update_pass(sizes, expected):
    """From the core's own counter, in a run; 256 x 256 takes 16 x (32 + 512) cycles."""
    sim = Simulator(network(*sizes), load_chip("reckon"), seed=1)
    sim.run(events(1, 3, sizes[0], 0.1), labels=np.array([1]))
    counted = sim.counters()["reckon"]
    assert counted["updates"] == 2
    assert counted["update_cycles"] == 2 * expected == 2 * cycles.update_cycles(*sizes[:2])
    assert counted["step_cycles"] == 2 * max(sizes)


def test_cycles_by_hand():
    """3 indices of 6 active, 5 pairs of neurons: 10 + 3 * 10 cycles; output weights alone: 2 per neuron."""
    made, state = core({"DO_EPROP": 4})
    state["f_inp"][[1, 4]] = 1
    state["f_z"][[4, 9]] = 1
    made.sweep()
    made.step()
    made.update(True)
    assert state["f_stat"][1:4].tolist() == [10, 40, 20]


# ---------------------------------------------------------------- quirks


def test_quirk_of_the_overflow_guard():
    """L h x of 2^27 to 2^28: as built the weight goes down for certain, as documented it goes up."""
    moves = {}
    for built in (1, 0):
        values = {f"H_{k}": 15 for k in range(5)} | {"LEARN_SIG_SCALE": 15, "FP_LOC_TINP": 0, "LR_P_WINP": 31}
        made, state = core({**values, "QUIRK_GUARD": built}, n_inp=8, n_rec=16, n_out=4)
        state["f_dirty"][:] = 1
        state["f_ti"][:] = 700
        state["f_wout"][:, :] = np.where(np.arange(16) == 2, 127, -127)
        state["f_o"][:] = 0
        state["f_label"][0] = 2
        before = state["f_winp"].copy()
        made.update(True)
        size = 32767 * 700 * 15
        assert 1 << 28 <= size < 1 << 29 and size >> 27 & 1 == 0
        state["f_ti"][:] = 300
        assert 1 << 27 <= 32767 * 300 * 15 < 1 << 28
        state["f_winp"][...] = before
        made.update(True)
        moves[built] = (state["f_winp"].astype(int) - before)[:8]
    assert (moves[1] == -1).all()
    assert (moves[0] == 1).all()


def test_quirk_of_odd_sizes():
    for built, expected in ((1, 100), (0, 95)):
        made, state = core({"QUIRK_ODD": built, "EN_STOCH_ROUND": 0}, n_inp=3, n_rec=5, n_out=1)
        state["f_dirty"][:], state["f_u"][:] = 1, 100
        made.step()
        assert state["f_u"][0] == 95
        assert state["f_u"][4] == expected


def test_quirk_of_the_second_increment():
    for built, expected in ((1, 128), (0, 64)):
        made, state = core({"QUIRK_TWICE": built}, n_inp=8, n_rec=5, n_out=1)
        state["f_inp"][[5, 6]] = 1  # 5 is the lane beside the last hidden neuron
        made.sweep()
        assert state["f_ti"][[5, 6]].tolist() == [expected, 64]


def test_quirk_of_regularisation_without_target():
    """As built every neuron is judged by the last one's activity, as documented by its own."""
    for built in (1, 0):
        values = {"REGUL_MODE": 6, "REGUL_W": 1, "REGUL_F0": 10, "REGUL_K_INP_P": 25, "LR_P_WINP": 31}
        made, state = core({**values, "QUIRK_STALE": built, "FP_LOC_TREC": 0}, n_inp=4, n_rec=6, n_out=1)
        state["f_dirty"][:] = 1
        state["f_tr"][0], state["f_ti"][:] = 500, 100
        before = state["f_winp"].copy()
        made.step()
        assert made.due(False)
        made.update(False)
        changed = (state["f_winp"] != before)[:4]
        assert changed.any() == (not built)
        assert not changed[:, 1:6].any()


def test_a_neurons_weight_onto_itself_becomes_0():
    made, state = core({f"H_{k}": 15 for k in range(5)} | {"LR_P_WREC": 31, "LEARN_SIG_SCALE": 15})
    state["f_wrec"][...], state["f_wout"][:, :] = 50, 100
    state["f_dirty"][:], state["f_tr"][:], state["f_label"][0] = 1, 2000, 1
    made.update(True)
    diagonal = np.diag(state["f_wrec"][:10, :10])
    assert (diagonal == 0).sum() >= 5
    assert (state["f_wrec"][:10, :10] == 0).sum() == (diagonal == 0).sum()


def test_documented_behaviour_is_a_switch_of_the_chip():
    built = plan(network(), load_chip("reckon"), load_rule).reckon
    other = plan(network(), load_chip("reckon").as_documented(), load_rule).reckon
    assert [built.register(name) for name in QUIRKS] == [1, 1, 1, 1]
    assert [other.register(name) for name in QUIRKS] == [0, 0, 0, 0]


# ---------------------------------------------------------------- samples and runs


@pytest.mark.parametrize(
    ("update", "error", "n_rec", "reset"),
    [
        (Update(), "hard_sigmoid", 10, "soft"),
        (Update("every", 3, 2), "hard_sigmoid", 7, "hard"),
        (Update("end"), "regression", 18, "soft"),
    ],
)
def test_both_back_ends_agree_on_samples_and_runs(update, error, n_rec, reset):
    net = network(n_rec=n_rec, error=error, hidden={"reset": reset})
    made = plan(net, load_chip("reckon"), load_rule, seed=5, update=update, params={"rate": 0})
    mine, theirs = make_state(made), make_state(made)
    labels = np.array([0, 2, -1]) if error == "hard_sigmoid" else np.array([20, -30, -32768])
    shown = events()
    for learn in (True, False):
        wanted = reference_present(made, mine, shown, labels, learn=learn, predictions=True)
        given = compiled_present(made, theirs, shown, labels, learn=learn, predictions=True)
        assert difference(mine, theirs) == ""
        for what in wanted:
            for name in wanted[what]:
                assert np.array_equal(wanted[what][name], given[what][name]), (what, name)
    for start, stop in ((0, 5), (5, 14)):
        reference_steps(made, mine, shown, start=start, stop=stop, labels=labels)
        compiled_steps(made, theirs, shown, start=start, stop=stop, labels=labels)
        assert difference(mine, theirs) == ""
    assert mine["f_matrix_stat"][:, 4].min() > 0


def test_evaluation_changes_nothing_and_does_not_depend_on_threads():
    sim = Simulator(network(), load_chip("reckon"), seed=2)
    sim.present(events(), np.array([0, 1, 2]))
    before = copy_state(sim.state)
    one, counted = sim.evaluate(events(6), predictions=True)
    two, _ = sim.evaluate(events(6), threads=2, predictions=True)
    turned, _ = sim.evaluate(events(6), order=[5, 4, 3, 2, 1, 0], predictions=True)
    assert difference(before, sim.state) == ""
    for what in one:
        for name, rows in one[what].items():
            assert np.array_equal(rows, two[what][name])
            assert np.array_equal(rows[::-1], turned[what][name])
    assert counted["f_matrix_stat"].sum() == 0
    assert counted["f_stat"][0] == 6 * 14  # 13 ticks and the closing one


def test_a_snapshot_continues_bit_for_bit():
    sim = Simulator(network(), load_chip("reckon"), seed=3)
    shown = events(1, 8)
    sim.run(shown, labels=np.array([1]))
    kept = sim.snapshot()
    sim.probe("hidden.v", "in->hidden.w")
    sim.run(shown, labels=np.array([1]))
    after = sim.digest()
    assert np.array(sim.probes["hidden.v"]).shape == (8, 10)
    sim.restore(kept)
    sim.run(shown, labels=np.array([1]))
    assert sim.digest() == after


def test_weights_that_are_set_are_the_ones_that_run():
    sim = Simulator(network(), load_chip("reckon"), seed=3)
    for c in range(3):
        sim.state[f"c{c}_w"][...] = 0
    out = sim.evaluate(events(2, 8, rate=1.0))[0]
    assert out["counts"]["hidden"].sum() == 0
    sim.state["c0_w"][...] = 127
    assert sim.evaluate(events(2, 8, rate=1.0))[0]["counts"]["hidden"].min() > 0


def test_the_ledger_counts_what_the_core_did():
    sim = Simulator(network(), load_chip("reckon"), seed=4)
    sim.present(events(), np.array([0, 1, 2]))
    counted = sim.counters()
    words = counted["matrices"]["in->hidden"]
    assert words["words"] + words["skipped_words"] == 3 * 13 * 6  # samples, updates, inputs; one group
    assert 0 < words["changed"] <= words["committed"] <= words["evaluated"] <= 16 * words["words"]
    assert counted["connections"]["in->hidden"]["synaptic_events"] == 10 * events().axon.size
    text = sim.report()
    assert "rule        eprop_reckon" in text
    assert "5.300 pJ" in text
    assert f"clock cycles: step {counted['reckon']['step_cycles']:,}" in text


def test_strict_refuses_full_traces():
    sim = Simulator(network(), load_chip("reckon"), fixed={"FP_LOC_TINP": 7}, strict=True)
    with pytest.raises(ChipsimError, match="increments of traces saturated"):
        sim.present(events(rate=1.0), np.array([0, 1, 2]))


def test_rate_moves_the_probability_of_a_step():
    made = [plan(network(), load_chip("reckon"), load_rule, params={"rate": r}).reckon for r in (2, 5)]
    for name in ("WINP", "WREC", "WOUT"):
        shifts = [x.register(f"LR_P_{name}") - x.register(f"LR_R_{name}") for x in made]
        assert shifts[0] - shifts[1] == 3


def test_a_schedule_changes_the_rate_of_one_memory():
    sim = Simulator(network(), load_chip("reckon"), params={"rate": 2})
    before = sim.state["f_regs"].copy()
    sim.set_param("in->hidden", "rate", 5)
    changed = [NAMES[k] for k in np.flatnonzero(sim.state["f_regs"] != before)]
    assert changed == ["LR_P_WINP"]
    again = plan(network(), load_chip("reckon"), load_rule, params={"rate": 5}).reckon
    assert sim.state["f_regs"][NAMES.index("LR_P_WINP")] == again.register("LR_P_WINP")
    with pytest.raises(ChipsimError, match="no parameter 'rat'"):
        sim.set_param("in->hidden", "rat", 5)


# ---------------------------------------------------------------- refusals


def two_hidden():
    net = network()
    net.lif("more", 4)
    return net


def sparse():
    net = Network()
    net.source("in", 2)
    net.lif("hidden", 2, tau_v_ms=20)
    net.integrator("out", 2)
    net.connect("in", "hidden", sparse=(np.array([0, 1, 2]), np.array([0, 1])))
    return net


def limited():
    net = network()
    net.connections[0] = replace(net.connections[0], w_min=0.0)
    return net


def shifted():
    net = network()
    net.circuits[1] = replace(net.circuits[1], signal_shift=2)
    return net


def skipping():
    net = network()
    net.connect("in", "out")
    return net


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (two_hidden, {}, "1 source, 2 lif, 1 integrator"),
        (sparse, {}, "connections are dense"),
        (skipping, {}, "'in->out' has no weight memory"),
        (lambda: network(n_inp=257), {}, "257 inputs; the chip has room for 256"),
        (lambda: network(n_out=17), {}, "17 outputs; the chip has room for 16"),
        (lambda: network(rule="stdp_pair"), {}, "rule stdp_pair is refused"),
        (lambda: network(rule="eprop"), {}, "it has no `"),
        (lambda: network(error=None), {}, "forms its errors by a hard sigmoid"),
        (lambda: network(error="softmax"), {}, "forms its errors by a hard sigmoid"),
        (lambda: network(hidden={"tau_v_ms": 3}), {}, "the chip's smallest is 0.875"),
        (lambda: network(hidden={"refractory": 2}), {}, "refractory = 2"),
        (network, {"contexts": 2}, "2 contexts; the chip holds one sample"),
        (network, {"update": Update("error", rate=0.1)}, "error-triggered"),
        (network, {"engine": "lines"}, "learning engine is fixed"),
        (network, {"weight_bits": 4}, "weights of 4 bits"),
        (network, {"fixed": {"KAPA": 3}}, r"no register 'KAPA' \(did you mean 'KAPPA'\?\)"),
        (network, {"fixed": {"KAPPA": 256}}, "KAPPA = 256"),
        (network, {"fixed": {"NUM_REC_NEUR": 3}}, "the network makes it 9"),
        (network, {"params": {"k_x": 0.5}}, "'k_x' is fixed"),
        (network, {"params": {"rate": 60}}, "rate 60 needs a shift"),
        (network, {"params": {"rate": 1.5}}, "rate 1.5 needs a shift"),
        (network, {"params": {"rate": "fast"}}, "rate 'fast' needs a shift"),
        (network, {"fixed": {"FP_LOC_WINP": "3"}}, "FP_LOC_WINP = '3'"),
        (limited, {}, "limits of weights"),
        (shifted, {}, "back through its output weights"),
    ],
)
def test_refusals(make, options, message):
    with pytest.raises(ChipsimError, match=message):
        plan(make(), load_chip("reckon"), load_rule, **options)


def test_registers_of_a_fixed_step_are_for_that_chip():
    with pytest.raises(ChipsimError, match="no registers of a fixed step"):
        plan(network(), load_chip("ideal"), load_rule, fixed={"KAPPA": 3})


def test_a_label_without_an_output_and_a_float_twin_are_refused():
    sim = Simulator(network(), load_chip("reckon"))
    with pytest.raises(ChipsimError, match="label 3; the classes are 0 to 2"):
        sim.present(events(), np.array([0, 1, 3]))
    sim.twin = True
    sim._kernels = None
    with pytest.raises(ChipsimError, match="no float twin"):
        sim.present(events(), np.array([0, 1, 2]))


def test_rule_check_says_what_the_engine_does_otherwise(chipsim):
    found = chipsim("rule", "check", "eprop_reckon", "--chip", "reckon")
    assert found.status == 0
    assert "approximated: h has 5 values of 5 bits" in found.out
    assert "ok: rule eprop_reckon fits chip reckon (fixed, 10 lines)" in found.out
    refused = chipsim("rule", "check", "decolle", "--chip", "reckon")
    assert refused.status == 2
    assert "runs eprop_reckon alone; it has no `" in refused.err
