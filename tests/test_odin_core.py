"""The event-driven core: address words, order inside an event, queue, quirks; interpreter against kernels."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim.addresses import (
    BIST_ALL,
    BIST_ONE,
    SPIKE,
    SYNAPSE,
    TREF_ALL,
    TREF_ONE,
    VIRTUAL,
    bistability,
    decode,
    is_documented,
    spike,
    synapse,
    time_reference,
    virtual,
)
from chipsim.conformance.compare import copy_state, difference
from chipsim.conformance.odin_cases import bus, core_simulator, fill, interpret, stream
from chipsim.errors import DataError, RunError
from chipsim.plan.core import PAR
from chipsim.state_core import spikes_out

pytestmark = pytest.mark.one_python
OPEN = 0  # of core_config: open_loop, update_unmapped, propagate_unmapped, sdsp_on_syn_stim


@pytest.fixture
def sim():
    made = core_simulator()
    made.state["l1_par"][:, PAR.index("leak")] = 2
    made.state["l1_thr"][:] = 200
    made.state["core_config"][OPEN] = 1
    return made


def counter(sim, name):
    return sim.counters()["core"][name]


# ---------------------------------------------------------------- words


def test_words_of_every_kind():
    assert decode(synapse(7, 3)) == (SYNAPSE, 7, 3)
    assert decode(spike(9)) == (SPIKE, 9, 0)
    assert decode(time_reference(5)) == (TREF_ONE, 5, 0) and decode(time_reference()) == (TREF_ALL, 0, 0)
    assert decode(bistability(5)) == (BIST_ONE, 5, 0) and decode(bistability()) == (BIST_ALL, 0, 0)
    assert decode(virtual(200, 5, inhibitory=True)) == (VIRTUAL, 200, 0b10110)
    assert decode(virtual(200, 0, leak=True)) == (VIRTUAL, 200, 0b00001)
    assert spike(0xAB) == 0xAB07 and synapse(0x30, 0x18) == 0x13018  # as in the documentation's table


def test_traps_of_the_decoder():
    assert decode(0x0501) == (SPIKE, 5, 0)  # a virtual event that says nothing
    assert decode(0x0501, documented=True) == (VIRTUAL, 5, 0)
    assert decode(0x050F) == (VIRTUAL, 5, 1) and not is_documented(0x050F)
    with pytest.raises(DataError, match="decodes its word as a neuron spike"):
        virtual(5, 0)


@pytest.mark.parametrize("wrong", [lambda: spike(256), lambda: synapse(0, -1), lambda: virtual(0, 8)])
def test_numbers_outside_are_refused(wrong):
    with pytest.raises(DataError, match="limit 0"):
        wrong()


# ---------------------------------------------------------------- one event by hand


def test_a_spike_learns_by_old_flags_and_delivers_old_weights(sim):
    s = sim.state
    s["c0_map"][3, :4] = 1
    s["c0_w"][3, :4] = [4, 4, 7, 0]
    s["l1_up"][0, [0, 2]], s["l1_down"][0, [1, 3]] = 1, 1
    sim.run(bus([spike(3)]))
    assert s["c0_w"][3, :5].tolist() == [5, 3, 7, 0, 0]
    assert s["l1_v"][0, :5].tolist() == [4, 4, 7, 0, 0]
    assert s["l1_up"][0].sum() == 0  # calcium is off, so the update cleared the flags
    sim.run(bus([spike(3)]))
    assert s["c0_w"][3, :4].tolist() == [5, 3, 7, 0] and s["l1_v"][0, :4].tolist() == [9, 7, 14, 0]
    line = sim.counters()["lines"]["crossbar"][0]
    assert (line["done"], line["saturated"], line["changed"]) == (4, 2, 2)


def test_flags_are_those_of_the_new_calcium_and_the_membrane_after_reset(sim):
    s, at = sim.state, PAR.index
    s["l1_par"][0, [at("ca_en"), at("theta"), at("th1"), at("th2"), at("th3")]] = [1, 10, 1, 4, 7]
    s["l1_thr"][0] = 20
    s["l1_v"][0, 0] = 18
    sim.run(bus([virtual(0, 3)]))
    assert spikes_out(s) == [0]
    assert (s["l1_v"][0, 0], s["l1_ca"][0, 0], s["l1_up"][0, 0], s["l1_down"][0, 0]) == (0, 1, 0, 1)
    sim.run(bus([virtual(0, 7), virtual(0, 7)]))
    assert (s["l1_v"][0, 0], s["l1_up"][0, 0], s["l1_down"][0, 0]) == (14, 1, 0)


def test_leak_of_calcium_and_a_spike_at_once_leave_it(sim):
    s, at = sim.state, PAR.index
    s["l1_par"][0, [at("ca_en"), at("ca_leak")]] = [1, 2]
    s["l1_ca"][0, 0] = 3
    sim.run(bus([time_reference(0), time_reference(0)]))
    assert (s["l1_ca"][0, 0], s["l1_cnt"][0, 0]) == (2, 0)
    s["l1_thr"][0] = 0  # fires at every update
    sim.run(bus([time_reference(0)]))
    assert (s["l1_ca"][0, 0], s["l1_cnt"][0, 0]) == (3, 1)
    sim.run(bus([time_reference(0)]))
    assert (s["l1_ca"][0, 0], s["l1_cnt"][0, 0]) == (3, 0)


def test_map_bits_gate_conduction_and_learning(sim):
    s = sim.state
    s["c0_w"][0, :2] = 3
    s["c0_map"][0, 0] = 1
    s["l1_up"][0, :2] = 1
    sim.run(bus([spike(0)]))
    assert s["l1_v"][0, :2].tolist() == [3, 0] and s["c0_w"][0, :2].tolist() == [4, 3]
    s["core_config"][1:3] = 1  # update_unmapped, propagate_unmapped
    s["l1_up"][0, :2] = 1
    sim.run(bus([spike(0)]))
    assert s["l1_v"][0, :2].tolist() == [7, 3] and s["c0_w"][0, :2].tolist() == [5, 4]


def test_a_single_synapse_learns_only_if_told_to(sim):
    s = sim.state
    s["c0_w"][0, 1], s["c0_map"][0, 1], s["l1_up"][0, 1] = 2, 1, 1
    sim.run(bus([synapse(0, 1)]))
    assert s["c0_w"][0, 1] == 2 and s["l1_v"][0, 1] == 2
    s["core_config"][3], s["l1_up"][0, 1] = 1, 1
    sim.run(bus([synapse(0, 1)]))
    assert s["c0_w"][0, 1] == 3 and s["l1_v"][0, 1] == 4
    assert counter(sim, "cycles_syn") == 4 and counter(sim, "operations") == 2
    assert sim.counters()["connections"]["crossbar"]["synaptic_events"] == 2


def test_inhibitory_rows_and_saturation(sim):
    s = sim.state
    s["l1_sign"][4], s["c0_map"][4, :3] = 1, 1
    s["c0_w"][4, :3] = -5
    s["l1_v"][0, :3] = [3, 5, 9]
    sim.run(bus([spike(4)]))
    assert s["l1_v"][0, :3].tolist() == [0, 0, 4]
    s["l1_thr"][0] = 255
    s["l1_v"][0, 0] = 250
    sim.run(bus([virtual(0, 7)]))  # 255, which every threshold but none reaches
    assert spikes_out(s) == [0] and s["l1_v"][0, 0] == 0


def test_disabled_neurons_reset_in_silence(sim):
    s = sim.state
    s["l1_par"][0, [PAR.index("disable"), PAR.index("ca_en")]] = 1
    s["l1_v"][0, 0], s["l1_thr"][0] = 5, 6
    sim.run(bus([virtual(0, 1)]))
    assert spikes_out(s) == [] and s["l1_v"][0, 0] == 0 and s["l1_ca"][0, 0] == 1


def test_bistability_is_a_row_as_built_and_a_column_as_documented():
    for documented, place in ((False, (5, slice(None))), (True, (slice(None), 5))):
        sim = core_simulator(documented)
        s = sim.state
        s["c0_map"][...] = 1
        s["c0_w"][...] = np.arange(256 * 256).reshape(256, 256) % 8
        before = s["c0_w"].copy()
        sim.run(bus([bistability(5)]))
        moved = np.clip(np.where(before >= 4, before + 1, before - 1), 0, 7)
        wanted = before.copy()
        wanted[place] = moved[place]
        assert np.array_equal(s["c0_w"], wanted)
        assert counter(sim, "cycles_bist") == (128 if documented else 64)
        sim.run(bus([bistability()]))
        assert counter(sim, "cycles_bist") == (128 + 32768 if documented else 64 + 16384)


def test_documented_differences_of_the_stimulus():
    for documented, v in ((False, 0), (True, 6)):
        sim = core_simulator(documented)
        sim.state["c0_w"][1, 2], sim.state["l1_thr"][:] = 6, 200
        sim.run(bus([synapse(1, 2)]))
        assert sim.state["l1_v"][0, 2] == v
    sim = core_simulator(documented=True)
    sim.run(bus([0x0501]))
    assert counter(sim, "cycles_popv") == 2 and counter(sim, "cycles_popn") == 0
    with pytest.raises(DataError, match="0x0050f has no documented meaning"):
        sim.run(bus([0x050F]))


# ---------------------------------------------------------------- queue and cycles


@pytest.mark.parametrize("backend", ["kernels", "interpreter"])
def test_a_full_queue_loses_spikes(backend):
    sim = core_simulator()
    s = sim.state
    s["l1_thr"][:] = 255
    s["l1_thr"][:43] = 5
    s["l1_v"][0, :43] = 6
    s["core_config"][OPEN] = 0
    if backend == "kernels":
        sim.run(bus([time_reference()]))
    else:
        interpret(sim, s, [time_reference()])
    assert spikes_out(s) == list(range(43))  # all of them leave the chip
    assert (counter(sim, "pushed"), counter(sim, "lost")) == (32, 11)
    assert counter(sim, "cycles_tref") == 512 and counter(sim, "cycles_popn") == 32 * 512
    assert sim.counters()["connections"]["crossbar"]["axon_events"] == 32


def test_the_entry_in_work_keeps_its_place():
    sim = core_simulator()
    s = sim.state
    s["core_config"][OPEN] = 0
    s["c0_map"][0], s["c0_w"][0] = 1, 1
    s["l1_thr"][:] = 255
    s["l1_thr"][1:41] = 1
    sim.run(bus([spike(0)]))
    assert (counter(sim, "pushed"), counter(sim, "lost")) == (1 + 31, 9)


def test_spikes_are_queued_events_in_order(sim):
    s = sim.state
    s["core_config"][OPEN] = 0
    s["c0_map"][...] = 1
    s["c0_w"][0, 1] = s["c0_w"][1, 2] = s["c0_w"][2, 3] = 7
    s["l1_thr"][:] = 7
    s["l1_thr"][0] = 255
    sim.run(bus([spike(0)]))
    assert spikes_out(s) == [1, 2, 3]
    assert counter(sim, "cycles_popn") == 4 * 512 and counter(sim, "cycles_push") == 1
    assert counter(sim, "cycles") == 4 * 512 + 1


@pytest.mark.parametrize("backend", ["kernels", "interpreter"])
def test_a_core_that_never_rests_is_one_message(backend, monkeypatch):
    sim = core_simulator()
    if backend == "interpreter":
        monkeypatch.setattr("chipsim.reference_core.MOST_POPS", 3)
    sim.state["l1_thr"][:] = 255
    sim.state["l1_thr"][:2] = 0
    sim.state["core_config"][OPEN] = 0
    with pytest.raises(RunError, match="does not come to rest.*0x0007f"):
        sim.run(bus([0x7F])) if backend == "kernels" else interpret(sim, sim.state, [0x7F])


def test_memory_accesses(sim):
    sim.run(
        bus([spike(1), synapse(1, 1), time_reference(), time_reference(3), virtual(4, 1), bistability(2)])
    )
    core = sim.counters()["core"]
    assert core["neuron_reads"] == core["neuron_writes"] == 256 + 1 + 256 + 1 + 1
    assert core["synapse_reads"] == core["synapse_writes"] == 32 + 1 + 32
    assert (core["events"], core["operations"]) == (6, 257)


# ---------------------------------------------------------------- both back ends


@pytest.mark.parametrize("seed", range(6))
def test_random_streams(seed):
    """Closed loops rest: thresholds are high enough that activity dies out."""
    rng = np.random.default_rng(seed)
    sim = core_simulator(documented=seed == 5)
    fill(sim.state, rng, low=60 if seed % 2 else 1)
    sim.state["core_config"][OPEN] = seed % 2 == 0
    words = stream(rng, 60)
    if sim.plan.core.documented:
        words = [w for w in words if is_documented(w)]
    mine, learn = copy_state(sim.state), seed != 4
    for part in (words[:20], words[20:]):
        sim.run(bus(part), learn=learn)
        interpret(sim, mine, part, learn)
        assert difference(mine, sim.state) == ""
    assert counter(sim, "events") == len(words) and counter(sim, "operations") > 0
    if not learn:
        assert sim.counters()["weights"]["crossbar"]["evaluated"] == 0


def test_random_streams_cover_what_they_should():
    """Spikes, learning both ways, losses: the streams above are no idle ones."""
    total = {"lost": 0, "spikes": 0, "evaluated": 0, "single": 0, "popv": 0}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        sim = core_simulator()
        fill(sim.state, rng, low=60 if seed % 2 else 1)
        sim.state["core_config"][OPEN] = seed % 2 == 0
        sim.run(bus(stream(rng, 60)))
        counted = sim.counters()
        total["lost"] += counted["core"]["lost"]
        total["popv"] += counted["core"]["cycles_popv"]
        total["spikes"] += counted["layers"]["core"]["spikes"]
        total["single"] += counted["core"]["cycles_syn"]
        total["evaluated"] += counted["weights"]["crossbar"]["changed"]
    assert min(total.values()) > 0, total
