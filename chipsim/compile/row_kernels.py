"""Writes along a dense row of 8- or 16-bit values: 64 synapses at a time, counted by their masks.

The exact value, the draw and the shift need 32-bit lanes; the rest of a write does not. Where what is
added provably fits the stored type, the sum, its limits and what is counted are left to lanes of that
type: a comparison then covers 64 synapses in one instruction and a count is the number of its set bits.
numba compares in lanes of 64 bits, so the loops are written in the compiler's intermediate language.
"""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir
import numba
import numpy as np
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

JIT = not numba.config.DISABLE_JIT
WORD = ir.IntType(64)
MASKED = bool(get_host_cpu_features().get("avx512bw"))  # elsewhere masked loads are made one by one
SIZES = (64, 16) if MASKED else (64, 16, 1)  # of blocks; the last takes the rest


@dataclass(frozen=True)
class Lanes:
    """A block: how many elements, and which of them are meant (None: all)."""

    count: int
    mask: ir.Value | None = None


def _vector(bits: int, lanes: int) -> ir.VectorType:
    return ir.VectorType(ir.IntType(bits), lanes)


def _splat(builder, value, bits: int, lanes: int):
    """A scalar in every lane."""
    kind = _vector(bits, lanes)
    value = builder.trunc(value, kind.element) if value.type.width > bits else value
    none, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(none, value, first)
    return builder.shuffle_vector(one, none, ir.Constant(_vector(32, lanes), None))


def _constant(value: int, kind: ir.VectorType):
    return ir.Constant(kind, [value] * kind.count)


def _place(builder, array, k, lanes: int):
    """Pointer to `lanes` elements of an array from k on, and the alignment of one."""
    pointer = builder.gep(array.data, [k])
    bits = pointer.type.pointee.width
    return builder.bitcast(pointer, _vector(bits, lanes).as_pointer()), bits // 8


def _masked(builder, name: str, kind, result, *values):
    """A load or store that leaves out the lanes whose bit is 0."""
    signature = ir.FunctionType(result, [x.type for x in values])
    suffix = f"v{kind.count}i{kind.element.width}.p0"
    return builder.call(
        cgutils.get_or_insert_function(builder.module, signature, f"llvm.masked.{name}.{suffix}"), values
    )


def _load(builder, array, k, lanes):
    pointer, size = _place(builder, array, k, lanes.count)
    if lanes.mask is None:
        return builder.load(pointer, align=size)
    kind = pointer.type.pointee
    align = ir.Constant(ir.IntType(32), size)
    return _masked(builder, "load", kind, kind, pointer, align, lanes.mask, ir.Constant(kind, None))


def _store(builder, array, k, value, lanes) -> None:
    pointer, size = _place(builder, array, k, lanes.count)
    if lanes.mask is None:
        builder.store(value, pointer, align=size)
        return
    align = ir.Constant(ir.IntType(32), size)
    _masked(builder, "store", value.type, ir.VoidType(), value, pointer, align, lanes.mask)


def _call(builder, name: str, *values):
    """An operation of the intermediate language that has no instruction: `smin`, `sadd.sat`, ..."""
    kind = values[0].type
    signature = ir.FunctionType(kind, [kind] * len(values))
    suffix = f"v{kind.count}i{kind.element.width}"
    return builder.call(
        cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.{suffix}"), values
    )


def _number(builder, found, lanes: Lanes):
    """How many lanes of a comparison hold, as int64."""
    n = lanes.count
    found = found if lanes.mask is None else builder.and_(found, lanes.mask)
    bits = builder.bitcast(found, ir.IntType(n))
    bits = bits if n == 1 else builder.ctpop(bits)
    return bits if n == 64 else builder.zext(bits, WORD)


def _mask(builder, k, n, count: int):
    """Which of `count` elements from k on lie below n."""
    kind = _vector(32, count)
    left = builder.trunc(builder.sub(n, k), kind.element)
    return builder.icmp_unsigned("<", ir.Constant(kind, list(range(count))), _splat(builder, left, 32, count))


def _each(builder, n, block) -> None:
    """Call block(k, lanes) for blocks that cover 0..n-1."""
    begin = ir.Constant(n.type, 0)
    for count in SIZES:
        last = MASKED and count == SIZES[-1]
        end = n if last else builder.and_(n, ir.Constant(n.type, -count))
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(n.type, count), inc=True) as (k, _):
            block(k, Lanes(count, _mask(builder, k, n, count) if last else None))
        begin = end


def _add_to(builder, places, numbers) -> None:
    for place, number in zip(places, numbers, strict=True):
        builder.store(builder.add(builder.load(place), number), place)


def _zeros(builder, count: int) -> list:
    return [cgutils.alloca_once_value(builder, ir.Constant(WORD, 0)) for _ in range(count)]


def _any(builder, array, n):
    """Whether an element is not 0: the bits of all blocks of a size in one vector."""
    kind = array.data.type.pointee
    nothing = {x: ir.Constant(_vector(kind.width, x), None) for x in SIZES}
    bits = {x: cgutils.alloca_once_value(builder, nothing[x]) for x in SIZES}

    def block(k, lanes):
        place = bits[lanes.count]
        builder.store(builder.or_(builder.load(place), _load(builder, array, k, lanes)), place)

    _each(builder, n, block)
    found = ir.Constant(WORD, 0)
    for x in SIZES:
        some = builder.icmp_unsigned("!=", builder.load(bits[x]), nothing[x])
        some = builder.bitcast(some, ir.IntType(x))
        found = builder.or_(found, some if x == 64 else builder.zext(some, WORD))
    return builder.icmp_unsigned("!=", found, ir.Constant(WORD, 0))


def _arrays(target, builder, signature, values) -> list:
    """The arguments, arrays as structures."""
    return [
        target.make_array(t)(target, builder, x) if isinstance(t, types.Array) else x
        for t, x in zip(signature.args, values, strict=True)
    ]


def _dropped(builder, exact, words, word, bits, k, lanes: Lanes):
    """(E + r) >> bits in 32-bit lanes; r is word, or words[k:] ^ word."""
    r = _splat(builder, word, 32, lanes.count)
    if words is not None:
        r = builder.xor(_load(builder, words, k, lanes), r)
    return builder.ashr(builder.add(exact, r), _splat(builder, bits, 32, lanes.count))


def _stored_sum(builder, row, k, step, limits, signed: bool, lanes: Lanes):
    """The write in lanes of the stored type: old, sum (which wraps, but not onto a limit) and new value."""
    kind = step.type
    sign = 0 if signed else 1 << (kind.element.width - 1)  # an unsigned value without its offset is signed
    flip = _constant(sign, kind)
    old = builder.xor(_load(builder, row, k, lanes), flip)
    low, high = (builder.xor(_splat(builder, x, kind.element.width, kind.count), flip) for x in limits)
    new = _call(builder, "smax", _call(builder, "sadd.sat", old, step), low)
    new = _call(builder, "smin", new, high)
    _store(builder, row, k, builder.xor(new, flip), lanes)
    return old, builder.add(old, step), new


def _wider_sum(builder, row, k, step, limits, signed: bool, lanes: Lanes):
    """The write of 8-bit values in 16-bit lanes: old, sum and new value."""
    kind = step.type
    stored = _load(builder, row, k, lanes)
    old = builder.sext(stored, kind) if signed else builder.zext(stored, kind)
    low, high = (_splat(builder, x, kind.element.width, kind.count) for x in limits)
    total = builder.add(old, step)
    new = _call(builder, "smin", _call(builder, "smax", total, low), high)
    _store(builder, row, k, builder.trunc(new, stored.type), lanes)
    return old, total, new


def _adder(counting: bool, signed: bool, have: tuple[bool, bool], width: int):
    """The code of `add_row`; have: whether there are factors and words per neuron; width: of the steps."""

    def lower(target, builder, signature, values):
        row, vec, z, words, word, bits, low, high = _arrays(target, builder, signature, values)
        write = _stored_sum if row.data.type.pointee.width == width else _wider_sum

        def block(k, lanes):
            kind = _vector(width, lanes.count)
            exact = _splat(builder, z, 32, lanes.count)
            if have[0]:
                exact = builder.mul(_load(builder, vec, k, lanes), exact)
            step = _dropped(builder, exact, words if have[1] else None, word, bits, k, lanes)
            step = builder.trunc(step, kind)
            old, total, new = write(builder, row, k, step, (low, high), signed, lanes)
            if counting:
                pairs = ((step, _constant(0, kind)), (total, new), (old, new))
                numbers = [_number(builder, builder.icmp_unsigned("!=", *x), lanes) for x in pairs]
                _add_to(builder, found, numbers)

        found = _zeros(builder, 3 * counting)
        _each(builder, builder.extract_value(row.shape, 0), block)
        if not counting:
            return target.get_dummy_value()
        return target.make_tuple(builder, signature.return_type, [builder.load(x) for x in found])

    return lower


def _scaler(counting: bool, signed: bool, worded: bool):
    """The code of `scale_row`."""

    def lower(target, builder, signature, values):
        row, k_raw, words, word, bits = _arrays(target, builder, signature, values)
        width = row.data.type.pointee.width

        def block(k, lanes):
            kind, wide = _vector(width, lanes.count), _vector(32, lanes.count)
            old = _load(builder, row, k, lanes)
            exact = builder.sext(old, wide) if signed else builder.zext(old, wide)
            exact = builder.mul(exact, _splat(builder, k_raw, 32, lanes.count))
            new = _dropped(builder, exact, words if worded else None, word, bits, k, lanes)
            new = builder.trunc(new, kind)
            _store(builder, row, k, new, lanes)
            if not counting:
                return
            moved = builder.icmp_unsigned("!=", old, new)
            gone = builder.and_(moved, builder.icmp_unsigned("==", new, _constant(0, kind)))
            _add_to(builder, found, [_number(builder, gone, lanes), _number(builder, moved, lanes)])

        n = builder.extract_value(row.shape, 0)
        found = _zeros(builder, 2 * counting)
        with builder.if_then(_any(builder, row, n)):  # a row of zeros stays one
            _each(builder, n, block)
        if not counting:
            return target.get_dummy_value()
        return target.make_tuple(builder, signature.return_type, [builder.load(x) for x in found])

    return lower


def _adds(counting: bool, wider: bool):
    """`add_row` and its siblings for compiled callers."""

    def typed(context, row, vec, z, words, word, bits, lo, hi):
        have = isinstance(vec, types.Array), isinstance(words, types.Array)
        made = types.UniTuple(types.int64, 3) if counting else types.void
        arguments = row, vec, types.int32, words, types.uint32, types.int32, types.int64, types.int64
        width = 16 if wider else row.dtype.bitwidth
        return made(*arguments), _adder(counting, row.dtype.signed, have, width)

    return intrinsic(typed)


def _scales(counting: bool):
    """`scale_row` or its twin without counts, for compiled callers."""

    def typed(context, row, k, words, word, bits):
        made = types.UniTuple(types.int64, 2) if counting else types.void
        arguments = row, types.int32, words, types.uint32, types.int32
        return made(*arguments), _scaler(counting, row.dtype.signed, isinstance(words, types.Array))

    return intrinsic(typed)


def _lower_any(target, builder, signature, values):
    row = _arrays(target, builder, signature, values)[0]
    return _any(builder, row, builder.extract_value(row.shape, 0))


def _typed_any(context, row):
    return types.boolean(row), _lower_any


if JIT:
    any_row = intrinsic(_typed_any)
    add_row, add_row_only = _adds(True, False), _adds(False, False)
    add_row_16, add_row_16_only = _adds(True, True), _adds(False, True)
    scale_row, scale_row_only = _scales(True), _scales(False)
else:

    def any_row(row):
        """Whether an element of a row of integers is not 0."""
        return bool(np.any(row))

    def _draws(words, word):
        return int(word) if words is None else (words ^ np.uint32(word)).astype(np.int64)

    def add_row(row, vec, z, words, word, bits, lo, hi, room=0):
        """row = the limited sum of row and step = (vec * z + r) >> bits; r: words ^ word, or word.

        row   int8, uint8, int16 or uint16 [n]; every step fits its type as a signed number
        vec   int32[n], or None for ones
        words uint32[n], or None
        Returns how many steps are not 0, how many sums were limited to lo..hi, how many values changed.
        """
        exact = np.asarray(vec, np.int64) * int(z) if vec is not None else np.full(len(row), int(z))
        step = (exact + _draws(words, word)) >> int(bits)
        room = room or 1 << (8 * row.itemsize - 1)
        assert np.all((-room <= step) & (step < room))
        old = row.astype(np.int64)
        new = np.clip(old + step, lo, hi)
        row[:] = new
        return int((step != 0).sum()), int((new != old + step).sum()), int((new != old).sum())

    def add_row_16(*arguments):
        """`add_row` of 8-bit values and steps of 16 bits, which add up in 16 bits."""
        return add_row(*arguments, room=(1 << 15) - 255)

    def scale_row(row, k, words, word, bits):
        """row = (row * k + r) >> bits, which must fit; r as in `add_row`.

        Returns how many values other than 0 became 0, and how many changed.
        """
        old = row.astype(np.int64)
        new = (old * int(k) + _draws(words, word)) >> int(bits)
        row[:] = new
        assert np.array_equal(row, new)
        return int(((old != 0) & (new == 0)).sum()), int((new != old).sum())

    add_row_only, add_row_16_only, scale_row_only = add_row, add_row_16, scale_row
