"""What a long run tells while it works: a live line on a terminal, one line per epoch otherwise.

`progress.phase("epoch 3/20")` opens a phase, `progress.tick(done, total, accuracy=..., saturated=...)`
may be called as often as wanted, `progress.line(text)` prints a line that stays. Shares (0..1) named
`accuracy` or `saturated` are shown in percent; rate and time left come from the ticks.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

SHARES = ("accuracy", "validation", "saturated")
REFRESH_S = 0.1


class Progress:
    """Writes to `stream` (stdout; stderr where the last line of stdout must be JSON)."""

    def __init__(self, stream: TextIO | None = None, live: bool | None = None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty() if live is None else live
        self._name = ""
        self._last: tuple[int, int, dict[str, object]] | None = None
        self._started = self._drawn = 0.0
        self._status = None

    def phase(self, name: str) -> None:
        """Open a phase (an epoch, calibration, evaluation); the one before is closed with a line."""
        self._close_phase()
        self._name, self._started, self._drawn = name, time.monotonic(), 0.0

    def tick(self, done: int, total: int, **info: object) -> None:
        """`done` of `total` samples of this phase are through; info is shown beside them."""
        self._last = (done, total, info)
        now = time.monotonic()
        if self.live and now - self._drawn >= REFRESH_S:
            self._drawn = now
            self._draw(self._text(eta=True))

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._erase()
        print(text, file=self.stream, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._close_phase()
        self._erase()

    def _close_phase(self) -> None:
        if self._last is not None:
            self.line(self._text(eta=False))
        self._last = None

    def _text(self, eta: bool) -> str:
        done, total, info = self._last
        spent = max(time.monotonic() - self._started, 1e-9)
        parts = [f"{self._name}: {done}/{total}", f"{done / spent:.3g}/s"]
        if eta and 0 < done < total:
            parts.append(f"ETA {_clock(spent * (total - done) / done)}")
        elif not eta:
            parts.append(_clock(spent))
        return "  ".join(parts + [_shown(key, value) for key, value in info.items() if value is not None])

    def _draw(self, text: str) -> None:
        if self._status is None:
            from rich.console import Console
            from rich.status import Status

            self._status = Status(text, console=Console(file=self.stream))
            self._status.start()
        from rich.markup import escape

        self._status.update(escape(text))

    def _erase(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _shown(key: str, value: object) -> str:
    if isinstance(value, float):
        return f"{key} {100 * value:.1f} %" if key in SHARES else f"{key} {value:.4g}"
    return f"{key} {value}"
