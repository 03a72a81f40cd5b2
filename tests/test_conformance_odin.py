"""ODIN's vectors: equal to the simulated hardware text; a changed value is named, a bent file refused.

tests/golden/odin holds part of the vectors that simulations of ODIN's Verilog (commit 17819318) gave.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from chipsim.conformance import odin
from chipsim.conformance.vectors import conformance
from chipsim.errors import DataError

pytestmark = pytest.mark.one_python
GOLDEN = Path(__file__).parent / "golden" / "odin"
PARTS = ["interpreter", "kernels"]


def shown(folder) -> list[tuple[str, str, str]]:
    return [(r.file, r.part, r.mismatch.text() if r.mismatch else "") for r in conformance("odin", folder)]


def test_the_golden_part_is_equal():
    results = list(conformance("odin", GOLDEN))
    assert [r.mismatch for r in results] == [None] * 8
    assert {r.file for r in results} == {path.name for path in GOLDEN.iterdir()}
    checked = {r.file: r.checked for r in results}
    assert checked["odin_sdsp_update.npz"] == 256 and checked["odin_e2e_part.json.gz"] > 11_000


def test_every_vector_is_equal(data_dir):
    folder = data_dir / "rtl_vectors"
    if not folder.is_dir():
        pytest.skip("no rtl_vectors in CHIPSIM_DATA")
    results = list(conformance("odin", folder))
    assert [r.mismatch for r in results] == [None] * len(results)
    names = {r.file for r in results}
    assert {"odin_lif_calcium.npz", "odin_lif_state.npz", "odin_sdsp_update.npz"} < names
    assert sum(r.checked for r in results) > 1_700_000


# ---------------------------------------------------------------- what is named


def golden_case() -> dict:
    return json.loads(gzip.decompress((GOLDEN / "odin_e2e_part.json.gz").read_bytes()))


def replay(folder, case) -> list[str]:
    """The mismatches of both back ends on a case."""
    (folder / "odin_e2e_0.json.gz").write_bytes(gzip.compress(json.dumps(case).encode(), 1))
    return [text for _, _, text in shown(folder)]


def change(case: dict, letter: str, number: int, word: int, text: str) -> str:
    """Replace one word of the number-th line of a letter; the word that stood there."""
    at = [k for k, line in enumerate(case["expected"]) if line[0] == letter][number]
    words = case["expected"][at].split()
    old, words[word] = words[word], text
    case["expected"][at] = " ".join(words)
    return old


def test_a_neuron_register_is_named_with_its_event(tmp_path):
    case = golden_case()
    old = int(change(case, "N", 2, 1 + 17, "0000"), 16)
    case["expected"] = [x for x in case["expected"] if x[0] != "W"]
    case["ops"] = [op for op in case["ops"] if op[0] == 0]
    v, event = old & 255, case["ops"][2][1]
    assert v, "the changed neuron rests: choose another"
    wanted = f"event 2 (0x{event:05x}), V of neuron 17: expected 0, got {v}"
    assert replay(tmp_path, case) == [wanted] * 2


def test_spikes_cycles_flags_and_weights_are_named(tmp_path):
    case = golden_case()
    old = change(case, "S", 0, 1, "255")
    assert replay(tmp_path, case)[0].endswith(f"spike 0: expected 255, got {old}")
    case = golden_case()
    change(case, "E", 1, 11, "511")
    assert replay(tmp_path, case)[0].endswith("cycles in popn: expected 511, got 512")
    case = golden_case()
    old = change(case, "U", 1, 1, "0" * 64)
    assert int(old, 16), "no neuron is up after event 1: choose another"
    lowest = (int(old, 16) & -int(old, 16)).bit_length() - 1
    assert replay(tmp_path, case)[0].endswith(f"flag up of neuron {lowest}: expected 0, got 1")
    case = golden_case()
    old = change(case, "W", 200, 1 + 4, "00000000")
    first = next(k for k in range(8) if int(old, 16) >> 4 * k & 15)
    said = replay(tmp_path, case)[0]
    assert said.startswith(
        f"dump after event 9, synapse 200 -> {24 + first} (map bit * 8 + weight): expected 0"
    )


def test_missing_and_surplus_lines_are_named(tmp_path):
    case = golden_case()
    case["expected"] = case["expected"][:-1]
    assert "expected no more lines" in replay(tmp_path, case)[0]
    case = golden_case()
    case["expected"].append("S 3")
    assert "after the last event, line: expected 'S 3', got nothing" in replay(tmp_path, case)[0]


@pytest.mark.parametrize(
    ("name", "row", "column", "said"),
    [
        ("odin_lif_state_part", 100, 0, "row 100, v_next"),
        ("odin_lif_state_part", 7, 1, "row 7, spike"),
        ("odin_lif_calcium_part", 9, 3, "row 9, caleak_cnt_next"),
        ("odin_sdsp_update", 130, 0, "row 130, {map, w}"),
    ],
)
def test_a_row_of_a_table_is_named(tmp_path, name, row, column, said):
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    out = arrays["out"].reshape(len(arrays["out"]), -1)
    out[row, column] ^= 1
    np.savez(tmp_path / f"{name}.npz", **arrays)
    texts = [text for _, _, text in shown(tmp_path)]
    assert len(texts) == 2 and all(text.startswith(said) for text in texts)


def test_the_command(chipsim, tmp_path):
    done = chipsim("conformance", "odin", GOLDEN)
    assert done.status == 0 and done.out.splitlines()[-1] == "odin: 41,538 values, 0 of 8 parts differ"
    done = chipsim("conformance", "odin", tmp_path)
    assert done.status == 2 and "0 files named odin_*" in done.err
    done = chipsim("conformance", "odin", tmp_path / "nowhere")
    assert done.status == 2 and "no such folder" in done.err


# ---------------------------------------------------------------- what is refused


def bend(case: dict, key: str, value: object) -> dict:
    return {k: v for k, v in {**case, key: value}.items() if v is not None}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("open_loop", 2, "'open_loop' is 2, not 0 or 1"),
        ("open_loop", None, "'open_loop' is None"),
        ("syn_sign", "zz", "'syn_sign' holds 'zz', not 256 bits"),
        ("syn_sign", "1" * 65, "not 256 bits"),
        ("neurons", ["0"], "'neurons' is no list of 256 words"),
        ("neurons", ["0"] * 256, "neuron 0 is an Izhikevich neuron"),
        ("synapses", "text", "'synapses' is no list of 8192 words"),
        ("ops", [[0, 1 << 17]], "operation 0 is"),
        ("ops", [[3, 0]], "operation 0 is"),
        ("ops", [[0, True]], "operation 0 is"),
        ("ops", 5, "'ops' is no list"),
        ("expected", [1], "'expected' is no list of lines"),
        ("expected", ["E 0"], "a line E of 1 values"),
    ],
)
def test_bent_cases_are_refused(tmp_path, key, value, said):
    case = bend(golden_case(), key, value)
    if key == "expected" and value == ["E 0"]:
        case["ops"] = [[0, 0]]
    with pytest.raises(DataError, match=said.replace("[", r"\[")):
        replay(tmp_path, case)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inp": np.zeros((4, 3), np.uint8)}, "'inp' is uint8"),
        ({"out": np.zeros((3, 2), np.uint8)}, "'out' is uint8"),
        ({"inp": np.zeros((4, 8), np.float32)}, "'inp' is float32"),
        ({"inp": np.zeros((0, 8), np.uint8), "out": np.zeros((0, 2), np.uint8)}, "'inp' is uint8"),
        ({"inp_fields": np.array(list("abcdefgh"))}, "'inp_fields' is"),
        ({"inp": np.ones((4, 8), np.uint8)}, "two events at once"),
    ],
)
def test_bent_tables_are_refused(tmp_path, change, said):
    with np.load(GOLDEN / "odin_lif_state_part.npz", allow_pickle=False) as file:
        arrays = {k: v[:4] if k in ("inp", "out") else v for k, v in file.items()} | change
    np.savez(tmp_path / "odin_lif_state.npz", **arrays)
    with pytest.raises(DataError, match=said):
        shown(tmp_path)


def test_a_weight_of_a_case_survives_the_round_trip():
    """Memories go in and out of the simulator's arrays without loss."""
    case = odin._Case(GOLDEN / "odin_e2e_part.json.gz")
    from chipsim.conformance.odin_cases import core_simulator

    sim = core_simulator()
    odin._load(sim.state, case)
    words = [int(text, 16) for _, values in odin._weight_lines(sim.state) for _, text in values[1:]]
    assert words == case.synapses
