"""`chipsim capsule` and `chipsim verify`: a run in one file, and the proof that it says the truth."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from chipsim.cli.perform import stoppable
from chipsim.cli.run import Data, Json, Threads, data_folder, use_threads


def capsule(
    run: Annotated[str, typer.Argument(help="The folder of a complete run.")],
    file: Annotated[Path, typer.Argument(help="The file to write, for example mine.capsule.")],
) -> None:
    """Pack a run: settings, programs, chip, seeds, hashes of data, versions, counters, digest."""
    from chipsim.capsule.pack import pack
    from chipsim.run_folder import load_run

    sha256 = pack(load_run(run), file)
    print(f"{file}: {file.stat().st_size} bytes, sha256 {sha256}")
    print(f"  to check it anywhere: chipsim verify {file}")


def verify(
    file: Annotated[Path, typer.Argument(help="A file that `chipsim capsule` wrote.")],
    data: Data = None,
    threads: Threads = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run an experiment script that the capsule brings.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a capsule again and compare bit for bit; status 1 and the first difference where it differs."""
    use_threads(threads)
    from chipsim.capsule.compare import compared, differences
    from chipsim.capsule.pack import unpack
    from chipsim.capsule.replay import replay
    from chipsim.progress import Progress
    from chipsim.run_folder import to_json
    from chipsim.version import versions

    place = data_folder(data)
    with tempfile.TemporaryDirectory(prefix="chipsim-") as folder, stoppable():
        head = unpack(file, Path(folder))
        packed, made = replay(Path(folder), place, threads, Progress(sys.stderr), trust)
        found, what = differences(packed, made), compared(packed)
        digest, before = made.manifest.get("digest"), packed.manifest["versions"]
    print(f"made with      {_told(before)}")
    print(f"replayed with  {_told(versions())}")
    for text in found:
        print(f"differs        {text}")
    if not found:
        print(f"the same       {', '.join(what)}; digest {digest}")
    if json:
        print(
            to_json({"same": not found, "differences": found, "digest": digest, "chipsim": head["chipsim"]})
        )
    if found:
        print(f"error: {file}: the replay differs, first in: {found[0]}", file=sys.stderr)
        raise typer.Exit(1)


def _told(versions: dict[str, str]) -> str:
    names = ("chipsim", "python", "numpy", "numba", "machine")
    return ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
