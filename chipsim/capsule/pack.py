"""The capsule file: a zip of known names, each with its size and sha256 declared in capsule.json.

run/       manifest (without this machine's paths), result, counters, bound programs, weights, metrics
files/     experiment, rule and chip file as they were
start/     manifest and weights of the run it began with (--from)

Data are not in it, only their hashes. Reading believes nothing: names, number, declared sizes and
hashes are checked before a byte is kept, and the files go into a folder that the caller throws away.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chipsim.durable import write
from chipsim.errors import RunError
from chipsim.library import SHELVES, entries, find
from chipsim.plain_json import sealed
from chipsim.run_folder import Run, file_sha256, load_run, to_json
from chipsim.stored_run import stored
from chipsim.version import __version__

FORMAT = 1
HEAD = "capsule.json"
RUN = ("manifest.json", "result.json", "counters.json", "programs.json", "weights.npz", "metrics.jsonl",
       "report.txt")  # fmt: skip
START = ("manifest.json", "weights.npz")
KNOWN = {
    *(f"run/{name}" for name in RUN),
    *(f"start/{name}" for name in START),
    *(f"files/{kind}" for kind in SHELVES),
}
PATHS = ("experiment_path", "chip_path", "rule_path", "data_path", "from", "from_path", "arguments")
MOST = 1 << 30  # bytes of one entry
MOST_HEAD = 1 << 20
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # equal runs make equal capsules
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")


def pack(run: Run, path: Path) -> str:
    """Write the capsule of a complete run; returns the file's sha256.

    Raises RunError where the run has nothing that could be compared, or its files have changed.
    """
    said = stored(run)
    if said.command != "run":
        raise RunError(f"made by `chipsim {said.command}`", where=str(run.path), remedy="pack a run")
    if run.manifest.get("digest") is None and not run.manifest.get("weights"):
        raise RunError(
            "the run has neither digest nor weights: a replay could not be compared",
            where=str(run.path),
            remedy="pack a run of an experiment that returns a digest",
        )
    if path.is_dir() or path.resolve() == run.path.resolve():
        raise RunError(f"'{path}' is a folder", remedy="give the name of the file to write")
    packed = {f"run/{name}": _read(run.path / name) for name in RUN if (run.path / name).is_file()}
    manifest = dict(run.manifest)
    if "run/result.json" in packed:
        packed["run/result.json"] = to_json({**run.json("result.json"), "out": ""}).encode()
        manifest["files"] = {**manifest.get("files", {}), "result.json": _sha256(packed["run/result.json"])}
    packed["run/manifest.json"] = _without_paths(manifest)
    for kind, name in said.names().items():
        if name:
            packed[f"files/{kind}"] = _source(kind, name, said.sources)
    if said.from_path:
        start = load_run(said.from_path)
        packed["start/manifest.json"] = _without_paths(start.manifest)
        packed["start/weights.npz"] = _read(start.path / "weights.npz")
    return write(path, _zip(packed))


def _zip(packed: Mapping[str, bytes]) -> bytes:
    says = {name: {"size": len(data), "sha256": _sha256(data)} for name, data in sorted(packed.items())}
    head = {"format": FORMAT, "chipsim": __version__, "entries": says}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [(HEAD, json.dumps(head, indent=1).encode()), *sorted(packed.items())]:
            info = zipfile.ZipInfo(name, ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return made.getvalue()


def _without_paths(manifest: Mapping[str, Any]) -> bytes:
    kept = {key: None if key in PATHS else value for key, value in manifest.items()}
    return sealed(kept)


def _source(kind: str, name: str, sources: Mapping[str, str]) -> bytes:
    path = find(kind, name)
    data = _read(path)
    if _sha256(data) != sources.get(kind):
        raise RunError(
            f"{kind} '{name}' is not the file that the run used",
            where=str(path),
            remedy="restore that file, or run it again",
        )
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror or error}", where=str(path)) from None


def unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Check a capsule and lay its files into an empty folder; what capsule.json says.

    Raises RunError for anything but an undamaged capsule of this format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            if len(infos) != len(archive.infolist()) or HEAD not in infos:
                raise ValueError(f"it has no {HEAD}, or a name twice")
            head = _head(_entry(archive, infos[HEAD], min(infos[HEAD].file_size, MOST_HEAD)))
            says = head["entries"]
            if set(infos) - {HEAD} != set(says) or not {"run/manifest.json", "files/experiment"} <= set(says):
                raise ValueError("its files are not those that it declares")
            for name, item in says.items():
                data = _entry(archive, infos[name], item["size"])
                if _sha256(data) != item["sha256"]:
                    raise ValueError(f"{name} is not what was packed")
                place = folder / name
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(data)
    except FileNotFoundError:
        raise RunError(
            f"there is no file '{path}'", remedy="give a file that `chipsim capsule` wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, NotImplementedError,
            RecursionError, zipfile.BadZipFile,  zlib.error) as error:  # fmt: skip
        raise RunError(
            f"no capsule, or a damaged one: {error}", where=str(path), remedy="ask for the file again"
        ) from None
    return head


def _head(data: bytes) -> dict[str, Any]:
    """capsule.json with everything in it checked; ValueError."""
    head = json.loads(data)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    entries = head.get("entries")
    if not isinstance(entries, dict) or not set(entries) <= KNOWN:
        raise ValueError("it declares files of unknown names")
    for name, item in entries.items():
        good = isinstance(item, dict) and set(item) == {"size", "sha256"}
        if not good or type(item["size"]) is not int or not 0 <= item["size"] <= MOST:
            raise ValueError(f"{name} has no size, or one beyond {MOST} bytes")
    if not isinstance(head.get("chipsim"), str):
        raise ValueError("it does not say what wrote it")
    return head


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> bytes:
    """Exactly `size` bytes, never more in memory; ValueError."""
    if info.file_size != size or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} does not hold the {size} bytes that it declares")
    with archive.open(info) as member:
        data = member.read(size + 1)
    if len(data) != size:
        raise ValueError(f"{info.filename} does not hold the {size} bytes that it declares")
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_of(kind: str, name: str, sha256: str, folder: Path, trusted: bool) -> str:
    """Where a replay takes a rule, chip or experiment from: the installed one of that name if it is the
    same file, else the capsule's. RunError for an experiment, which is code, unless trusted."""
    within = f"{kind} file of the capsule"
    if not NAME.fullmatch(name):
        raise RunError(f"no name: {name!r}", where=within, remedy="ask for the capsule again")
    source = folder / "files" / kind
    if not source.is_file() or file_sha256(source) != sha256:
        raise RunError("is not the file that it ran", where=within, remedy="ask for the capsule again")
    if name in entries(kind) and file_sha256(entries(kind)[name]) == sha256:
        return name
    if kind == "experiment" and not trusted:
        raise RunError(
            f"it brings its own experiment script '{name}', which is not among the installed ones",
            where=within,
            remedy="read it (`unzip -p FILE files/experiment`); if you trust it, add --trust",
        )
    place = folder / "own" / f"{name}{SHELVES[kind].suffix}"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(source.read_bytes())
    return str(place)
