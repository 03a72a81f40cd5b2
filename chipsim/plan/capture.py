"""The network of an experiment without running it: the first `Simulator` it makes hands over its parts.

with capturing():
    experiment.run(context)          # raises Captured where the first Simulator would be made
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_WANTED: ContextVar[bool] = ContextVar("chipsim_capture", default=False)


class Captured(BaseException):
    """What a Simulator was to be made from; no error, so nothing that handles errors may take it."""

    def __init__(self, network: Any, chip: Any, rules: Any, options: dict[str, Any]):
        super().__init__("captured")
        self.network, self.chip, self.rules, self.options = network, chip, rules, options


@contextmanager
def capturing() -> Iterator[None]:
    """Inside, `offer` raises Captured."""
    token = _WANTED.set(True)
    try:
        yield
    finally:
        _WANTED.reset(token)


def offer(network: Any, chip: Any, rules: Any, options: dict[str, Any]) -> None:
    """Called with everything a Simulator plans from; does nothing outside `capturing`."""
    if _WANTED.get():
        raise Captured(network, chip, rules, options)
