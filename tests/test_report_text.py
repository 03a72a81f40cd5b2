"""The text report: one summary in, the same text out; every section, every warning."""

import copy
import json

import pytest

from chipsim.chip import load_chip
from chipsim.energy import add_counts, price
from chipsim.errors import SettingError
from chipsim.report import engineering, memory_ledger, text_report, warnings_from
from chipsim.report.units import count, percent

HIDDEN = {
    "inference": {"synaptic_event": 2_500_000, "neuron_update_active": 3000, "neuron_update_inactive": 9000},
    "learning": {"weight_update": 4000, "trace_update": 12_800},
    "error": {},
}
READOUT = {"inference": {}, "error": {"synaptic_event": 1000, "circuit_multiply": 640}}


def line(**counts):
    row = dict.fromkeys(("skipped", "draws", "saturated", "wrapped", "rounded_to_zero"), 0)
    return {
        "place": "pixels->hidden",
        "name": "w -= d * p >> rate",
        "rounding": "stochastic",
        **row,
        **counts,
    }


@pytest.fixture
def summary():
    return {
        "experiment": "digits",
        "chip": {"name": "loihi1", "fidelity": "unverified against silicon", "engine": "sum_of_products"},
        "rule": "decolle",
        "noise": "lane",
        "seed": 3,
        "version": "0.1.0",
        "memory_bytes": 1_250_000,
        "accuracy": {"train": 0.99, "validation": 0.971, "test": 0.96667, "twin": None},
        "controls": {
            "linear readout of the same input": {"train": 0.98, "validation": 0.95, "test": 0.951},
            "frozen hidden layers": {"test": 0.9},
        },
        "layers": [
            {
                "name": "hidden",
                "size": 128,
                "ledger": HIDDEN,
                "activity": {
                    "silent_share": 0.125,
                    "surrogate_share": 0.3,
                    "spikes_per_neuron_step": 0.0621,
                },
            },
            {"name": "hidden.readout", "size": 10, "ledger": READOUT},
        ],
        "memory": [
            {"purpose": "traces", "what": "pixels->hidden a", "count": 64, "bits_each": 7},
            {"purpose": "weights", "what": "pixels->hidden w", "count": 8192, "bits_each": 8},
        ],
        "energy": price(add_counts([HIDDEN, READOUT]), load_chip("loihi1")).to_dict(),
        "writes": [line(done=4000, draws=4000, saturated=20, rounded_to_zero=1000, changed=2980)],
        "weights": [{"place": "pixels->hidden", "at_min": 0.001, "at_max": 0.002}],
        "notes": [],
    }


def test_the_whole_report_word_for_word(summary):
    assert text_report(summary) == GOLDEN


def test_it_is_the_same_from_json_and_leaves_the_summary_alone(summary):
    before = copy.deepcopy(summary)
    again = json.loads(json.dumps(summary))
    assert text_report(again) == text_report(summary)
    assert summary == before


def test_a_section_without_data_is_left_out():
    assert text_report({"experiment": "digits", "seed": 0}) == "experiment  digits\nseed        0\n"


def test_a_chip_without_prices_says_so_and_lists_the_counts():
    report = price({"inference": {"synaptic_event": 2_500_000}}, load_chip("loihi2"))
    text = text_report({"energy": report.to_dict()})
    assert "no price per event is published" in text
    assert "unpriced, inference: synaptic_event 2.500 M" in text
    assert "0 J" not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acuracy": {}}, "unknown key 'acuracy' .*did you mean 'accuracy'"),
        ({"layers": [{"name": "h", "ledger": {"learn": {"spike": 1}}}]}, "unknown purpose 'learn'"),
        ({"layers": [{"name": "h", "ledger": {"learning": {"spikes": 1}}}]}, "did you mean 'spike'"),
        ({"memory": [{"purpose": "weight", "what": "w", "count": 1, "bits_each": 1}]}, "mean 'weights'"),
        ({"memory": [{"purpose": "weights", "what": "w", "count": -1, "bits_each": 8}]}, "-1 x 8 bits"),
    ],
)
def test_a_summary_that_breaks_the_contract_is_refused(change, message):
    with pytest.raises(SettingError, match=message):
        text_report(change)


def test_memory_by_purpose():
    ledger = memory_ledger(
        [
            {"purpose": "tags", "what": "a->b t", "count": 6, "bits_each": 9},
            {"purpose": "weights", "what": "a->b w", "count": 6, "bits_each": 8},
            {"purpose": "weights", "what": "b->c w", "count": 4, "bits_each": 4},
        ]
    )
    assert ledger["total_bits"] == 6 * 9 + 6 * 8 + 4 * 4
    assert [(part["purpose"], part["bits"]) for part in ledger["purposes"]] == [("weights", 64), ("tags", 54)]
    assert memory_ledger([]) == {"total_bits": 0, "purposes": []}


def kinds(**summary):
    return [warning["kind"] for warning in warnings_from(summary)]


@pytest.mark.parametrize(
    ("kind", "summary", "harmless"),
    [
        (
            "dead_layer",
            {"layers": [{"name": "h", "activity": {"silent_share": 1.0}}]},
            {"layers": [{"name": "h", "activity": {"silent_share": 0.4}}]},
        ),
        (
            "silent",
            {"layers": [{"name": "h", "activity": {"silent_share": 0.6}}]},
            {"layers": [{"name": "h", "activity": {"silent_share": None}}]},
        ),
        (
            "no_surrogate",
            {"layers": [{"name": "h", "activity": {"surrogate_share": 0.0}}]},
            {"layers": [{"name": "h", "activity": {"surrogate_share": 0.01}}]},
        ),
        (
            "all_rounded_to_zero",
            {"writes": [line(done=10, rounded_to_zero=10, changed=0)]},
            {"writes": [line(done=10, rounded_to_zero=9, changed=1)]},
        ),
        (
            "mostly_rounded_to_zero",
            {"writes": [line(rounding="trunc", done=1000, rounded_to_zero=995, changed=5)]},
            {"writes": [line(rounding="stochastic", done=1000, rounded_to_zero=995, changed=5)]},
        ),
        (
            "saturated",
            {"writes": [line(done=100, saturated=1, changed=99)]},
            {"writes": [line(done=1000, saturated=1, changed=999)]},
        ),
        (
            "wrapped",
            {"writes": [line(done=10, wrapped=1, changed=10)]},
            {"writes": [line(done=10, changed=10)]},
        ),
        (
            "rails",
            {"weights": [{"place": "a->b", "at_min": 0.2, "at_max": 0.1}]},
            {"weights": [{"place": "a->b", "at_min": 0.1, "at_max": 0.1}]},
        ),
        (
            "sticking",
            {"notes": [{"place": "a->b", "kind": "sticking", "line": 4, "text": "x stays at 3"}]},
            {"notes": [{"place": "a->b", "kind": "constant", "line": 4, "text": "k is 0.75"}]},
        ),
        (
            "dead_line",
            {"notes": [{"place": "a->b", "kind": "dead", "line": 9, "text": "never changes w"}]},
            {"notes": [{"place": "a->b", "kind": "narrowed", "line": 9, "text": "u8.4 -> u7.3"}]},
        ),
        (
            "below_control",
            {"accuracy": {"test": 0.90}, "controls": {"linear": {"test": 0.91}}},
            {"accuracy": {"test": 0.91}, "controls": {"linear": {"test": 0.91}, "frozen": {"test": None}}},
        ),
    ],
)
def test_each_warning_is_given_with_a_remedy_and_only_then(kind, summary, harmless):
    assert kinds(**summary) == [kind]
    warning = warnings_from(summary)[0]
    assert warning["where"] and warning["remedy"]
    assert f"remedy: {warning['remedy'][:40]}" in text_report(summary)
    assert kinds(**harmless) == []


def test_the_most_damaging_warning_comes_first():
    layers = [
        {"name": "a", "activity": {"silent_share": 0.9}},
        {"name": "b", "activity": {"silent_share": 1}},
    ]
    assert kinds(layers=layers) == ["dead_layer", "silent"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0014495, "J", "1.450 mJ"),
        (23.6e-12, "J", "23.60 pJ"),
        (999.96, "", "1.000 k"),
        (999.94, "", "999.9"),
        (1e-15, "J", "1.000 fJ"),
        (1000, "bit", "1.000 kbit"),
        (-2.5e7, "", "-25.00 M"),
        (0, "J", "0 J"),
        (None, "J", "-"),
        (1e-21, "J", "1.000e-21 J"),
    ],
)
def test_engineering_prefixes(value, unit, text):
    assert engineering(value, unit) == text


def test_counts_are_exact_below_a_million_and_shares_in_percent():
    assert [count(x) for x in (0, 999_999, 1_000_000)] == ["-", "999999", "1.000 M"]
    assert [percent(0.96667), percent(None), percent(1, 0)] == ["96.67 %", "-", "100 %"]


GOLDEN = """\
experiment  digits
chip        loihi1
fidelity    unverified against silicon
engine      sum_of_products
rule        decolle
noise       lane
seed        3
version     0.1.0
memory      1.250 MB on this computer

Accuracy
                                      train  validation     test  twin
  trained network                   99.00 %     97.10 %  96.67 %     -
  linear readout of the same input  98.00 %     95.00 %  95.10 %     -
  frozen hidden layers                    -           -  90.00 %     -

Activity
          neurons  silent  surrogate > 0  spikes/neuron/step
  hidden      128  12.5 %         30.0 %              0.0621

Operations (error: the pathway from the readouts to the third factors)
                            inference  learning  error
  hidden
    synaptic_event            2.500 M         -      -
    neuron_update_active         3000         -      -
    neuron_update_inactive       9000         -      -
    weight_update                   -      4000      -
    trace_update                    -     12800      -
  hidden.readout
    synaptic_event                  -         -   1000
    circuit_multiply                -         -    640
  all layers
    synaptic_event            2.500 M         -   1000
    neuron_update_active         3000         -      -
    neuron_update_inactive       9000         -      -
    weight_update                   -      4000      -
    trace_update                    -     12800      -
    circuit_multiply                -         -    640

Memory on the chip
                      elements  bits each      in all
  weights                                  65.54 kbit
    pixels->hidden w      8192          8  65.54 kbit
  traces                                      448 bit
    pixels->hidden a        64          7     448 bit
  total                                    65.98 kbit

Energy, profile davies2018: D18 Table 2, pre-silicon SDF and SPICE simulation at 0.75 V
  definition marginal, bound nominal, 0.75 V
                                   purpose      count     price    energy    bound  evidence
  synaptic_event                   inference  2.500 M  23.60 pJ  59.00 uJ      min         S
  neuron_update_active             inference     3000  81.00 pJ  243.0 nJ  nominal         S
  neuron_update_inactive           inference     9000  52.00 pJ  468.0 nJ  nominal         S
  weight_update (stdp_pair_equiv)  learning      4000  120.0 pJ  480.0 nJ  nominal         S
  synaptic_event                   error         1000  23.60 pJ  23.60 nJ      min         S
  total                            inference                     59.71 uJ
  total                            learning                      480.0 nJ
  total                            error                         23.60 nJ
  total                            all                           60.21 uJ      min
  a lower bound: some prices are minima, or something has no price
  unpriced, static power: this profile states none
  unpriced, learning: trace_update 12800
  unpriced, error: circuit_multiply 640

Writes: saturated, wrapped, rounded to zero
                        rounding    done  skipped  draws   saturated  wrapped        to zero  changed
  pixels->hidden
    w -= d * p >> rate  stochastic  4000        -   4000  20 (0.5 %)        -  1000 (25.0 %)     2980

Warnings: none
"""
