"""Constants of neurons in a chip's integers: none is rounded without a word."""

from __future__ import annotations

import pytest

from chipsim.chip import load_chip
from chipsim.errors import LimitError
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.state import make_state


def notes(chip: str = "ideal", **options: object) -> list[str]:
    """Notes of a network of one neuron."""
    net = Network()
    net.source("in", 1)
    net.lif("h", 1, **{"tau_v_ms": float("inf"), "threshold": 1.0, **options})
    net.connect("in", "h")
    return [note.text for note in plan(net, load_chip(chip)).notes if note.text.startswith("h: ")]


def test_exact_constants_say_nothing():
    assert notes(bias=0.25, threshold=0.5) == []


def test_a_decay_states_its_factor_and_error():
    """exp(-1/10) * 4096 = 3706.2."""
    assert notes(tau_v_ms=10) == ["h: tau_v_ms = 10, the factor 0.904837, is 3706/4096 (error -5.2e-05)"]


def test_a_decay_that_vanishes_is_named():
    assert notes(tau_v_ms=1e6)[0].endswith("that is no decay at all")
    assert notes(tau_v_ms=0.05)[0].endswith("nothing is kept")


def test_constants_that_round_state_raw_and_error():
    """A third in s30.15 is raw 10923, 1/98304 too much."""
    assert notes(threshold=1 / 3) == ["h: threshold = 0.333333 is raw 10923 of s30.15 (error 1e-05)"]
    assert "homeostasis up = 1e-06 is raw 0 of s30.15" in notes(homeostasis=(1e-6, 0.0))[0]
    assert notes(homeostasis=(1e-6, 0.0))[0].endswith("it is lost")


def test_a_current_that_never_decays_is_refused_where_the_chip_always_decays_it():
    assert notes("ideal", tau_u_ms=float("inf")) == []
    with pytest.raises(LimitError, match="(?s)always decays the current.*tau_u_ms below"):
        notes("loihi2", tau_u_ms=float("inf"))


def test_given_weights_beyond_their_range_are_refused():
    net = Network()
    net.source("in", 2)
    net.lif("h", 1, tau_v_ms=10)
    net.connect("in", "h", weights=[[1.0], [-1.0]])
    assert make_state(plan(net, load_chip("ideal")))["c0_w"].ravel().tolist() == [127, -128]
    net.connect("in", "h", name="far", weights=[[1.5], [0.0]])
    with pytest.raises(LimitError, match="1 given weights lie outside -1..0.992188, the largest is 1.5"):
        make_state(plan(net, load_chip("ideal")))
