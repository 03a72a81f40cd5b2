"""Lines along rows of narrow values that `row_kernels` writes, and when it may.

Two kinds: a sum `w += column * row >> n` along dense rows of synapses whose steps fit the stored type (from
the formats, or found at run time from the largest column factor), and a decay `t = t * k` of synapses, axons
or neurons that is never limited.
"""

from __future__ import annotations

from math import prod

from chipsim.compile.nests import array_of
from chipsim.state import storage

WIDER = (1 << 15) - 256  # below: a step and an 8-bit value add up in 16 bits


def _bits(nest) -> int:
    """The width in which the line's target is stored."""
    line = nest.line
    fmt = nest.site.connection.weight if line.target.is_weight else line.target.fmt
    return 8 * storage(fmt).itemsize


def _room(nest) -> int:
    """A step fits the stored type, as a signed number, while |E| >> n is below this."""
    return (1 << (_bits(nest) - 1)) - 1


def _lanes_do(nest) -> bool:
    """Whether a line's writes can be made in lanes of the stored type, draws apart."""
    known = nest.lane == "i32" and nest.drop.lo >= 0 and nest.line.target.rounding != "trunc"
    return known and _bits(nest) <= 16


def _narrow(nest) -> bool:
    """Whether a line's writes along dense rows can be made in lanes of the stored type at all."""
    drawn = not nest.draws or nest.site.connection.noise == "shared" or nest.narrow
    return drawn and _lanes_do(nest) and not nest.site.connection.sparse


def sums(nest, split: tuple[list, list] | None, per_row: bool) -> bool:
    """Whether a line in dense rows adds steps to a saturating target."""
    return bool(split) and per_row and nest.line.target.overflow == "saturate" and _narrow(nest)


def decays(nest, by_column: bool) -> bool:
    """Whether a line in dense rows assigns all synapses of a row their own value times a constant."""
    line = nest.line
    if by_column or nest.can[0] or not scaled(nest) or not _narrow(nest):
        return False
    return line.when is None or line.when.owner != "syn"


def vector_decays(nest) -> bool:
    """Whether a line assigns all axons or neurons their own value times a constant, never limited."""
    line = nest.line
    drawn = not nest.draws or nest.site.connection.noise in ("lane", "element")
    return drawn and line.when is None and not nest.can[0] and scaled(nest) and _lanes_do(nest)


def scaled(nest) -> bool:
    """Whether a line assigns its target times a constant other than 0: E is 0 where the target was.

    By arrays, not names: in on_replay a register of the history is read from there.
    """
    line = nest.line
    if line.mode != "=" or line.form != "scale":
        return False
    factors = [x for x in (line.a, line.b) if x is not None]
    read = [x for x in factors if x.raw is None]
    if len(read) != 1 or read[0].kind != "register" or any(x.raw == 0 for x in factors):
        return False
    return array_of(read[0], nest.program, line.section) == nest.target


def always_fits(nest, room: int = 0) -> bool:
    """Whether the steps of a sum fit whatever the factors are."""
    return nest.reach >> nest.drop.lo < (room or _room(nest))


def _random(nest) -> tuple[str, str]:
    """Texts of the words per neuron (None without) and of the word of the row or of all."""
    lane, n = nest.lane, f"i32({nest.drop_text})"
    if nest.draws:
        return ("even", "odd_j") if nest.narrow else ("None", f"u32({nest.draw()})")
    if nest.line.target.rounding == "nearest" and nest.drop.hi > 0:
        return "None", f"u32({lane}({lane}(i32(1) << {n}) >> {lane}(1)))"
    return "None", "u32(0)"


def _call(nest, name: str, results: str, arguments: str) -> None:
    """The call of a kernel that counts, or of the one that does not."""
    if nest.site.counting:
        nest.put(f"{results} = {name}({arguments})")
    else:
        nest.put(f"{name}_only({arguments})")


def add_row(nest, vec: str, factor: str, otherwise) -> None:
    """The write of row j; vec, factor: text of the column's and the row's factors.

    otherwise  emits the loop for rows whose steps may not fit 16 bits
    """
    row = nest.view("syn", nest.target, nest.per_context).removesuffix("[i]")
    words, word = _random(nest)
    limits = f"{nest.line.target.lo}, {nest.line.target.hi}"
    arguments = f"{row}, {vec}, {factor}, {words}, {word}, {nest.drop_text}, {limits}"
    rooms = {"add_row": _room(nest)} | ({"add_row_16": WIDER} if _bits(nest) == 8 else {})
    level = nest.level
    if not always_fits(nest):
        peak = "peak" if vec == f"vec_{nest.lane}" else "1"
        nest.put(f"reach = (i64({peak}) * abs(i64({factor}))) >> i64({nest.drop_text})")
    for name, room in rooms.items():
        fits = always_fits(nest, room)
        if not fits:
            nest.put(f"if reach < {room}:")
        nest.level += not fits
        _call(nest, name, "steps_n, over_n, moved_n", arguments)
        nest.count(f"losts += {nest.block_nz} - steps_n")
        nest.count("overs += over_n")
        nest.count("moveds += moved_n")
        if fits:
            break
        nest.level -= 1
        nest.put("else:")
        nest.level += 1
    else:
        otherwise()
    nest.level = level


def scale_row(nest) -> None:
    """The decay of row j."""
    row = nest.view("syn", nest.target, nest.per_context).removesuffix("[i]")
    _scale(nest, row, *_random(nest))


def scale_vector(nest, owner: str) -> None:
    """The decay of all axons or neurons of context b, its words included."""
    words, word = "None", _random(nest)[1] if not nest.draws else "u32(0)"
    if nest.draws:
        words = nest.site.array("even_pre" if owner == "pre" else "even")
        nest.key()
        nest.put(f"fill_even_top(key, {words}, {nest.drop_text})")
    _scale(nest, f"{nest.target}[b]", words, word)


def _scale(nest, row: str, words: str, word: str) -> None:
    line = nest.line
    k = prod(x.raw for x in (line.a, line.b) if x is not None and x.raw is not None)
    arguments = f"{row}, {-k if line.negate else k}, {words}, {word}, {nest.drop_text}"
    _call(nest, "scale_row", "lost_n, moved_n", arguments)
    nest.count("losts += lost_n")
    nest.count("moveds += moved_n")
