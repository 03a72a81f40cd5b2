"""Networks on cores: packing as published, limits that hold, traffic, step times, golden energies."""

import json
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.chip.load import parse_chip
from chipsim.energy import Operation, add_counts, price
from chipsim.errors import LimitError, SettingError
from chipsim.ledger import event_counts, synaptic_formats
from chipsim.mapping import Placement, expected, loads, partition, place, step_times, traffic
from chipsim.mapping.fit import fit
from chipsim.mapping.traffic import barrier_of
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.report.fit import fit_text
from chipsim.simulator import Simulator

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def loihi1():
    return load_chip("loihi1")


def rows(n_pre, n_post, each, seed=1):
    """CSR rows of `each` targets an axon."""
    draw = np.random.default_rng(seed)
    targets = [np.sort(draw.permutation(n_post)[:each]) for _ in range(n_pre)]
    return np.arange(n_pre + 1) * each, np.concatenate(targets).astype(np.int32)


def small(chip, n_pre, n_post, **options):
    net = Network()
    net.source("in", n_pre)
    net.lif("out", n_post, reset="hard")
    net.connect("in", "out", **options)
    return plan(net, chip, limits=False)


# ---------------------------------------------------------------- packing


@pytest.mark.parametrize(
    ("n_post", "each", "bits", "axons"),
    [(256, None, 2304, 455), (1024, 256, 4864, 215), (1024, None, 9216, 113)],
)
def test_loihi_packing_of_one_axon(loihi1, n_post, each, bits, axons):
    """nengo-loihi's bits_per_axon: dense 256 and 1024 targets, 256 of 1024 with 10-bit indices."""
    options = {} if each is None else {"sparse": rows(axons, n_post, each)}
    made = fit(small(loihi1, axons, n_post, **options), loihi1)
    assert (made["fits"], made["cores"]) == (True, 1)
    assert made["axon_bits"] == {"in->out": bits}
    used = next(r for r in made["resources"] if r["resource"] == "synapse_bits")
    assert (used["used"], used["limit"]) == (bits * axons, 128 * 1024 * 8)
    options = {} if each is None else {"sparse": rows(axons + 1, n_post, each)}
    assert fit(small(loihi1, axons + 1, n_post, **options), loihi1)["cores"] == 2


def test_a_rule_takes_tags_and_a_second_axon_slot(loihi1):
    net = Network()
    net.source("in", 100)
    net.lif("out", 64, reset="hard")
    net.connect("in", "out", rule="r_stdp")
    net.reward("out")
    from chipsim.microcode.syntax import load_rule

    part = partition(plan(net, loihi1, load_rule), loihi1)
    piece = part.pieces[0]
    assert piece.axons_in == 200
    assert part.axon_bits == {"in->out": 64 * (8 + 9) + 10 + 62 - (64 * 17 + 10 + 62) % 64}
    assert piece.synapse_bits == 100 * 1152 and piece.trace_bits > 0 and piece.words > 0


def test_delays_stand_beside_the_weights(loihi1):
    made = partition(small(loihi1, 1, 64, delays=np.full((1, 64), 5, np.uint8)), loihi1)
    assert made.axon_bits == {"in->out": -(-(64 * 11 + 10) // 64) * 64}


# ---------------------------------------------------------------- cutting


def used_by_hand(chip, indptr, targets, first, stop, n_post, index):
    """Axons and bits of one core, counted row by row."""
    axons = bits = 0
    for a in range(len(indptr) - 1):
        row = targets[indptr[a] : indptr[a + 1]]
        n = int(((row >= first) & (row < stop)).sum())
        axons += n > 0
        full, rest = divmod(n, 64)
        each = 8 + index
        bits += full * (-(-(64 * each + 10) // 64) * 64) + (-(-(rest * each + 10) // 64) * 64 if rest else 0)
    return axons, bits


@pytest.mark.parametrize("seed", range(4))
def test_every_core_of_a_random_network_keeps_its_limits(loihi1, seed):
    draw = np.random.default_rng(seed)
    n_pre, n_post, each = (
        int(draw.integers(200, 3000)),
        int(draw.integers(50, 1500)),
        int(draw.integers(1, 50)),
    )
    indptr, targets = rows(n_pre, n_post, each, seed)
    made = small(loihi1, n_pre, n_post, sparse=(indptr, targets))
    part = partition(made, loihi1)
    assert [p.first for p in part.pieces[1:]] == [p.stop for p in part.pieces[:-1]]
    assert (part.pieces[0].first, part.pieces[-1].stop) == (0, n_post)
    widest = max(p.neurons for p in part.pieces)
    index = next(b for b in loihi1.memory.index_bits if 1 << b >= widest)
    for p in part.pieces:
        axons, bits = used_by_hand(loihi1, indptr, targets, p.first, p.stop, n_post, index)
        assert p.axons_in == axons <= 4096
        assert bits <= p.synapse_bits <= 1 << 20  # indices may be one code wider than needed
        assert p.neurons <= 1024


def test_a_neuron_beyond_one_core_is_refused_and_fit_says_so(loihi1):
    made = small(loihi1, 5000, 4)
    with pytest.raises(LimitError, match="layer 'out', neuron 0.*one neuron needs 5000 input axon slots"):
        partition(made, loihi1)
    said = fit(made, loihi1)
    assert said["fits"] is False and "5000 input axon slots" in said["reason"]
    assert "does not fit" in fit_text({**said, "experiment": "x", "rule": None})


def test_output_axons_cut_a_layer_smaller(loihi1):
    net = Network()
    net.lif("a", 1000, reset="hard")
    net.lif("b", 2000, reset="hard")
    net.connect("a", "b")
    made = fit(plan(net, loihi1, limits=False), loihi1)
    found = {r["resource"]: r for r in made["resources"]}
    assert made["fits"] and found["axons_out"]["used"] <= 4096
    pieces = [c for c in made["cores_used"] if c["layers"][0]["name"] == "a"]
    assert len(pieces) > 1  # 1000 neurons alone would fit one core


def test_layers_share_a_core_where_it_has_room(loihi1):
    net = Network()
    net.source("in", 64)
    net.lif("a", 100, reset="hard")
    net.lif("b", 100, reset="hard")
    net.connect("in", "a")
    net.connect("a", "b")
    made = plan(net, loihi1, limits=False)
    assert partition(made, loihi1).cores == 1
    apart = partition(made, loihi1, share=False)
    assert apart.cores == 2 and [p.core for p in apart.pieces] == [0, 1]


def test_a_convolution_stores_its_kernels_once_a_core(loihi1):
    net = Network()
    net.source("image", 36, shape=(6, 6, 1))
    net.lif("maps", (4, 4, 8), reset="hard")
    net.conv("image", "maps", kernel=3)
    piece = partition(plan(net, loihi1, limits=False), loihi1).pieces[0]
    assert piece.axons_in == 36
    assert piece.synapse_bits == 9 * (-(-(8 * 8 + 10) // 64) * 64)


def test_a_crossbar_counts_places_and_rows_of_a_weight():
    chip = load_chip("truenorth")
    made = fit(small(chip, 64, 256, bits=4), chip)
    found = {r["resource"]: r for r in made["resources"]}
    assert made["fits"] and made["cores"] == 1
    assert (found["axons_in"]["used"], found["synapse_bits"]["used"]) == (256, 65536)
    with pytest.raises(LimitError, match="260 input axon slots; a core has 256"):
        partition(small(chip, 65, 256, bits=4), chip)


def test_several_chips_are_reported(loihi1):
    net = Network()
    for k in range(3):
        net.lif(f"l{k}", 2000, reset="hard")
    net.connect("l0", "l1")
    net.connect("l1", "l2")
    text = Path(loihi1.path).read_text(encoding="utf-8")
    tiny = parse_chip(text.replace("cores = 128", "cores = 16").encode(), "tiny.toml")
    made = fit(plan(net, tiny, limits=False), tiny)
    assert made["fits"] and made["chips"] == -(-made["cores"] // 16) > 1
    assert made["traffic"]["between_chips"] > 0
    assert any("between chips" in text for text in made["unchecked"])
    assert f"{made['chips']} chip(s)" in fit_text(made)
    one = parse_chip(
        text.replace("cores = 128", "cores = 16").replace("max = 16384", "max = 1").encode(), "t"
    )
    said = fit(plan(net, one, limits=False), one)
    assert said["fits"] is False and "chips, room for 1" in said["reason"]


def test_a_remedy_is_one_that_helps(loihi1):
    made = fit(small(loihi1, 456, 256), loihi1)
    assert made["cores"] == 2 and made["binds"] == "synapse_bits"
    assert made["remedies"][0] == "weights of 7 bits instead of 8: 1 core(s) instead of 2"
    assert fit(small(loihi1, 456, 256, bits=7), loihi1)["cores"] == 1


# ---------------------------------------------------------------- places and traffic


def test_neighbours_stay_neighbours_and_swaps_only_shorten(loihi1):
    draw = np.random.default_rng(3)
    weights = draw.random((40, 40)) * (draw.random((40, 40)) < 0.1)
    placed = place(40, loihi1, weights)
    assert placed.cost < placed.cost_before
    both = weights + weights.T
    np.fill_diagonal(both, 0)
    far = np.abs(placed.x[:, None] - placed.x) + np.abs(placed.y[:, None] - placed.y)
    assert placed.cost == pytest.approx((both * far).sum() / 2)
    where = set(zip(placed.chip, placed.x, placed.y, placed.slot, strict=True))
    assert len(where) == 40
    line = place(128, loihi1)
    steps = np.abs(np.diff(line.x)) + np.abs(np.diff(line.y))
    assert steps.max() <= 2 and line.tiles() == 32


@pytest.mark.parametrize("kind", ["dense", "sparse", "conv"])
def test_traffic_equals_a_count_spike_by_spike(loihi1, kind):
    net = Network()
    net.lif("a", 36, shape=(6, 6, 1), reset="hard")
    net.lif("b", (4, 4, 8), reset="hard")
    if kind == "conv":
        net.conv("a", "b", kernel=3)
    else:
        net.connect("a", "b", **({"sparse": rows(36, 128, 9)} if kind == "sparse" else {}))
    text = (
        Path(loihi1.path)
        .read_text(encoding="utf-8")
        .replace("neurons_per_core = 1024", "neurons_per_core = 10")
    )
    chip = parse_chip(text.encode(), "tiny.toml")
    made = plan(net, chip, limits=False)
    part = partition(made, chip)
    placed = place(part.cores, chip, expected(made, part))
    spikes = {"a": np.random.default_rng(0).integers(0, 4, 36), "b": np.zeros(128, int)}
    synapses = {
        "dense": lambda a: range(128),
        "sparse": lambda a: rows(36, 128, 9)[1][a * 9 : a * 9 + 9],
        "conv": lambda a: [post for post, _ in made.connections[0].conv.places(a)],
    }[kind]
    messages = hops_x = hops_y = 0
    for a in range(36):
        p = part.core_of[0][a]
        for q in {int(part.core_of[1][b]) for b in synapses(a)}:
            messages += spikes["a"][a]
            hops_x += spikes["a"][a] * abs(int(placed.x[p] - placed.x[q]))
            hops_y += spikes["a"][a] * abs(int(placed.y[p] - placed.y[q]))
    found = traffic(made, part, placed, spikes)
    assert (found.messages, found.hops_x, found.hops_y, found.between_chips) == (messages, hops_x, hops_y, 0)
    assert found.hops_x + found.hops_y > 0


def test_results_do_not_depend_on_the_partition(loihi1):
    """The same network on whole cores and on cores of ten neurons: equal state, other traffic."""
    text = Path(loihi1.path).read_text(encoding="utf-8")
    tiny = parse_chip(text.replace("neurons_per_core = 1024", "neurons_per_core = 10").encode(), loihi1.path)
    digests, messages = [], []
    events = np.random.default_rng(5).random((40, 30)) < 0.2
    for chip in (loihi1, tiny):
        net = Network()
        net.source("in", 30)
        net.lif("a", 50, threshold=0.5, reset="hard")
        net.connect("in", "a", rule="stdp_pair")
        net.lif("b", 20, threshold=0.3, reset="hard")
        net.connect("a", "b")
        sim = Simulator(net, chip, seed=3)
        sim.run(events)
        digests.append(sim.digest())
        part = partition(sim.plan, chip)
        counts = {name: sim.state[f"l{sim.plan.layer(name).index}_count"][0] for name in ("a", "b")}
        counts["in"] = events.sum(axis=0)
        messages.append(traffic(sim.plan, part, place(part.cores, chip), counts).messages)
    assert digests[0] == digests[1]
    assert messages[1] > messages[0] > 0


# ---------------------------------------------------------------- golden points


def three_neurons(chip):
    """An input and two neurons, spikes of the input at steps 1 and 3 of 4."""
    net = Network()
    net.source("in", 1)
    for name in ("near", "far"):
        net.lif(name, 1, threshold=1.5, tau_v_ms=float("inf"), reset="hard")
        net.connect("in", name, w_range=2.0, weights=[[1.0]])
    sim = Simulator(net, chip)
    sim.probe("near.spikes", "far.spikes")
    events = np.array([[1], [0], [1], [0]])
    sim.run(events, learn=False)
    spikes = {name: np.array(sim.probes[f"{name}.spikes"]).reshape(4, 1) for name in ("near", "far")}
    return sim, {"in": events, **spikes}


def on_cores_0_0_and_0_1_and_1_0():
    """near on core 0.1, far on core 1.0 (the tile below), the input on core 0.0."""
    zero = np.zeros(3, np.int64)
    return Placement("mesh2d", zero, zero, np.array([0, 1, 0]), np.array([1, 0, 0]), 1, 0.0, 0.0)


def test_the_three_neurons_of_the_silicon_calibrated_profile(loihi1):
    """SANA-FE's Loihi: synapse 142.0 + soma 677.8 + network 452.4 = 1272.2 pJ, all counts of the run."""
    sim, spikes = three_neurons(loihi1)
    part = partition(sim.plan, loihi1, share=False)
    moved = traffic(
        sim.plan,
        part,
        on_cores_0_0_and_0_1_and_1_0(),
        {k: v.sum(axis=0) for k, v in spikes.items()},
        {"in": 2},
    )
    counts = add_counts(event_counts(sim.plan, sim.state).values())
    counts["inference"] |= moved.events()
    report = price(counts, loihi1, "sanafe_nahuku", formats=synaptic_formats(sim.plan, sim.state))
    pj = {}
    parts = {"synaptic_event": "synapse", "axon_event": "network", "hop_x": "network", "hop_y": "network"}
    for line in report.lines:
        part_of = parts.get(line.event, "soma")
        pj[part_of] = pj.get(part_of, 0.0) + 1e12 * line.energy_J
    assert pj == pytest.approx({"synapse": 142.0, "soma": 677.8, "network": 452.4}, abs=1e-9)
    assert 1e12 * report.priced_J == pytest.approx(1272.2, abs=1e-9)
    assert report.unpriced == {} and report.static_unpriced


def test_the_time_of_the_three_neurons(loihi1):
    """4.1224 us, of which the first step takes 36.5 ns beyond the barrier of 1.0 us."""
    sim, spikes = three_neurons(loihi1)
    part = partition(sim.plan, loihi1, share=False)
    busy = np.array([[0], [1], [1], [1]], bool)
    work = loads(sim.plan, part, spikes, sources={"in": 2}, active={"near": busy, "far": busy}, cores=3)
    assert work.messages_out[:, 2].tolist() == [2, 0, 2, 0] and work.messages_in[:, 1].tolist() == [
        1,
        0,
        1,
        0,
    ]
    times = step_times(work, on_cores_0_0_and_0_1_and_1_0(), loihi1.energy["sanafe_nahuku"].times)
    assert times.seconds == pytest.approx([1.0365e-6, 1.0097e-6, 1.0365e-6, 1.0397e-6])
    assert times.total_s == pytest.approx(4.1224e-6)
    assert times.critical.tolist()[0] == 1 and times.barrier_s == pytest.approx(1e-6)
    assert times.unknown == ("hop_x",)


def test_a_barrier_between_published_points_says_its_neighbours(loihi1):
    times = loihi1.energy["davies2018"].times
    assert barrier_of(times, 1) == (113e-9, (113e-9, 113e-9))
    value, span = barrier_of(times, 16)
    assert span == (113e-9, 465e-9) and span[0] < value < span[1]


def test_truenorth_at_20_hz():
    """2^20 neurons, 20.07 Hz, 128 synapses for a second: 70.62 mW (71 measured)."""
    chip = load_chip("truenorth")
    events = round(2**20 * 20.07 * 128)
    report = price(
        {"inference": {"synaptic_event": events, "spike": 21_045_000}}, chip, operation=Operation(1.0)
    )
    assert 1e3 * report.priced_J == pytest.approx(70.62, abs=5e-3)
    assert report.totals_J["static"] == pytest.approx(64.43e-3)
    assert report.included == {"inference": {"spike": 21_045_000}} and not report.is_lower_bound
    assert report.corner["voltage_V"] == 0.8


def test_static_power_needs_a_time_and_is_never_added_to_a_total(loihi1):
    counts = {"inference": {"synaptic_event": 10**6}}
    frady = price(counts, loihi1, "frady2020", operation=Operation(2.0, chips=3, resets=4))
    assert frady.totals_J["static"] == pytest.approx(3 * 0.1044 * 2 + 4 * 3 * 5.94e-6)
    assert frady.unpriced == {"inference": {"synaptic_event": 10**6}} and frady.is_lower_bound
    assert [line.what for line in frady.static] == ["leakage", "resets"]
    unknown = price(counts, loihi1, "frady2020")
    assert unknown.static_unpriced == ("leakage: the time on the chip is not known",)
    total = price(counts, load_chip("morphic"), operation=Operation(2.0))
    assert total.priced_J == pytest.approx(30e-6) and total.static == () and not total.is_lower_bound
    cores = price(counts, load_chip("spinnaker1"), operation=Operation(1.0, cores=16))
    assert cores.totals_J["static"] == pytest.approx(0.35 + 16 * 0.034)


def test_prices_by_format_and_their_range_where_the_format_is_not_known(loihi1):
    counts = {"inference": {"synaptic_event": 10}}
    formats = {"inference": {"sparse": 4, "conv": 6}}
    known = price(counts, loihi1, "sanafe_nahuku", formats=formats)
    assert known.priced_J == pytest.approx((4 * 33.6 + 6 * 24.0) * 1e-12)
    assert known.low_J == known.high_J == known.priced_J
    open_ = price(counts, loihi1, "sanafe_nahuku")
    assert (open_.low_J, open_.priced_J, open_.high_J) == pytest.approx((240e-12, 355e-12, 355e-12))
    with pytest.raises(SettingError, match="12 synaptic_event by format, 10 in all"):
        price(counts, loihi1, "sanafe_nahuku", formats={"inference": {"dense": 12}})


def test_the_source_s_interval_reaches_the_total(loihi1):
    text = Path(loihi1.path).read_text(encoding="utf-8")
    text = text.replace("value_J = 81e-12 }", "value_J = 81e-12, low_J = 80e-12, high_J = 90e-12 }")
    report = price({"inference": {"neuron_update_active": 10}}, parse_chip(text.encode(), "mine.toml"))
    assert (report.low_J, report.priced_J, report.high_J) == pytest.approx((800e-12, 810e-12, 900e-12))


@pytest.mark.parametrize(("clock", "rate", "microwatts"), [(75e6, 37.5e6, 476.9), (1.3e6, 0.65e6, 35.09)])
def test_odin_at_two_rates_of_synaptic_operations(clock, rate, microwatts):
    """256 x 256 driven by every row: 27.3 uW + 1.78 uW/MHz + 8.43 pJ an operation (477 and 35 measured)."""
    chip = load_chip("odin")
    net = Network()
    net.source("in", 256)
    net.lif("out", 256, reset="hard", leak="subtract", tau_v_ms=float("inf"))
    net.connect("in", "out")
    sim = Simulator(net, chip)
    sim.run(np.ones((2, 256), int), learn=False)
    counts = add_counts(event_counts(sim.plan, sim.state).values())
    operations = counts["inference"]["synaptic_event"]
    assert operations == sim.counters()["core"]["operations"] == 2 * 256 * 256
    assert sim.counters()["core"]["cycles_popn"] == 2 * operations  # so 75 MHz do 37.5 M a second
    seconds = operations / rate
    report = price(counts, chip, operation=Operation(seconds, frequency_Hz=clock))
    assert 1e6 * report.priced_J / seconds == pytest.approx(microwatts, abs=0.05)
    assert [line.what for line in report.static] == ["leakage", "clock"]
    assert fit(sim.plan, chip)["cores"] == 1
    assert fit(sim.plan, chip)["resources"][3]["used"] == 256 * 256 * 4


def test_fit_of_an_experiment_before_anything_runs(capsys, tmp_path, monkeypatch):
    from chipsim.cli.fit import fit as command

    monkeypatch.chdir(tmp_path)
    command("digits", json=True)
    made = json.loads(capsys.readouterr().out)
    assert (made["experiment"], made["chip"], made["rule"], made["fits"]) == (
        "digits",
        "loihi2",
        "decolle",
        True,
    )
    assert made["axon_bits"]["pixels->hidden1"] == 2304  # dense, 256 targets of 8 bits
    assert made["rule_refused"] is None and list(tmp_path.iterdir()) == []


def test_a_refused_rule_is_named_and_the_network_mapped_without_it(capsys):
    import typer

    from chipsim.cli.fit import fit as command

    with pytest.raises(typer.Exit):
        command("digits", chip="truenorth", sets=["weight.bits=4"])
    said = capsys.readouterr().out
    assert "the rule is refused: chip truenorth runs no rule: it has no learning engine" in said
    assert "does not fit" in said and "1024 input axon slots; a core has 256" in said
