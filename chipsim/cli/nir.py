"""`chipsim import nir` and `chipsim export nir`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from chipsim.cli.run import Chip as ChipOption
from chipsim.cli.run import Data, Json, Out, Seed
from chipsim.errors import SettingError

app = typer.Typer(help="Networks from other tools.", no_args_is_help=True)
UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}


@app.callback()
def imports() -> None:
    """Networks from other tools."""


@app.command("nir")
def import_nir(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A NIR file.")],
    chip: ChipOption = None,
    out: Out = None,
    tool: Annotated[str | None, typer.Option(help="Who wrote it: nir, snntorch, norse or sinabs.")] = None,
    dt: Annotated[
        str | None, typer.Option(help="Length of a step: 0.1ms. Default 0.1ms, or the tool's.")
    ] = None,
    discretisation: Annotated[str | None, typer.Option(help="euler or exponential.")] = None,
    w_in: Annotated[
        str | None, typer.Option("--w-in", help="What a spike adds to a current: scaled or jump.")
    ] = None,
    reset: Annotated[
        str | None, typer.Option(help="hard (to v_reset) or soft (minus the threshold).")
    ] = None,
    taus: Annotated[
        str | None, typer.Option(help="Time constants of single neurons: refuse or mean.")
    ] = None,
    bits: Annotated[
        int | None, typer.Option(min=1, max=32, help="Bits of weights; default the chip's.")
    ] = None,
    events: Annotated[Path | None, typer.Option(help="Input, 0 and 1: .npy [steps, *shape].")] = None,
    steps: Annotated[
        int | None, typer.Option("--try", min=1, max=10_000, help="Steps of random input.")
    ] = None,
    seed: Seed = 1,
    ignore_metadata: Annotated[
        bool, typer.Option("--ignore-metadata", help="Read what chipsim wrote as any other tool's.")
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Bind the rules that chipsim wrote into it.")
    ] = False,
    json: Json = False,
) -> None:
    """A NIR graph on a chip: per layer format, LSB, loss, time constants used, what is ignored and why.

    With --events or --try it runs beside the same graph in float64. With --out the report and the network
    as it is on the chip (network.nir) are kept.
    """
    from chipsim.chip import load_chip
    from chipsim.nir.discrete import convention
    from chipsim.nir.imported import import_nir as on_chip
    from chipsim.nir.report import agree, report, report_text
    from chipsim.run_folder import to_json

    given = {"discretisation": discretisation, "w_in": w_in, "reset": reset, "taus": taus}
    given |= {"dt": None if dt is None else _seconds(dt)}
    stated = tool is not None or any(value is not None for value in given.values())
    how = convention(tool or "nir", **given) if stated else None
    made = on_chip(
        file,
        load_chip(chip or "ideal"),
        how,
        bits=bits,
        seed=seed,
        ignore_metadata=ignore_metadata,
        rules=rules,
    )
    spikes = _spikes(made, events, steps, seed)
    found = report(made, None if spikes is None else agree(made, spikes))
    text = report_text(found)
    kept = _keep(made, found, text, file, out) if out is not None else None
    print(to_json(found | {"out": kept}) if json else text)
    if kept and not json:
        print(f"out {kept}")


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9.]{1,20}(?:e-?\d{1,3})?) ?(s|ms|us|)", text)
    try:
        return float(found[1]) * UNITS[found[2]]
    except (TypeError, ValueError):
        raise SettingError(f"--dt {text[:40]}", remedy="a number and s, ms or us: 0.1ms") from None


def _spikes(made: object, events: Path | None, steps: int | None, seed: int) -> dict | None:
    """What runs: the file's, or random ones: every axon in one step of five."""
    import numpy as np

    from chipsim.errors import DataError
    from chipsim.npz import mapped

    if events is not None and steps is not None:
        raise SettingError("--events and --try", remedy="give one of them")
    if events is not None:
        try:
            return made.checked(mapped(events))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"cannot be read: {reason}", where=str(events), remedy="a plain .npy file"
            ) from None
    if steps is None:
        return None
    rng = np.random.default_rng(seed)
    return made.checked({name: rng.random((steps, *shape)) < 0.2 for name, shape in made.inputs().items()})


def _keep(made: object, found: dict, text: str, file: Path, out: Path) -> str:
    """A run folder with the report and the network as it is on the chip."""
    from chipsim.errors import LimitError
    from chipsim.nir.export import export_nir
    from chipsim.run_folder import RunFolder, file_sha256

    entries = {"command": "import", "nir": {"file": str(file), "sha256": file_sha256(file)}}
    with RunFolder.create(f"nir-{file.stem}", out, chip=found["chip"], **entries) as folder:
        network = folder.path / "network.nir"
        try:
            export_nir(made.simulator, network, title=f"imported from {file.name}")
        except LimitError as error:  # the report is worth keeping without it
            folder.note(network_left_out=error.text())
        else:
            folder.note(network=file_sha256(network))
        folder.result(found)
        folder.report(text)
        folder.finish(digest=made.simulator.digest())
    return str(folder.path)


def export_nir(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, NAME.nir.")],
    data: Data = None,
) -> None:
    """A run's network as a NIR file: plain nodes for every tool, chip and rules in chipsim's metadata."""
    from chipsim.nir.stored import export_run
    from chipsim.progress import Progress

    with Progress(sys.stdout) as progress:
        meta = export_run(run, file, data, progress)
    print(f"{file}: {len(meta.layers)} layers, {len(meta.connections)} connections, dt {meta.dt_s:g} s")
    for text in meta.not_carried:
        print(f"  not carried: {text}")
    print(f"read it back with: chipsim import nir {file} --chip {meta.chip.name}")
