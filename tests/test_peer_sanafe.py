"""Energy of random small networks beside SANA-FE 2.2.9 on its own Loihi numbers, where it is installed.

Both run the same network: an input and layers of neurons without leak, one outgoing connection a layer, the
neurons on cores drawn at random (cores are numbered in the order of a layer's neurons, and every number has a
random place on the mesh). Prices are those of the Loihi file that SANA-FE's installation holds. No learning:
SANA-FE has none. One difference stays out of the comparison: inputs of a resting neuron that sum to 0 make it
active there and not here. Weights of 1 modulo 64 LSB and a fan-in below 64 leave no such sum.
"""

import importlib.metadata
import importlib.resources
from dataclasses import replace

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.energy import add_counts, price
from chipsim.ledger import event_counts, synaptic_formats
from chipsim.ledger.cost import breakdown
from chipsim.mapping import Placement, partition, traffic
from chipsim.network import Network
from chipsim.reference import reference_steps
from chipsim.simulator import Simulator

sanafe = pytest.importorskip("sanafe", reason="sanafe is not installed")
yaml = pytest.importorskip("yaml", reason="yaml is not installed: SANA-FE's Loihi file cannot be read")
pytestmark = [
    pytest.mark.one_python,
    pytest.mark.skipif(
        importlib.metadata.version("sanafe") != "2.2.9", reason="compared with sanafe 2.2.9 only"
    ),
]

PROFILE = "sanafe_nahuku"
WIDTH, HEIGHT, EACH = 8, 4, 4  # tiles of the mesh, cores of a tile
RANGE = 4.0  # of weights, multiples of 1/32


def installed():
    """(unit of a core by kind and name -> attributes, attributes of a tile) of SANA-FE's Loihi file."""
    text = importlib.resources.files("sanafe").joinpath("examples", "loihi.yaml").read_text("utf-8")
    (tile,) = yaml.safe_load(text)["architecture"]["tile"]
    (core,) = tile["core"]
    kinds = ("axon_in", "axon_out", "soma", "synapse", "dendrite")
    units = {kind: {unit["name"]: unit["attributes"] for unit in core[kind]} for kind in kinds}
    return units, tile["attributes"]


@pytest.fixture(scope="module")
def chip():
    """Loihi with the prices of SANA-FE's file; what is free there must be free here."""
    units, tile = installed()
    soma, synapse = units["soma"]["loihi_lif"], units["synapse"]
    assert float(units["dendrite"]["loihi_dendrites"]["energy_update"]) == 0
    assert float(units["axon_in"]["loihi_in"]["energy_message_in"]) == 0
    looked_up = {k: float(synapse[f"loihi_{k}_synapse"]["energy_process_spike"]) for k in ("dense", "sparse")}
    access, update = float(soma["energy_access_neuron"]), float(soma["energy_update_neuron"])
    values = {
        "axon_event": float(units["axon_out"]["loihi_out"]["energy_message_out"]),
        "spike": float(soma["energy_spike_out"]),
        "neuron_update_active": access + update,
        "neuron_update_inactive": access,
        "hop_x": float(tile["energy_east_hop"]),
        "hop_y": float(tile["energy_north_hop"]),
    }
    made = load_chip("loihi1")
    profile = made.energy[PROFILE]
    entry = profile.prices["synaptic_event"]
    prices = dict(profile.prices) | {
        "synaptic_event": entry.model_copy(
            update={"value_J": looked_up["dense"], "formats": dict(entry.formats) | looked_up}
        )
    }
    for event, joules in values.items():
        prices[event] = profile.prices[event].model_copy(update={"value_J": joules})
    shipped = {event: profile.prices[event].value_J for event in values}
    assert shipped == pytest.approx(values, rel=1e-12), "hw_models/loihi1.toml names other numbers"
    energy = dict(made.energy) | {PROFILE: profile.model_copy(update={"prices": prices})}
    return (
        made.model_copy(update={"energy": energy})
        if hasattr(made, "model_copy")
        else replace(made, energy=energy)
    )


def drawn(seed):
    """A random network: sizes of input and layers, {layer: (next, weights, where a synapse is)}, spikes, the
    core of each neuron, and where each core stands."""
    draw = np.random.default_rng(seed)
    layers = int(draw.integers(1, 4))
    sizes = {"in": int(draw.integers(1, 12))} | {f"l{k}": int(draw.integers(1, 16)) for k in range(layers)}
    names, links = list(sizes), {}
    sparse = [name for name in names[1:] if draw.random() < 0.5]  # what a layer's synapses are stored in
    for k, name in enumerate(names):
        if k + 1 < len(names):
            post = names[k + 1]
        elif draw.random() < 0.5 and layers > 1:
            post = names[1]  # back to the first layer
        else:
            continue
        shape = (sizes[name], sizes[post])
        w = draw.choice((-63, 1, 65), p=(0.2, 0.2, 0.6), size=shape) / 32
        there = draw.random(shape) < 0.6 if post in sparse else np.ones(shape, bool)
        links[name] = (post, w, there)
    steps = int(draw.integers(3, 25))
    spikes = draw.random((steps, sizes["in"])) < draw.uniform(0.1, 0.6)
    places = draw.permutation(WIDTH * HEIGHT * EACH)
    some = int(draw.integers(1, len(places)))
    where = {name: np.sort(draw.integers(0, some, size)) for name, size in sizes.items()}
    return sizes, links, sparse, spikes, where, places


def ours(chip, sizes, links, sparse, spikes, where, places):
    """Joules by part, and the counts, of chipsim's interpreter."""
    net = Network()
    for name, size in sizes.items():
        if name == "in":
            net.source("in", size)
        else:
            net.lif(name, size, threshold=2.51, tau_v_ms=float("inf"), reset="hard")
    for name, (post, w, there) in links.items():
        if post not in sparse:
            net.connect(name, post, w_range=RANGE, weights=w)
        else:
            indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
            targets = np.nonzero(there)[1].astype(np.int32)
            net.connect(name, post, w_range=RANGE, sparse=(indptr, targets), weights=w[there])
    sim = Simulator(net, chip)
    reference_steps(
        sim.plan, sim.state, Events.from_dense(spikes[None]), start=0, stop=len(spikes), learn=False
    )
    tile, zero = places // EACH, np.zeros(len(places), np.int64)
    placed = Placement("mesh2d", zero, tile // HEIGHT, tile % HEIGHT, places % EACH, 1, 0.0, 0.0)
    part = partition(sim.plan, chip, share=False)
    core_of = {x.index: where[x.name] for x in sim.plan.layers if x.kind != "source"}
    part = replace(part, cores=len(places), core_of=core_of)
    fired = {x.name: sim.state[f"l{x.index}_count"][0] for x in sim.plan.layers if x.kind != "source"}
    moved = traffic(sim.plan, part, placed, fired | {"in": spikes.sum(axis=0)}, {"in": where["in"]})
    counts = add_counts(event_counts(sim.plan, sim.state).values())
    counts["inference"] |= moved.events()
    made = price(counts, chip, PROFILE, formats=synaptic_formats(sim.plan, sim.state))
    assert made.unpriced == {}
    return breakdown(made), counts["inference"]


def theirs(sizes, links, sparse, spikes, where, places):
    """What SANA-FE says of the same network."""
    arch, net, groups = sanafe.load_loihi(), sanafe.Network(), {}
    cores = [core for tile in arch.tiles for core in tile.cores]
    for name, size in sizes.items():
        unit = f"loihi_{'sparse' if name in sparse else 'dense'}_synapse"
        groups[name] = net.create_neuron_group(name, size, default_synapse_hw_name=unit)
        for k in range(size):
            if name == "in":
                train = spikes[:, k].astype(int).tolist()
                groups[name][k].set_attributes(
                    soma_hw_name=f"loihi_inputs[{k}]", model_attributes={"spikes": train}
                )
            else:
                neuron = {"threshold": 2.51, "leak_decay": 1.0, "reset_mode": "hard"}
                groups[name][k].set_attributes(soma_hw_name="loihi_lif", model_attributes=neuron)
            groups[name][k].map_to_core(cores[places[where[name][k]]])
    for name, (post, w, there) in links.items():
        for i, j in zip(*np.nonzero(there), strict=True):
            groups[name][int(i)].connect_to_neuron(groups[post][int(j)], {"weight": float(w[i, j])})
    made = sanafe.SpikingChip(arch)
    made.load(net)
    return made.sim(len(spikes), timing_model="simple", processing_threads=1)


@pytest.mark.parametrize("seed", range(20))
def test_energy_of_a_random_network(chip, seed):
    """Total and breakdown to 1e-9 relative."""
    case = drawn(seed)
    found, counts = ours(chip, *case)
    said = theirs(*case)
    assert counts.get("synaptic_event", 0) == said["spikes"]
    assert counts["axon_event"] == said["packets_sent"]
    assert counts.get("spike", 0) + int(case[3].sum()) == said["neurons_fired"]
    for part in ("synapse", "dendrite", "soma", "network", "total"):
        assert found[part] == pytest.approx(said["energy"][part], rel=1e-9, abs=1e-24)
