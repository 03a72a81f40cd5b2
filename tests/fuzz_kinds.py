"""What is fuzzed: for each kind of input its seeds, and how chipsim reads it as deep as it goes.

A kind is a function of a folder for what it needs once; it returns a Target. `read` raises a ChipsimError
for what is refused; an AssertionError is a finding: something wrong was accepted.
"""

from __future__ import annotations

import os
import random
import signal
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fuzz_mutate import Files

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"


class Missing(Exception):
    """A library that a kind needs is not there."""


def unchanged(rng: random.Random, files: Files) -> Files:
    """The usual `after`."""
    return files


class Target(NamedTuple):
    """seeds: file name -> bytes; read: (folder with the files, the files); after: a last change."""

    seeds: list[Files]
    read: Callable[[Path, Files], object]
    after: Callable[[random.Random, Files], Files] = unchanged


def corpus(kind: str) -> list[Files]:
    """The committed seeds of a kind: a file each, or a folder of files each."""
    seeds = []
    for path in sorted((CORPUS / kind).iterdir()):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        base = path if path.is_dir() else path.parent
        seeds.append({str(f.relative_to(base)): f.read_bytes() for f in files if f.is_file()})
    return seeds


def shelf(kind: str, name: str) -> list[Files]:
    """Every shipped rule, chip or experiment as a seed."""
    from chipsim.library import entries

    return [{name: path.read_bytes()} for path in entries(kind).values()]


def need(*modules: str) -> None:
    import importlib

    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise Missing(f"skipped: {error}") from None


# ---------------------------------------------------------------- texts


def rule(made: Path) -> Target:
    """Read, check, bind on two chips, list, step through a synapse."""
    from chipsim.chip import load_chip
    from chipsim.errors import ChipsimError
    from chipsim.microcode.bind import bind
    from chipsim.microcode.listing import listing
    from chipsim.microcode.step import step_text
    from chipsim.microcode.syntax import load_rule
    from chipsim.microcode.verdict import default_use

    chips = [load_chip(name) for name in ("ideal", "loihi2")]
    bad = [{"x.rule": path.read_bytes()} for path in sorted((HERE / "bad").glob("*.rule"))]

    def read(place: Path, files: Files) -> None:
        program = load_rule(str(place / "x.rule"))
        refused = None
        for chip in chips:
            try:
                use = default_use(chip, sample_steps=0)
                bound = bind(program, chip, use)
                listing(bound, use)
                if chip is chips[0]:
                    step_text(bound, use)
            except ChipsimError as error:
                refused = error
        if refused:
            raise refused

    return Target(shelf("rule", "x.rule") * 6 + bad, read)


def chip(made: Path) -> Target:
    """Read, print both pages, bind a rule, plan a small network."""
    from chipsim.chip import chip_page, load_chip
    from chipsim.chip.markdown import markdown_page
    from chipsim.network import Network
    from chipsim.plan import plan
    from chipsim.state import make_state

    def read(place: Path, files: Files) -> None:
        loaded = load_chip(str(place / "x.toml"))
        chip_page(loaded)
        markdown_page(loaded)
        if loaded.crossbar is not None or loaded.name in ("odin", "reckon") or place.name.startswith("warm"):
            return
        net = Network()
        net.source("in", 3)
        net.lif("out", 2)
        net.connect("in", "out")
        make_state(plan(net, loaded))

    return Target(shelf("chip", "x.toml"), read)


def _models() -> dict[str, type]:
    from chipsim.experiment import load_experiment
    from chipsim.library import names

    return {name: load_experiment(name).settings for name in names("experiment")}


def settings(made: Path) -> Target:
    """--set texts, a line each, for the experiment in the first line; --grid, --over, --checkpoint."""
    from chipsim.checkpoint import Interval
    from chipsim.errors import ChipsimError
    from chipsim.search.space import parse_choices
    from chipsim.settings import describe, make_settings
    from chipsim.sweep.grid import parse_grid

    models = _models()
    seeds = [{"x.set": path.read_bytes()} for path in sorted((CORPUS / "settings").iterdir())]
    for name, model in models.items():
        lines = [f"{key}={default}" for key, _, default, _ in describe(model) if default != "required"]
        seeds += [
            {"x.set": "\n".join([name, *part]).encode()} for part in (lines[:6], lines[6:12], lines[12:])
        ]

    def read(place: Path, files: Files) -> None:
        first, *lines = files.get("x.set", b"").decode("utf-8", "replace").split("\n")
        model = models.get(first)
        if model is None:
            _all(ChipsimError, (Interval.parse, parse_grid, parse_choices), lines)
        for line in lines:
            make_settings(model or models["digits"], [line])
        make_settings(model or models["digits"], lines)

    return Target(seeds, read)


def _all(refusal: type[Exception], readers: Sequence[Callable], lines: list[str]) -> None:
    """Every line through every reader, whatever the ones before said."""
    for number, reader in enumerate(readers):
        for line in lines:
            try:
                reader([line] if number else line)
            except refusal:
                continue


def preset(made: Path) -> Target:
    """Every form of a TOML file beside an experiment."""
    from chipsim.library import entries
    from chipsim.presets import family, forms, preset
    from chipsim.settings import make_settings

    models = _models()
    files = [p.with_suffix(".toml") for p in entries("experiment").values()]
    seeds = [{path.name: path.read_bytes()} for path in files if path.is_file()] + corpus("preset")

    def read(place: Path, files: Files) -> None:
        name = next(iter(files), "mnist.toml")
        script = place / Path(name).with_suffix(".py")
        family(script, "chip")
        for found, known in forms(script).items():
            preset(script, found)
            for form in known:
                make_settings(models[script.stem], [], preset(script, found, form))

    return Target(seeds, read)


def experiment(made: Path) -> Target:
    """What a script says about itself, without running it, and its line in the list."""
    from chipsim.experiment import declared
    from chipsim.library import summary

    def read(place: Path, files: Files) -> None:
        summary(place / "x.py")
        declared(place / "x.py")

    return Target(shelf("experiment", "x.py"), read)


# ---------------------------------------------------------------- data


def idx(made: Path) -> Target:
    """Both sets of a folder of MNIST-format files."""
    from chipsim.data.idx import load_idx_folder

    return Target(corpus("idx"), lambda place, files: load_idx_folder(place))


def npz(made: Path) -> Target:
    """Braille letters and their events; event recordings of an archive, each one."""
    from chipsim.data.braille import load_braille
    from chipsim.data.sets.dvs128_gesture_10 import load

    def read(place: Path, files: Files) -> None:
        if "braille_taxels.npz" in files:
            load_braille(place).events()
        else:
            list(load(place))

    return Target(corpus("npz"), read)


def hdf5(made: Path) -> Target:
    """SHD's layout: what chipsim's child process does with it, in a fork; one in eight whole, by tonic."""
    need("h5py", "tonic.datasets")
    from chipsim.data.sets.shd import load

    whole = (CORPUS / "hdf5" / "plain.h5").read_bytes()

    def read(place: Path, files: Files) -> None:
        data = next(iter(files.values()), b"")
        (place / "shd").mkdir()
        (place / "shd" / "shd_train.h5").write_bytes(data)
        (place / "shd" / "shd_test.h5").write_bytes(whole)
        if zlib.crc32(data) % 8:
            _forked(place / "shd" / "shd_train.h5")
        else:
            list(load(place).train)

    return Target(corpus("hdf5"), read)


def _forked(path: Path) -> None:
    """The look through a file, in a process that may crash or be too slow, as chipsim's own may."""
    from chipsim import hdf5
    from chipsim.data.spoken import COLUMNS
    from chipsim.errors import DataError

    child = os.fork()
    if not child:
        signal.setitimer(signal.ITIMER_PROF, 5)
        status = 1
        try:
            hdf5._child(str(path), path, list(COLUMNS))
            status = 0
        except DataError as error:
            status = 3 if error.message and error.where and error.remedy else 4
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) not in (1, 4), "another exception, or a refusal without a place"
    if status:
        raise DataError("refused, or the process that read it ended", where=str(path))


def events(made: Path) -> Target:
    """One recording in each format, by its suffix."""
    need("tonic.io", "expelliarmus", "aedat")
    from chipsim.data.readers import read_recording

    def read(place: Path, files: Files) -> None:
        name = next(iter(files))
        stated = name.endswith((".npy", ".bs2"))
        read_recording(place / name, (128, 128, 2) if stated else None)

    return Target(corpus("events"), read)


def ecg(made: Path) -> Target:
    """Both MATLAB files of the QT database's layout."""
    from chipsim.data.ecg import load_ecg

    return Target(corpus("ecg"), lambda place, files: load_ecg(place))


def wav(made: Path) -> Target:
    """The zip of spoken digits."""
    from chipsim.data.fsdd import read_waves

    return Target(corpus("wav"), lambda place, files: read_waves(place))


def vectors(made: Path) -> Target:
    """Hardware vectors: tables on kernels and interpreter; whole-chip cases on the interpreter."""
    from chipsim.conformance import odin, reckon_cases
    from chipsim.conformance.reckon_modules import KINDS as TABLES

    tables = {"odin_lif_calcium.npz": odin.lif_calcium, "odin_lif_state.npz": odin.lif_state}
    tables |= {"odin_sdsp_update.npz": odin.sdsp_update, **TABLES}

    def read(place: Path, files: Files) -> None:
        name = next(iter(files))
        path = place / name
        if name in tables:
            list(tables[name](path))
        elif name.startswith("odin"):
            odin._replay(odin._Case(path), "interpreter")
        else:
            list(reckon_cases.replay(path, ("interpreter",)))

    return Target(corpus("vectors"), read)


from fuzz_nir import nir  # noqa: E402  they need Target from here
from fuzz_runs import capsule, checkpoint, run  # noqa: E402

KINDS: dict[str, Callable[[Path], Target]] = {
    "rule": rule, "chip": chip, "set": settings, "preset": preset, "experiment": experiment, "idx": idx,
    "npz": npz, "hdf5": hdf5, "events": events, "ecg": ecg, "wav": wav, "vectors": vectors, "run": run,
    "checkpoint": checkpoint, "capsule": capsule, "nir": nir,
}  # fmt: skip
