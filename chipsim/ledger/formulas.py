"""The papers' formulas of memory and operations, to be read beside ledger and counters.

`FORMULAS[family]` gives words and bits that learning adds, and multiply-adds of a learned sample, from
nothing but the shape of a network. Where a paper gives no formula, the one of its equations stands here,
with every spike and every error there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What formulas are computed from: (axons, neurons) of each hidden layer, classes, steps of a sample,
    steps at which third factors are formed, inputs and targets in flight."""

    layers: tuple[tuple[int, int], ...]
    classes: int
    steps: int
    learned: int
    inputs: int = 1
    targets: int = 0

    @property
    def synapses(self) -> int:
        """Sum of N_l N_l-1."""
        return sum(a * n for a, n in self.layers)

    @property
    def axons(self) -> int:
        """Sum of N_l-1."""
        return sum(a for a, _ in self.layers)

    @property
    def neurons(self) -> int:
        """Sum of N_l."""
        return sum(n for _, n in self.layers)

    @property
    def upper(self) -> int:
        """Synapses between hidden layers."""
        return sum(a * n for a, n in self.layers[1:])

    @property
    def top(self) -> int:
        """Synapses from the last hidden layer to the classes."""
        return self.layers[-1][1] * self.classes

    @property
    def each(self) -> int:
        """Synapses from every hidden layer to the classes."""
        return self.neurons * self.classes


@dataclass(frozen=True)
class Formula:
    """One family of rules. words: of traces, tags or history, as the paper counts them (0: none).

    per_synapse, per_axon, per_neuron, matrices: bits that learning adds (weights of 8 bits apart).
    outer, tags, error: multiply-adds per sample if every spike and every error were there.
    """

    text: str
    words: Callable[[Shape], float]
    per_synapse: int
    per_axon: Callable[[Shape], float]
    per_neuron: Callable[[Shape], float]
    matrices: Callable[[Shape], float]
    outer: Callable[[Shape], float]
    tags: Callable[[Shape], float]
    error: Callable[[Shape], float]
    memory_differs: str
    macs_differ: str

    def bits(self, s: Shape) -> float:
        """All that learning adds."""
        return (
            self.per_synapse * s.synapses
            + self.per_axon(s) * s.axons
            + self.per_neuron(s) * s.neurons
            + self.matrices(s)
        )


def always(number: float) -> Callable[[Shape], float]:
    """A constant of every shape."""
    return lambda s: number


def once(s: Shape) -> float:
    """One outer product per learning step."""
    return s.learned * s.synapses


def classifier(s: Shape) -> float:
    """A spiking classifier per layer: 8-bit weights, 17 bits of state per class."""
    return 8 * s.each + 17 * s.classes * len(s.layers)


def taught(s: Shape) -> float:
    """A classifier per layer: forward in every step; back and its own update when it learns."""
    return s.steps * s.each + 2 * s.learned * s.each


def output(s: Shape) -> float:
    """One trained output over the last hidden layer: weights and 24 bits of sum per class."""
    return 8 * s.top + 24 * s.classes


def instant_errors(s: Shape) -> float:
    """A trained output, its error down through the layers' own weights."""
    return s.learned * (s.upper + s.top) + (s.steps + s.learned) * s.top


SPARSE = "only active axons and neurons with an error other than 0 are evaluated"
PSI = "psi waits in a register from the membrane phase to the update"
FORMULAS = {
    "decolle": Formula(
        "P, Q per axon, R per neuron", lambda s: 2 * s.axons + s.neurons,
        0, always(24), always(20), lambda s: 8 * s.each,
        once, always(0), lambda s: (s.steps + s.learned) * s.each,
        "no refractory trace R, delta is a temp; the chip form has traces of 7 bits instead of 12; " + PSI,
        SPARSE + "; the readout adds on spikes",
    ),
    "ell": Formula(
        "none: the present spike", always(0),
        0, always(0), always(8), classifier,
        once, always(0), taught,
        "delta and third factor both stand in registers; the chip form adds a trace per axon; " + PSI,
        SPARSE + "; the classifier adds on spikes",
    ),
    "fell_exact": Formula(
        "a tag per synapse: sum N_l N_l-1", lambda s: s.synapses,
        12, always(0), always(16), lambda s: classifier(s) + 12 * s.each,
        once, lambda s: s.steps * s.synapses, lambda s: taught(s) + s.steps * s.each,
        "tags of 9 bits instead of 12; delta and third factor both stand in registers; " + PSI,
        "every tag decays in every step, as the formula says, and is written again where a spike arrives; "
        + SPARSE,
    ),
    "fell_trace": Formula(
        "a trace per axon: sum N_l-1", lambda s: s.axons,
        0, always(10), always(8), lambda s: classifier(s) + 10 * s.neurons,
        once, always(0), taught,
        "7 bits of trace; delta and third factor both stand in registers; " + PSI,
        "axons with a trace are more than those that spike; " + SPARSE,
    ),
    "bell": Formula(
        "a sample's history: T sum (N_l-1 + 2 N_l)", lambda s: s.steps * (s.axons + 2 * s.neurons),
        0, lambda s: s.steps, lambda s: 9 * s.steps, classifier,
        lambda s: s.synapses, lambda s: s.steps * s.synapses, lambda s: 3 * s.steps * s.each,
        "psi of 5 bits instead of 9 is stored; the sum over the steps is an accumulator per synapse, which "
        "the paper's batched arithmetic has without naming it",
        "the outer product of each replayed step goes into the accumulator (tags), once a sample into the "
        "weight; only axons that spiked and neurons with an error other than 0 are evaluated",
    ),
    "tp": Formula(
        "a trace per neuron, path and input: 2 B sum N_l", lambda s: 2 * s.inputs * s.neurons,
        0, always(0), lambda s: 2 * s.inputs * 34,
        lambda s: 32 * s.inputs**2 * len(s.layers) + 8 * s.classes * s.layers[0][1] + output(s),
        lambda s: s.learned * (s.synapses + s.upper), always(0),
        lambda s: s.learned * s.inputs * (3 * s.neurons + s.axons) + (s.steps + 2 * s.learned) * s.top,
        "targets in flight are the classes in the class form, the inputs in the batch form; the "
        "chip form adds a trace per axon and context; delta and third factor stand in registers; " + PSI,
        SPARSE + "; one exact sum per pair of contexts instead of a float matrix product",
    ),
    "dalton": Formula(
        "none: transposed read of the next layer", always(0),
        0, always(0), always(24), lambda s: 8 * s.top,
        once, always(0), lambda s: s.learned * (s.upper + s.top) + s.steps * s.top,
        "the 16-bit current c is neuron state here; delta and third factor both stand in registers; the chip "
        "form adds a trace per axon; " + PSI,
        SPARSE + "; the transposed read skips neurons without delta",
    ),
    "dalton_copy": Formula(
        "a copy of the next layer's weights", lambda s: s.upper,
        0, always(0), always(24), lambda s: 8 * s.top + 8 * s.upper,
        once, always(0), lambda s: s.learned * (s.upper + s.top) + s.steps * s.top,
        "the copy stands under matrices, not under registers; the current c is neuron state here",
        SPARSE + "; refreshing the copy is messages, not operations",
    ),
    "s_tllr": Formula(
        "two traces: 2 sum N_l", lambda s: 2 * s.neurons,
        0, always(8), always(16), output,
        lambda s: 2 * s.learned * s.synapses, always(0), lambda s: s.learned * s.synapses,
        "the paper takes as many axons as neurons; here the input has its own traces. It counts neither psi "
        "nor delta, nor the output's trace, all of which must wait in a register",
        "the paper counts an error for every synapse; here it goes through the upper layers only, and "
        + SPARSE,
    ),
    "s_tllr_dfa": Formula(
        "two traces: 2 sum N_l", lambda s: 2 * s.neurons,
        0, always(8), always(16), lambda s: 8 * s.each + output(s),
        lambda s: 2 * s.learned * s.synapses, always(0),
        lambda s: s.learned * s.each + (s.steps + s.learned) * s.top,
        "as with transport; the feedback matrices are stored, 8 bits an entry",
        SPARSE,
    ),
    "eprop": Formula(
        "a trace per synapse: sum N_l N_l-1 (L H^2 in TP's Table 3)", lambda s: s.synapses,
        16, always(12), always(16), output,
        once, lambda s: 2 * s.steps * s.synapses, instant_errors,
        "the trace has 8 bits instead of 16; delta and third factor both stand in registers; " + PSI,
        "every trace decays and takes up the product in every step, as the formula says; " + SPARSE,
    ),
    "eprop_reckon": Formula(
        "a trace per axon: sum N_l-1 (ReckOn)", lambda s: s.axons,
        0, always(12), always(12), output,
        once, always(0), instant_errors,
        "delta and third factor both stand in registers; " + PSI,
        "an update counts where a product beat its random number: the products themselves are temps; "
        + SPARSE,
    ),
}  # fmt: skip
