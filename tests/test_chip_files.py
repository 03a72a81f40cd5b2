"""The shipped chip files: what they state, that each number has a source, and how they print."""

import hashlib
import json
from pathlib import Path

import pytest

from chipsim.chip import EVENTS, chip_json_schema, chip_page, load_chip
from chipsim.chip.schema import PHASES
from chipsim.errors import SettingError
from chipsim.fixed import Format

SHIPPED = (
    "ideal",
    "loihi1",
    "loihi2",
    "loihi2_lava",
    "brainscales2",
    "morphic",
    "spinnaker1",
    "spinnaker2",
    "truenorth",
    "odin",
    "reckon",
)
FOLDER = Path(__file__).resolve().parent.parent / "hw_models"


@pytest.fixture(scope="module", params=SHIPPED)
def chip(request):
    return load_chip(request.param)


def numbers(value, key=""):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{key}.{name}".strip("."))
    elif isinstance(value, (list, tuple)):
        if value and isinstance(value[0], (int, float)):
            yield key
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key


def test_every_number_of_a_shipped_chip_has_a_source(chip):
    facts = chip.model_dump(exclude={"sources", "path", "sha256", "unknown"})
    found = list(numbers(facts))
    assert len(found) >= 19
    assert [key for key in found if chip.source_of(key) is None] == []


def test_the_name_is_the_file_and_the_hash_is_of_its_bytes(chip):
    path = FOLDER / f"{chip.name}.toml"
    assert Path(chip.path) == path
    assert chip.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_event_of_a_profile_is_priced_included_or_unknown(chip):
    for name, profile in chip.energy.items():
        base = f"energy.{name}.prices."
        unknown = {key[len(base) :] for key in chip.unknown if key.startswith(base)}
        if base[:-1] in chip.unknown:  # no price at all: a profile of power alone
            unknown = set(EVENTS)
        assert set(profile.prices) | set(profile.meta.includes) | unknown == set(EVENTS)


def test_no_chip_claims_to_be_the_silicon(chip):
    says = chip.fidelity.lower()
    assert any(
        text in says for text in ("unverified against silicon", "no hardware", "silicon itself may differ")
    )
    assert "loihi-accurate" not in chip_page(chip).lower()


def test_loihi1_as_published():
    chip = load_chip("loihi1")
    assert (chip.engine, chip.step.walk, chip.step.min_delay) == ("sum_of_products", "phase", 1)
    assert chip.step.order == ("fire", "arrive", "decay", "deliver", "on_pre", "on_post", "third", "learn")
    neuron = chip.neuron
    assert (neuron.u_bits, neuron.u_overflow, neuron.v_bits, neuron.v_overflow) == (
        24,
        "wrap",
        24,
        "saturate",
    )
    assert (neuron.decay_bits, neuron.decay_rounding, neuron.compare) == (12, "trunc", "gt")
    assert (neuron.threshold_bits, neuron.guard_bits, neuron.resets) == (17, 6, ("hard",))
    assert chip.weight.bits == tuple(range(1, 10))
    pre, post, tag = chip.registers.pre, chip.registers.post, chip.registers.syn
    assert (pre.count, pre.widest(), post.count, post.widest()) == (2, "u7", 3, "u7")
    assert (tag.count, tag.bits, tag.signed, tag.rounding) == (1, 9, True, ("stochastic",))
    assert chip.learning.third_factor == "global_reward"
    products = chip.learning.products
    assert (products.accumulator_bits, products.accumulator_frac) == (16, 7)
    assert (products.mantissa_min, products.mantissa_max) == (-8, 7)
    assert (products.exponent_min, products.exponent_max) == (-7, 8)
    assert products.factor_bits["x1"] == 7 and products.factor_bits["w"] == 9
    assert (chip.limits.neurons_per_core, chip.limits.synapse_bits_per_core) == (1024, 128 * 1024 * 8)
    prices = chip.energy["davies2018"].prices
    assert {event: price.value_J for event, price in prices.items()} == {
        "synaptic_event": 23.6e-12,
        "axon_event": 1.7e-12,
        "neuron_update_active": 81e-12,
        "neuron_update_inactive": 52e-12,
        "weight_update": 120e-12,
        "hop_x": 3.0e-12,
        "hop_y": 4.0e-12,
    }
    assert prices["synaptic_event"].bound == "min"
    assert prices["weight_update"].assumption == "stdp_pair_equiv"
    assert {price.evidence for price in prices.values()} == {"S"}


def test_loihi2_takes_a_third_factor_per_neuron_and_has_no_price():
    chip, older = load_chip("loihi2"), load_chip("loihi1")
    assert chip.learning.third_factor == "per_post_neuron"
    assert chip.registers.post.widest() == "s8, u7"
    assert chip.neuron.programmable and chip.neuron.resets == ("hard", "soft")
    assert chip.energy == {} and chip.energy_default is None and chip.is_unknown("energy")
    assert chip.learning.products == older.learning.products
    assert chip.limits.fan_in is None and chip.is_unknown("limits.fan_in")
    assert older.limits.fan_in is None and not older.is_unknown("limits.fan_in")


def test_ideal_holds_every_format_and_loses_nothing():
    chip = load_chip("ideal")
    assert chip.engine == "lines" and chip.learning.products is None and chip.energy == {}
    assert set(chip.noises) == {"lane", "element", "shared", "lfsr"}
    for name in ("pre", "post", "syn", "layer", "temp"):
        bank = getattr(chip.registers, name)
        assert bank.count is None
        assert bank.holds(Format(True, 32, 11)) and bank.holds(Format(False, 32, 0))
        assert set(bank.rounding) == {"floor", "trunc", "nearest", "stochastic"}
    assert chip.neuron.v_bits >= 24 and chip.neuron.guard_bits == 8
    assert chip.step.order == PHASES


@pytest.mark.parametrize(
    ("name", "owner", "text", "fits"),
    [
        ("loihi1", "pre", "u7.4", True),
        ("loihi1", "pre", "u8.4", False),
        ("loihi1", "post", "s7.4", False),
        ("loihi2", "post", "s8.7", True),
        ("loihi2", "post", "u7.0", True),
        ("loihi2", "post", "u8.0", False),
        ("loihi1", "syn", "s9.0", True),
        ("loihi1", "syn", "u9.0", False),
        ("loihi1", "temp", "s16.11", True),
        ("loihi1", "layer", "u1.0", False),
    ],
)
def test_which_formats_a_bank_holds(name, owner, text, fits):
    assert getattr(load_chip(name).registers, owner).holds(Format.parse(text)) is fits


def test_the_page_shows_widths_prices_unknowns_and_sources():
    page = chip_page(load_chip("loihi1"))
    for part in (
        "unverified against silicon",
        "sum_of_products",
        "2.36e-11 J",
        "[assumption stdp_pair_equiv]",
        "energy.davies2018.prices.barrier",
        "D18 Table 2 p.96",
        "x0 1, x1 7",
        "1 to 9",
    ):
        assert part in page
    assert max(map(len, page.splitlines()[:20])) <= 110
    assert "no published energy per event" in chip_page(load_chip("loihi2"))
    assert "fan_in                 unknown" in chip_page(load_chip("loihi2"))
    assert "fan_in                 unlimited" in chip_page(load_chip("loihi1"))


def test_the_json_schema_describes_the_file_not_the_loaded_object():
    schema = json.loads(json.dumps(chip_json_schema()))
    properties = schema["properties"]
    assert {"schema", "src", "unknown", "step", "energy"} <= set(properties)
    assert not {"path", "sha256", "sources"} & set(properties)
    assert schema["$defs"]["Price"]["properties"].keys() == {
        "value_J",
        "bound",
        "low_J",
        "high_J",
        "formats",
        "assumption",
    }


def test_a_chip_cannot_be_changed_after_loading():
    chip = load_chip("loihi1")
    with pytest.raises(ValueError, match="frozen"):
        chip.weight.default_bits = 4


def test_a_misspelt_chip_is_refused_with_the_nearest_name():
    with pytest.raises(SettingError, match="did you mean 'loihi2'"):
        load_chip("loihi22")
