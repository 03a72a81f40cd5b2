"""The write of a line as source text: round, add to the old value, limit, count.

For += and -= the sum old * 2**n + E is rounded; floor, nearest and stochastic rounding of it equal
old + (the same rounding of E), which keeps the lane narrow; trunc is corrected by the sign of the sum.
"""

from __future__ import annotations

from dataclasses import dataclass

from chipsim.microcode.program import BoundLine


@dataclass(frozen=True)
class Drop:
    """How many bits a write drops: fixed (lo == hi) or from a shift parameter at run time."""

    lo: int
    hi: int

    @property
    def fixed(self) -> bool:
        return self.lo == self.hi


def lane_for(line: BoundLine, drop: Drop, lo: int, hi: int, peak: int) -> str:
    """i32 where every intermediate value provably fits 32 bits, else i64."""
    t = line.target
    left = max(0, -drop.lo)
    add = 1 << max(0, drop.hi) if line.target.rounding != "floor" else 0
    reach = max(abs(lo), abs(hi)) << left
    stored = max(abs(t.lo), abs(t.hi))
    top = max(peak, reach + add, (reach >> max(0, drop.lo)) + 2 * stored + 2, t.hi - t.lo + 1)
    return "i32" if top < 2**31 and drop.hi <= 30 else "i64"


def draw_text(drop: Drop, lane: str, word: str) -> str:
    """r, uniform in 0..2**n-1, from a uint32 word."""
    if drop.fixed:
        n = drop.hi
        if n <= 32:
            return f"{lane}(u32({word}) >> u32({32 - n}))" if n < 32 else f"i64({word})"
        return f"i64(i64({word}) << i64({n - 32}))"
    if lane == "i32":
        return f"i32(shr32(u32(u32({word}) >> u32(1)), u32(31 - nn)))"
    return f"i64(i64(i64({word}) << i64(n_up)) >> i64(n_down))"


def run_time_drop(line: BoundLine) -> list[str]:
    """Statements that set nn, left, n_up, n_down from the shift parameter."""
    base = line.drop({line.shift_param: 0})
    sign = "+" if line.shift_sign > 0 else "-"
    return [
        f"n_all = i64({base} {sign} p_{line.shift_param})",
        "nn = max(n_all, i64(0))",
        "left = max(-n_all, i64(0))",
        "n_up = max(nn - i64(32), i64(0))",
        "n_down = max(i64(32) - nn, i64(0))",
    ]


def rounded(line: BoundLine, drop: Drop, lane: str, draw: str) -> list[str]:
    """Statements from E (and old, for += and -=) to q, the value before limiting. draw: text of r."""
    out = []
    grow = line.mode != "="
    rounding = line.target.rounding
    if drop.fixed and drop.hi <= 0:
        text = f"{lane}(E << {lane}({-drop.hi}))" if drop.hi else "E"
        return [f"q = {lane}(old + {text})" if grow else f"q = {text}"]
    narrow = lane == "i32" and not drop.fixed
    n = f"{lane}({drop.hi})" if drop.fixed else f"{lane}(nn)"

    def down(text: str) -> str:
        return f"sar32({text}, {n})" if narrow else f"{lane}({text} >> {n})"

    if not drop.fixed and drop.lo < 0:
        left = f"{lane}(left)"
        out.append(f"E = shl32(E, {left})" if narrow and drop.lo > -32 else f"E = {lane}(E << {left})")
    one = f"{lane}(1)"
    if rounding == "stochastic":
        out.append(f"q = {down(f'{lane}(E + {draw})')}")
    elif rounding == "nearest":
        half = f"{lane}({1 << (drop.hi - 1)})" if drop.fixed else f"{lane}({lane}({one} << {n}) >> {one})"
        out.append(f"q = {down(f'{lane}(E + {half})')}")
    elif rounding == "floor":
        out.append(f"q = {down('E')}")
    else:
        mask = f"{lane}({(1 << drop.hi) - 1})" if drop.fixed else f"{lane}({lane}({one} << {n}) - {one})"
        if grow:
            out.append(f"q = {lane}(old + {down('E')})")
            return [*out, f"q = {lane}(q + {lane}((q < 0) & ({lane}(E & {mask}) != 0)))"]
        sign = 31 if lane == "i32" else 63
        out.append(f"q = {down(f'{lane}(E + {lane}({lane}(E >> {lane}({sign})) & {mask}))')}")
    if grow:
        out.append(f"q = {lane}(old + q)")
    return out


def limited(line: BoundLine, lane: str) -> str:
    """The statement from q to new."""
    lo, hi = line.target.lo, line.target.hi
    if line.target.overflow == "saturate":
        return f"new = {lane}(min(max(q, {lane}({lo})), {lane}({hi})))"
    size = hi - lo + 1
    if size & (size - 1) == 0:
        return f"new = {lane}({lane}({lane}(q - {lane}({lo})) & {lane}({size - 1})) + {lane}({lo}))"
    return f"new = {lane}({lane}(i64(q - {lane}({lo})) % i64({size})) + {lane}({lo}))"


def possible(line: BoundLine, drop: Drop, lo: int, hi: int) -> tuple[bool, bool]:
    """Whether a write of E in lo..hi can be limited, and whether it can be rounded to zero.

    What cannot happen need not be counted: the decay of a trace is never limited, and what drops no bits
    and saturates is never rounded to zero.
    """
    grow, whole = line.mode != "=", drop.hi <= 0
    if line.form == "random":
        return True, True
    if grow:
        return (lo, hi) != (0, 0), not (whole and line.target.overflow == "saturate")
    ends = (drop.lo, drop.hi)
    low = min(lo >> n if n > 0 else lo << -n for n in ends)
    high = max(-(-hi >> n) if n > 0 else hi << -n for n in ends)
    over = low < line.target.lo or high > line.target.hi
    return over, (lo, hi) != (0, 0) and (not whole or over)


def counted(
    line: BoundLine,
    lane: str,
    mask: str | None,
    how: str = "each",
    can: tuple[bool, bool] = (True, True),
    skip: tuple[str, ...] = (),
) -> list[str]:
    """Statements that count saturations (or wraps), rounded-to-zero and changes in 32-bit lanes.

    For += and -= an E of 0 gives q == old, and q == old is never limited. So where the number of E
    that are not 0 is `known`, `lost` counts q != old, and rounded-to-zero is the difference. In a
    `packed` row changes are that same number unless something was limited; then `kept` tells.
    can  what `possible` says of the line; skip: counters that are counted elsewhere
    """
    if how == "packed":
        return [
            "both = i32(both + i32(q != old))",
            "both = i32(both + i32(i32(new != q) << i32(16)))",
            "kept[i] = old",
        ]
    if how == "known":
        return [
            "over = i32(over + i32(new != q))",
            "lost = i32(lost + i32(q != old))",
            "moved = i32(moved + i32(new != old))",
        ]
    low = f" & {mask}" if mask else ""
    if line.mode == "=":
        lost = "(E != 0) & (new == 0)"
    elif line.target.overflow == "wrap":
        lost = "(E != 0) & (new == old)"
    else:
        lost = "(E != 0) & (new == old) & (new == q)"
    over, zero = can
    return [
        *([f"over = i32(over + i32((new != q){low}))"] if over else []),
        *([f"lost = i32(lost + i32(({lost}){low}))"] if zero and "lost" not in skip else []),
        *([f"moved = i32(moved + i32((new != old){low}))"] if "moved" not in skip else []),
    ]
