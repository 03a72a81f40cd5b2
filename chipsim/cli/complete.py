"""What the shell offers after Tab: names of rules, chips and experiments."""

from __future__ import annotations

from collections.abc import Callable

from chipsim.library import entries, summary


def names_of(kind: str) -> Callable[[str], list[tuple[str, str]]]:
    """For typer: (name, its line in `chipsim list`) of every entry of a kind that begins as typed."""

    def offered(incomplete: str) -> list[tuple[str, str]]:
        return [(name, summary(path)) for name, path in entries(kind).items() if name.startswith(incomplete)]

    return offered
