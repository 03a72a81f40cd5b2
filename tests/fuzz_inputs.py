"""Mutated inputs of every kind: nothing but a refusal or an unchanged meaning may come of them.

    python tests/fuzz_inputs.py --count 10000 [--seed 1] [--kind rule] [--keep DIR]

Inputs are made from the files of `tests/corpus` (a folder per kind) and the shipped rules and chips. Each
is read in a process with a cap on its memory; bad are a crash, a traceback (anything but one of chipsim's
own errors), more than 20 seconds of CPU time, memory beyond the cap, and a damaged capsule, run or checkpoint
that is accepted with other content. Bad inputs are kept in DIR; repaired, they belong into the corpus.
Status 1 where there was one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from chipsim.errors import ChipsimError

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(__file__).parent / "corpus"
SECONDS = 20
MEMORY = 2 << 30  # bytes beyond what the process holds at its beginning
NUMBERS = ("0", "-1", "99999999999999999999", "1e308", "-1e-300", "nan", "inf", "0x7f", "4294967296", "s64.1")
WORDS = (
    "..",
    "/etc/passwd",
    "\u0000",
    "\ufeff",
    "é",
    "𝟘",
    "{{",
    "]]",
    "__class__",
    '"',
    "'",
    "\\",
    "%s%n",
    "none",
)


class Hang(BaseException):
    """An input took longer than it may."""


# ---------------------------------------------------------------- mutations


def mutated(data: bytes, others: list[bytes], lot: random.Random, text: bool) -> bytes:
    """One to six random changes."""
    for _ in range(lot.choice((1, 1, 1, 2, 3, 6))):
        change = lot.choice(TEXTUAL if text and lot.random() < 0.8 else BINARY)
        data = change(data, others, lot)[: 1 << 20]
    return data


def _flip(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    if not data:
        return b"\0"
    at = lot.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << lot.randrange(8)]) + data[at + 1 :]


def _word(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    size = lot.choice((1, 2, 4, 8))
    word = lot.choice(
        (b"\xff" * size, b"\0" * size, b"\x7f" + b"\xff" * (size - 1), b"\0" * (size - 1) + b"\x80")
    )
    at = lot.randrange(len(data) + 1)
    return data[:at] + word + data[at + size :]


def _cut(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    return data[: lot.randrange(len(data) + 1)]


def _remove(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    at = lot.randrange(len(data) + 1)
    return data[:at] + data[at + lot.randrange(1, 40) :]


def _repeat(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    at = lot.randrange(len(data) + 1)
    part = data[at : at + lot.randrange(1, 200)]
    return data[:at] + part * lot.choice((2, 2, 3, 50)) + data[at:]


def _splice(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    other = lot.choice(others)
    return data[: lot.randrange(len(data) + 1)] + other[lot.randrange(len(other) + 1) :]


def _noise(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    at = lot.randrange(len(data) + 1)
    return data[:at] + lot.randbytes(lot.randrange(1, 64)) + data[at:]


def _lines(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    lines = data.split(b"\n")
    a, b = lot.randrange(len(lines)), lot.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a] if lot.random() < 0.5 else lines[b]
    return b"\n".join(lines)


def _token(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    """A word or number becomes another one, or one of the same file."""
    text = data.decode("utf-8", "replace")
    words = [(m, m + len(w)) for w in set(text.split()) for m in [text.find(w)]]
    if not words:
        return data
    lo, hi = lot.choice(words)
    other = lot.choice((lot.choice(NUMBERS), lot.choice(WORDS), text[slice(*lot.choice(words))]))
    return (text[:lo] + other + text[hi:]).encode()


def _deep(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    at, mark = lot.randrange(len(data) + 1), lot.choice((b"[", b"(", b"{", b'{"a":', b"a.", b"-", b" "))
    return data[:at] + mark * lot.choice((10, 3000, 100_000)) + data[at:]


BINARY = (_flip, _flip, _word, _word, _cut, _remove, _repeat, _splice, _noise)
TEXTUAL = (_token, _token, _token, _lines, _deep, _remove, _repeat, _splice, _word)


# ---------------------------------------------------------------- what reads them


def rule(path: Path) -> None:
    """Parsed and bound to a chip, as `chipsim rule check` does."""
    from chipsim.cli.rule import _bound
    from chipsim.cli.run import Fit
    from chipsim.microcode.listing import listing

    bound, use = _bound(str(path), "ideal", None, Fit.refuse, False)
    listing(bound, use)


def chip(path: Path) -> None:
    """A chip file."""
    from chipsim.chip import load_chip

    load_chip(path)


def settings(path: Path) -> None:
    """What stands after --set, --grid, --over, --checkpoint: one per line."""
    from chipsim.checkpoint import Interval
    from chipsim.search.space import parse_choices
    from chipsim.settings import make_settings
    from chipsim.supervised import SupervisedSettings
    from chipsim.sweep.grid import parse_grid

    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    for read in (lambda x: make_settings(SupervisedSettings, x), parse_grid, parse_choices):
        for given in (lines, *([line] for line in lines[:20])):
            _quiet(lambda read=read, given=given: read(given))
    for line in lines[:20]:
        _quiet(lambda line=line: Interval.parse(line))


def idx(path: Path) -> None:
    """An IDX file, plain or gzip."""
    from chipsim.data.idx import read_idx

    read_idx(path, 1 << 26)


def events(path: Path) -> None:
    """A recording of events, by its suffix."""
    from chipsim.data.readers import read_recording

    read_recording(path)


def hdf5(path: Path) -> None:
    """A file with the layout of SHD."""
    from chipsim.hdf5 import Column, opened

    names = (("labels", "iu", False), ("spikes/times", "f", True), ("spikes/units", "iu", True))
    with opened(path, [Column(*x) for x in names]) as found:
        for data in found.values():
            for row in data[:]:
                np.asarray(row).sum()


def capsule(path: Path) -> None:
    """Accepted only with the very files that it was packed with."""
    from chipsim.capsule.pack import unpack

    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        unpack(path, Path(a))
        unpack(CORPUS / "capsule" / "python310_numpy126.capsule", Path(b))
        assert _tree(Path(a)) == _tree(Path(b)), "a capsule with other content was accepted"


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def npz(path: Path) -> None:
    """weights.npz of a run whose manifest has the right hash: only the reader itself can refuse it."""
    from chipsim.run_folder import load_run

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "r"
        shutil.copytree(CORPUS / "run", folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        shutil.copy(path, folder / "weights.npz")
        manifest["weights"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        load_run(folder).weights()


def run(path: Path) -> None:
    """A run folder in which one file is another one: read in every way, its result as it was or refused."""
    from chipsim.run_folder import load_run
    from chipsim.stored_run import fingerprint, stored

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "r"
        shutil.copytree(CORPUS / "run", folder)
        whole = load_run(folder)
        before, arrays = whole.manifest["digest"], whole.weights()
        shutil.copy(path, folder / path.name)
        for read in ("counters", "metrics", "report"):
            _quiet(getattr(whole, read))
        _quiet(lambda: stored(load_run(folder, complete=False)))
        _quiet(lambda: fingerprint(load_run(folder, complete=False).manifest))
        found = load_run(folder)
        assert found.manifest.get("digest") == before, "a run with another digest was accepted"
        if path.name == "weights.npz":
            again = found.weights()
            assert all(np.array_equal(again[name], arrays[name]) for name in arrays), "other weights accepted"


def _quiet(read: Callable[[], object]) -> None:
    try:
        read()
    except ChipsimError:
        pass


class _Sim:
    """Takes whatever a checkpoint holds."""

    def restore(self, arrays: dict) -> None:
        self.arrays = arrays


def checkpoint(path: Path) -> None:
    """One file of a checkpoint is another one: the one before is taken, or none, never another state."""
    from chipsim.checkpoint import Checkpoints, Interval

    def taken(folder: Path) -> tuple[dict, dict] | None:
        sim = _Sim()
        stage = Checkpoints(folder, Interval(samples=1), identity="corpus").stage("chip")
        return (sim.arrays, stage.cursor) if stage.restore(sim) else None

    with tempfile.TemporaryDirectory() as place:
        good = []
        for k in (2, 1):
            folder = Path(place) / f"good{k}"
            at = folder / "checkpoints" / "chip-d7cea730"
            at.mkdir(parents=True)
            for file in (CORPUS / "checkpoint").glob(f"*{k}.*"):
                shutil.copy(file, at)
            good.append(taken(folder))
        folder = Path(place) / "damaged"
        shutil.copytree(CORPUS / "checkpoint", folder / "checkpoints" / "chip-d7cea730")
        shutil.copy(path, folder / "checkpoints" / "chip-d7cea730" / path.name)
        found = taken(folder)
        assert all(good), "the corpus does not hold two checkpoints"
        assert found is None or any(_same(found, known) for known in good), "another state was accepted"


def _same(a: tuple[dict, dict], b: tuple[dict, dict]) -> bool:
    arrays = a[0].keys() == b[0].keys() and all(np.array_equal(a[0][name], b[0][name]) for name in a[0])
    return arrays and a[1] == b[1]


SHARE = {  # kind -> (reader, its files are text, part of all inputs)
    "rule": (rule, True, 0.16),
    "chip": (chip, True, 0.16),
    "settings": (settings, True, 0.10),
    "idx": (idx, False, 0.12),
    "events": (events, False, 0.12),
    "npz": (npz, False, 0.10),
    "capsule": (capsule, False, 0.08),
    "run": (run, False, 0.10),
    "checkpoint": (checkpoint, False, 0.05),
    "hdf5": (hdf5, False, 0.01),
}


def seeds(kind: str) -> list[Path]:
    """The files that inputs of a kind are made from."""
    more = {"rule": (ROOT / "rules").glob("*.rule"), "chip": (ROOT / "hw_models").glob("*.toml")}
    folder = CORPUS / ("run" if kind == "npz" else kind)
    own = (
        [path for path in folder.iterdir() if kind != "npz" or path.suffix == ".npz"]
        if folder.is_dir()
        else []
    )
    return sorted([*own, *more.get(kind, ())])


def made(number: int, seed: int, only: str | None) -> tuple[str, str, bytes]:
    """Input number so-and-so: its kind, its file name, its bytes."""
    lot = random.Random(f"{seed} {number}")
    kinds = [only] if only else list(SHARE)
    kind = lot.choices(kinds, [SHARE[k][2] for k in kinds])[0]
    files = seeds(kind)
    chosen = lot.choice(files)
    data = mutated(chosen.read_bytes(), [path.read_bytes() for path in files], lot, _text(kind, chosen))
    return kind, chosen.name, data


def _text(kind: str, path: Path) -> bool:
    return SHARE[kind][1] or path.suffix in (".json", ".jsonl", ".txt")


# ---------------------------------------------------------------- running them


def verdict(kind: str, path: Path) -> str:
    """What is wrong with how this input was read; '' for nothing."""

    def late(number: int, frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        SHARE[kind][0](path)
        return ""
    except ChipsimError as error:
        return "" if str(error).strip() else "an error without a message"
    except Hang:
        return f"more than {SECONDS} s of CPU time"
    except MemoryError:
        return "more memory than the cap"
    except BaseException:  # whatever else it is, the user would see a traceback
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def worker(first: int, stop: int, seed: int, only: str | None, state: Path, keep: Path) -> None:
    """Read inputs first..stop-1; `state` says which one is being read and what was found."""
    capped()
    with tempfile.TemporaryDirectory() as place, state.open("a", buffering=1) as told:
        for number in range(first, stop):
            kind, name, data = made(number, seed, only)
            told.write(json.dumps({"at": number, "kind": kind}) + "\n")
            path = Path(place) / name
            path.write_bytes(data)
            wrong = verdict(kind, path)
            path.unlink()
            if wrong:
                (keep / f"{kind}-{number}-{name}").write_bytes(data)
                told.write(json.dumps({"bad": number, "kind": kind, "why": wrong}) + "\n")


def capped() -> None:
    """No more address space than now and the cap."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))


def campaign(count: int, seed: int, only: str | None, keep: Path) -> tuple[dict[str, int], list[dict]]:
    """All inputs in worker processes, a new one after every crash; how many by kind, and the bad ones."""
    keep.mkdir(parents=True, exist_ok=True)
    state, bad, done = keep / "state.jsonl", [], 0
    state.unlink(missing_ok=True)
    while done < count:
        given = ["--worker", str(done), str(count), str(state)]
        given += ["--seed", str(seed), "--keep", str(keep), *(["--kind", only] if only else [])]
        child = subprocess.Popen([sys.executable, __file__, *given])
        while child.poll() is None:
            time.sleep(0.2)
            if state.exists() and time.time() - state.stat().st_mtime > 15 * SECONDS:
                child.kill()
        rows = [json.loads(line) for line in state.read_text().splitlines()]
        last = next((row for row in reversed(rows) if "at" in row), {"at": done - 1, "kind": "?"})
        if child.returncode:
            why = f"the process ended with status {child.returncode}"
            with state.open("a") as told:
                told.write(json.dumps({"bad": last["at"], "kind": last["kind"], "why": why}) + "\n")
        done = last["at"] + 1
    rows = [json.loads(line) for line in state.read_text().splitlines()]
    bad = [row for row in rows if "bad" in row]
    kinds = [row["kind"] for row in rows if "at" in row]
    return {kind: kinds.count(kind) for kind in SHARE}, bad


def main() -> int:
    """The campaign, or one of its workers."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--count", type=int, default=10_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--kind", choices=SHARE)
    asked.add_argument("--keep", type=Path, default=Path("fuzz-found"))
    asked.add_argument("--worker", nargs=3, metavar=("FIRST", "STOP", "STATE"))
    options = asked.parse_args()
    if options.worker:
        first, stop, state = options.worker
        worker(int(first), int(stop), options.seed, options.kind, Path(state), options.keep)
        return 0
    begun = time.monotonic()
    kinds, bad = campaign(options.count, options.seed, options.kind, options.keep)
    for row in bad:
        print(f"{row['kind']} {row['bad']}: {row['why']}")
    print(f"{sum(kinds.values())} inputs in {time.monotonic() - begun:.0f} s: {kinds}; {len(bad)} bad")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
