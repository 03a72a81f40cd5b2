"""Interval analysis of a bound program: what can never happen, and what must.

A step is run on intervals (raw lo..hi of every register) until nothing grows: on_step, on_pre,
on_membrane, on_post, on_third_factor, on_epoch, then the lines around a sample. Lines that may be
skipped keep the old interval beside the new one, so every interval holds all values of every run.
"""

from __future__ import annotations

from dataclasses import dataclass

from chipsim.fixed import shift_round, write
from chipsim.microcode.bounds import contributions
from chipsim.microcode.program import COMPARISONS, SECTIONS, BoundLine, BoundProgram, Note, Operand

ROUNDS = 4096  # steps before an interval that still grows is taken as the format's
Interval = tuple[int, int]


@dataclass
class Line:
    """What the analysis saw at one line: interval of E (one write) and of the unlimited result."""

    exact: Interval = (0, 0)
    result: Interval = (0, 0)


def verify(bound: BoundProgram, use) -> tuple[Note, ...]:
    """Notes on updates that are always 0, decays that stick, dead registers, reachable saturation
    and draws shorter than what they round."""
    params = {p.name: p.raw for p in bound.params if p.kind == "shift"}
    seen = _analyse(bound, use, params)
    notes: list[Note] = []
    for line in bound.lines:
        notes += _zero_update(line, seen[line.ordinal], params)
        notes += _one_sided(line, seen[line.ordinal], params)
        notes += _overflow(line, seen[line.ordinal])
        notes += _sticking(line, params)
        notes += _short_draw(line, params)
    notes += _shift_pair(bound, params)
    return tuple(notes + _dead(bound))


# ---------------------------------------------------------------- intervals


def _analyse(bound: BoundProgram, use, params) -> dict[int, Line]:
    state = {r.name: (0, 0) if r.temp else (r.init, r.init) for r in bound.registers}
    if bound.weight:
        state[bound.weight.name] = (bound.weight.lo, bound.weight.hi)
    seen = {line.ordinal: Line() for line in bound.lines}
    if run_intervals(bound, use, params, state, seen, ROUNDS):
        return seen
    for r in bound.registers:
        if not r.temp:
            state[r.name] = (r.lo, r.hi)
    _step(bound, use, params, state, seen)
    return seen


def run_intervals(bound: BoundProgram, use, params, state: dict, seen: dict, steps: int) -> bool:
    """Run `steps` steps on the intervals in `state`, by name, and note every line's in `seen`, by
    ordinal; both are changed. True once nothing grows any more."""
    for _ in range(steps):
        before = dict(state)
        _step(bound, use, params, state, seen)
        for name, interval in before.items():
            state[name] = _hull(state[name], interval)
        if state == before:
            return True
    return False


def _step(bound, use, params, state, seen) -> None:
    for section in SECTIONS:
        for r in bound.registers:
            if r.temp:
                state[r.name] = (0, 0)
        for line in bound.section(section):
            e = _exact(line, state)
            count = contributions(line, use)
            if count > 1:
                e = (min(0, e[0] * count), max(0, e[1] * count))
            result = _rounded(line, e, state[line.target.name], line.drop(params))
            note = seen[line.ordinal]
            note.exact, note.result = _hull(note.exact, e), _hull(note.result, result)
            new = _limited(line, result)
            always = section == "on_step" and line.when is None
            state[line.target.name] = new if always else _hull(state[line.target.name], new)


def _hull(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])


def _operand(x: Operand, state) -> Interval:
    if x.kind in ("const", "number"):
        return x.raw, x.raw
    return state.get(x.name, (x.fmt.lo, x.fmt.hi))


def _exact(line: BoundLine, state) -> Interval:
    """Interval of E of one contribution, its sign (-=, leading minus) included."""
    form = line.form
    a = _operand(line.a, state) if line.a else (0, 0)
    b = _operand(line.b, state) if line.b else (1, 1)
    if form == "scale":
        corners = [x * y for x in a for y in b]
        e = min(corners), max(corners)
        return (-e[1], -e[0]) if line.negate != (line.mode == "-=") else e
    if form in ("add", "sub", "min", "max"):
        frac = max(line.a.fmt.frac, line.b.fmt.frac)
        a = tuple(x << (frac - line.a.fmt.frac) for x in a)
        b = tuple(x << (frac - line.b.fmt.frac) for x in b)
        pick = {"min": min, "max": max}.get(form)
        if pick:
            return pick(a[0], b[0]), pick(a[1], b[1])
        return (a[0] + b[0], a[1] + b[1]) if form == "add" else (a[0] - b[1], a[1] - b[0])
    if form == "abs":
        inner = 0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))
        return inner, max(abs(a[0]), abs(a[1]))
    if form == "sign":
        return (a[0] > 0) - (a[0] < 0), (a[1] > 0) - (a[1] < 0)
    if form in COMPARISONS:
        return 0, 1
    if form == "table":
        return min(line.table.values), max(line.table.values)
    return line.target.fmt.lo, line.target.fmt.hi


def _rounded(line: BoundLine, e: Interval, old: Interval, n: int) -> Interval:
    """The written value before it is limited; stochastic rounding reaches both neighbours."""
    up = max(n, 0)
    total = e if line.mode == "=" else (e[0] + (old[0] << up), e[1] + (old[1] << up))
    if n <= 0:
        low, high = (e[0] << -n, e[1] << -n)
        return (low, high) if line.mode == "=" else (low + old[0], high + old[1])
    rounding = line.target.rounding
    if rounding == "stochastic":
        return shift_round(total[0], n, "floor"), shift_round(total[1], n, "stochastic", (1 << n) - 1)
    return shift_round(total[0], n, rounding), shift_round(total[1], n, rounding)


def _limited(line: BoundLine, result: Interval) -> Interval:
    t = line.target
    if t.overflow == "wrap" and not (t.lo <= result[0] and result[1] <= t.hi):
        return t.lo, t.hi
    return min(max(result[0], t.lo), t.hi), min(max(result[1], t.lo), t.hi)


# ---------------------------------------------------------------- findings


def _zero_update(line: BoundLine, seen: Line, params) -> list[Note]:
    """An update that no rounding but stochastic would ever let through."""
    n, (lo, hi) = line.drop(params), seen.exact
    if n <= 0 or line.target.rounding == "stochastic" or (lo, hi) == (0, 0):
        return []
    half, whole = 1 << (n - 1), 1 << n
    rounding, signs = line.target.rounding, line.target.lo < 0
    if line.mode == "=":
        zero = (
            -half <= lo and hi < half
            if rounding == "nearest"
            else hi < whole and (lo > -whole if rounding == "trunc" else lo >= 0)
        )
    elif rounding == "nearest":
        zero = -half <= lo and hi < half
    else:
        zero = lo >= 0 and hi < whole and (rounding == "floor" or not signs)
    if not zero:
        return []
    size = max(-lo, hi) / whole
    text = f"`{line.text}` is always rounded to nothing: at most {size:.3g} LSB of '{line.target.name}'"
    return [Note("range", line.line, f"{text} with round={rounding}")]


def _one_sided(line: BoundLine, seen: Line, params) -> list[Note]:
    """floor and trunc of old + E turn the smallest step of one sign into a whole LSB."""
    n, (lo, hi) = line.drop(params), seen.exact
    t = line.target
    if line.mode == "=" or n <= 0 or t.rounding not in ("floor", "trunc"):
        return []
    if lo >= 0 and (t.rounding == "floor" or t.lo >= 0):
        return []
    way = "downwards" if t.rounding == "floor" or t.lo >= 0 else "towards 0"
    if hi < 1 << n and -lo < 1 << n:
        text = f"`{line.text}` is below one LSB: round={t.rounding} makes every step {way} a whole LSB"
        return [Note("range", line.line, text)]
    return []


def _overflow(line: BoundLine, seen: Line) -> list[Note]:
    t = line.target
    lo, hi = seen.result
    if t.is_weight or (t.lo <= lo and hi <= t.hi):
        return []
    worst = hi if hi > t.hi else lo
    edge = t.hi if hi > t.hi else t.lo
    verb = "saturates" if t.overflow == "saturate" else "wraps"
    text = f"'{t.name}' {verb}: `{line.text}` can reach {_g(t, worst)}, {t.fmt} ends at {_g(t, edge)}"
    return [Note("range", line.line, text)]


def _g(target, raw: int) -> str:
    return f"{float(target.fmt.real(raw)):.4g}"


def _decay(line: BoundLine) -> bool:
    """`x = x * k` with a constant, or `x -= x >> k` in one line."""
    mine = line.form == "scale" and line.a is not None and line.a.name == line.target.name
    if not mine or line.when is not None:
        return False
    return (line.mode == "=" and (line.b is None or line.b.kind == "const")) or (
        line.mode == "-=" and line.b is None
    )


def _sticking(line: BoundLine, params) -> list[Note]:
    """The largest value that a decay leaves as it is."""
    t = line.target
    if not _decay(line) or t.rounding == "stochastic" or line.drop(params) <= 0:
        return []
    factor = line.b.raw if line.b else 1
    frac, n = line.frac(params), line.drop(params)
    stuck = 0
    for raw in [*range(max(t.lo, -4096), 0), *range(1, min(t.hi, 4096) + 1)]:
        e = raw * factor * (-1 if line.negate else 1)
        e = e if line.mode == "=" else (raw << n) - e
        if write(e, frac, t.fmt, t.rounding, t.overflow).raw == raw:
            stuck = raw if abs(raw) > abs(stuck) else stuck
    if not stuck:
        return []
    text = f"'{t.name}' sticks at {_g(t, stuck)} (raw {stuck}): `{line.text}` gives it back"
    text += f" with round={t.rounding}"
    return [Note("sticking", line.line, text)]


def _shift_pair(bound: BoundProgram, params) -> list[Note]:
    """`d = x >> k` then `x -= d`: below 2^k LSB the shifted value is 0."""
    notes = []
    for first, then in zip(bound.lines, bound.lines[1:], strict=False):
        pair = first.form == then.form == "scale" and first.mode == "=" and then.mode == "-="
        if (
            not pair
            or first.a.name != then.target.name
            or then.a.name != first.target.name
            or first.b
            or then.b
        ):
            continue
        n = first.drop(params)
        if (
            n > 0
            and first.target.rounding in ("floor", "trunc")
            and first.target.fmt.frac == then.target.fmt.frac
        ):
            stuck = (1 << n) - 1
            value = f"{_g(then.target, stuck)} (raw {stuck})"
            text = f"'{then.target.name}' sticks at {value}: `{first.text}` is 0 there"
            notes.append(Note("sticking", first.line, text))
    return notes


def _short_draw(line: BoundLine, params) -> list[Note]:
    n = line.drop(params)
    if line.target.rounding != "stochastic" or n <= 32:
        return []
    text = (
        f"`{line.text}` drops {n} bits; a draw has 32, so the lowest {n - 32} bits never change the rounding"
    )
    return [Note("range", line.line, text)]


def _dead(bound: BoundProgram) -> list[Note]:
    """Registers that are written and never read, published or used by a product."""
    read = {x.name for line in bound.lines for x in (line.a, line.b, line.when) if x is not None}
    read |= {f.name for p in bound.products for f in getattr(p, "factors", ()) if hasattr(f, "name")}
    lines = {line.target.name: line.line for line in reversed(bound.lines)}
    return [
        Note("dead", lines.get(r.name, 0), f"'{r.name}' is written and never read")
        for r in bound.registers
        if r.name not in read and not r.is_weight and not r.publish and bound.engine == "lines"
    ]
