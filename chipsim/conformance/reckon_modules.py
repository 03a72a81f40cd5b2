"""Module vectors of ReckOn: tables of lanes through the interpreter's arithmetic and through the kernels'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from chipsim.compile.reckon_entry import entry
from chipsim.conformance.vectors import Mismatch, Result, first_row, read_table
from chipsim.errors import DataError
from chipsim.reckon import datapath, lfsr

KERNELS = "chipsim.compile.reckon_tables"
INTERPRETED = 20_000  # rows of a table that the interpreter does: the first ones, and every k-th
Row = tuple[int, ...]


def stoch_update(row: Row) -> Row:
    """prob, w, en, lr_r, lr_p, draw -> w and whether written, 32 bits and 28 bits."""
    prob, w, en, lr_r, lr_p, draw = row
    made: list[int] = []
    for width in (32, 28):
        cut = 1 << width
        own = ((prob + (cut >> 1)) & (cut - 1)) - (cut >> 1)
        hit = bool(en) and datapath.commits(own, width, lr_p, lr_r, draw & (cut - 1))
        made += [datapath.moved(w, own) if hit else w, int(hit)]
    return tuple(made)


def output_error(row: Row) -> Row:
    """en, regression, act, label, target, o -> error."""
    en, regression, act, label, target, o = row
    return (datapath.output_error(o, bool(label), target, regression, not act) if en else 0,)


def product(row: Row) -> Row:
    """mode, regul_w, additive and multiplicative shifts, trace, L, h, active -> prob of both matrices."""
    mode, regul_w, p_inp, r_inp, p_rec, r_rec, k_mul, trace, signal, h, active = row
    factor = datapath.multiplier(active, k_mul) if mode & 1 and regul_w else 16
    made = []
    for matrix, (k_p, k_r) in enumerate(((p_inp, r_inp), (p_rec, r_rec))):
        taken = datapath.additive(active, k_p, k_r) if mode & 2 and regul_w >> matrix & 1 else 0
        made.append(datapath.product(signal, trace, h, factor, taken, 1))
    return tuple(made)


def learning_signal(row: Row) -> Row:
    """outputs - 1, scale, no_act, label, t_out, 16 weights, 16 potentials -> L, then error and product."""
    last, scale, no_act, label, trace = row[:5]
    errors = [
        datapath.output_error(o, k == label, 0, 0, no_act) if k <= last else 0
        for k, o in enumerate(row[21:37])
    ]
    signal = datapath.learning_signal(errors, row[5:21], scale)
    return (signal, *(x for e in errors for x in (e, e * trace)))


def step(row: Row) -> Row:
    """stoch, to_zero, alpha, kappa, thr, u, t_inp, t_rec, t_out, four draws -> u, spike, traces."""
    stoch, to_zero, alpha, kappa, thr, u, ti, tr, to, d_u, d_ti, d_tr, d_to = row
    rounds, rounds_out = stoch and alpha != 0x8000, stoch and kappa != 0x80
    made, spike = datapath.leak(u, alpha, thr, to_zero, d_u if rounds else None)
    return (
        made,
        spike,
        datapath.decayed(ti, alpha, 15, datapath.U12, d_ti if rounds else None),
        datapath.decayed(tr, alpha, 15, datapath.U12, d_tr if rounds else None),
        datapath.decayed(to, kappa, 7, datapath.U10, d_to if rounds_out else None),
    )


# file: interpreter, kernel, inputs, outputs
TABLES: dict[str, tuple[Callable[[Row], Row], str, int, int]] = {
    "stoch_update": (stoch_update, "stoch_update", 6, 4),
    "output_act_err": (output_error, "output_error", 6, 1),
    "eprop_product": (product, "product", 11, 2),
    "learning_signal": (learning_signal, "learning_signal", 37, 33),
    "step": (step, "step", 13, 5),
}


def table(name: str, path: Path) -> Iterator[Result]:
    """A table of lanes on the kernels, and part of it on the interpreter."""
    interpreted, compiled, inputs, outputs = TABLES[name]
    data = read_table(path, ("inp", "out"))
    rows, wanted = _integers(data["inp"], inputs, path), _integers(data["out"], outputs, path)
    if len(rows) != len(wanted):
        raise DataError(f"{len(rows)} rows of inputs, {len(wanted)} of outputs", where=str(path))
    names = _names(path, outputs)
    got = np.zeros_like(wanted)
    entry(KERNELS, compiled)(rows, got)
    yield Result(path.name, "kernels", wanted.size, first_row(wanted, got, names, "lane"))
    chosen = (
        np.unique(np.linspace(0, len(rows) - 1, min(len(rows), INTERPRETED)).astype(int)) if len(rows) else []
    )
    slow = np.array([interpreted(tuple(int(x) for x in rows[n])) for n in chosen], np.int64)
    wrong = first_row(wanted[chosen], slow.reshape(-1, outputs), names, "lane")
    if wrong is not None and wrong.place.startswith("lane "):
        wrong = wrong._replace(place=f"lane {chosen[int(wrong.place[5:])]}")
    yield Result(path.name, "interpreter", len(chosen) * outputs, wrong)


def _integers(array: np.ndarray, columns: int, path: Path) -> np.ndarray:
    array = array[:, None] if array.ndim == 1 and columns == 1 else array
    if array.dtype.kind not in "iu" or array.ndim != 2 or array.shape[1] != columns:
        raise DataError(
            f"{array.dtype} numbers of shape {array.shape}; needed integers [rows, {columns}]",
            where=str(path),
        )
    return np.ascontiguousarray(array, np.int64)


def _names(path: Path, outputs: int) -> list[str]:
    try:
        names = [str(x) for x in np.atleast_1d(read_table(path, ("out_fields",))["out_fields"])]
    except DataError:
        names = []
    return names if len(names) == outputs else [f"output {k}" for k in range(outputs)]


# ---------------------------------------------------------------- random streams

STREAMS = {
    "neur15": (lfsr.ROUND, 2),
    "oneur15": (lfsr.ROUND_OUT, 3),
    "noise17": (lfsr.NOISE, 4),
    "w25": (lfsr.WEIGHTS, 0),
    "w22": (lfsr.OUTPUTS, 1),
}


def streams(path: Path) -> Iterator[Result]:
    """The words of the five generators after each seed, on interpreter and kernels."""
    data = read_table(path, ("seeds", "steps", *STREAMS))
    try:
        seeds, steps = [int(x) for x in np.atleast_1d(data["seeds"])], int(data["steps"])
        words_of = {name: [int(str(x), 16) for x in np.atleast_1d(data[name])] for name in STREAMS}
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"no seeds, steps and words in hexadecimal: {error}", where=str(path)) from None
    for name, (stream, which) in STREAMS.items():
        wanted = words_of[name]
        if len(wanted) != len(seeds) * steps:
            raise DataError(f"{len(wanted)} words of {name} for {len(seeds)} seeds", where=str(path))
        for part, words in (("kernels", _kernel_words), ("interpreter", _words)):
            wrong = None
            for k, seed in enumerate(seeds):
                got = words(stream, which, seed & ((1 << stream.length) - 1), steps)
                for n, word in enumerate(got):
                    if wrong is None and word != wanted[k * steps + n]:
                        expected = f"{wanted[k * steps + n]:x}"
                        wrong = Mismatch(f"seed {seed}, word {n}", name, expected, f"{word:x}")
            yield Result(path.name, f"{name}, {part}", len(wanted), wrong)


def _words(stream: lfsr.Stream, which: int, seed: int, steps: int) -> Iterator[int]:
    state = lfsr.start(stream, seed)
    for _ in range(steps):
        yield lfsr.shown(stream, state)
        state = lfsr.advance(stream, state)


def _kernel_words(stream: lfsr.Stream, which: int, seed: int, steps: int) -> Iterator[int]:
    state = lfsr.start(stream, seed)
    w32 = np.array(lfsr.split(state, 32, 16) if which == 0 else [0] * 16, np.uint32)
    w14 = np.array(lfsr.split(state, 14, 32) if which == 1 else [0] * 32, np.uint16)
    w = np.array([state if which > 1 else 0], np.int64)
    for _ in range(steps):
        whole = {0: lfsr.join(list(w32), 32), 1: lfsr.join(list(w14), 14)}.get(which, int(w[0]))
        yield lfsr.shown(stream, whole)
        entry(KERNELS, "next_word")(which, w32, w14, w)


KINDS = {f"reckon_{name}.npz": partial(table, name) for name in TABLES} | {"reckon_lfsr.npz": streams}
