"""Rows of narrow integers before and after a line, compared 64 bytes at a time.

A line's loop works in 32-bit lanes, 16 to a vector of 512 bits; its results are stored in 8 or 16 bits.
What the line changed is therefore counted after it, from a copy of the row: one comparison for 64 bytes
and the number of ones in its mask, instead of a comparison and a masked sum in every lane.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from chipsim.compile.lanes import JIT, i64, jit_inline, u64

WIDE, SMALL, ONE = 64, 16, 0  # bytes of a block; ONE is a single element


def _lanes(size: int, bits: int) -> int:
    return max(1, size * 8 // bits)


def _block(context, builder, array_type, array, at, size: int, itemsize: int):
    """Pointer to a block of elements of an array, from element `at` of `itemsize` bytes on."""
    from llvmlite import ir

    data = context.make_array(array_type)(context, builder, array).data
    first = builder.bitcast(data, ir.IntType(8).as_pointer())
    first = builder.gep(first, [builder.mul(at, ir.IntType(64)(itemsize))])
    block = ir.VectorType(ir.IntType(8 * itemsize), _lanes(size, 8 * itemsize))
    return builder.bitcast(first, block.as_pointer())


def _mask(what: str, size: int):
    """A function of (row, was, at): bit k tells of element at + k whether it is `what`."""

    def bits(typing, row, was, at):
        def lower(context, builder, signature, args):
            from llvmlite import ir

            itemsize = row.dtype.bitwidth // 8
            blocks = [
                builder.load(_block(context, builder, t, x, args[2], size, itemsize), align=1)
                for t, x in zip(signature.args[:2], args[:2], strict=True)
            ]
            now, before = blocks
            none = ir.Constant(now.type, None)
            mask = builder.icmp_unsigned("!=", now, before if what == "moved" else none)
            if what == "gone":
                mask = builder.icmp_unsigned("==", now, none)
                mask = builder.and_(mask, builder.icmp_unsigned("!=", before, none))
            number = builder.bitcast(mask, ir.IntType(_lanes(size, 8 * itemsize)))
            return number if number.type.width == 64 else builder.zext(number, ir.IntType(64))

        return types.uint64(row, was, types.int64), lower

    return intrinsic(bits)


def _copy(size: int):
    """A function of (row, was, at): was[at ...] = row[at ...]."""

    def copy(typing, row, was, at):
        def lower(context, builder, signature, args):
            itemsize = row.dtype.bitwidth // 8
            source, to = (
                _block(context, builder, t, x, args[2], size, itemsize)
                for t, x in zip(signature.args[:2], args[:2], strict=True)
            )
            builder.store(builder.load(source, align=1), to, align=1)
            return context.get_dummy_value()

        return types.void(row, was, types.int64), lower

    return intrinsic(copy)


def _elements(size: int):
    """A function of (row): how many elements a block has, a constant (`row.itemsize` is read at run time)."""

    def elements(typing, row):
        def lower(context, builder, signature, args):
            return context.get_constant(types.int64, _lanes(size, row.dtype.bitwidth))

        return types.int64(row), lower

    return intrinsic(elements)


@intrinsic
def ones(typing, word):
    """How many bits of a uint64 are set."""

    def lower(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), lower


def _plain_mask(what: str, size: int):
    def bits(row, was, at):
        part = slice(at, at + _lanes(size, 8 * row.itemsize))
        now, before = row[part], was.view(row.dtype)[part]
        found = {"moved": now != before, "filled": now != 0, "gone": (now == 0) & (before != 0)}[what]
        assert len(found) == _lanes(size, 8 * row.itemsize)
        return sum(1 << k for k in np.flatnonzero(found).tolist())

    return bits


def _plain_copy(size: int):
    def copy(row, was, at):
        part = slice(at, at + _lanes(size, 8 * row.itemsize))
        was.view(row.dtype)[part] = row[part]

    return copy


def _plain_elements(size: int):
    return lambda row: _lanes(size, 8 * row.itemsize)


if not JIT:
    _mask, _copy, _elements = _plain_mask, _plain_copy, _plain_elements

    def ones(word):
        """How many bits of a number are set."""
        return int(word).bit_count()


lanes_wide, lanes_small = _elements(WIDE), _elements(SMALL)
copy_wide, copy_small, copy_one = _copy(WIDE), _copy(SMALL), _copy(ONE)
moved_wide, moved_small, moved_one = (_mask("moved", x) for x in (WIDE, SMALL, ONE))
gone_wide, gone_small, gone_one = (_mask("gone", x) for x in (WIDE, SMALL, ONE))
filled_wide, filled_small, filled_one = (_mask("filled", x) for x in (WIDE, SMALL, ONE))


@jit_inline
def keep(row, was):
    """Copy a row of 8- or 16-bit elements into the bytes `was`, uint8."""
    n, wide, small = row.shape[0], lanes_wide(row), lanes_small(row)
    if n >= wide:
        at = 0
        while at < n - wide:
            copy_wide(row, was, at)
            at += wide
        copy_wide(row, was, n - wide)
    elif n >= small:
        at = 0
        while at < n - small:
            copy_small(row, was, at)
            at += small
        copy_small(row, was, n - small)
    else:
        for at in range(n):
            copy_one(row, was, at)


@jit_inline
def moved_since(row, was):
    """How many elements of a row differ from what `keep` kept."""
    n, wide, small = row.shape[0], lanes_wide(row), lanes_small(row)
    found = u64(0)
    if n >= wide:
        at = 0
        while at <= n - wide:
            found += ones(moved_wide(row, was, at))
            at += wide
        if n % wide:  # the last block overlaps the one before; its low bits are of elements already counted
            found += ones(moved_wide(row, was, n - wide) >> u64(wide - n % wide))
    elif n >= small:
        at = 0
        while at <= n - small:
            found += ones(moved_small(row, was, at))
            at += small
        if n % small:
            found += ones(moved_small(row, was, n - small) >> u64(small - n % small))
    else:
        for at in range(n):
            found += moved_one(row, was, at)
    return i64(found)


@jit_inline
def moved_and_gone(row, was):
    """How many elements of a row differ from what `keep` kept, and how many of them have become 0."""
    n, wide, small = row.shape[0], lanes_wide(row), lanes_small(row)
    found, gone = u64(0), u64(0)
    if n >= wide:
        at = 0
        while at <= n - wide:
            found += ones(moved_wide(row, was, at))
            gone += ones(gone_wide(row, was, at))
            at += wide
        if n % wide:
            found += ones(moved_wide(row, was, n - wide) >> u64(wide - n % wide))
            gone += ones(gone_wide(row, was, n - wide) >> u64(wide - n % wide))
    elif n >= small:
        at = 0
        while at <= n - small:
            found += ones(moved_small(row, was, at))
            gone += ones(gone_small(row, was, at))
            at += small
        if n % small:
            found += ones(moved_small(row, was, n - small) >> u64(small - n % small))
            gone += ones(gone_small(row, was, n - small) >> u64(small - n % small))
    else:
        for at in range(n):
            found += moved_one(row, was, at)
            gone += gone_one(row, was, at)
    return i64(found), i64(gone)


@jit_inline
def filled(row):
    """How many elements of a row are not 0."""
    n, wide, small = row.shape[0], lanes_wide(row), lanes_small(row)
    found = u64(0)
    if n >= wide:
        at = 0
        while at <= n - wide:
            found += ones(filled_wide(row, row, at))
            at += wide
        if n % wide:
            found += ones(filled_wide(row, row, n - wide) >> u64(wide - n % wide))
    elif n >= small:
        at = 0
        while at <= n - small:
            found += ones(filled_small(row, row, at))
            at += small
        if n % small:
            found += ones(filled_small(row, row, n - small) >> u64(small - n % small))
    else:
        for at in range(n):
            found += filled_one(row, row, at)
    return i64(found)
