"""Progress: one line per phase off a terminal, a live line with rate and time left on one."""

from __future__ import annotations

import io

import pytest

from chipsim import progress
from chipsim.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_one_line_per_phase_with_rate_time_and_shares(clock):
    out = io.StringIO()
    with Progress(out) as shown:
        for epoch in (1, 2):
            shown.phase(f"epoch {epoch}/2")
            for done in range(1, 101):
                clock[0] += 1
                shown.tick(done, 100, accuracy=done / 200, saturated=0.001, rate=0.25, lost=None)
    line = "100/100  1/s  1:40  accuracy 50.0 %  saturated 0.1 %  rate 0.25"
    assert out.getvalue().splitlines() == [f"epoch 1/2: {line}", f"epoch 2/2: {line}"]


def test_a_phase_without_ticks_and_an_abandoned_one_print_nothing():
    out = io.StringIO()
    with pytest.raises(ValueError), Progress(out) as shown:
        shown.phase("nothing to tell")
        shown.phase("epoch 1")
        shown.tick(1, 2)
        raise ValueError
    assert out.getvalue() == ""


def test_a_terminal_shows_the_time_left_and_keeps_lines(clock):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with Progress(out) as shown:
        shown.phase("epoch [1]")
        drawn = []
        shown._draw = drawn.append
        for done in range(1, 101):
            clock[0] += 0.0625
            shown.tick(done, 1000, accuracy=0.5)
        shown.line("a line that stays")
    assert drawn[-1] == "epoch [1]: 99/1000  16/s  ETA 0:56  accuracy 50.0 %"
    assert len(drawn) == 50  # at most ten times a second, not at every tick
    assert out.getvalue().splitlines() == [
        "a line that stays",
        "epoch [1]: 100/1000  16/s  0:06  accuracy 50.0 %",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3661, "1:01:01")])
def test_clock(seconds, text):
    assert progress._clock(seconds) == text
