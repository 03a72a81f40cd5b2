"""Random bundles: many small random rules in one network, so that one compilation covers them all."""

from __future__ import annotations

import random

from chipsim.conformance.case import Case
from chipsim.conformance.cases import random_chip, random_connection, random_neurons, surround, with_rules
from chipsim.microcode.combos import section_quota
from chipsim.network import Network


def random_bundle(seed: int, rules: int = 10, lines: int = 6, steps: int = 50) -> Case:
    """Bundle number `seed`: always the same one, a case with `rules` rules of `lines` combinations.

    Bundles 0 to 204 of this size give each combination a turn. A rule's combinations are of one
    section, since compiling costs by the function. All rules share two spiking layers (input to
    either, forth and back between them), a readout or reward for each, chip and data.
    """
    rng = random.Random(seed)
    chip = random_chip(rng)
    network = Network()
    source = network.source("in", rng.randint(3, 6))
    low = network.lif("low", rng.randint(3, 5), **random_neurons(rng, False))
    high = network.lif("high", rng.randint(3, 5), **random_neurons(rng, False))
    names = [f"rule_{k}" for k in range(rules)]
    for k, name in enumerate(names):
        pre, post = ((source, low), (low, high), (source, high), (high, low))[k % 4]
        delay = rng.randint(1, 3) if pre == high else rng.choice((0, 0, 1))
        random_connection(rng, network, pre, post, name=f"c{k}", rule=name, delay=delay)
    for layer in (low, high):
        if rng.random() < 0.7:
            network.readout(layer, 3, error=rng.choice(("softmax", "smooth_l1")))
        else:
            network.reward(layer)
    case = surround(rng, seed, network, chip, rng.choice((1, 1, 2, 3)), steps)
    first = seed * rules
    return with_rules(rng, case, {name: section_quota(first + k, lines) for k, name in enumerate(names)})
