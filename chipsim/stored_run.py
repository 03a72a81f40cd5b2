"""What a manifest says about how its run was started, checked; and starting it the same way again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chipsim.errors import RunError
from chipsim.experiment import Experiment, load_experiment
from chipsim.library import find
from chipsim.run_folder import Run, file_sha256, load_run, to_json
from chipsim.settings import restore_settings
from chipsim.version import __version__

BELONGS = ("experiment", "chip", "rule", "seed", "settings", "engine", "fit", "strict", "noise", "sources")


class Checkpointed(BaseModel):
    """How often a run kept its state, and how many of them."""

    model_config = ConfigDict(extra="forbid")
    every: str = Field(max_length=40)
    keep: int = Field(ge=1, le=1000)


class Stored(BaseModel):
    """The entries of a manifest that decide what its run computes."""

    model_config = ConfigDict(extra="ignore", strict=True)
    command: Literal["run", "eval"]
    experiment: str = Field(max_length=400)
    experiment_path: str | None = None
    chip: str = Field(max_length=400)
    chip_path: str | None = None
    rule: str | None = Field(None, max_length=400)
    rule_path: str | None = None
    sources: dict[str, str]
    settings: dict[str, Any]
    seed: int = Field(ge=0, le=2**64 - 1)
    engine: Literal["lines", "sum_of_products"] | None = None
    fit: Literal["refuse", "narrow"] = "refuse"
    strict: bool = False
    noise: Literal["lane", "element", "shared", "lfsr"] | None = None
    threads: int | None = Field(None, ge=1, le=10_000)
    from_path: str | None = None
    from_sha256: str | None = None
    data_path: str | None = None
    checkpoint: Checkpointed | None = None

    def names(self) -> dict[str, str | None]:
        """Experiment, chip and rule: the path of a file of one's own, else the shipped name."""
        kinds = ("experiment", "chip", "rule")
        return {kind: getattr(self, f"{kind}_path") or getattr(self, kind) for kind in kinds}


def stored(run: Run) -> Stored:
    """The checked entries of a run's manifest; RunError for one that does not say what it ran."""
    command = run.manifest.get("command")
    if command in ("sweep", "search"):
        raise RunError(
            f"this is a {command}, of many runs",
            where=str(run.path),
            remedy=f"give the {command}'s command again to go on with it; its runs lie under cells/",
        )
    if command == "import":
        raise RunError(
            "this is a network from another tool, of no experiment",
            where=str(run.path),
            remedy="use its file network.nir; `chipsim report RUN` shows what it lost",
        )
    try:
        return Stored.model_validate(run.manifest)
    except ValidationError as error:
        first = error.errors()[0]
        raise RunError(
            f"damaged or missing: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            where=str(run.path / "manifest.json"),
            remedy="run it again; do not edit run folders",
        ) from None


def started_again(run: Run, data: Path | None, threads: int | None) -> tuple[Experiment, dict[str, Any]]:
    """The experiment and the options that a run was started with.

    Raises RunError where its files have changed since or it was no `chipsim run`, and SettingError
    where something of it is no longer there.
    """
    said = stored(run)
    if said.command != "run":
        raise RunError(
            f"this folder was made by `chipsim {said.command}`",
            where=str(run.path),
            remedy="give that command again; only runs can go on or be packed",
        )
    names = said.names()
    _same_sources(run, said.sources, names)
    loaded = load_experiment(names["experiment"])
    folder = data or (Path(said.data_path) if said.data_path else None)
    return loaded, {
        "settings": restore_settings(loaded.settings, said.settings),
        "chip": names["chip"],
        "rule": names["rule"],
        "seed": said.seed,
        "data": folder,
        "start": _start(said, run),
        "engine": said.engine,
        "fit": said.fit,
        "strict": said.strict,
        "noise": said.noise,
        "threads": threads or said.threads,
    }


def _start(said: Stored, run: Run) -> Run | None:
    """The run whose weights it began with."""
    if not said.from_path:
        return None
    start = load_run(said.from_path)
    if (start.manifest.get("weights") or {}).get("sha256") != said.from_sha256:
        raise RunError(
            "it began with the weights of a run that holds others now",
            where=f"{run.path}, --from {start.path}",
            remedy="restore that run, or start a new one",
        )
    return start


def _same_sources(run: Run, sources: Mapping[str, str], names: Mapping[str, str | None]) -> None:
    """Files that changed since would give another result: refused."""
    for kind, name in names.items():
        if name and file_sha256(find(kind, name)) != sources.get(kind):
            raise RunError(
                f"{kind} '{name}' is not the file that the run began with",
                where=str(run.path),
                remedy="restore that file, or start a new run",
            )
    wrote = (run.manifest.get("versions") or {}).get("chipsim")
    if wrote != __version__:
        raise RunError(
            f"the run was begun with chipsim {wrote}, this is {__version__}",
            where=str(run.path),
            remedy=f"install chipsim {wrote}, or start a new run",
        )


def fingerprint(manifest: Mapping[str, Any]) -> str:
    """sha256 over all that decides what a run computes: two runs with the same one are the same."""
    said = {key: manifest.get(key) for key in (*BELONGS, "from_sha256")}
    said["chipsim"] = (manifest.get("versions") or {}).get("chipsim")
    return hashlib.sha256(json.dumps(json.loads(to_json(said)), sort_keys=True).encode()).hexdigest()
