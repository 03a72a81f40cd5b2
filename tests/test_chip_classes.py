"""Every shipped chip answers every field; every rule is accepted, approximated or refused on each."""

import json
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.chip.load import parse_chip
from chipsim.chip.markdown import markdown_page
from chipsim.errors import ChipError
from chipsim.library import entries
from chipsim.microcode.syntax import load_rule
from chipsim.microcode.verdict import verdict
from chipsim.network import Network
from chipsim.simulator import Simulator

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).resolve().parent.parent
CHIPS = tuple(entries("chip"))
RULES = tuple(entries("rule"))


@pytest.mark.parametrize("name", CHIPS)
def test_memory_network_power_times_and_corner_are_answered(name):
    chip = load_chip(name)
    assert chip.memory is not None and chip.noc is not None
    for profile, made in chip.energy.items():
        base = f"energy.{profile}."
        total = made.meta.definition == "total_at_operating_point"
        assert made.power is not None or total or chip.is_unknown(base + "power")
        assert made.times is not None or chip.is_unknown(base + "times")
        for key in ("voltage_V", "temperature_C", "frequency_Hz"):
            assert getattr(made.meta, key) is not None or chip.is_unknown(f"{base}meta.{key}")


@pytest.mark.parametrize("name", CHIPS)
def test_the_page_in_the_documents_is_made_from_the_file(name):
    page = ROOT / "docs" / "chips" / f"{name}.md"
    assert page.read_text(encoding="utf-8") == markdown_page(load_chip(name)), (
        "made again by: chipsim chip page all --out docs/chips"
    )


@pytest.mark.parametrize("name", CHIPS)
def test_every_rule_has_a_verdict_with_its_reason(name):
    chip = load_chip(name)
    for rule in RULES:
        said = verdict(load_rule(rule), chip)
        assert said.word in ("accepted", "approximated", "refused")
        assert bool(said.reasons) == (said.word != "accepted")
        assert (said.words is None) == (said.word == "refused")


@pytest.mark.parametrize(
    ("chip", "rule", "word", "reason"),
    [
        ("spinnaker1", "eprop", "accepted", ""),
        ("truenorth", "stdp_pair", "refused", "no learning engine"),
        ("morphic", "sdsp", "refused", "learning datapath is not public"),
        ("brainscales2", "stdp_pair", "refused", "sees no single spikes of axons"),
        ("loihi1", "decolle", "refused", "needs per_post_neuron; chip loihi1 gives global_reward"),
        ("loihi1", "stdp_pair", "approximated", "0.006348 is 0.005859"),
        ("loihi2", "decolle", "approximated", "a product is floored"),
        ("loihi2", "sdsp", "refused", "it has no 'ge'"),
    ],
)
def test_engines_accept_approximate_and_refuse(chip, rule, word, reason):
    said = verdict(load_rule(rule), load_chip(chip))
    assert said.word == word
    assert any(reason in text for text in said.reasons) or not reason


VECTOR_RULE = """# Weights fall back where a neuron fired.
rule decay_post
post y : u8.4
syn  w : weight
temp d per post : s16.12
const a : u8.8 = 0.01
on_post:
    y += 1
on_epoch 4:
    d = y * a
    w -= d
"""


def test_a_vector_engine_runs_a_rule_of_neurons_and_weights(tmp_path):
    path = tmp_path / "decay_post.rule"
    path.write_text(VECTOR_RULE, encoding="utf-8")
    said = verdict(load_rule(str(path)), load_chip("brainscales2"))
    assert said.word == "accepted" and said.words == 3


def test_a_store_too_small_for_the_rule_refuses_it():
    text = (ROOT / "hw_models" / "ideal.toml").read_text(encoding="utf-8")
    text = text.replace('program_words = "unlimited"', "program_words = 4")
    said = verdict(load_rule("stdp_pair"), parse_chip(text.encode(), "mine.toml"))
    assert said.word == "refused" and "a core holds 4 words" in said.reasons[0]


def test_binary_weights_without_sign_are_simulated():
    net = Network()
    net.source("in", 2)
    net.lif("out", 1, threshold=0.9, tau_v_ms=float("inf"), reset="hard")
    net.connect("in", "out", w_range=2.0, weights=[[1.0], [0.0]])
    sim = Simulator(net, load_chip("morphic"))
    sim.probe("out.spikes")
    sim.run(np.array([[1, 0], [0, 1], [1, 1], [0, 0]]), learn=False)
    assert [int(x.sum()) for x in sim.probes["out.spikes"]] == [0, 1, 0, 1]
    assert sim.plan.connections[0].weight.signed is False


GOOD = (ROOT / "hw_models" / "loihi1.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("word_bits = 64", "word_bits = 0", "needs word_bits, block_synapses and block_header_bits"),
        ("index_bits = [0, 6,", "index_bits = [6, 0,", "do not ascend"),
        ("axon_slots_learning = 2", "axon_slots_learning = 0", "axon_slots_learning at least axon_slots"),
        ("cores_per_tile = 4", "cores_per_tile = 0", "needs width, height and cores_per_tile"),
        ("message_bits = 32", "mesage_bits = 32", "did you mean 'message_bits'"),
        ("leak_W_chip = 0.1044", "leak_W_chip = -0.1044", "greater than or equal to 0"),
        ("leak_W_chip = 0.1044\n", "", r"power\.leak_W_chip: not declared"),
        ("message_out = { value_s = 2.1e-9 }\n", "", r"times\.events\.message_out: not declared"),
        ('barrier = { "1" = 113e-9', 'barrier = { "one" = 113e-9', "'one' is no number of tiles"),
        ("value_J = 81e-12 }", "value_J = 81e-12, low_J = 90e-12, high_J = 99e-12 }", "is outside 9e-11"),
        ("value_J = 81e-12 }", "value_J = 81e-12, low_J = 80e-12 }", "low_J and high_J come together"),
        (
            'definition = "marginal"\nbound = "nominal"\nevidence = "M"\ntext = "power of',
            'definition = "total_at_operating_point"\nbound = "nominal"\nevidence = "M"\ntext = "power of',
            "holds static power already",
        ),
    ],
)
def test_mistakes_in_the_new_tables_are_refused(old, new, message):
    assert old in GOOD
    with pytest.raises(ChipError, match=message):
        parse_chip(GOOD.replace(old, new, 1).encode(), "mine.toml")


def test_the_commands_print_schema_page_and_rules(capsys):
    from chipsim.cli.chip import page, rules, schema

    schema()
    assert {"memory", "noc", "energy"} <= set(json.loads(capsys.readouterr().out)["properties"])
    page("truenorth")
    assert "| event | value | bound | grade | source |" in capsys.readouterr().out
    rules("truenorth", as_json=True)
    assert {row["word"] for row in json.loads(capsys.readouterr().out)} == {"refused"}
