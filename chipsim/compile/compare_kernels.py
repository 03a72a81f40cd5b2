"""Rows of narrow integers before and after a line.

A line's loop works in 32-bit lanes, 16 to a vector of 512 bits; its results are stored in 8 or 16 bits.
What the line changed is therefore counted after it, from a copy of the row (`blocks.py`).
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from numba import types
from numba.extending import intrinsic

from chipsim.compile.blocks import add_to, arrays, constant, each, load, number, store, zeros
from chipsim.compile.lanes import JIT


def _pair(target, builder, signature, values):
    """A row, the bytes `was` seen as elements of its type, and their number."""
    row, was = arrays(target, builder, signature, values)
    kept = SimpleNamespace(data=builder.bitcast(was.data, row.data.type))
    return row, kept, builder.extract_value(row.shape, 0)


def _keep(target, builder, signature, values):
    row, was, n = _pair(target, builder, signature, values)
    each(builder, n, lambda k, lanes: store(builder, was, k, load(builder, row, k, lanes), lanes))
    return target.get_dummy_value()


def _filled(target, builder, signature, values):
    row = arrays(target, builder, signature, values)[0]
    found = zeros(builder, 1)

    def block(k, lanes):
        value = load(builder, row, k, lanes)
        some = builder.icmp_unsigned("!=", value, constant(0, value.type))
        add_to(builder, found, [number(builder, some, lanes)])

    each(builder, builder.extract_value(row.shape, 0), block)
    return builder.load(found[0])


def _since(gone: bool):
    """The code of `moved_since`, or of `moved_and_gone`."""

    def lower(target, builder, signature, values):
        row, was, n = _pair(target, builder, signature, values)
        found = zeros(builder, 1 + gone)

        def block(k, lanes):
            now, before = (load(builder, x, k, lanes) for x in (row, was))
            moved = builder.icmp_unsigned("!=", now, before)
            masks = [moved]
            if gone:
                masks.append(builder.and_(moved, builder.icmp_unsigned("==", now, constant(0, now.type))))
            add_to(builder, found, [number(builder, x, lanes) for x in masks])

        each(builder, n, block)
        counts = [builder.load(x) for x in found]
        return target.make_tuple(builder, signature.return_type, counts) if gone else counts[0]

    return lower


def _typed(made, lower, arguments: int):
    """A kernel of one or two arrays."""
    if arguments == 1:
        return intrinsic(lambda context, row: (made(row), lower))
    return intrinsic(lambda context, row, was: (made(row, was), lower))


if JIT:
    keep = _typed(types.void, _keep, 2)
    filled = _typed(types.int64, _filled, 1)
    moved_since = _typed(types.int64, _since(False), 2)
    moved_and_gone = _typed(types.UniTuple(types.int64, 2), _since(True), 2)
else:

    def keep(row, was):
        """Copy a row of 8- or 16-bit elements into the bytes `was`, uint8."""
        was[: row.nbytes] = row.view(np.uint8)

    def filled(row):
        """How many elements of a row are not 0."""
        return int(np.count_nonzero(row))

    def moved_and_gone(row, was):
        """How many elements of a row differ from what `keep` kept, and how many of them have become 0."""
        moved = row != was[: row.nbytes].view(row.dtype)
        return int(moved.sum()), int((moved & (row == 0)).sum())

    def moved_since(row, was):
        """How many elements of a row differ from what `keep` kept."""
        return moved_and_gone(row, was)[0]
