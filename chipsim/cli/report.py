"""`chipsim report` and `compare`: what a run folder holds, as text, HTML, JSON, Markdown or CSV."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chipsim.errors import RunError, SettingError

if TYPE_CHECKING:
    from chipsim.run_folder import Run

COLUMNS = 300  # most columns of a histogram
SAID = ("experiment", "rule", "chip", "seed", "status", "started", "ended", "digest", "command")


class Form(str, Enum):
    """What a report is written as."""

    text = "text"
    html = "html"
    json = "json"
    md = "md"
    csv = "csv"


FormOption = Annotated[Form, typer.Option("--format", help="text, html (one file), json, md or csv.")]
Out = Annotated[Path | None, typer.Option(help="Write it to this file instead of stdout.")]


def report(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    form: FormOption = Form.text,
    out: Out = None,
) -> None:
    """The report of a run."""
    from chipsim.run_folder import load_run

    loaded = load_run(run)
    if form is Form.text:
        text = loaded.report()
        if text is None:
            raise SettingError(
                "this run wrote no report.txt",
                where=str(loaded.path),
                remedy="its experiment returns none; see metrics.jsonl and counters.json",
            )
    else:
        text = _written(report_data(loaded), form)
    _give(text, out)


def compare(
    runs: Annotated[list[str], typer.Argument(help="Two or more run folders.")],
    form: Annotated[Form, typer.Option("--format", help="text, html or json.")] = Form.text,
    out: Out = None,
) -> None:
    """Runs or chips side by side: accuracy, energy, operations, memory, cores."""
    from chipsim.report.compare import compare_text, comparison
    from chipsim.report.html import html_compare
    from chipsim.run_folder import load_run, to_json

    if len(runs) < 2:
        raise SettingError("one run has nothing beside it", remedy="give two or more run folders")
    made = comparison([(Path(run).name, _summary(load_run(run))) for run in runs])
    if form is Form.text:
        text = compare_text(made)
    elif form is Form.html:
        text = html_compare(made)
    elif form is Form.json:
        text = to_json(made) + "\n"
    else:
        raise SettingError(f"--format {form.value} of a comparison", remedy="one of text, html, json")
    _give(text, out)


def report_data(run: Run) -> dict[str, Any]:
    """What every form of a report shows: {"run", "summary", "curves", "histograms", "warnings",
    "recording"}; the last is None for a run that wrote none."""
    from chipsim.report.warn import warnings_from

    summary, manifest = _summary(run), run.manifest
    said = {key: manifest.get(key) for key in SAID}
    said["chipsim"] = (manifest.get("versions") or {}).get("chipsim")
    said["folder"] = run.path.name
    return {
        "run": said,
        "summary": summary,
        "curves": [row for row in run.metrics() if "epoch" in row],
        "histograms": _histograms(run),
        "warnings": warnings_from(summary),
        "recording": run.recording(),
    }


def _summary(run: Run) -> dict[str, Any]:
    found = run.summary()
    if found is None:
        raise RunError(
            "this run stored no summary.json: its experiment returns none, or it is of an older version",
            where=str(run.path),
            remedy="`chipsim report RUN` prints its text; run it again for the other forms",
        )
    return found


def _histograms(run: Run) -> list[dict[str, Any]]:
    """Stored integers of each weight memory: one column a value, or several where there are many."""
    import numpy as np

    if not run.manifest.get("weights"):
        return []
    arrays, said, rows = run.weights(), run.manifest.get("arrays") or {}, []
    for name, array in arrays.items():
        what = said.get(name) or {}
        weights = name.endswith("_w") or str(what.get("what")).startswith("weights")
        if not weights or array.dtype.kind not in "iu" or not array.size:
            continue
        low, high = int(array.min()), int(array.max())
        step = -(-(high - low + 1) // COLUMNS)
        counts = np.bincount((array.ravel().astype(np.int64) - low) // step)
        rows.append(
            {
                "name": what.get("what") or name,
                "format": what.get("format") or str(array.dtype),
                "lsb": _lsb(what.get("format")),
                "low": low,
                "high": high,
                "step": step,
                "counts": counts.tolist(),
            }
        )
    return rows


def _lsb(text: Any) -> float | None:
    """The value of one unit of a format; None where none is stored."""
    from chipsim.fixed import Format

    try:
        return float(Format.parse(text).lsb)
    except (TypeError, ValueError, AttributeError):
        return None


def _written(data: dict[str, Any], form: Form) -> str:
    import json

    from chipsim.report.html import html_report
    from chipsim.report.markdown import csv_report, markdown_report
    from chipsim.run_folder import to_json

    plain = json.loads(to_json(data))
    forms = {Form.html: html_report, Form.md: markdown_report, Form.csv: csv_report}
    return forms[form](plain) if form in forms else json.dumps(plain, indent=1) + "\n"


def _give(text: str, out: Path | None) -> None:
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingError(
            f"--out {out}: {error.strerror}", remedy="give a file in a folder that exists"
        ) from None
    print(f"out: {out}")
