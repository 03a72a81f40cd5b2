"""Run folders: what is in them, that they tell the truth, and that a damaged one is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from chipsim.errors import RunError
from chipsim.plain_json import sealed
from chipsim.run_folder import RunFolder, digest, load_run

ARRAYS = {"hidden.w": np.arange(6, dtype=np.int8).reshape(2, 3), "t": np.array(7, np.int64)}


@pytest.fixture
def done(here) -> Path:
    """A complete run with everything in it."""
    with RunFolder.create("digits", seed=3) as folder:
        folder.note(settings={"rate": 0.5})
        folder.metric(epoch=1, accuracy=np.float64(0.5), bad=float("nan"))
        folder.metric(epoch=2, accuracy=0.75)
        folder.counters({"spikes": np.int64(5), "layers": np.array([1, 2])})
        folder.weights(ARRAYS)
        folder.report("fine")
        folder.figure("raster.svg").write_text("<svg/>")
        folder.finish(digest="abc")
    return folder.path


def status(path) -> str:
    return json.loads((path / "manifest.json").read_text())["status"]


def test_everything_comes_back(done):
    run = load_run(done)
    assert done == Path("runs/digits") and run.status == "complete"
    assert run.manifest["seed"] == 3 and run.manifest["settings"] == {"rate": 0.5}
    assert run.manifest["digest"] == "abc" and run.manifest["versions"]["numpy"] == np.__version__
    assert run.metrics() == [
        {"epoch": 1, "accuracy": 0.5, "bad": None},
        {"epoch": 2, "accuracy": 0.75},
    ]
    assert run.counters() == {"spikes": 5, "layers": [1, 2]}
    assert run.report() == "fine\n"
    weights = run.weights()
    assert set(weights) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(weights[name], array)
        assert weights[name].dtype == array.dtype
    assert not list(done.glob("*partial*"))


def test_a_run_is_never_overwritten(done):
    second, third = RunFolder.create("digits"), RunFolder.create("digits")
    assert [second.path.name, third.path.name] == ["digits-2", "digits-3"]
    with pytest.raises(RunError, match="is not empty; nothing is overwritten"):
        RunFolder.create("digits", done)
    assert status(done) == "complete"


def test_out_may_be_new_or_empty(here):
    (here / "empty").mkdir()
    for out in (here / "empty", here / "new" / "deep"):
        assert RunFolder.create("x", out).path == out


@pytest.mark.parametrize(
    ("error", "expected"), [(KeyboardInterrupt(), "interrupted"), (ValueError("lost"), "failed")]
)
def test_an_unfinished_run_says_so(here, error, expected):
    with pytest.raises(type(error)), RunFolder.create("x") as folder:
        assert status(folder.path) == "running"
        raise error
    assert status(folder.path) == expected
    with pytest.raises(RunError, match=f"not complete: {expected}"):
        load_run(folder.path)
    assert load_run(folder.path, complete=False).status == expected


def test_leaving_without_finish_is_a_failure(here):
    with RunFolder.create("x") as folder:
        pass
    assert status(folder.path) == "failed"


def test_a_killed_run_is_refused(here):
    folder = RunFolder.create("x")
    with pytest.raises(RunError, match="still running, or killed"):
        load_run(folder.path)


def test_unwritable_places(here):
    (here / "file").write_text("")
    for out in (here / "file", here / "file" / "below", Path("/dev/null/x")):
        with pytest.raises(RunError) as caught:
            RunFolder.create("x", out)
        assert str(out) in str(caught.value) and "remedy" in str(caught.value)
    (here / "runs").write_text("not a folder")
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder.create("x")


def test_read_only_folder(here):
    (here / "locked").mkdir(mode=0o555)
    if os.access(here / "locked", os.W_OK):
        pytest.skip("this user may write everywhere")
    for out in (here / "locked", here / "locked" / "below"):
        with pytest.raises(RunError, match="cannot be written: Permission denied"):
            RunFolder.create("x", out)


def test_no_run_folder(here):
    for path in (here, here / "none"):
        with pytest.raises(RunError, match="is no run folder"):
            load_run(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"status": "done"}', "\x00"])
def test_damaged_manifest(done, text):
    (done / "manifest.json").write_text(text)
    with pytest.raises(RunError, match="damaged"):
        load_run(done)


def test_another_format_names_the_version_that_wrote_it(done):
    manifest = json.loads((done / "manifest.json").read_text())
    (done / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(RunError, match="run format 99"):
        load_run(done)


def redeclare(path, change) -> None:
    """Alter weights.npz as somebody would who also fixes the hash."""
    from chipsim.run_folder import file_sha256

    manifest = json.loads((path / "manifest.json").read_text())
    change(path / "weights.npz", manifest["weights"])
    manifest["weights"]["sha256"] = file_sha256(path / "weights.npz")
    (path / "manifest.json").write_bytes(sealed(manifest))


def test_weights_that_changed_are_refused(done):
    file = done / "weights.npz"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RunError, match="sha256"):
        load_run(done).weights()
    file.unlink()
    with pytest.raises(RunError, match="stored no weights"):
        load_run(done).weights()


def test_weights_of_another_shape_or_type_are_refused(done):
    redeclare(done, lambda file, says: np.savez(file, **{**ARRAYS, "hidden.w": np.zeros((2, 4), np.int8)}))
    with pytest.raises(RunError, match="declares"):
        load_run(done).weights()
    redeclare(done, lambda file, says: np.savez(file, **{**ARRAYS, "hidden.w": np.zeros((2, 3))}))
    with pytest.raises(RunError, match="declares"):
        load_run(done).weights()


def test_python_objects_are_neither_stored_nor_loaded(done):
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="cannot be stored"):
        RunFolder(done, {}).weights({"x": objects})
    redeclare(done, lambda file, says: np.savez(file, x=objects))
    with pytest.raises(RunError, match="damaged"):
        load_run(done).weights()
    redeclare(done, lambda file, says: file.write_bytes(b"no zip"))
    with pytest.raises(RunError, match="damaged"):
        load_run(done).weights()


def test_a_last_line_cut_off_is_left_out_but_no_other(here):
    folder = RunFolder.create("killed")
    for epoch in (1, 2):
        folder.metric(epoch=epoch)
    file, run = folder.path / "metrics.jsonl", load_run(folder.path, complete=False)
    whole = file.read_text()
    file.write_text(whole[:-5])
    assert [row["epoch"] for row in run.metrics()] == [1]
    file.write_text("{broken\n" + whole)
    with pytest.raises(RunError, match="line 1 is no JSON"):
        run.metrics()


@pytest.mark.parametrize("name", ["manifest.json", "counters.json", "metrics.jsonl", "report.txt"])
def test_one_changed_digit_or_letter_is_refused(done, name):
    file = done / name
    changed = {"manifest.json": ('"abc"', '"abd"'), "report.txt": ("fine", "find")}.get(name, ("5", "6"))
    text = file.read_text()
    file.write_text(text.replace(*changed, 1))
    assert file.read_text() != text
    with pytest.raises(RunError, match="damaged or missing: (it is not what|its sha256)"):
        run = load_run(done)
        run.counters(), run.metrics(), run.report()


def test_digest_sees_every_bit_and_no_order():
    w = np.arange(6, dtype=np.int16).reshape(2, 3)
    base = digest({"w": w, "counters": {"a": 1, "b": 2}})
    assert base == digest({"counters": {"b": 2, "a": 1}, "w": np.asfortranarray(w)})
    assert base == digest({"w": w.astype(">i2"), "counters": {"a": 1, "b": 2}})
    changed = w.copy()
    changed[1, 2] ^= 1
    others = [
        {"w": changed, "counters": {"a": 1, "b": 2}},
        {"w": w.astype(np.int32), "counters": {"a": 1, "b": 2}},
        {"w": w.reshape(3, 2), "counters": {"a": 1, "b": 2}},
        {"v": w, "counters": {"a": 1, "b": 2}},
        {"w": w, "counters": {"a": 1, "b": 3}},
    ]
    assert base not in [digest(parts) for parts in others]
