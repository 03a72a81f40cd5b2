"""Experiments: short scripts loaded by path, and what they are given.

An experiment file declares at module level
    its docstring           the first line is its entry in `chipsim list`
    RULES = ("decolle",)    the rules that fit, the first is the default; () where it runs none
    CHIPS = ("loihi2",)     the chips it was made for, the first is the default
    class Settings(ExperimentSettings)                 every --set key with type and default
    def run(context: Context) -> dict                  accuracy, digest, counters, energy, report, ...
    def evaluate(context: Context) -> dict             optional: for `chipsim eval`
RULES and CHIPS are literals, so that they can be listed without running the file.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from chipsim.checkpoint import Checkpoints, off
from chipsim.errors import SettingError
from chipsim.library import entries, find, looks_like_path
from chipsim.progress import Progress
from chipsim.run_folder import Run, RunFolder
from chipsim.text_file import read_text

SIGNALS = ("third_factor", "reward")


@dataclass(frozen=True)
class Context:
    """Everything one run is given; `chip` and `rule` go to load_chip and load_rule as they are."""

    settings: Any
    chip: str
    chip_path: Path
    rule: str | None
    rule_path: Path | None
    seed: int
    data: Path | None
    out: RunFolder
    progress: Progress
    json: bool = False
    start: Run | None = None  # --from: weights to begin with
    engine: str | None = None
    fit: str = "refuse"
    strict: bool = False
    noise: str | None = None
    threads: int | None = None
    checkpoints: Checkpoints = field(default_factory=off)
    instead: Callable[[Any, Any], dict[str, Any]] | None = None  # of scoring a stored network: (sim, parts)


@dataclass(frozen=True)
class Declared:
    """What a file says about itself, read from its syntax tree only."""

    rules: tuple[str, ...]
    chips: tuple[str, ...]


@dataclass(frozen=True)
class Experiment:
    """A loaded experiment file."""

    name: str
    path: Path
    doc: str
    declared: Declared
    settings: type[BaseModel]
    run: Callable[[Context], dict[str, Any]]
    evaluate: Callable[[Context], dict[str, Any]] | None


def load_experiment(name: str) -> Experiment:
    """Load an experiment by name or path; SettingError names what the file lacks."""
    path = find("experiment", name)
    says = declared(path)
    module = _module(path)
    settings, run = getattr(module, "Settings", None), getattr(module, "run", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise _lacks(path, "class Settings(ExperimentSettings)")
    if not callable(run):
        raise _lacks(path, "def run(context)")
    return Experiment(
        path.stem,
        path,
        (module.__doc__ or "").strip(),
        says,
        settings,
        run,
        _own(module, "evaluate"),
    )


def _own(module: Any, name: str) -> Callable[[Context], dict[str, Any]] | None:
    """A function that the file defines; one it imported under that name is something else."""
    found = getattr(module, name, None)
    return found if getattr(found, "__module__", None) == module.__name__ else None


def declared(path: Path) -> Declared:
    """RULES and CHIPS of a file, without running it."""
    try:
        tree = ast.parse(read_text(path))
    except SyntaxError as error:
        raise SettingError(
            f"no Python: {error.msg}", where=f"{path}:{error.lineno}", remedy="correct that line"
        ) from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:  # what Python's parser has
        reason = getattr(error, "strerror", None) or error or "nested too deep"
        raise SettingError(f"no Python: {reason}", where=str(path), remedy="save it as UTF-8") from None
    found: dict[str, tuple[str, ...]] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id in ("RULES", "CHIPS"):
            found[target.id] = _literal(path, node, target.id)
    for key in ("RULES", "CHIPS"):
        if key not in found:
            raise _lacks(path, f"{key} = (...)")
    if not found["CHIPS"]:
        raise SettingError("CHIPS is empty", where=str(path), remedy="name at least its default chip")
    return Declared(found["RULES"], found["CHIPS"])


def fitting_experiments(rule: str) -> list[str]:
    """Names of the experiments that list a rule as fitting; a damaged file fits nothing."""
    fits = []
    for name, path in entries("experiment").items():
        try:
            if rule in declared(path).rules:
                fits.append(name)
        except SettingError:
            continue
    return fits


def choose_rule(experiment: Experiment, rule: str | None) -> str | None:
    """The rule a run takes: the one asked for, where it fits, or the experiment's first.

    A shipped rule fits where RULES names it. A rule of the user's own fits where it reads the same
    signals (third factor, reward) as one that RULES names. SettingError lists the fitting ones.
    """
    fitting = experiment.declared.rules
    if rule is None:
        return fitting[0] if fitting else None
    path, named = find("rule", rule), not looks_like_path("rule", rule)
    if named and path.stem in fitting:
        return rule
    decided = named and fitting_experiments(path.stem)  # another experiment names it: not this one's
    if fitting and not decided and _signals(rule) in [_signals(known) for known in fitting]:
        return rule
    others = fitting_experiments(path.stem)
    raise SettingError(
        f"rule '{path.stem}' does not fit experiment '{experiment.name}'; fitting rules: "
        f"{', '.join(fitting) or 'none, it runs without a rule'}",
        remedy=f"experiments for '{path.stem}': {', '.join(others)}"
        if others
        else "take one of the fitting rules",
    )


def _signals(rule: str) -> frozenset[str]:
    from chipsim.microcode.syntax import load_rule

    return frozenset(source for item in load_rule(rule).inputs if (source := item.source) in SIGNALS)


def _literal(path: Path, node: Any, key: str) -> tuple[str, ...]:
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        value = None
    value = (value,) if isinstance(value, str) else value
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise SettingError(
            f"{key} is no literal list of names",
            where=f"{path}:{node.lineno}",
            remedy=f'write {key} = ("name",)',
        )
    return tuple(value)


def _module(path: Path) -> ModuleType:
    """Run the file as a module of its own, known by its path (pydantic looks it up by name)."""
    label = f"chipsim_experiment_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(label, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[label] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[label]
        raise
    return module


def _lacks(path: Path, what: str) -> SettingError:
    return SettingError(
        f"the experiment declares no `{what}`",
        where=str(path),
        remedy="`chipsim new experiment NAME` writes a complete one to start from",
    )


def default_chip(experiment: Experiment, chip: str | None) -> str:
    """The chip asked for, or the experiment's first; SettingError where there is none such."""
    chosen = chip or experiment.declared.chips[0]
    find("chip", chosen)
    return chosen


def no_evaluation(experiment: Experiment) -> SettingError:
    """The refusal of `chipsim eval` for an experiment that stores nothing to evaluate."""
    return SettingError(
        f"experiment '{experiment.name}' declares no evaluate(context)",
        where=str(experiment.path),
        remedy="add that function to it, or evaluate a run of another experiment",
    )
