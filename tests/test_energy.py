"""The energy pricer: published operating points, unpriced events, nothing charged twice."""

import json
from pathlib import Path

import pytest

from chipsim.chip import load_chip
from chipsim.chip.load import parse_chip
from chipsim.energy import add_counts, neuron_updates, price
from chipsim.errors import SettingError


@pytest.fixture(scope="module")
def loihi1():
    return load_chip("loihi1")


@pytest.mark.parametrize(("spikes", "joules"), [(667, 1.449e-3), (750, 1.599e-3)])
def test_the_search_query_of_frady_2020(loihi1, spikes, joules):
    """Frady et al., NICE 2020: 667 to 750 spikes, fan-out 76800, 60 steps of 76800 idle neurons."""
    counts = {"synaptic_event": spikes * 76_800} | neuron_updates(76_800 * 60, active=0)
    report = price({"inference": counts}, loihi1, "davies2018")
    assert report.priced_J == pytest.approx(joules, rel=5e-4)
    assert report.unpriced == {}
    assert report.is_lower_bound  # 23.6 pJ is a minimum


@pytest.mark.parametrize(("active", "joules"), [(0, 6.82e-6), (131_072, 10.6e-6)])
def test_one_step_of_a_full_chip(loihi1, active, joules):
    report = price({"inference": neuron_updates(131_072, active)}, loihi1)
    assert report.priced_J == pytest.approx(joules, rel=2e-3)
    assert report.unpriced == {} and report.static_unpriced == ("static power: this profile states none",)
    assert report.is_lower_bound  # for that reason alone


def test_by_hand_with_purposes_apart(loihi1):
    counts = {
        "inference": {"synaptic_event": 10, "axon_event": 3, **neuron_updates(8, active=2)},
        "learning": {"weight_update": 5, "trace_update": 7, "random_draw": 5},
        "error": {"circuit_multiply": 4, "table_lookup": 0},
    }
    report = price(counts, loihi1)
    inference = 10 * 23.6e-12 + 3 * 1.7e-12 + 2 * 81e-12 + 6 * 52e-12
    assert report.totals_J == pytest.approx({"inference": inference, "learning": 600e-12, "error": 0.0})
    assert report.priced_J == pytest.approx(inference + 600e-12)
    assert report.unpriced == {
        "learning": {"trace_update": 7, "random_draw": 5},
        "error": {"circuit_multiply": 4},
    }
    assert report.profile == "davies2018" and report.is_lower_bound
    update = next(line for line in report.lines if line.event == "weight_update")
    assert (update.count, update.price_J, update.evidence) == (5, 120e-12, "S")
    assert (update.assumption, update.source) == ("stdp_pair_equiv", "D18 Table 2 p.96")


def test_a_neuron_is_charged_active_or_inactive(loihi1):
    report = price({"inference": neuron_updates(100, active=30)}, loihi1)
    assert report.priced_J == pytest.approx(30 * 81e-12 + 70 * 52e-12)
    with pytest.raises(SettingError, match="31 active of 30"):
        neuron_updates(30, active=31)


def test_a_chip_without_prices_costs_nothing_known_not_zero():
    report = price({"inference": {"synaptic_event": 10, "spike": 0}}, load_chip("loihi2"))
    assert report.priced_J is None and report.totals_J == {} and report.profile is None
    assert report.unpriced == {"inference": {"synaptic_event": 10}}
    assert report.is_lower_bound


def test_an_event_included_in_another_price_is_neither_charged_nor_missing(loihi1):
    text = Path(loihi1.path).read_text(encoding="utf-8")
    text = text.replace("includes = []", 'includes = ["spike"]', 1)
    text = text.replace('    "energy.davies2018.prices.spike",\n', "")
    chip = parse_chip(text.encode(), "mine.toml")
    report = price({"inference": {"spike": 4, **neuron_updates(4, active=4)}}, chip)
    assert report.priced_J == pytest.approx(4 * 81e-12)
    assert report.included == {"inference": {"spike": 4}} and report.unpriced == {}


def test_the_report_is_json(loihi1):
    data = price({"learning": {"weight_update": 2, "barrier": 1}}, loihi1).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["priced_J"] == pytest.approx(240e-12)
    assert data["unpriced"] == {"learning": {"barrier": 1}}


def test_counts_add_up():
    parts = [{"inference": {"spike": 2}}, {"inference": {"spike": 3}, "learning": {"spike": 1}}]
    assert add_counts(parts) == {"inference": {"spike": 5}, "learning": {"spike": 1}}


@pytest.mark.parametrize(
    ("counts", "profile", "message"),
    [
        ({"inference": {"synaptic_events": 1}}, None, "did you mean 'synaptic_event'"),
        ({"inference": {"spike": -1}}, None, "spike counted -1 times"),
        ({"inference": {"spike": 0.5}}, None, "spike counted 0.5 times"),
        ({}, "davies2019", "no energy profile 'davies2019' .*did you mean 'davies2018'"),
    ],
)
def test_refusals(loihi1, counts, profile, message):
    with pytest.raises(SettingError, match=message):
        price(counts, loihi1, profile)


def test_a_profile_asked_of_a_chip_without_any_is_refused():
    with pytest.raises(SettingError, match="no energy per event is published"):
        price({}, load_chip("loihi2"), "davies2018")
