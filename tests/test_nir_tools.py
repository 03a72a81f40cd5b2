"""NIR files written by snnTorch, Norse and sinabs run on chips, beside what those tools computed.

tests/nir/make.py made the files and the tools' outputs. The graph in float64 fires as the tools do, but
for what a file cannot say (README.md there); 16 bits come within 2 %, 8 bits on a chip's widths close.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.nir.discrete import convention
from chipsim.nir.export import export_nir
from chipsim.nir.graph import read_graph
from chipsim.nir.imported import import_nir
from chipsim.nir.metadata import metadata_of
from chipsim.nir.report import agree, report, report_text

pytest.importorskip("nir")
pytestmark = pytest.mark.one_python
FOLDER = Path(__file__).parent / "nir"
# what a file cannot say: Norse starts at v_leak, not at v_reset; snnTorch's subtraction comes a step late
EXPECTED = {"norse_lif": 0.98, "snntorch_subtract": 0.94}
OPTIONS = {"snntorch_subtract": {"reset": "soft"}}
NAMES = sorted(path.stem for path in FOLDER.glob("*.nir") if not path.stem.startswith("chipsim"))


def imported(name: str, chip: str, bits: int | None = None):
    how = convention(name.split("_")[0], **OPTIONS.get(name, {}))
    made = import_nir(FOLDER / f"{name}.nir", load_chip(chip), how, bits=bits)
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return made, {key: file[key] for key in file.files}


def compare(found: dict, tool: dict, least: float, error: float) -> None:
    for node, array in found.items():
        wanted = tool[node if node in tool else node.removesuffix(".lif")]
        if wanted.dtype == np.uint8:
            assert wanted.any(), f"{node} never fired: nothing is compared"
            assert (array == wanted).mean() >= least, node
        else:
            assert np.abs(array - wanted).max() <= error * np.abs(wanted).max(), node


@pytest.mark.parametrize("name", NAMES)
def test_float_graph_and_chip_fire_as_the_tool_did(name):
    made, tool = imported(name, "ideal", bits=16)
    compare(made.run_floats(tool["input"]), tool, EXPECTED.get(name, 1.0), 1e-6)
    compare(made.run(tool["input"], interpreter=True), tool, EXPECTED.get(name, 0.98), 0.01)


@pytest.mark.parametrize("name", ["snntorch_leaky", "snntorch_recurrent", "norse_cuba", "sinabs_lif"])
def test_eight_bits_on_loihi2(name):
    """Every connection takes a step there, in the float graph as well; resets of sinabs are soft."""
    made, tool = imported(name, "loihi2")
    chip = made.run(tool["input"], interpreter=True)
    compare(
        chip,
        {key: _like(value, chip[key]) for key, value in made.run_floats(tool["input"]).items()},
        0.97,
        0.1,
    )
    found = report(made)
    assert all(c["format"].startswith("s8.") and c["delay"] == 1 for c in found["connections"])
    for c in found["connections"]:
        assert c["max_error_lsb"] <= 0.5 and c["saturated"] == 0
        assert 0 < c["rms_error_relative"] < 0.01


def _like(value: np.ndarray, found: np.ndarray) -> np.ndarray:
    return value.astype(np.uint8) if np.isin(found, (0, 1)).all() else value


def test_kernels_and_interpreter_agree():
    made, tool = imported("snntorch_leaky", "loihi2")
    slow, fast = made.run(tool["input"], interpreter=True), made.run(tool["input"])
    assert all(np.array_equal(slow[node], fast[node]) for node in slow)
    told = agree(made, {"input": tool["input"]})
    assert told["steps"] == 60 and told["layers"]["1"]["spikes"] == int(fast["1"].sum())


def test_what_is_said_of_a_file():
    made, _ = imported("snntorch_recurrent", "ideal")
    text = report_text(report(made))
    assert "dt 0.0001 s, euler" in text and "reset to v_reset" in text
    assert "1.lif -> 1.lif: leads back, so that a spike takes one step" in text
    assert "tau 0.001 -> 0.000999 s" in text  # 0.9 is 3686/4096
    assert [line.split()[2] for line in text.splitlines() if line.startswith("  1.w_rec ")] == ["s8.8"]


def test_pools_and_kernels_stay_shared():
    made, _ = imported("snntorch_conv", "ideal")
    layers = {x.name: x for x in made.simulator.network.layers}
    assert layers["2"].kind == "pool" and layers["2"].shape == (4, 4, 4)
    assert made.simulator.network.connection("3").conv.kernel == 3
    made, _ = imported("sinabs_iaf", "ideal")
    assert made.simulator.network.layer("2").pool.kind == "average"  # times 4: a sum


def test_snntorch_fires_as_the_chip_whose_network_it_read(tmp_path):
    """The file is the one that is written today."""
    make = runpy.run_path(str(FOLDER / "make.py"))
    sim, given = make["chip_network"]()
    meta = export_nir(sim, tmp_path / "x.nir", title="two layers")
    kept = metadata_of(read_graph(FOLDER / "chipsim_lif.nir").metadata, "chipsim_lif.nir")
    assert kept.graph_sha256 == meta.graph_sha256
    with np.load(FOLDER / "chipsim_lif.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    assert np.array_equal(arrays["input"], given) and arrays["chip"].sum() > 30
    assert np.array_equal(arrays["chip"], arrays["snntorch"])
    back = import_nir(tmp_path / "x.nir", load_chip("ideal"))
    assert np.array_equal(back.run(given, interpreter=True)["o"], arrays["chip"])


def test_the_files_are_small_and_described():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(NAMES) >= 8 and {name.split("_")[0] for name in NAMES} == {"snntorch", "norse", "sinabs"}
    assert [name for name in NAMES if f"`{name}`" not in text] == []
    assert [p.name for p in FOLDER.iterdir() if p.is_file() and p.stat().st_size > 100_000] == []
