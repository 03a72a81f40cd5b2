"""`chipsim resume`: a run that was stopped goes on in its own folder."""

from __future__ import annotations

from typing import Annotated

import typer

from chipsim.cli.perform import perform
from chipsim.cli.run import Data, Json, Threads, data_folder, use_threads


def resume(
    run: Annotated[str, typer.Argument(help="The folder of a run that was stopped.")],
    data: Data = None,
    json: Json = False,
    threads: Threads = None,
) -> None:
    """Go on with a run from its checkpoints, to the very result it would have had undisturbed."""
    use_threads(threads)
    from chipsim.run_folder import load_run, refuse_complete
    from chipsim.stored_run import started_again, stored

    earlier = load_run(run, complete=False)
    refuse_complete(earlier)
    loaded, options = started_again(earlier, data_folder(data), threads)
    kept = stored(earlier).checkpoint
    checkpoint = kept.model_dump() if kept else None
    perform(loaded, loaded.run, options, None, json, "run", checkpoint, earlier)
