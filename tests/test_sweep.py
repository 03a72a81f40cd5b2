"""Sweeps: grids, the table, cells that fail, and a cluster that loses workers and clients."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="the extra `sweep` is not installed")
import pandas
import pyarrow.parquet

from chipsim.errors import SettingError
from chipsim.plot.sweep import heat_map, lines
from chipsim.sweep.cluster import client
from chipsim.sweep.grid import Request, parse_grid, points
from chipsim.sweep.table import interval, means

pytestmark = pytest.mark.one_python


def trials():
    """The module beside this one."""
    path = Path(__file__).parent / "sweep_trials.py"
    spec = importlib.util.spec_from_file_location("sweep_trials", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_grid_is_read_with_brackets():
    axes = parse_grid(["weight.bits=4, 5,8", "hidden=[256,128],[64],32"])
    assert axes == {"weight.bits": ("4", "5", "8"), "hidden": ("[256,128]", "[64]", "32")}


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["rule"], "not of the form key=a,b,c"),
        (["rule="], "none empty"),
        (["rule=a,,b"], "none empty"),
        (["rule=a,a"], "every value once"),
        (["rule=a", "rule=b"], "every key once"),
        (["hidden=[4,5"], "a bracket is missing"),
        (["hidden=4],[5"], "a bracket is missing"),
    ],
)
def test_a_grid_that_is_none(texts, told):
    with pytest.raises(SettingError, match=told.replace(",", ".")):
        parse_grid(texts)


def test_every_point_has_the_same_seeds_and_a_name_of_its_own():
    request = Request("digits", None, None, parse_grid(["rule=ell,tp", "rate=3,4"]), ("steps=4",), 5, 3)
    found = points(request, "decolle", "loihi2")
    assert len(found) == 12 and len({p.cell.name for p in found}) == 12
    assert [p.cell.seed for p in found] == [5, 6, 7] * 4
    assert found[0].cell.arguments()[:4] == ["run", "digits", "--rule", "ell"]
    assert found[-1].cell.sets == ("steps=4", "rate=4") and found[-1].at == {"rule": "tp", "rate": "4"}


def test_too_many_cells_are_refused():
    request = Request("digits", None, None, {"rate": tuple(map(str, range(400)))}, (), 1, 400)
    with pytest.raises(SettingError, match="160000 cells; at most"):
        points(request, "decolle", "loihi2")


def test_the_interval_is_students():
    """Three numbers by hand: t(0.975, 2) = 4.302653."""
    found = interval([0.1, 0.2, 0.3])
    assert found["n"] == 3 and found["mean"] == pytest.approx(0.2) and found["std"] == pytest.approx(0.1)
    assert found["high"] - found["mean"] == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)
    assert interval([0.5])["low"] is None and interval([])["mean"] is None


def test_failed_cells_are_counted_not_averaged():
    rows = [{"a": "x", "status": "complete", "s": 1.0}, {"a": "x", "status": "failed"}]
    assert means(rows, ["a"], "s")[0] | {"std": 0} == {
        "a": "x", "score": "s", "failed": 1, "n": 1, "mean": 1.0, "std": 0, "low": None, "high": None
    }  # fmt: skip


def test_figures_show_every_mean():
    found = {(r, c): {"mean": k / 10, "low": 0.0, "high": 1.0} for k, (r, c) in enumerate(
        [("ell", "4"), ("ell", "8"), ("tp", "4")])}  # fmt: skip
    drawn = heat_map(found, ["ell", "tp"], ["4", "8"], labels=("rule", "bits"), score="s").axes[0]
    assert [text.get_text() for text in drawn.texts] == ["0.0000", "0.1000", "0.2000", "-"]
    drawn = lines(found, ["ell", "tp"], ["4", "8"], xlabel="bits", score="s").axes[0]
    named = [line for line in drawn.lines if not line.get_label().startswith("_")]
    assert [list(line.get_xdata()) for line in named] == [[4.0, 8.0], [4.0]]


@pytest.fixture
def here_with_cells(here, root, monkeypatch):
    """The trial's experiment in the working folder."""
    monkeypatch.setenv("PYTHONPATH", str(root))
    trials().prepare(here)
    return here


def test_a_sweep_from_its_grid_to_its_table(chipsim, here_with_cells):
    """Two workers; a value outside its range is told, the rest goes on. Then again: nothing to do."""
    grid = ("--grid", "weight.bits=4,9", "--grid", "rule=ell,tp", "--set", "cpu=0", "--out", "s")
    done = chipsim("sweep", "./busy.py", *grid, "--seeds", "2", "--workers", "2", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out.splitlines()[-1])
    assert (told["cells"], told["failed"]) == (8, 4)
    table = pandas.read_csv("s/table.csv")
    assert list(table["weight.bits"]) == [4, 4, 4, 4, 9, 9, 9, 9] and list(table["seed"]) == [1, 2] * 4
    assert list(table["status"]) == ["complete"] * 4 + ["failed"] * 4
    assert table["reason"][4].startswith("--set weight.bits=9: ")
    assert table["accuracy.test"][0] == (4 * 7919 + 104729) % 1000 / 1000
    stored = pyarrow.parquet.read_table("s/table.parquet")
    about = json.loads(stored.schema.metadata[b"chipsim"])
    assert about["sweep"]["grid"] == {"weight.bits": ["4", "9"], "rule": ["ell", "tp"]}
    assert stored.to_pandas()["digest"][0] == table["digest"][0]
    middle = pandas.read_parquet("s/means.parquet")
    assert list(middle["n"]) == [2, 2, 0, 0] and list(middle["failed"]) == [0, 0, 2, 2]
    assert {path.name for path in Path("s/figures").iterdir()} == {"heat_map.png", "lines.png"}
    begun = set(Path("begun").iterdir())
    again = chipsim("sweep", "./busy.py", *grid, "--seeds", "2", "--workers", "2", "--json")
    assert again.status == 0 and set(Path("begun").iterdir()) == begun
    assert json.loads(again.out.splitlines()[-1]) == told
    other = chipsim("sweep", "./busy.py", "--grid", "weight.bits=4", "--out", "s")
    assert other.status == 2 and "holds something else than this sweep" in other.err


def test_a_sweep_of_which_no_cell_can_run_is_refused(chipsim, here_with_cells):
    done = chipsim("sweep", "./busy.py", "--grid", "weight.bit=4,5", "--out", "s")
    assert done.status == 2 and "no setting named 'weight.bit' (did you mean 'weight.bits'?)" in done.err
    done = chipsim("sweep", "./busy.py", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1")
    assert done.status == 2 and "leave one out" in done.err


def test_a_local_cluster_has_the_workers_asked_for():
    with client(1, None) as held:
        assert len(held.scheduler_info()["workers"]) == 1


def test_nobody_answers_at_the_address(chipsim, here_with_cells, monkeypatch):
    monkeypatch.setattr("chipsim.sweep.cluster.PATIENCE_S", 1)
    grid = ("--grid", "weight.bits=4", "--set", "cpu=0", "--out", "s")
    done = chipsim("sweep", "./busy.py", *grid, "--scheduler", "tcp://127.0.0.1:1")
    assert done.status == 2 and "no Dask scheduler answers at tcp://127.0.0.1:1" in done.err


def test_a_resumed_sweep_is_told_how(chipsim, here_with_cells):
    Path("s").mkdir()
    Path("s/manifest.json").write_text(json.dumps({"format": 1, "status": "running", "command": "sweep"}))
    done = chipsim("resume", "s")
    assert done.status == 2 and "give the sweep's command again" in done.err


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("separate", [False, True])
def test_a_lost_worker_and_a_lost_client_lose_nothing(here_with_cells, separate):
    """Small; `python tests/sweep_trials.py` does it with 40 cells."""
    given = trials()
    if separate:
        with given.cluster(here_with_cells) as address:
            found = given.under_fire(here_with_cells, 8, 1.0, address)
    else:
        found = given.under_fire(here_with_cells, 8, 1.0)
    assert [row["status"] for row in found["rows"]] == ["complete"] * 8
    for row in found["rows"]:
        bits, seed = int(row["weight.bits"]), row["seed"]
        assert row["accuracy.test"] == (bits * 7919 + seed * 104729) % 1000 / 1000
    # the worker's one cell; of a local cluster also what ran when the client was killed
    assert 9 <= sum(found["begun"].values()) <= 8 + (1 if separate else 3)
    assert len(found["begun"]) == 8
