"""NeuroBench's metrics beside NeuroBench itself on random small networks, where it is installed.

The same feed-forward networks of leaky neurons (decay 1 or a half, reset to zero, 1 to 3 layers, weights with
zeros among them, some graded inputs) run here in integers and there in snntorch; weights, threshold and
number of steps are such that float32 is exact, so that every metric must be equal.
"""

import importlib.metadata
import math

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.ledger.neurobench import neurobench as metrics
from chipsim.network import Network
from chipsim.simulator import Simulator
from chipsim.train import accuracy

reason = "needs neurobench, snntorch and torch"
torch = pytest.importorskip("torch", reason=reason)
snntorch = pytest.importorskip("snntorch", reason=reason)
pytest.importorskip("neurobench", reason=reason)
pytestmark = [
    pytest.mark.one_python,
    pytest.mark.skipif(
        importlib.metadata.version("neurobench") != "2.3.0", reason="compared with neurobench 2.3.0 only"
    ),
    pytest.mark.filterwarnings("ignore"),  # theirs
]

STEPS, LSB = 6, 32
THRESHOLD = 1 + 2.0**-12  # no sum of weights and their halves meets it
STATIC = ("Footprint", "ParameterCount", "ConnectionSparsity")
RUN = ("ClassificationAccuracy", "ActivationSparsity", "SynapticOperations", "MembraneUpdates")


def drawn(seed):
    """Sizes, weights, decay, input spikes [samples, steps, axons] (graded for some) and labels."""
    draw = np.random.default_rng(seed)
    sizes = [int(draw.integers(2, 10)) for _ in range(int(draw.integers(2, 5)))]
    weights = [
        draw.integers(-20, 60, shape) / LSB * (draw.random(shape) < 0.7)
        for shape in zip(sizes, sizes[1:], strict=False)
    ]
    samples = int(draw.integers(1, 6))
    spikes = (draw.random((samples, STEPS, sizes[0])) < 0.4).astype(int)
    graded = bool(draw.random() < 0.3)
    if graded:
        spikes *= draw.integers(1, 4, spikes.shape)
    labels = draw.integers(0, sizes[-1], samples)
    return sizes, weights, float(draw.choice((0.5, 1.0))), spikes, labels


def theirs(sizes, weights, decay, spikes, labels):
    """NeuroBench's results, and the numbers that its framework keeps beside the parameters."""
    from neurobench import metrics as known
    from neurobench.benchmarks import Benchmark
    from neurobench.models import SNNTorchModel
    from neurobench.processors.postprocessors import ChooseMaxCount

    layers = []
    for k, w in enumerate(weights):
        linear = torch.nn.Linear(*w.shape, bias=False)
        linear.weight.data = torch.tensor(w.T, dtype=torch.float32)
        last = {"output": True} if k == len(weights) - 1 else {}
        leaky = snntorch.Leaky(
            beta=decay,
            threshold=THRESHOLD,
            init_hidden=True,
            reset_mechanism="zero",
            reset_delay=False,
            **last,
        )
        layers += [linear, leaky]
    net = torch.nn.Sequential(*layers)
    kept = sum(b.numel() * b.element_size() for b in net.buffers())  # before a batch gives membranes a size
    data = torch.utils.data.TensorDataset(
        torch.tensor(spikes, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)
    )
    named = [
        [getattr(known.static, name) for name in STATIC],
        [getattr(known.workload, name) for name in RUN],
    ]
    loader = torch.utils.data.DataLoader(data, batch_size=1)  # a call is one sample's, as here
    with torch.no_grad():
        found = Benchmark(SNNTorchModel(net), loader, [], [ChooseMaxCount()], named).run(quiet=True)
    return found, kept


def ours(sizes, weights, decay, spikes, labels, buffer_bytes):
    """chipsim's metrics of the same network."""
    net = Network(dt_ms=1.0)
    net.source("l0", sizes[0], payload_bits=2 if spikes.max(initial=0) > 1 else 1)
    tau = math.inf if decay == 1 else -1 / math.log(decay)
    for k, w in enumerate(weights, 1):
        net.lif(f"l{k}", sizes[k], threshold=THRESHOLD, tau_v_ms=tau, reset="hard")
        net.connect(f"l{k - 1}", f"l{k}", weights=w, w_range=2.0)
    sim = Simulator(net, load_chip("ideal"))
    events = Events.from_dense(spikes, graded=bool(spikes.max(initial=0) > 1))
    outputs = sim.evaluate(events)[0]
    share = accuracy(sim, outputs, labels, (f"l{len(weights)}",))
    return metrics(
        sim, events, accuracy=share, samples=len(labels), parameter_bytes=4, buffers=buffer_bytes // 4
    )


@pytest.mark.parametrize("seed", range(12))
def test_every_metric_of_a_random_network(seed):
    case = drawn(seed)
    said, buffer_bytes = theirs(*case)
    found = ours(*case, buffer_bytes)
    for name in (*STATIC, *RUN):
        assert found[name] == pytest.approx(said[name], rel=1e-6), name
