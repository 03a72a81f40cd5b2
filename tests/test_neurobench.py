"""NeuroBench's metrics without torch: its own example to the digit, and a count by hand."""

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.ledger.neurobench import Call, neurobench, plasticity, synaptic_operations
from chipsim.network import Network
from chipsim.simulator import Simulator

pytestmark = pytest.mark.one_python

W1 = np.array([[0.75, 0.25, 0, 0.25], [0.75, 0.25, 0, 0], [0, 0.25, 0, 1.25]])
W2 = np.array([[0.5, 0], [0, 0.25], [0.25, 0], [0, 0.5]])
EXAMPLE = np.array([[[1, 1, 0], [0, 0, 1]]])


def example():
    """3-4-2 with 9 zeros among 20 weights, two steps, a hidden spike in each."""
    net = Network()
    net.source("in", 3)
    net.lif("hidden", 4, threshold=1.0, tau_v_ms=10.0)
    net.lif("out", 2, threshold=1.0, tau_v_ms=10.0)
    net.connect("in", "hidden", weights=W1, w_range=2.0)
    net.connect("hidden", "out", weights=W2, w_range=2.0)
    return Simulator(net, load_chip("ideal"))


def test_the_example_of_neurobench_to_the_digit():
    found = neurobench(
        example(),
        Events.from_dense(EXAMPLE),
        accuracy=1.0,
        parameter_bytes=4,
        biases=("hidden",),
        buffers=10,  # five numbers that its framework keeps for each of the two layers
    )
    assert found == {
        "Footprint": 136,
        "ConnectionSparsity": 0.45,
        "ParameterCount": 24,
        "ActivationSparsity": 0.8333333333333334,
        "SynapticOperations": {"Effective_MACs": 0.0, "Effective_ACs": 9.0, "Dense": 40.0},
        "MembraneUpdates": 11.0,
        "NeuronOperations": {"Effective Neuron Ops": 44.0, "Neuron Dense Ops": 48.0},
        "ClassificationAccuracy": 1.0,
    }


def test_footprint_in_the_widths_of_the_weight_memory():
    assert neurobench(example(), Events.from_dense(EXAMPLE))["Footprint"] == 20


def test_nothing_of_the_simulator_changes():
    sim = example()
    before = sim.digest()
    neurobench(sim, Events.from_dense(EXAMPLE))
    assert sim.digest() == before and not sim.probes


def test_a_graded_input_turns_its_call_into_multiplications():
    inputs = np.array([[[1, 0], [2, 1]], [[1, 1], [0, 0]]])
    call = Call(np.array([3, 2]), 8, inputs)
    found = synaptic_operations([call], 2)
    assert found == {"Effective_MACs": 2.5, "Effective_ACs": 4.0, "Dense": 16.0}


@pytest.mark.parametrize("kind", ["dense", "sparse", "conv"])
def test_operations_equal_a_count_synapse_by_synapse(kind):
    draw = np.random.default_rng(4)
    net = Network()
    net.source("in", 36, shape=(6, 6, 1))
    net.lif("out", (4, 4, 2), threshold=0.4)
    if kind == "conv":
        net.conv("in", "out", kernel=3)
    elif kind == "sparse":
        indptr = np.arange(37) * 3
        targets = np.concatenate([np.sort(draw.permutation(32)[:3]) for _ in range(36)]).astype(np.int32)
        net.connect("in", "out", sparse=(indptr, targets))
    else:
        net.connect("in", "out")
    sim = Simulator(net, load_chip("loihi2") if kind == "dense" else load_chip("ideal"), seed=2)
    dense = (draw.random((2, 5, 36)) < 0.3).astype(int)
    w = sim.state["c0_w"]
    acs = total = 0
    late = sim.plan.connections[0].lookback
    for s in range(2):
        for t in range(5):
            for a in range(36):
                if kind == "conv":
                    row = [w.ravel()[k] for _, k in sim.plan.connections[0].conv.places(a)]
                elif kind == "sparse":
                    row = w[3 * a : 3 * a + 3]
                else:
                    row = w[a]
                total += len(row)
                if t >= late and dense[s, t - late, a]:
                    acs += sum(x != 0 for x in row)
    found = neurobench(sim, Events.from_dense(dense))["SynapticOperations"]
    assert found == {"Effective_MACs": 0.0, "Effective_ACs": acs / 2, "Dense": total / 2}


def test_plasticity_per_learned_sample():
    summary = {
        "layers": [
            {"ledger": {"learning": {"weight_update": 40, "trace_update": 8}, "error": {"error_message": 6}}},
            {
                "ledger": {
                    "learning": {"weight_update": 20},
                    "error": {"circuit_add": 10, "circuit_multiply": 4},
                }
            },
        ],
        "writes": [{"changed": 3, "skipped": 8, "saturated": 2, "rounded_to_zero": 4}, {"saturated": 9}],
        "memory": [
            {"purpose": "traces", "count": 10, "bits_each": 7},
            {"purpose": "weights", "count": 99, "bits_each": 8},
            {"purpose": "tags", "count": 3, "bits_each": 9},
        ],
    }
    found = plasticity(summary, 2)
    assert found["PlasticityWeightUpdates"] == 30 and found["PlasticityTraceUpdates"] == 4
    assert found["PlasticityErrorMessages"] == 3 and found["PlasticityErrorOperations"] == 7
    assert (found["PlasticitySkipped"], found["PlasticitySaturated"], found["PlasticityRoundedToZero"]) == (
        4,
        1,
        2,
    )
    assert found["PlasticityStateBits"] == 97
