"""Chip files with a mistake: each is refused with the file, the key and the repair."""

from pathlib import Path

import pytest

from chipsim.chip import load_chip
from chipsim.errors import ChipError

GOOD = (Path(__file__).resolve().parent.parent / "hw_models" / "loihi1.toml").read_text(encoding="utf-8")
REST = '"decay", "deliver", "on_pre", "on_post", "third", "learn"'

CASES = {
    "unknown key in a table": (
        "decay_bits = 12",
        "decay_bit = 12",
        r"neuron\.decay_bit: unknown key 'decay_bit' \(did you mean 'decay_bits'\?\)",
    ),
    "unknown table": ("[limits]", "[limit]", r"limit: unknown key 'limit' \(did you mean 'limits'\?\)"),
    "unknown key in the arithmetic": (
        "constant_bits = 8",
        "constants_bits = 8",
        r"learning\.products\.constants_bits: unknown key .*did you mean 'constant_bits'",
    ),
    "field left out": (
        "axons_in_per_core = 4096\n",
        "",
        r"limits\.axons_in_per_core: not declared\n  remedy: set it, or name it in `unknown",
    ),
    "event left out": (
        "hop_y = { value_J = 4.0e-12 }\n",
        "",
        r"energy\.davies2018\.prices\.hop_y: not declared",
    ),
    "misspelt event": (
        "hop_y = {",
        "hop_yy = {",
        r"prices\.hop_yy: unknown event 'hop_yy' \(did you mean 'hop_y'\?\)",
    ),
    "misspelt unknown event": (
        "prices.barrier",
        "prices.barier",
        r"unknown: unknown event 'barier' \(did you mean 'barrier'\?\)",
    ),
    "charged twice": (
        "includes = []",
        'includes = ["hop_x"]',
        r"prices\.hop_x: is priced and also in meta\.includes",
    ),
    "negative price": ("value_J = 81e-12", "value_J = -81e-12", r"prices\.neuron_update_active\.value_J: "),
    "price that is no number": (
        "value_J = 81e-12",
        "value_J = nan",
        r"prices\.neuron_update_active\.value_J: ",
    ),
    "set and unknown": (
        "unknown = [\n",
        'unknown = [\n    "limits.cores",\n',
        r"limits\.cores: 'limits\.cores' is set and also named unknown",
    ),
    "unknown names nothing": (
        "unknown = [\n",
        'unknown = [\n    "limts.cores",\n',
        r"unknown: 'limts\.cores' names nothing",
    ),
    "number without a source": (
        '"limits.cores" = { cite = "D18 p.86", evidence = "A" }\n',
        "",
        r"limits\.cores: a number without a source\n  remedy: \[src\] \"limits\.cores\"",
    ),
    "source of nothing": (
        '"limits.cores" =',
        '"limits.core" =',
        r"'limits\.core' is not in this file .*limits\.cores",
    ),
    "evidence of no grade": (
        '"limits.cores" = { cite = "D18 p.86", evidence = "A" }',
        '"limits.cores" = { cite = "D18 p.86", evidence = "Z" }',
        r"src\.\"limits\.cores\"\.evidence: Input should be 'M'",
    ),
    "source without cite": (
        '"limits.cores" = { cite = "D18 p.86", evidence = "A" }',
        '"limits.cores" = { evidence = "A" }',
        r"src\.\"limits\.cores\"\.cite: Field required",
    ),
    "text for a number": ("v_bits = 24", 'v_bits = "24"', r"neuron\.v_bits: .*integer, found '24'"),
    "yes for a number": ("v_bits = 24", "v_bits = true", r"neuron\.v_bits: .*integer, found True"),
    "too wide": ("v_bits = 24", "v_bits = 64", r"neuron\.v_bits: .*less than or equal to 32, found 64"),
    "phase twice": ('order = ["fire", "arrive"', 'order = ["fire", "fire"', r"step: order must name each of"),
    "phase misspelt": (
        'order = ["fire"',
        'order = ["fires"',
        r"step\.order: Input should be .*found 'fires'",
    ),
    "no delay in a walk by phase": ("min_delay = 1", "min_delay = 0", r'step: walk is "phase", so min_delay'),
    "fire first in a walk by layer": ('walk = "phase"', 'walk = "layer"', r"step: fire comes first, so walk"),
    "read before arrival": (
        'order = ["fire", "arrive", "decay"',
        'order = ["decay", "fire", "arrive"',
        r"step: order begins with arrive, or with fire",
    ),
    "delay too small for the order": (
        f'order = ["fire", "arrive", {REST}]\nwalk = "phase"\nmin_delay = 1',
        f'order = ["arrive", "fire", {REST}]\nwalk = "layer"\nmin_delay = 0',
        r"step: fire comes before deliver",
    ),
    "delays crossed": ("max_delay = 62", "max_delay = 0", r"step: max_delay 0 is below min_delay 1"),
    "width not offered": ("default_bits = 8", "default_bits = 12", r"weight: default_bits 12 is not one of"),
    "noise not offered": (
        '["lane", "element", "shared", "lfsr"]',
        '["element"]',
        r"noise_default 'lane' is not one of noises",
    ),
    "engine and arithmetic disagree": (
        'engine = "sum_of_products"',
        'engine = "lines"',
        r"learning\.products must be a table for engine",
    ),
    "profile that is not there": (
        'energy_default = "davies2018"',
        'energy_default = "davies2019"',
        r"energy_default 'davies2019' is no profile",
    ),
    "other schema": ("schema = 1", "schema = 2", r"schema: schema 2; this chipsim reads schema 1"),
    "key of the loader": ("schema = 1", 'schema = 1\nsources = "x"', r"sources: unknown key 'sources'"),
    "no TOML": ("[step]", "[step", r"is not TOML: .*line"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_refused_with_file_key_and_repair(case, tmp_path):
    old, new, message = CASES[case]
    assert old in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ChipError, match=message) as caught:
        load_chip(str(path))
    assert str(caught.value).startswith(str(path))


def test_the_unchanged_copy_is_accepted(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_chip(str(path)).name == "loihi1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"unknown = 3\nschema = 1",
        b"schema = 1",
        b"src = 1\nschema = 1\nunknown = []",
        b"schema = 1\nunknown = []\nenergy = 3\nstep = 1",
    ],
)
def test_damaged_files_are_refused_without_a_traceback(data, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(data)
    with pytest.raises(ChipError, match="mine.toml"):
        load_chip(str(path))


def test_a_number_chipsim_computes_with_cannot_be_unknown(tmp_path):
    path = tmp_path / "mine.toml"
    text = GOOD.replace("v_bits = 24\n", "", 1).replace("unknown = [", 'unknown = ["neuron.v_bits",', 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ChipError, match=r"neuron\.v_bits: cannot be unknown"):
        load_chip(str(path))
