"""Running a capsule again, in a folder that is thrown away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chipsim.capsule.compare import checked
from chipsim.capsule.pack import file_of
from chipsim.errors import RunError
from chipsim.experiment import Context, load_experiment
from chipsim.library import find
from chipsim.progress import Progress
from chipsim.run_folder import Run, RunFolder, load_run
from chipsim.settings import restore_settings
from chipsim.stored_run import BELONGS, stored


def replay(
    folder: Path, data: Path | None, threads: int | None, progress: Progress, trusted: bool
) -> tuple[Run, Run]:
    """(the packed run, the run just made) of an unpacked capsule.

    Raises RunError and whatever the run itself refuses, for example data that are missing here.
    """
    packed = checked(load_run(folder / "run"))
    said = stored(packed)
    used: dict[str, str | None] = {}
    for kind in ("experiment", "chip", "rule"):
        name = getattr(said, kind)
        used[kind] = file_of(kind, name, said.sources.get(kind, ""), folder, trusted) if name else None
    loaded = load_experiment(used["experiment"])
    entries = {key: packed.manifest.get(key) for key in BELONGS}
    out = RunFolder.create("replay", folder / "replay", command="verify", **entries)
    context = Context(
        settings=restore_settings(loaded.settings, said.settings),
        chip=used["chip"],
        chip_path=find("chip", used["chip"]),
        rule=used["rule"],
        rule_path=find("rule", used["rule"]) if used["rule"] else None,
        seed=said.seed,
        data=data,
        out=out,
        progress=progress,
        start=_start(folder, packed),
        engine=said.engine,
        fit=said.fit,
        strict=said.strict,
        noise=said.noise,
        threads=threads,
    )
    with out, progress:
        _kept(out, loaded.run(context))
    return packed, load_run(out.path)


def _kept(out: RunFolder, result: dict[str, Any]) -> None:
    """What is compared, as `chipsim run` stores it."""
    if "counters" in result:
        out.counters(result["counters"])
    none = dict.fromkeys(("train", "validation", "test", "twin"))
    shares = {**none, **(result.get("accuracy") or {})}
    out.finish(accuracy=shares, digest=result.get("digest"))


def _start(folder: Path, packed: Run) -> Run | None:
    """The run whose weights it began with."""
    wanted = packed.manifest.get("from_sha256")
    if not wanted:
        return None
    start = load_run(folder / "start")
    if (start.manifest.get("weights") or {}).get("sha256") != wanted:
        raise RunError(
            "it began with other weights than it holds",
            where="start of the capsule",
            remedy="ask for the capsule again",
        )
    return start
