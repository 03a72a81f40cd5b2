"""Writes along a dense row of 8- or 16-bit values: 64 synapses at a time, counted by their masks.

The exact value, the draw and the shift need 32-bit lanes; the rest of a write does not. Where what is
added provably fits the stored type, the sum, its limits and what is counted are left to lanes of that
type (`blocks.py`).
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from chipsim.compile.blocks import (
    Lanes,
    add_to,
    any_set,
    arrays,
    call,
    constant,
    each,
    load,
    number,
    splat,
    store,
    vector,
    zeros,
)
from chipsim.compile.lanes import JIT


def _dropped(builder, exact, words, word, bits, k, lanes: Lanes):
    """(E + r) >> bits in 32-bit lanes; r is word, or words[k:] ^ word."""
    r = splat(builder, word, 32, lanes.count)
    if words is not None:
        r = builder.xor(load(builder, words, k, lanes), r)
    return builder.ashr(builder.add(exact, r), splat(builder, bits, 32, lanes.count))


def _stored_sum(builder, row, k, step, limits, signed: bool, lanes: Lanes):
    """The write in lanes of the stored type: old, sum (which wraps, but not onto a limit) and new value."""
    kind = step.type
    sign = 0 if signed else 1 << (kind.element.width - 1)  # an unsigned value without its offset is signed
    flip = constant(sign, kind)
    old = builder.xor(load(builder, row, k, lanes), flip)
    low, high = (builder.xor(splat(builder, x, kind.element.width, kind.count), flip) for x in limits)
    new = call(builder, "smax", call(builder, "sadd.sat", old, step), low)
    new = call(builder, "smin", new, high)
    store(builder, row, k, builder.xor(new, flip), lanes)
    return old, builder.add(old, step), new


def _wider_sum(builder, row, k, step, limits, signed: bool, lanes: Lanes):
    """The write of 8-bit values in 16-bit lanes: old, sum and new value."""
    kind = step.type
    stored = load(builder, row, k, lanes)
    old = builder.sext(stored, kind) if signed else builder.zext(stored, kind)
    low, high = (splat(builder, x, kind.element.width, kind.count) for x in limits)
    total = builder.add(old, step)
    new = call(builder, "smin", call(builder, "smax", total, low), high)
    store(builder, row, k, builder.trunc(new, stored.type), lanes)
    return old, total, new


def _adder(counting: bool, signed: bool, have: tuple[bool, bool], width: int):
    """The code of `add_row`; have: whether there are factors and words per neuron; width: of the steps."""

    def lower(target, builder, signature, values):
        row, vec, z, words, word, bits, low, high = arrays(target, builder, signature, values)
        write = _stored_sum if row.data.type.pointee.width == width else _wider_sum

        def block(k, lanes):
            kind = vector(width, lanes.count)
            exact = splat(builder, z, 32, lanes.count)
            if have[0]:
                exact = builder.mul(load(builder, vec, k, lanes), exact)
            step = _dropped(builder, exact, words if have[1] else None, word, bits, k, lanes)
            step = builder.trunc(step, kind)
            old, total, new = write(builder, row, k, step, (low, high), signed, lanes)
            if counting:
                pairs = ((step, constant(0, kind)), (total, new), (old, new))
                numbers = [number(builder, builder.icmp_unsigned("!=", *x), lanes) for x in pairs]
                add_to(builder, found, numbers)

        found = zeros(builder, 3 * counting)
        each(builder, builder.extract_value(row.shape, 0), block)
        if not counting:
            return target.get_dummy_value()
        return target.make_tuple(builder, signature.return_type, [builder.load(x) for x in found])

    return lower


def _scaler(counting: bool, signed: bool, worded: bool):
    """The code of `scale_row`."""

    def lower(target, builder, signature, values):
        row, k_raw, words, word, bits = arrays(target, builder, signature, values)
        width = row.data.type.pointee.width

        def block(k, lanes):
            kind, wide = vector(width, lanes.count), vector(32, lanes.count)
            old = load(builder, row, k, lanes)
            exact = builder.sext(old, wide) if signed else builder.zext(old, wide)
            exact = builder.mul(exact, splat(builder, k_raw, 32, lanes.count))
            new = _dropped(builder, exact, words if worded else None, word, bits, k, lanes)
            new = builder.trunc(new, kind)
            store(builder, row, k, new, lanes)
            if not counting:
                return
            moved = builder.icmp_unsigned("!=", old, new)
            gone = builder.and_(moved, builder.icmp_unsigned("==", new, constant(0, kind)))
            add_to(builder, found, [number(builder, gone, lanes), number(builder, moved, lanes)])

        n = builder.extract_value(row.shape, 0)
        found = zeros(builder, 2 * counting)
        with builder.if_then(any_set(builder, row, n)):  # a row of zeros stays one
            each(builder, n, block)
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
    row = arrays(target, builder, signature, values)[0]
    return any_set(builder, row, builder.extract_value(row.shape, 0))


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
