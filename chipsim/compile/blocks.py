"""Blocks of 64 integers in the compiler's intermediate language, for loops that numba cannot write.

numba compares in lanes of 64 bits. Where values are stored in 8 bits one instruction compares 64 of them,
and a count is the number of set bits of its mask. The last block of a row is masked where the machine has
masked loads of bytes; elsewhere the rest of a row goes in blocks of 16 and one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils

WORD = ir.IntType(64)


def _has_masked_loads() -> bool:
    try:
        return bool(get_host_cpu_features().get("avx512bw"))
    except RuntimeError:  # a machine whose features are not known
        return False


MASKED = _has_masked_loads()
SIZES = (64, 16) if MASKED else (64, 16, 1)  # of blocks; the last takes the rest


@dataclass(frozen=True)
class Lanes:
    """A block: how many elements, and which of them are meant (None: all)."""

    count: int
    mask: ir.Value | None = None


def vector(bits: int, lanes: int) -> ir.VectorType:
    """The type of so many integers side by side."""
    return ir.VectorType(ir.IntType(bits), lanes)


def splat(builder, value, bits: int, lanes: int):
    """A scalar in every lane."""
    kind = vector(bits, lanes)
    value = builder.trunc(value, kind.element) if value.type.width > bits else value
    none, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(none, value, first)
    return builder.shuffle_vector(one, none, ir.Constant(vector(32, lanes), None))


def constant(value: int, kind: ir.VectorType):
    """A number in every lane."""
    return ir.Constant(kind, [value] * kind.count)


def _place(builder, array, k, lanes: int):
    """Pointer to `lanes` elements of an array from k on, and the alignment of one."""
    pointer = builder.gep(array.data, [k])
    bits = pointer.type.pointee.width
    return builder.bitcast(pointer, vector(bits, lanes).as_pointer()), bits // 8


def _masked(builder, name: str, kind, result, *values):
    """A load or store that leaves out the lanes whose bit is 0."""
    signature = ir.FunctionType(result, [x.type for x in values])
    suffix = f"v{kind.count}i{kind.element.width}.p0"
    return builder.call(
        cgutils.get_or_insert_function(builder.module, signature, f"llvm.masked.{name}.{suffix}"), values
    )


def load(builder, array, k, lanes: Lanes):
    """The elements of an array from k on; 0 where masked."""
    pointer, size = _place(builder, array, k, lanes.count)
    if lanes.mask is None:
        return builder.load(pointer, align=size)
    kind = pointer.type.pointee
    align = ir.Constant(ir.IntType(32), size)
    return _masked(builder, "load", kind, kind, pointer, align, lanes.mask, ir.Constant(kind, None))


def store(builder, array, k, value, lanes: Lanes) -> None:
    """Put a vector into an array from k on, masked lanes left as they are."""
    pointer, size = _place(builder, array, k, lanes.count)
    if lanes.mask is None:
        builder.store(value, pointer, align=size)
        return
    align = ir.Constant(ir.IntType(32), size)
    _masked(builder, "store", value.type, ir.VoidType(), value, pointer, align, lanes.mask)


def call(builder, name: str, *values):
    """An operation of the intermediate language that has no instruction: `smin`, `sadd.sat`, ..."""
    kind = values[0].type
    signature = ir.FunctionType(kind, [kind] * len(values))
    suffix = f"v{kind.count}i{kind.element.width}"
    return builder.call(
        cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.{suffix}"), values
    )


def number(builder, found, lanes: Lanes):
    """How many lanes of a comparison hold, as int64."""
    n = lanes.count
    found = found if lanes.mask is None else builder.and_(found, lanes.mask)
    bits = builder.bitcast(found, ir.IntType(n))
    bits = bits if n == 1 else builder.ctpop(bits)
    return bits if n == 64 else builder.zext(bits, WORD)


def _mask(builder, k, n, count: int):
    """Which of `count` elements from k on lie below n."""
    kind = vector(32, count)
    left = builder.trunc(builder.sub(n, k), kind.element)
    return builder.icmp_unsigned("<", ir.Constant(kind, list(range(count))), splat(builder, left, 32, count))


def each(builder, n, block) -> None:
    """Call block(k, lanes) for blocks that cover 0..n-1."""
    begin = ir.Constant(n.type, 0)
    for count in SIZES:
        last = MASKED and count == SIZES[-1]
        end = n if last else builder.and_(n, ir.Constant(n.type, -count))
        with cgutils.for_range_slice(builder, begin, end, ir.Constant(n.type, count), inc=True) as (k, _):
            block(k, Lanes(count, _mask(builder, k, n, count) if last else None))
        begin = end


def add_to(builder, places: list, numbers: list) -> None:
    """Add to sums in memory."""
    for place, number in zip(places, numbers, strict=True):
        builder.store(builder.add(builder.load(place), number), place)


def zeros(builder, count: int) -> list:
    """Places of so many int64 sums, each 0."""
    return [cgutils.alloca_once_value(builder, ir.Constant(WORD, 0)) for _ in range(count)]


def any_set(builder, array, n):
    """Whether an element is not 0: the bits of all blocks of a size in one vector."""
    kind = array.data.type.pointee
    nothing = {x: ir.Constant(vector(kind.width, x), None) for x in SIZES}
    bits = {x: cgutils.alloca_once_value(builder, nothing[x]) for x in SIZES}

    def block(k, lanes):
        place = bits[lanes.count]
        builder.store(builder.or_(builder.load(place), load(builder, array, k, lanes)), place)

    each(builder, n, block)
    found = ir.Constant(WORD, 0)
    for x in SIZES:
        some = builder.icmp_unsigned("!=", builder.load(bits[x]), nothing[x])
        some = builder.bitcast(some, ir.IntType(x))
        found = builder.or_(found, some if x == 64 else builder.zext(some, WORD))
    return builder.icmp_unsigned("!=", found, ir.Constant(WORD, 0))


def arrays(target, builder, signature, values) -> list:
    """The arguments, arrays as structures."""
    return [
        target.make_array(t)(target, builder, x) if isinstance(t, types.Array) else x
        for t, x in zip(signature.args, values, strict=True)
    ]
