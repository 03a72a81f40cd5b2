"""Traces that live in the synapses, as text of the step: spikes in every step, histories at an epoch's end.

The random numbers of a call are drawn before it (`fill_streams`): one of each stream per learning step,
one word of the write stream per learning epoch.
"""

from __future__ import annotations

import numpy as np

from chipsim.compile.epoch_kernels import (
    AT_POST,
    AT_PRE,
    POST,
    PRE,
    SPIKED_POST,
    SPIKED_PRE,
    SYN0,
    UNTIL_END,
)
from chipsim.microcode.epoch_terms import GRADED
from chipsim.microcode.epoch_traces import decay_table
from chipsim.microcode.products import head_shift
from chipsim.microcode.program import BoundProgram
from chipsim.microcode.streams import sevens, uniform, write_words
from chipsim.plan import ConnectionPlan, Plan

SCRATCH = (
    *("hpre", "hpost", "floors", "ups", "mark", "amount", "first", "s_decay_pre", "s_impulse_pre"),
    *("s_decay_post", "s_impulse_post", "s_again", "s_write", "terms", "factors", "limits", "sums"),
    *("no_syn", "no_ptr", "no_tgt"),
)


def is_general(c: ConnectionPlan) -> bool:
    """Whether on_products always runs in its general form: epochs of several steps, payloads."""
    return c.program.learning_epoch > 1 or c.graded


def synaptic(program: BoundProgram) -> list[str]:
    """Synaptic registers in the order of the general form: those written first, as variables."""
    read = [f.name for p in program.products for f in p.factors if f.owner == "syn"]
    return list(dict.fromkeys([*program.variables, *read]))


def epoch_scratch(c: ConnectionPlan) -> dict[str, np.ndarray]:
    """Work arrays and tables of one connection; streams are replaced before every call."""
    program = c.program
    if program.traces is None:
        return {}
    traces, steps = program.traces, program.learning_epoch + 1
    tables = [decay_table(t) for t in traces.all]
    size = max((len(x[0]) for x in tables), default=1)
    floors, ups = (np.zeros((max(1, len(tables)), size), np.int64) for _ in range(2))
    for k, (down, up) in enumerate(tables):
        floors[k, : len(down)], ups[k, : len(up)] = down, up
    streams = {name: np.zeros(1, np.int64) for name in SCRATCH if name.startswith("s_")}
    return {
        **streams,
        "s_write": np.zeros(1, np.uint32),
        "first": np.zeros(2, np.int64),
        "hpre": np.zeros((max(1, len(traces.pre)), steps, c.n_pre), np.int32),
        "hpost": np.zeros((max(1, len(traces.post)), steps, c.n_post), np.int32),
        "floors": floors,
        "ups": ups,
        "mark": np.zeros(c.n_pre, np.uint8),
        "amount": np.zeros(c.n_pre, np.int32),
        "no_syn": np.zeros(1, np.int16),
        "no_ptr": np.zeros(1, np.int64),
        "no_tgt": np.zeros(1, np.uint16),
        **_tables(program),
    }


def _tables(program: BoundProgram) -> dict[str, np.ndarray]:
    """The products as integers for `epoch_products`; mantissas and exponents are set at every call."""
    names, sums, terms, factors = synaptic(program), program.sums, [], []
    for term in program.products:
        gate = {"x": AT_PRE, "y": AT_POST}.get(term.gate[0], UNTIL_END)
        first = len(factors)
        factors += [_factor(program, names, f) for f in term.factors]
        drop = head_shift(term, sums)
        row = (names.index(term.target), gate, 1, 0, 0, drop, first, len(term.factors))
        terms.append(row)
    limits = []
    for name in names:
        r, written = program.register(name), name in program.variables
        limits.append((r.lo, r.hi, written, program.variables.index(name) if written else 0))
    return {
        "terms": np.array(terms, np.int64),
        "factors": np.array(factors or [(0,) * 5], np.int64),
        "limits": np.array(limits, np.int64),
        "sums": np.array([sums.lo, sums.hi, sums.frac], np.int64),
    }


def _factor(program: BoundProgram, names: list[str], f) -> tuple[int, ...]:
    if f.name in ("x0", "y0"):
        kind, index = (SPIKED_PRE if f.name == "x0" else SPIKED_POST), 0
    elif f.owner == "syn":
        kind, index = SYN0 + names.index(f.name), 0
    else:
        side = program.traces.pre if f.owner == "pre" else program.traces.post
        kind, index = (PRE if f.owner == "pre" else POST), [t.register for t in side].index(f.name)
    return kind, index, f.add, int(f.sgn), f.bits


# ---------------------------------------------------------------- random numbers of a call


def fill_streams(plan: Plan, arrays: dict[str, np.ndarray], steps: int) -> None:
    """Draw what `steps` learning steps from the present one on need, into arrays of these names."""
    first = int(arrays["step"][0]) + 1
    for c in plan.connections:
        traces = c.program.traces if c.program else None
        if traces is None:
            continue
        p, epoch = f"x_c{c.index}_", c.program.learning_epoch
        seeds = [traces.seed + offset for offset in traces.offsets]
        for name, draw, seed in zip(
            ("s_decay_pre", "s_impulse_pre", "s_decay_post", "s_impulse_post"),
            (uniform, sevens, uniform, sevens),
            seeds,
            strict=True,
        ):
            arrays[p + name] = np.ascontiguousarray(draw(seed, 2 * first, 2 * steps)[::2])
        arrays[p + "s_again"] = np.ascontiguousarray(sevens(seeds[3], 2 * first - 1, 2 * steps)[::2])
        epochs = (first - 1) // epoch + 1  # number of the epoch that ends next
        count = (first + steps - 1) // epoch - epochs + 1
        arrays[p + "s_write"] = write_words(traces.write_seed, epochs, max(count, 1))
        arrays[p + "first"] = np.array([first, epochs], np.int64)


# ---------------------------------------------------------------- text of the step


def learn(d, c: ConnectionPlan) -> None:
    """Spikes of this step; at an epoch's end histories, products, and a fresh epoch."""
    k, epoch = c.index, c.program.learning_epoch
    d.put("if learn:")
    d.level += 1
    d.put(f"at_{k} = n - x_c{k}_first[0]", f"te_{k} = n % {epoch}")
    d.put(f"te_{k} = te_{k} if te_{k} > 0 else {epoch}")
    _spikes(d, c)
    d.put(f"if te_{k} == {epoch}:")
    d.level += 1
    _histories(d, c)
    d.section(c, "on_products")
    d.put(f"clear2(c{k}_tx)", f"clear2(c{k}_ty)")
    d.level -= 2


def _spikes(d, c: ConnectionPlan) -> None:
    k, traces, epoch = c.index, c.program.traces, c.program.learning_epoch
    act = f"act_{k}[0]"
    pay, graded = (f"pay_{k}[0]", "True") if c.graded else (act, "False")
    d.put(f"epoch_spiked({act}, {pay}, {graded}, nact_{k}[0], x_c{k}_mark)")
    for t in traces.pre:
        register = f"c{k}_r_{t.register}[0]"
        if t.slot == 1 and traces.graded != "regular":
            mode = GRADED.index(traces.graded)
            args = f"{act}, {pay}, nact_{k}[0], x_c{k}_amount, {register}, x_c{k}_mark"
            d.put(f"epoch_payload({mode}, {args})")
        elif epoch > 1:
            d.put(f"epoch_again(x_c{k}_mark, c{k}_tx[0], {register}, i64({t.whole + (t.part > 0)}))")
    d.put(f"epoch_mark(x_c{k}_mark, c{k}_tx[0], te_{k})")
    if not traces.bap:
        return
    fired = f"l{c.post}_fired[0]"
    for t in traces.post:
        if epoch > 1 and not t.received:
            amount = f"i64({t.whole} + i64(x_c{k}_s_again[at_{k}] < {t.part}))"
            d.put(f"epoch_again({fired}, c{k}_ty[0], c{k}_r_{t.register}[0], {amount})")
    d.put(f"epoch_mark({fired}, c{k}_ty[0], te_{k})")


def _histories(d, c: ConnectionPlan) -> None:
    k, traces = c.index, c.program.traces
    for row, t in enumerate(traces.all):
        h = f"x_c{k}_h{t.owner}[{t.slot - 1}]"
        register, when = f"c{k}_r_{t.register}[0]", f"c{k}_t{'x' if t.owner == 'pre' else 'y'}[0]"
        amount = f"i64({t.whole} + i64(x_c{k}_s_impulse_{t.owner}[at_{k}] < {t.part}))"
        tables = f"x_c{k}_floors[{row}], x_c{k}_ups[{row}], i64({t.lo})"
        d.put(f"epoch_history({h}, {register}, {when}, {tables}, x_c{k}_s_decay_{t.owner}[at_{k}], {amount})")
        if not t.received:
            d.put(f"epoch_store({h}, {register})")
