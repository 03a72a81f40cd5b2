"""One run from its first line to its run folder: identity, header, work, result."""

from __future__ import annotations

import _thread
import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chipsim.errors import ChipsimError, SettingError

if TYPE_CHECKING:
    from chipsim.chip import Chip
    from chipsim.experiment import Context, Experiment
    from chipsim.run_folder import Run, RunFolder

LARGE = ("report", "summary")  # of the result, printed or drawn already: not in the object of --json
STORED = ("accuracy", "digest", "energy", "wall_s", "cpu_s")  # of the result, in the manifest


def perform(
    loaded: Experiment,
    work: Callable[[Context], dict[str, Any]],
    options: dict[str, Any],
    out: Path | None,
    json: bool,
    command: str,
    checkpoint: Mapping[str, Any] | None = None,
    earlier: Run | None = None,
) -> None:
    """Check chip and rule, open folder and progress, do the work, print the result.

    options     the fields of Context that the command line decides
    checkpoint  {"every": text of an `Interval`, "keep": how many}; None: none are written
    earlier     the run that goes on; else a new folder is made
    Raises typer.Exit(130) on Ctrl-C, with the run folder marked interrupted.
    """
    from chipsim.checkpoint import Checkpoints, Interval
    from chipsim.chip import load_chip
    from chipsim.durable import alone_in
    from chipsim.experiment import Context
    from chipsim.library import find
    from chipsim.progress import Progress
    from chipsim.run_folder import RunFolder, load_run, to_json
    from chipsim.stored_run import fingerprint

    paths = {kind: find(kind, options[kind]) if options[kind] else None for kind in ("chip", "rule")}
    chip = load_chip(options["chip"])
    identity = _identity(loaded, options, paths, command)
    every = Interval.parse(checkpoint["every"]) if checkpoint else Interval()
    folder = (
        RunFolder.create(_name(identity), out, **identity, checkpoint=checkpoint) if not earlier else None
    )
    place = earlier.path if earlier else folder.path
    progress = Progress(sys.stderr if json else sys.stdout)
    try:
        with stoppable(), alone_in(place):
            folder = folder or RunFolder.reopen(load_run(place, complete=False))
            kept = (checkpoint or {}).get("keep", 1)
            points = Checkpoints(place, every, kept, fingerprint(folder.manifest), progress.line)
            given = options | {"checkpoints": points, "out": folder, "progress": progress, "json": json}
            context = Context(**given, chip_path=paths["chip"], rule_path=paths["rule"])
            with folder, progress:
                _header(context, loaded, chip)
                result, summary = _timed(loaded, work, context, identity)
                _store(folder, result, summary)
            points.drop()
    except KeyboardInterrupt:
        print(f"interrupted; what was done so far: {place} (status interrupted)", file=sys.stderr)
        print(f"  to go on: chipsim resume {place}", file=sys.stderr)
        gc.freeze()  # nothing more to collect: the shell has its prompt back in half the time
        raise typer.Exit(130) from None
    except ChipsimError:
        if earlier is None:
            _forget_if_unused(folder, made=out is None)
        raise
    if "report" in result:
        progress.line(result["report"].rstrip("\n"))
    for line in _closing(summary):
        progress.line(line)
    if json:
        print(to_json(summary), flush=True)


def _forget_if_unused(folder: RunFolder, made: bool) -> None:
    """A run refused before it wrote anything leaves no folder behind; else its status says failed."""
    if [path.name for path in folder.path.iterdir()] != ["manifest.json"]:
        return
    with suppress(OSError):
        (folder.path / "manifest.json").unlink()
        if made:
            folder.path.rmdir()


def _timed(
    loaded: Experiment, work: Callable[[Context], dict[str, Any]], context: Context, identity: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The work's own result, and the summary with the times it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = _checked(work(context), loaded)
    spent = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return result, _summary(identity, result, spent, context.out.path)


def _store(folder: RunFolder, result: dict[str, Any], summary: dict[str, Any]) -> None:
    """Counters, report and result, and as the last thing the status "complete"."""
    if "counters" in result:
        folder.counters(result["counters"])
    if "report" in result:
        folder.report(result["report"])
    folder.result(summary)
    if isinstance(result.get("summary"), dict):
        folder.summary(_scores(result) | result["summary"])
    folder.finish(**{key: summary[key] for key in STORED})


def _scores(result: dict[str, Any]) -> dict[str, Any]:
    """Accuracy and controls of the result, for a summary that was made without them."""
    shares = {key: x for key, x in (result.get("accuracy") or {}).items() if isinstance(x, float)}
    controls = result.get("controls")
    named = isinstance(controls, dict) and all(isinstance(row, dict) for row in controls.values())
    return ({"accuracy": shares} if shares else {}) | ({"controls": controls} if named and controls else {})


def _name(identity: dict[str, Any]) -> str:
    """Default folder: experiment, chip, rule and seed; `eval` is named."""
    parts = [identity[key] for key in ("experiment", "chip", "rule") if identity[key]]
    return "-".join([*parts, f"seed{identity['seed']}", *(["eval"] if identity["command"] == "eval" else [])])


def _header(context: Context, loaded: Experiment, chip: Chip) -> None:
    """The first lines of every run: what runs on what."""
    from chipsim.version import __version__

    line = context.progress.line
    line(f"experiment  {loaded.name}   chipsim {__version__}   seed {context.seed}")
    line(f"chip        {chip.name}: {chip.fidelity}")
    engine = f"{context.engine} (not executable on this engine)" if _foreign(context, chip) else chip.engine
    line(f"engine      {engine}   noise {context.noise or chip.noise_default}")
    wishes = "   strict" * context.strict + f"   fit {context.fit}" * (context.fit != "refuse")
    line(f"rule        {context.rule or 'none'}{wishes}")


def _foreign(context: Context, chip: Chip) -> bool:
    return context.engine is not None and context.engine != chip.engine


def _summary(
    identity: dict[str, Any], result: dict[str, Any], spent: dict[str, float], out: Path
) -> dict[str, Any]:
    """The object of `--json`: the agreed keys always, what else the experiment returned after them."""
    agreed = {key: identity[key] for key in ("experiment", "rule", "chip", "seed")}
    none = dict.fromkeys(("train", "validation", "test", "twin"))
    agreed["accuracy"] = {**none, **(result.get("accuracy") or {})}
    agreed["digest"] = result.get("digest")
    agreed |= spent
    agreed["counters"] = result.get("counters") or {}
    agreed["energy"] = {"priced_J": None, "unpriced": {}, **(result.get("energy") or {})}
    rest = {key: value for key, value in result.items() if key not in agreed and key not in LARGE}
    return {**agreed, **rest, "out": str(out)}


def _closing(summary: dict[str, Any]) -> list[str]:
    """The last lines of a run: what it scored, beside its controls, and where everything lies."""
    parts = [_scored(summary["accuracy"])]
    controls = summary.get("controls") or {}
    for name, scores in controls.items() if isinstance(controls, dict) else ():
        if isinstance(scores, dict) and _scored({"test": scores.get("test")}):
            parts.append(f"{name}: {_scored({'test': scores['test']})}")
    lines = [f"accuracy    {'; '.join(filter(None, parts))}"] if any(parts) else []
    return [*lines, f"out: {summary['out']}"]


def _scored(shares: dict[str, Any]) -> str:
    return ", ".join(f"{key} {100 * x:.2f} %" for key, x in shares.items() if isinstance(x, float))


def _checked(result: Any, loaded: Experiment) -> dict[str, Any]:
    if not isinstance(result, dict):
        raise SettingError(
            f"run(context) returned {type(result).__name__}, not a dict",
            where=str(loaded.path),
            remedy='end it with `return {"accuracy": {...}, "digest": ...}`',
        )
    return result


def _identity(
    loaded: Experiment, options: dict[str, Any], paths: dict[str, Path | None], command: str
) -> dict[str, Any]:
    """First entries of the manifest: names, where files of one's own lie, hashes, options."""
    from chipsim.library import entries
    from chipsim.run_folder import file_sha256

    used = {"experiment": loaded.path, **paths}
    entry: dict[str, Any] = {"command": command, "arguments": sys.argv[1:]}
    for kind, path in used.items():
        own = path is not None and entries(kind).get(path.stem) != path
        entry[kind] = path.stem if path else None
        entry[f"{kind}_path"] = str(path.resolve()) if own else None
    entry["sources"] = {kind: file_sha256(path) for kind, path in used.items() if path}
    start = options["start"]
    entry["from"] = str(start.path) if start else None
    entry["from_path"] = str(start.path.resolve()) if start else None
    entry["from_sha256"] = (start.manifest.get("weights") or {}).get("sha256") if start else None
    entry["data_path"] = str(options["data"].resolve()) if options["data"] else None
    return entry | {key: value for key, value in options.items() if key not in (*used, "start")}


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGINT and a polite SIGTERM end the run as KeyboardInterrupt, also where a script that started
    this process in the background has set SIGINT to be ignored."""
    told = sys.unraisablehook

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def again(lost: Any) -> None:  # Python drops what is raised in a callback of the compiler
        if lost.exc_type is KeyboardInterrupt:
            threading.Timer(0.02, _thread.interrupt_main).start()
        else:
            told(lost)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = told
        for number, handler in before.items():
            signal.signal(number, handler)
