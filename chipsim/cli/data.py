"""`chipsim data list|check|show`: data sets in a folder, and single recordings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from chipsim.errors import DataError, SettingError
from chipsim.library import summary

app = typer.Typer(
    help="Data sets: what there is, what a folder lacks, what a recording holds.", no_args_is_help=True
)
Json = Annotated[bool, typer.Option("--json", help="The last line of stdout is one JSON object.")]


@app.command("list")
def list_sets(json: Json = False) -> None:
    """Every data set chipsim can read, with a line each."""
    from chipsim.data.shelf import sets

    told = {name: summary(path) for name, path in sets().items()}
    if json:
        from chipsim.run_folder import to_json

        print(to_json({"data": told}))
        return
    width = max(map(len, told))
    for name, line in told.items():
        print(f"{name:<{width}}  {line}")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A name from `chipsim data list`.")],
    folder: Annotated[
        Path | None, typer.Argument(envvar="CHIPSIM_DATA", help="Folder with data sets.", metavar="DIR")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Read every recording, not 20 of each part.")] = False,
    json: Json = False,
) -> None:
    """Is the set there, whole and sound? If not: what is missing, where it goes, where to get it."""
    from chipsim.data.shelf import check_set, data_set

    data_set(name)  # an unknown name is told before a missing folder
    if folder is None:
        raise DataError("no folder given", remedy="chipsim data check NAME DIR (or set CHIPSIM_DATA)")
    found = check_set(name, folder, None if all_ else 20)
    if json:
        from chipsim.run_folder import to_json

        rows = [{"kind": kind, "text": text} for kind, text in found.rows]
        print(to_json({"data": name, "faults": found.faults, "rows": rows}))
    else:
        for kind, text in found.rows:
            first, *more = text.splitlines()
            print(f"{kind:<8} {first}")
            for line in more:
                print(f"         {line.strip()}")
    if found.faults:
        raise DataError(f"{name}: {found.faults} fault{'s' if found.faults > 1 else ''}, see above")
    if not json:
        print(f"ok: {name}")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A recording: .bin, .bs2, .dat, .raw, .mat, .aedat4, .npy.")],
    sensor: Annotated[
        str | None, typer.Option(metavar="WxH", help="The sensor, if the file does not state it.")
    ] = None,
    json: Json = False,
) -> None:
    """Sensor, number of events, duration and rate of one recording; or the first bad event."""
    from chipsim.data.readers import read_recording

    recording = read_recording(file, None if sensor is None else _sensor(sensor))
    width, height, polarities = recording.sensor
    seconds = recording.duration_us / 1e6
    told = {
        "file": str(file),
        "sensor": f"{width}x{height}x{polarities}",
        "events": len(recording),
        "first_us": int(recording.events["t"][0]),
        "duration_s": seconds,
        "rate_per_s": len(recording) / seconds if seconds else None,
        "on_share": float((recording.events["p"] > 0).mean()),
    }
    if json:
        from chipsim.run_folder import to_json

        print(to_json(told))
        return
    rate = "" if told["rate_per_s"] is None else f", {told['rate_per_s']:.0f} events/s"
    print(f"{file}: sensor {told['sensor']}, {len(recording)} events in {seconds:.6f} s{rate}")
    print(f"first event at {told['first_us']} us, ON share {told['on_share']:.3f}; all in order and in range")


def _sensor(text: str) -> tuple[int, int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})(?:x([12]))?", text, re.ASCII)
    if found is None:
        raise SettingError(f"--sensor {text}: not WIDTHxHEIGHT", remedy="for example --sensor 128x128")
    return int(found[1]), int(found[2]), int(found[3] or 2)
