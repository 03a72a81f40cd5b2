"""The folder a run leaves behind, and reading it again.

manifest.json    status, settings, seeds, versions, data hashes, bound programs, digest, files
metrics.jsonl    one object per line, appended while the run goes on
counters.json    every counter     result.json    the object that --json prints
programs.json    bound programs: every line with its final formats, constants and tables
weights.npz      arrays without pickle; shapes, dtypes and the file's hash are in the manifest
figures/         pictures      report.txt   the text report      summary.json   what reports are made from
recording.json   spikes and registers of a few samples (`recording.record`)

`status` in the manifest is the truth: "running" from the first moment, "complete" only as the very
last write, else "interrupted" or "failed". A run that was killed stays "running" and is refused by
`load_run`. The manifest carries a sha256 of itself (`check`) and, once complete, of the other files
(`files`): what was changed afterwards is refused, not believed. Every file but metrics.jsonl is
written beside its place and renamed into it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from chipsim.durable import write, writing
from chipsim.errors import RunError
from chipsim.npz import read_npz
from chipsim.plain_json import check_of, plain, sealed, to_json
from chipsim.text_file import parse_json, read_bytes
from chipsim.version import versions

FORMAT = 2
FORMATS = (1, FORMAT)  # 1: without `check` and `files`
MOST_JSON = 1 << 26  # bytes of one file of a run folder
HASHED = ("counters.json", "programs.json", "result.json", "metrics.jsonl", "report.txt",
          "summary.json", "recording.json")  # fmt: skip
RUNS = Path("runs")
STATUSES = ("running", "complete", "interrupted", "failed")
ARRAY_NAME = re.compile(r"[A-Za-z_][\w.\-]*")


class RunFolder:
    """A run being written; use it as a context manager, and call `finish` as the last thing."""

    def __init__(self, path: Path, manifest: dict[str, Any], again: bool = False):
        self.path = path
        self.manifest = manifest
        self._again = again
        self._again_metrics = again  # metrics.jsonl is of an earlier try and begins anew

    @classmethod
    def create(cls, name: str, out: str | os.PathLike[str] | None = None, **entries: Any) -> RunFolder:
        """Make the folder and its manifest before any work starts.

        name      for the default place: runs/NAME, else runs/NAME-2, ... (never an existing one)
        out       an explicit folder: new or empty
        entries   first entries of the manifest
        Raises RunError where it cannot be written, or `out` is not empty.
        """
        path = _explicit(Path(out).expanduser()) if out is not None else _next_free(name)
        start = {"format": FORMAT, "status": "running", "started": _now(), "versions": versions()}
        folder = cls(path, {**start, **entries})
        folder._save_manifest()
        return folder

    @classmethod
    def reopen(cls, run: Run, complete: bool = False) -> RunFolder:
        """Go on with a run that did not reach its end; the manifest counts how often.

        Raises RunError for a run that is complete (unless `complete`), and where the folder cannot be
        written.
        """
        if not complete:
            refuse_complete(run)
        ended = [{"status": run.status, "resumed": _now(), "versions": versions()}]
        manifest = {
            key: value for key, value in run.manifest.items() if key not in ("reason", "ended", "files")
        }
        manifest |= {"status": "running", "earlier": [*manifest.get("earlier", ()), *ended]}
        folder = cls(run.path, manifest, again=True)
        folder._save_manifest()
        return folder

    def note(self, **entries: Any) -> None:
        """Add entries to the manifest (settings, seeds, data hashes, bound programs, ...).

        Raises RunError where a run that goes on finds other data than before.
        """
        before, now = self.manifest.get("data"), plain(entries.get("data"))
        known = isinstance(before, dict) and isinstance(now, dict)
        if self._again and known and any(before.get(key, now[key]) != now[key] for key in now):
            raise RunError(
                "the data are not those that the run began with",
                where=str(self.path),
                remedy="give the same data with --data DIR, or start a new run",
            )
        self.manifest.update(entries)
        self._save_manifest()

    def metric(self, **row: Any) -> None:
        """Append one row to metrics.jsonl."""
        mode, self._again_metrics = ("w", False) if self._again_metrics else ("a", False)
        with writing(self.path / "metrics.jsonl") as path, path.open(mode, encoding="utf-8") as file:
            file.write(to_json(row) + "\n")

    def counters(self, counters: Any) -> None:
        """Write counters.json."""
        self._write("counters.json", to_json(counters, indent=1).encode())

    def result(self, result: Mapping[str, Any]) -> None:
        """Write result.json: the object that `--json` prints."""
        self._write("result.json", to_json(result).encode())

    def programs(self, programs: Mapping[str, Any]) -> None:
        """Write programs.json: the bound program of every connection with a rule."""
        self._write("programs.json", to_json(programs).encode())

    def report(self, text: str) -> None:
        """Write report.txt."""
        self._write("report.txt", (text.rstrip("\n") + "\n").encode())

    def summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json, what every form of the report is made from."""
        self._write("summary.json", to_json(summary, indent=1).encode())

    def recording(self, recording: Mapping[str, Any]) -> None:
        """Write recording.json: rasters, traces and ranges of registers."""
        self._write("recording.json", to_json(recording).encode())

    def figure(self, name: str) -> Path:
        """Where a picture goes; makes figures/."""
        with writing(self.path / "figures") as path:
            path.mkdir(exist_ok=True)
        return path / name

    def weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write weights.npz and declare name, shape, dtype and the file's sha256 in the manifest."""
        for key, array in arrays.items():
            if not ARRAY_NAME.fullmatch(key) or key in ("file", "allow_pickle") or array.dtype.hasobject:
                raise ValueError(f"array {key!r} of dtype {array.dtype} cannot be stored")
        packed = io.BytesIO()
        np.savez(packed, **arrays)
        sha256 = write(self.path / "weights.npz", packed.getvalue())
        declared = {key: {"shape": list(a.shape), "dtype": a.dtype.str} for key, a in arrays.items()}
        self.note(weights={"sha256": sha256, "arrays": declared})

    def finish(self, **entries: Any) -> None:
        """Last entries (digest, accuracy, ...), the other files' hashes and the status "complete"."""
        found = {name: self.path / name for name in HASHED if (self.path / name).is_file()}
        files = {name: file_sha256(path) for name, path in found.items()}
        self.note(**entries, files=files, status="complete", ended=_now())

    def stop(self, status: str, reason: str) -> None:
        """The status of a run that did not reach its end: interrupted or failed."""
        self.note(status=status, reason=reason, ended=_now())

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.manifest["status"] != "running":
            return
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = "stopped by the user" if interrupted else repr(error) if error else "ended before its end"
        try:
            self.stop("interrupted" if interrupted else "failed", reason)
        except RunError:  # the disk is full or gone: the manifest on it still says "running"
            if error is None:
                raise

    def _write(self, name: str, content: bytes) -> None:
        write(self.path / name, content)

    def _save_manifest(self) -> None:
        self._write("manifest.json", sealed(self.manifest))


@dataclass(frozen=True)
class Run:
    """A run folder read again; `weights()` and the others read their file when called."""

    path: Path
    manifest: dict[str, Any]

    @property
    def status(self) -> str:
        """running, complete, interrupted or failed."""
        return self.manifest["status"]

    def weights(self) -> dict[str, np.ndarray]:
        """The arrays, checked against hash, names, shapes and dtypes in the manifest; RunError else."""
        path, declared = self.path / "weights.npz", self.manifest.get("weights")
        if not isinstance(declared, dict) or not path.is_file():
            raise RunError("this run stored no weights", where=str(self.path), remedy="run it again")
        if file_sha256(path) != declared.get("sha256"):
            raise _damaged(path, "its sha256 is not the one in manifest.json")
        try:
            with path.open("rb") as file:
                return read_npz(file, declared["arrays"])
        except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, str(error)) from None

    def counters(self) -> Any:
        """counters.json."""
        return self.json("counters.json")

    def json(self, name: str) -> Any:
        """One of its JSON files; RunError where it is missing, damaged or not what the run wrote."""
        return _parsed(self._content(name), self.path / name)

    def summary(self) -> dict[str, Any] | None:
        """summary.json, or None where the run wrote none."""
        path = self.path / "summary.json"
        return self.json(path.name) if path.is_file() else None

    def recording(self) -> dict[str, Any] | None:
        """recording.json, or None where the run wrote none."""
        path = self.path / "recording.json"
        return self.json(path.name) if path.is_file() else None

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl; a last line cut off by a kill is left out."""
        path = self.path / "metrics.jsonl"
        lines = self._content(path.name).splitlines() if path.is_file() else []
        rows = []
        for number, line in enumerate(lines, 1):
            try:
                rows.append(parse_json(line))
            except ValueError:
                if number < len(lines):
                    raise _damaged(path, f"line {number} is no JSON") from None
        return rows

    def report(self) -> str | None:
        """report.txt, or None where the run wrote none."""
        path = self.path / "report.txt"
        return self._content(path.name).decode("utf-8", "replace") if path.is_file() else None

    def _content(self, name: str) -> bytes:
        """The bytes of a file, compared with the hash in the manifest where there is one."""
        data, files = _bytes(self.path / name), self.manifest.get("files")
        known = files.get(name) if isinstance(files, dict) and self.status == "complete" else None
        if known is not None and hashlib.sha256(data).hexdigest() != known:
            raise _damaged(self.path / name, "its sha256 is not the one in manifest.json")
        return data


def load_run(path: str | os.PathLike[str], *, complete: bool = True) -> Run:
    """Read a run folder; RunError unless it is one, undamaged, and (by default) complete."""
    folder = Path(path).expanduser()
    if not (folder / "manifest.json").is_file():
        raise RunError(
            f"'{path}' is no run folder (it has no manifest.json)",
            remedy="give the folder that a run printed as out",
        )
    manifest = read_json(folder / "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("status") not in STATUSES:
        raise _damaged(folder / "manifest.json", "it has no status")
    written = manifest.get("format")
    if type(written) is not int or written not in FORMATS:
        by = manifest.get("versions")
        raise RunError(
            f"run format {written}; this version reads {FORMAT}",
            where=str(folder),
            remedy=f"use chipsim {by.get('chipsim') if isinstance(by, dict) else 'of that run'}",
        )
    check = manifest.pop("check", None)
    if written != 1 and check != check_of(manifest):
        raise _damaged(folder / "manifest.json", "it is not what was written")
    if complete and manifest["status"] != "complete":
        why = {"running": "still running, or killed"}.get(manifest["status"], manifest["status"])
        raise RunError(f"the run is not complete: {why}", where=str(folder), remedy="use a complete run")
    return Run(folder, manifest)


def open_request(
    command: str, name: str, asked: Mapping[str, Any], out: str | os.PathLike[str] | None
) -> RunFolder:
    """The folder of many runs: a new one, or that of the very same request, which goes on.

    Raises RunError for a folder that holds something else.
    """
    asked = json.loads(to_json(asked))
    if out is None or not (Path(out) / "manifest.json").is_file():
        return RunFolder.create(f"{command}-{name}", out, command=command, **{command: asked})
    run = load_run(out, complete=False)
    if run.manifest.get("command") != command or run.manifest.get(command) != asked:
        raise RunError(
            f"the folder holds something else than this {command}",
            where=str(out),
            remedy="give the very command that made it, or a new folder",
        )
    return RunFolder.reopen(run, complete=True)


def refuse_complete(run: Run) -> None:
    """RunError for a run that has nothing left to do."""
    if run.status == "complete":
        raise RunError(
            "the run is complete: there is nothing to go on with",
            where=str(run.path),
            remedy=f"see it with `chipsim report {run.path}`",
        )


def digest(parts: Mapping[str, Any]) -> str:
    """sha256 over named arrays (name, dtype, shape, little-endian bytes) and plain values (JSON).

    Independent of the order of `parts` and of the machine; the digest of a run's weights, spikes
    and counters says whether two runs are the same bit for bit.
    """
    total = hashlib.sha256()
    for name in sorted(parts):
        value = parts[name]
        if isinstance(value, np.ndarray):
            array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            total.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
            total.update(array.tobytes())
        else:
            total.update(f"{name}|{to_json(value, sort_keys=True)}|".encode())
    return total.hexdigest()


def file_sha256(path: str | os.PathLike[str]) -> str:
    """sha256 of a file, in hex."""
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _explicit(path: Path) -> Path:
    with writing(path):
        if path.exists() and not path.is_dir():
            raise RunError(f"--out {path} is a file", remedy="give a new or empty folder")
        if path.is_dir() and any(path.iterdir()):
            raise RunError(
                f"--out {path} is not empty; nothing is overwritten", remedy="give a new or empty folder"
            )
        path.mkdir(parents=True, exist_ok=True)
    return path


def _next_free(name: str) -> Path:
    """Make runs/NAME or the next free runs/NAME-n; two processes never get the same one."""
    with writing(RUNS):
        RUNS.mkdir(exist_ok=True)
    number = 1
    while True:
        path = RUNS / (name if number == 1 else f"{name}-{number}")
        number += 1
        with writing(path):
            try:
                path.mkdir()
                return path
            except FileExistsError:
                continue


def read_json(path: Path) -> Any:
    """A JSON file; RunError where it is missing or damaged."""
    return _parsed(_bytes(path), path)


def _bytes(path: Path) -> bytes:
    try:
        return read_bytes(path, MOST_JSON)
    except (OSError, ValueError) as error:
        raise _damaged(path, getattr(error, "strerror", None) or str(error)) from None


def _parsed(data: bytes, path: Path) -> Any:
    try:
        return parse_json(data)
    except ValueError as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, why: str) -> RunError:
    return RunError(
        f"damaged or missing: {why}", where=str(path), remedy="run it again; do not edit run folders"
    )
