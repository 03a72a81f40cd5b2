"""`chipsim list` and `chipsim new`: what there is, and commented files to start from."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from chipsim.errors import RunError, SettingError, did_you_mean
from chipsim.library import KINDS, PACKAGE, SHELVES, entries, find, looks_like_path, summary

TEMPLATES = {"rule": "mine.rule", "experiment": "mine.py"}
CHIP_START = """\
# NAME: say here in one line what the chip is; `chipsim list` shows this line.
#
# Started as a copy of `ideal`. Set every number to your chip's and give its source under [src]: a
# number without a source is refused, and so is a key left out; what nobody has published goes into
# `unknown`. `chipsim chip show ./NAME.toml` prints the chip as chipsim reads it.
"""

new = typer.Typer(help="Write a commented file to start from.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Letters, digits and _; also the file's name.")]
Into = Annotated[Path, typer.Option("--out", help="Folder to write to.")]


def list_shelves(
    kind: Annotated[
        str | None, typer.Argument(help="rules, chips or experiments; or one experiment, for its settings.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The last line of stdout is one JSON object.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="One experiment: the JSON schema of its settings.")
    ] = False,
) -> None:
    """List experiments, rules and chips, with one line each; or the settings of one experiment."""
    if kind is not None and (kind in entries("experiment") or looks_like_path("experiment", kind)):
        _schema(kind) if schema else _experiment(kind, json)
        return
    if schema:
        raise SettingError("--schema needs one experiment", remedy="for example chipsim list digits --schema")
    kinds = {f"{name}s": name for name in reversed(KINDS)}
    if kind is not None and kind.rstrip("s") not in KINDS:
        raise SettingError(
            f"nothing to list under '{kind}'{did_you_mean(kind, [*kinds, *entries('experiment')])}",
            remedy=f"one of {', '.join(kinds)}, or an experiment: {', '.join(entries('experiment'))}",
        )
    chosen = {title: name for title, name in kinds.items() if kind is None or name == kind.rstrip("s")}
    table = {
        title: {key: summary(path) for key, path in entries(name).items()} for title, name in chosen.items()
    }
    if json:
        from chipsim.run_folder import to_json

        print(to_json(table))
        return
    width = max((len(key) for rows in table.values() for key in rows), default=0)
    for title, rows in table.items():
        print(title)
        for key, line in rows.items():
            print(f"  {key:<{width}}  {line}".rstrip())


def _schema(name: str) -> None:
    """The settings of one experiment as JSON schema, keys as after --set."""
    from chipsim.experiment import load_experiment
    from chipsim.run_folder import to_json
    from chipsim.settings import settings_schema

    print(to_json(settings_schema(load_experiment(name).settings)))


def _experiment(name: str, json: bool) -> None:
    """What one experiment says about itself, and every key of --set."""
    from chipsim.experiment import load_experiment
    from chipsim.settings import describe

    loaded = load_experiment(name)
    rows = describe(loaded.settings)
    if json:
        from chipsim.run_folder import to_json

        settings = [dict(zip(("key", "type", "default", "description"), row, strict=True)) for row in rows]
        print(to_json({"experiment": loaded.name, **vars(loaded.declared), "settings": settings}))
        return
    print(loaded.doc)
    print(f"\nrules  {', '.join(loaded.declared.rules) or 'none'}\nchips  {', '.join(loaded.declared.chips)}")
    print("\n--set key=value, with its default")
    width = max((len(f"{key}={default}") for key, _, default, _ in rows), default=0)
    for key, kind, default, description in rows:
        print(f"  {f'{key}={default}':<{width}}  {kind:<24}  {description}".rstrip())


@new.command("rule")
def new_rule(name: Name, out: Into = Path()) -> None:
    """A rule: pair-based STDP, every line explained."""
    path = _write("rule", name, _template("rule"), out)
    print(f"wrote {path}; next: chipsim rule check {_shown(path)}")
    print(f"then, beside the closed form it starts from: chipsim run stdp_window --rule {_shown(path)}")


@new.command("chip")
def new_chip(name: Name, out: Into = Path()) -> None:
    """A chip: a copy of the ideal one, to be narrowed."""
    body = find("chip", "ideal").read_text(encoding="utf-8")
    body = re.sub(r"\A(#.*\n)+", "", body)
    body = re.sub(r'^name = "ideal"$', 'name = "NAME"', body, count=1, flags=re.MULTILINE)
    path = _write("chip", name, CHIP_START + body, out)
    print(f"wrote {path}; next: chipsim chip show {_shown(path)}")


@new.command("experiment")
def new_experiment(name: Name, out: Into = Path()) -> None:
    """An experiment: settings, a run and what it returns."""
    path = _write("experiment", name, _template("experiment"), out)
    print(f"wrote {path}; next: chipsim run {_shown(path)}")


def _template(kind: str) -> str:
    return (PACKAGE / "templates" / TEMPLATES[kind]).read_text(encoding="utf-8")


def _write(kind: str, name: str, text: str, out: Path) -> Path:
    """Write the file under its name; never over an existing one."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise SettingError(f"'{name}' cannot be a name", remedy="use letters, digits and _, a letter first")
    path = out / f"{name}{SHELVES[kind].suffix}"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(re.sub(r"\bNAME\b", name, text))
    except FileExistsError:
        raise RunError(
            "exists already; nothing is overwritten", where=str(path), remedy="choose another name"
        ) from None
    except OSError as error:
        raise RunError(
            f"cannot be written: {error.strerror}",
            where=str(path),
            remedy="give an existing folder with --out DIR",
        ) from None
    return path


def _shown(path: Path) -> str:
    return str(path) if path.is_absolute() or len(path.parts) > 1 else f"./{path}"
