"""What the plan proves about the largest input of a step, so that kernels need not test it."""

import numpy as np

from chipsim.chip import load_chip
from chipsim.network import Network
from chipsim.plan import plan


def test_largest_input_is_that_of_the_neuron_with_most_synapses():
    net = Network()
    net.source("in", 2)
    net.lif("out", 3, threshold=1.0)
    net.connect("in", "out", sparse=(np.array([0, 1, 3]), np.array([1, 1, 2])))
    bound = plan(net, load_chip("ideal"))
    c = bound.connections[0]
    most = max(-c.weight.lo, c.weight.hi)
    assert bound.layers[1].acc_bound == 2 * most << max(c.shift, 0)
