"""The integer lanes of the kernels.

Numba widens every integer operation to 64 bits unless it is cast back, so generated code casts at
each operation. With NUMBA_DISABLE_JIT=1 the same source runs as plain Python and the casts check
that the value fits the lane: what the interval analysis promised is then verified, not assumed.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

JIT = not numba.config.DISABLE_JIT


def _checked(name: str, lo: int, hi: int):
    def cast(x):
        x = int(x)
        if not lo <= x <= hi:
            raise OverflowError(f"{x} does not fit {name}")
        return x

    return cast


if JIT:
    i32, i64, u32, u64, f64 = np.int32, np.int64, np.uint32, np.uint64, np.float64
else:
    i32 = _checked("i32", -(2**31), 2**31 - 1)
    i64 = _checked("i64", -(2**63), 2**63 - 1)
    f64 = float

    def u32(x):
        """uint32 with wrap-around, as the hash needs it."""
        return int(x) & 0xFFFFFFFF

    def u64(x):
        """uint64 with wrap-around."""
        return int(x) & 0xFFFFFFFFFFFFFFFF


def _shift(operation: str, lane: types.Integer):
    """A shift by 0 to 31 that stays in a 32-bit lane: numba's own has 64-bit lanes if the number varies."""

    def shift(context, x, n):
        def lower(target, builder, signature, values):
            return getattr(builder, operation)(*values)

        return lane(lane, lane), lower

    return intrinsic(shift)


if JIT:
    sar32 = _shift("ashr", types.int32)
    shl32 = _shift("shl", types.int32)
    shr32 = _shift("lshr", types.uint32)
else:

    def sar32(x, n):
        """int32 >> n."""
        assert 0 <= n < 32
        return i32(x) >> n

    def shl32(x, n):
        """int32 << n, which must fit."""
        assert 0 <= n < 32
        return i32(i32(x) << n)

    def shr32(x, n):
        """uint32 >> n."""
        assert 0 <= n < 32
        return u32(x) >> n


COMMON = {"nogil": True, "error_model": "numpy"}
# Generated kernels allocate nothing and only borrow their arrays, so numba need not count references to them:
# four atomic operations per array and call cost more than most lines of a rule.
OPTIONS = {**COMMON, "_nrt": False}


def jit(function):
    """numba.njit with the options every kernel of chipsim uses."""
    return numba.njit(cache=True, **OPTIONS)(function)


def jit_entry(function):
    """Like `jit`, for the one function of a generated file that Python calls."""
    return numba.njit(cache=True, no_cfunc_wrapper=True, **OPTIONS)(function)


def jit_inner(function):
    """Like `jit`, for functions that only kernels call: no Python wrapper, half the compile time."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True} if JIT else {}
    return numba.njit(cache=True, **OPTIONS, **options)(function)


def jit_part(function):
    """Like `jit_inner`, and never cached by itself: for kernels in several files, whose callers numba would
    keep when another file changes. `reckon_entry.entry` caches the whole by the content of all files."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True} if JIT else {}
    return numba.njit(**COMMON, **options)(function)


def jit_whole(function):
    """Like `jit_entry`, for a caller of such parts: what they allocate is compiled under its options."""
    return numba.njit(cache=True, no_cfunc_wrapper=True, **COMMON)(function)
