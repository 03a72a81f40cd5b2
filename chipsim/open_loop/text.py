"""The two measurements of a rule as a table."""

from __future__ import annotations

from chipsim.microcode.listing import table
from chipsim.microcode.program import Program
from chipsim.open_loop.measure import N_POST, N_PRE, STEPS, Close, Fair, allowed_errors, closeness, fairness

HEAD = (
    "register",
    "wide",
    "bound",
    "largest",
    "own",
    "rounded",
    "mean error",
    "s.e.",
    "in s.e.",
    "minus twin",
    "rms",
)


def error_text(program: Program, chip, runs: int) -> tuple[str, bool]:
    """(what `chipsim rule error` prints for one rule, whether everything held)."""
    close, fair = closeness(program, chip, runs), fairness(program, chip, runs)
    allowed = allowed_errors(sum(x.writes > 0 for x in fair.values()))
    even = all(abs(x.score) <= allowed for x in fair.values())
    left = close.limited + close.decided
    lines = [
        f"rule {program.name}, open loop: {N_PRE} axons, {N_POST} neurons, {STEPS} steps",
        table([HEAD, *(_row(name, close, fair) for name in close.formats)], " rrrrrrrrrr"),
        f"  wide registers: {close.compared} inputs compared, {left} redrawn ({close.limited} reached a "
        f"limit, {close.decided} had an operand within its bound of a border)",
        f"  {_verdict(close)}",
        f"  {'fair' if even else 'NOT FAIR'}: stochastic writes over {runs} seeds; a register may be off by "
        f"{allowed:.2f} s.e. (4 for one, Bonferroni)",
    ]
    return "\n".join(lines) + "\n", close.good and even


def _verdict(close: Close) -> str:
    if close.wrong:
        return f"OUT OF BOUND: {close.wrong} decisions differ although no operand was that close"
    outside = [name for name, x in close.largest.items() if x > close.bounds[name]]
    if outside or not close.good:
        return f"OUT OF BOUND: {', '.join(outside) or 'no input could be compared'}"
    return "within the bound: every write of every register"


def _row(name: str, close: Close, fair: dict[str, Fair]) -> tuple:
    wide = (name, close.formats[name], f"{close.bounds[name]:.3g}", f"{close.largest[name]:.3g}")
    x = fair.get(name)
    if x is None:
        return (*wide, *[""] * 7)
    if not x.writes:
        return (*wide, x.fmt, 0, "", "", "", f"{x.bias:+.3f}", f"{x.rms:.3f}")
    rounded = (f"{x.mean:+.4f}", f"{x.error:.4f}", f"{x.score:+.2f}")
    return (*wide, x.fmt, x.writes, *rounded, f"{x.bias:+.3f}", f"{x.rms:.3f}")
