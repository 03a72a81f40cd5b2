"""Kernels of traces that live in the synapses: the twins of `microcode/epoch_traces.py`.

`epoch_products` is the general form of on_products, which reads the products from tables; learning
epochs of one step have a generated one (`product_nest.py`).
"""

from __future__ import annotations

from chipsim.compile.kernels import wrap32
from chipsim.compile.lanes import i64, jit

TOP = 127
REGULAR, OVERWRITE, ADD_SATURATE, ADD_OVERFLOW = range(4)
UNTIL_END, AT_PRE, AT_POST = range(3)  # gates u<k>, x0, y0
PRE, POST, SYN0, SYN1, SYN2, SPIKED_PRE, SPIKED_POST = range(7)  # kinds of factors
DONE, DRAWS, SATURATED, ZERO, CHANGED = 0, 2, 3, 5, 6


@jit
def epoch_spiked(active, payload, graded, count, mark):
    """mark[j] = 1 for the active axons (with a payload other than 0), else 0."""
    for j in range(mark.shape[0]):
        mark[j] = 0
    for k in range(count):
        if not graded or payload[k] != 0:
            mark[active[k]] = 1


@jit
def epoch_payload(mode, active, payload, count, amount, x, mark):
    """Payloads into x1 (`_payloads` of epoch_traces.py)."""
    for j in range(amount.shape[0]):
        amount[j] = 0
    for k in range(count):
        p = i64(payload[k])
        amount[active[k]] = i64(p // 2) + i64(p % 4 == 3)
    for j in range(amount.shape[0]):
        total = i64(i64(x[j]) + i64(amount[j])) & i64(255)
        if mode == OVERWRITE:
            if mark[j] != 0:
                x[j] = amount[j]
        elif mode == ADD_SATURATE:
            x[j] = min(total, i64(TOP))
        else:
            x[j] = i64(total - TOP) if total > TOP else total
            if total <= TOP:
                mark[j] = 0


@jit
def epoch_again(mark, when, x, amount):
    """A further spike within the epoch adds its impulse to the stored trace."""
    for j in range(mark.shape[0]):
        if mark[j] != 0 and when[j] > 0:
            x[j] = min(max(i64(i64(x[j]) + amount), i64(0)), i64(TOP))


@jit
def epoch_mark(mark, when, te):
    """Note the step of the last spike."""
    for j in range(mark.shape[0]):
        if mark[j] != 0:
            when[j] = te


@jit
def epoch_history(h, x, when, floors, ups, lo, decay, amount):
    """h[0..T] of all elements of one trace."""
    for j in range(x.shape[0]):
        h[0, j] = x[j]
    for k in range(1, h.shape[0]):
        for j in range(x.shape[0]):
            at = i64(i64(h[k - 1, j]) - lo)
            value = i64(floors[at] + i64(decay < ups[at]))
            if when[j] == k:
                value = min(max(i64(value + amount), i64(0)), i64(TOP))
            h[k, j] = value


@jit
def epoch_store(h, x):
    """The trace moves on: x = h[T]."""
    last = h.shape[0] - 1
    for j in range(x.shape[0]):
        x[j] = h[last, j]


@jit
def any_below(a, bound):
    """Whether an element of a flat array lies below a bound."""
    found = i64(0)
    for s in range(a.shape[0]):
        found |= i64(i64(a[s]) < bound)
    return found != 0


@jit
def epoch_factor(f, j, i, s, at, hpre, hpost, tx, ty, syn0, syn1, syn2):
    """The limited value of one factor: f = kind, index, add, sgn, bits."""
    kind = f[0]
    if kind == PRE:
        value = i64(hpre[f[1], at, j])
    elif kind == POST:
        value = i64(hpost[f[1], at, i])
    elif kind == SYN0:
        value = i64(syn0[s])
    elif kind == SYN1:
        value = i64(syn1[s])
    elif kind == SYN2:
        value = i64(syn2[s])
    elif kind == SPIKED_PRE:
        value = i64(tx[j] > 0)
    else:
        value = i64(ty[i] > 0)
    value = i64(value + f[2])
    if f[3] != 0:
        value = i64(i64(value > 0) - i64(value < 0))
    return min(max(value, i64(-(i64(1) << f[4]))), i64(i64(i64(1) << f[4]) - 1))


@jit
def epoch_exact(term, factors, j, i, s, hpre, hpost, tx, ty, syn0, syn1, syn2):
    """Gate times factors times mantissa of one product, modulo 2^32; 0 where its gate is closed."""
    at = i64(hpre.shape[1] - 1)
    if term[1] == AT_PRE:
        at = i64(tx[j])
    elif term[1] == AT_POST:
        at = i64(ty[i])
    if at == 0 or term[2] == 0:
        return i64(0)
    value = term[3]
    for k in range(term[6], term[6] + term[7]):
        if value != 0:
            part = epoch_factor(factors[k], j, i, s, at, hpre, hpost, tx, ty, syn0, syn1, syn2)
            value = i64(value * part)
    return wrap32(value)


@jit
def epoch_variable(
    v, old, terms, factors, limits, sums, draw, j, i, s, hpre, hpost, tx, ty, syn0, syn1, syn2, row
):
    """The new value of variable v at one synapse; row: its counters. limits: lo, hi; sums: lo, hi, frac."""
    frac = sums[2]
    start = i64(old << frac)
    acc = start
    met = over = lost = i64(0)
    for k in range(terms.shape[0]):
        if terms[k, 0] != v:
            continue
        e = epoch_exact(terms[k], factors, j, i, s, hpre, hpost, tx, ty, syn0, syn1, syn2)
        if e == 0:
            acc = max(acc, sums[0])
            continue
        met += 1
        p = i64(e >> terms[k, 5])
        up = i64(terms[k, 4] + frac)
        p = i64(p << up) if up >= 0 else i64(p >> i64(-up))
        c = min(max(p, sums[0]), sums[1])
        acc_next = min(max(i64(acc + c), sums[0]), sums[1])
        over |= i64(c != p) | i64(acc_next != i64(acc + c))
        lost |= i64(c == 0)
        acc = acc_next
    if met == 0 and start >= sums[0]:
        return old
    q = i64(i64(acc + draw) >> frac)
    new = min(max(q, limits[v, 0]), limits[v, 1])
    over |= i64(new != q)
    row[DONE] += met
    row[DRAWS] += 1
    row[SATURATED] += over
    row[CHANGED] += i64(new != old)
    row[ZERO] += i64(new == old) & i64(over == 0) & (i64(acc != start) | lost)
    return new


@jit
def epoch_products(
    terms, factors, limits, sums, word, n_pre, n_post, n_vars, sparse, ptr, tgt, hpre, hpost, tx, ty, syn0,
    syn1, syn2, lines, first,
):  # fmt: skip
    """on_products of a whole connection in the general form; synaptic arrays are flat."""
    draw = i64(i64(word) >> i64(i64(32) - sums[2]))
    for j in range(n_pre):
        begin, end = i64(j * n_post), i64(i64(j + 1) * n_post)
        if sparse:
            begin, end = i64(ptr[j]), i64(ptr[j + 1])
        for s in range(begin, end):
            i = i64(tgt[s]) if sparse else i64(s - begin)
            new0 = new1 = new2 = i64(0)
            for v in range(n_vars):
                old = i64(syn0[s]) if v == 0 else (i64(syn1[s]) if v == 1 else i64(syn2[s]))
                new = old
                if limits[v, 2] != 0:
                    new = epoch_variable(
                        v, old, terms, factors, limits, sums, draw, j, i, s, hpre, hpost, tx, ty, syn0, syn1,
                        syn2, lines[first + limits[v, 3]],
                    )  # fmt: skip
                if v == 0:
                    new0 = new
                elif v == 1:
                    new1 = new
                else:
                    new2 = new
            syn0[s] = new0
            if n_vars > 1:
                syn1[s] = new1
            if n_vars > 2:
                syn2[s] = new2
