"""`chipsim conformance CHIP DIR`: replay vectors that a chip's own hardware text produced."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def conformance(
    chip: Annotated[str, typer.Argument(help="The chip whose vectors these are: odin, reckon.")],
    folder: Annotated[Path, typer.Argument(help="Folder with the vector files.", metavar="DIR")],
    json: Annotated[bool, typer.Option("--json", help="The last line of stdout is one JSON object.")] = False,
) -> None:
    """Does the simulator equal the chip's RTL, value by value? Names the first mismatch of each file.

    Every file CHIP_* of the folder is replayed. Status 1 if anything differs.
    """
    from chipsim.conformance.vectors import conformance as replay

    rows, failed, total = [], 0, 0
    for result in replay(chip, folder):
        wrong, label = result.mismatch, f"{result.file}, {result.part}" if result.part else result.file
        rows.append(result._asdict() | {"mismatch": wrong._asdict() if wrong else None})
        failed, total = failed + (wrong is not None), total + result.checked
        if not json:
            print(
                f"differs  {label}: {wrong.text()}"
                if wrong
                else f"equal    {label}: {result.checked:,} values"
            )
    if json:
        from chipsim.run_folder import to_json

        print(to_json({"chip": chip, "checked": total, "failed": failed, "results": rows}))
    else:
        print(f"{chip}: {total:,} values, {failed} of {len(rows)} parts differ")
    if failed:
        raise typer.Exit(1)
