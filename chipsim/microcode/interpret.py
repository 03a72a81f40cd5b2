"""The definition of a rule: a section's lines, one by one, on Python integers.

Slow and plain on purpose: every other way to run a rule is compared with this one bit for bit. A
line is finished for all elements and contexts before the next begins. Within a line everything is
read before anything is written; all contributions to a stored element are added exactly, and the
element is rounded, limited and written once (definition 2, 3 and 5).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np

from chipsim.fixed import limit, shift_round
from chipsim.microcode.program import COMPARISONS, COUNTS, BoundLine, BoundRegister, Operand
from chipsim.microcode.reach import OWNER_POSITION, Clock, Place, Reach, active_axons
from chipsim.microcode.shared import meets
from chipsim.noise import draw_key, lfsr_next, lfsr_start, top_bits, word_one, word_pair

DONE, SKIPPED, DRAWS, SATURATED, WRAPPED, ROUNDED_TO_ZERO, CHANGED = range(len(COUNTS))
INPUT_ARRAYS = {"neuron.v": "vc", "neuron.v_after": "v", "post.spike": "fired", "third_factor": "m"}

Read = Callable[[Place], int]


def run_section(
    plan: object, c: object, state: dict, section: str, reach: Reach, clock: Clock, part: int = 0
) -> None:
    """Run the lines of one section of a connection's rule on the state.

    plan, c   Plan and ConnectionPlan (chipsim/plan.py); state as in chipsim/state.py
    reach     what the section reaches in this step (reach.reach_of)
    part      on_third_factor only: 7 runs the lines of phase 7, 8 those of phase 8, 0 all
    """
    program = c.program
    lines = program.section(section)
    if part:
        lines = lines[: program.phase7] if part == 7 else lines[program.phase7 :]
    if part != 8:
        _begin(c, state, section)
    if not reach.contexts or not lines:
        return
    stored = program.history if section == "on_replay" else ()
    view = _View(plan, c, state, clock, reach, stored)
    for line in lines:
        _run_line(line, view)


def _begin(c: object, state: dict, section: str) -> None:
    """Temps are 0 when their section begins; so is what on_third_factor publishes."""
    for register in c.program.registers:
        if register.temp:
            state[f"c{c.index}_t_{register.name}"][...] = 0
    if section == "on_third_factor":
        for line in c.program.section(section):
            if line.target.publish:
                state[f"c{c.index}_r_{line.target.name}"][...] = 0


def _run_line(line: BoundLine, view: _View) -> None:
    counts = view.state[f"c{view.c.index}_lines"][line.ordinal]
    sums: dict[tuple[int, int], int] = {}  # (row of the stored array, element) -> E
    exact = _exact(line, view)
    when = view.read(line.when) if line.when else None
    per_context, position = stored_per_context(line.target), OWNER_POSITION[line.target.owner]
    for place in _contributions(line, view.reach):
        if when and (when(place) != 0) == line.when_not:
            counts[SKIPPED] += 1
            continue
        counts[DONE] += 1
        element = (place[0] if per_context else 0, place[position])
        sums[element] = sums.get(element, 0) + exact(place)
    if sums:
        _write(line, view, sums, counts)


def stored_per_context(register: BoundRegister) -> bool:
    """Whether a register's array has a context axis (else it is stored once for all contexts)."""
    return register.temp or register.per_context or register.owner in ("pre", "post")


def _contributions(line: BoundLine, reach: Reach) -> list[Place]:
    """Every (context, element) that meets in the target: of the target's owner, or, into a layer
    register, of the widest owner among the operands."""
    owner = line.target.owner
    if owner == "syn" and reach.wiring.stored and not meets(line):
        return reach.places("stored")
    if owner != "layer":
        return reach.places(owner)
    if line.mode == "=":
        places = reach.places("layer")
        return places if stored_per_context(line.target) else places[:1]
    wide = {x.owner for x in (line.a, line.b, line.when) if x} & {"pre", "post"}
    if len(wide) > 1:
        raise ValueError(f"'{line.text}' feeds a layer register from both pre and post")
    return reach.places(wide.pop() if wide else "layer")


# ---------------------------------------------------------------- exact value


def _exact(line: BoundLine, view: _View) -> Read:
    """E of one contribution, with line.frac(params) fraction bits and the sign of += or -=."""
    value = _form(line, view)
    if (line.mode == "-=") == line.negate:
        return value
    return lambda p: -value(p)


def _form(line: BoundLine, view: _View) -> Read:
    form = line.form
    if form == "random":
        return lambda p: 0  # the word is drawn at the write
    a = view.read(line.a)
    b = view.read(line.b) if line.b else None
    if form == "scale":
        return a if b is None else lambda p: a(p) * b(p)
    if form == "abs":
        return lambda p: abs(a(p))
    if form == "sign":
        return lambda p: (a(p) > 0) - (a(p) < 0)
    if form == "table":
        return _table(line, view, a)
    frac = max(line.a.fmt.frac, line.b.fmt.frac)
    up_a, up_b = frac - line.a.fmt.frac, frac - line.b.fmt.frac
    if form == "add":
        return lambda p: (a(p) << up_a) + (b(p) << up_b)
    if form == "sub":
        return lambda p: (a(p) << up_a) - (b(p) << up_b)
    if form in ("min", "max"):
        pick = min if form == "min" else max
        return lambda p: pick(a(p) << up_a, b(p) << up_b)
    if form in COMPARISONS:
        return lambda p: _compare(form, a(p) << up_a, b(p) << up_b)
    raise ValueError(f"unknown form '{form}'")


def _compare(form: str, a: int, b: int) -> int:
    return int({"ge": a >= b, "gt": a > b, "le": a <= b, "lt": a < b, "eq": a == b}[form])


def _table(line: BoundLine, view: _View, a: Read) -> Read:
    """value[k], k the number of breakpoints <= the argument (minus the neuron's threshold)."""
    table = line.table
    if not table.minus_threshold:
        return lambda p: table.values[bisect_right(table.breakpoints, a(p))]
    layer = view.plan.layers[view.c.post]
    threshold = view.state[f"l{layer.index}_thr"].tolist()
    # argument and threshold may have different fraction bits: compared exactly at the finer one
    frac = max(table.argument_fmt.frac, layer.v_fmt.frac)
    up, up_threshold = frac - table.argument_fmt.frac, frac - layer.v_fmt.frac
    breakpoints = [x << up for x in table.breakpoints]

    def value(p: Place) -> int:
        argument = (a(p) << up) - (threshold[p[OWNER_POSITION["post"]]] << up_threshold)
        return table.values[bisect_right(breakpoints, argument)]

    return value


# ---------------------------------------------------------------- write


def _write(line: BoundLine, view: _View, sums: dict[tuple[int, int], int], counts: np.ndarray) -> None:
    """Round, limit and store every element that has a contribution, once."""
    target = line.target
    array = view.stored(target)
    drop = line.drop(view.params)
    drawn = target.rounding == "stochastic" and drop > 0
    words = _words(line, view, array.shape[1]) if drawn or line.form == "random" else None
    for (row, e), exact in sums.items():
        old, draw = int(array[row, e]), 0
        if line.form == "random":
            exact = target.fmt.lo + top_bits(words(row, e), target.fmt.bits)
            counts[DRAWS] += 1
        elif drawn:
            draw = top_bits(words(row, e), drop)
            counts[DRAWS] += 1
        total, n = exact, drop
        if line.mode != "=":  # old * 2**n + E is rounded, never E alone
            total, n = ((old << drop) + exact, drop) if drop > 0 else (old + (exact << -drop), 0)
        rounded = shift_round(total, n, target.rounding, draw)
        new, saturated, wrapped = limit(rounded, target.lo, target.hi, target.overflow)
        array[row, e] = new
        counts[SATURATED] += saturated
        counts[WRAPPED] += wrapped
        counts[CHANGED] += new != old
        without_effect = new == 0 if line.mode == "=" else new == old and not saturated
        counts[ROUNDED_TO_ZERO] += exact != 0 and without_effect


def _words(line: BoundLine, view: _View, size: int) -> Callable[[int, int], int]:
    """The 32-bit word of element e in row `row` (the context, 0 for stored-once registers)."""
    c, wiring, noise = view.c, view.reach.wiring, view.c.noise
    pair = line.target.owner == "syn"
    keys: dict[int, int] = {}
    serial: dict[int, list[int]] = {}

    def word(row: int, e: int) -> int:
        if row not in keys:
            keys[row] = draw_key(view.plan.seed, c.index, line.ordinal, row, view.clock.n)
        key = keys[row]
        if noise == "lfsr":
            if row not in serial:
                serial[row] = lfsr_words(key, size)
            return serial[row][e]
        if pair:
            return word_pair(key, *wiring.draw_of(e), noise)
        return word_one(key, 0 if noise == "shared" else e)

    return word


def lfsr_words(key: int, size: int) -> list[int]:
    """The words of a serial register for all elements of an array, in storage order."""
    words, register = [], lfsr_start(key)
    for _ in range(size):
        register = lfsr_next(register)
        words.append(register)
    return words


# ---------------------------------------------------------------- what a line sees


class _View:
    """State, parameters and clock as the lines of one section of one connection see them.

    history   names that mean the stored step's value (clock.ts): those of the rule in on_replay
    """

    def __init__(
        self, plan: object, c: object, state: dict, clock: Clock, reach: Reach, history: tuple[str, ...] = ()
    ):
        self.plan, self.c, self.state, self.clock, self.reach = plan, c, state, clock, reach
        self.history = history
        values = state[f"c{c.index}_params"].tolist()
        self.params = {p.name: v for p, v in zip(c.program.params, values, strict=True)}

    def stored(self, register: BoundRegister) -> np.ndarray:
        """A register's array as a view [contexts or 1, elements]."""
        if register.is_weight:
            name = "w"
        else:
            name = ("t_" if register.temp else "r_") + register.name
        rows = self.plan.contexts if stored_per_context(register) else 1
        return self.state[f"c{self.c.index}_{name}"].reshape(rows, -1)

    def read(self, operand: Operand) -> Read:
        """The raw value of an operand at a place, as it stands when the line begins."""
        if operand.kind == "param":
            value = self.params[operand.name]
            return lambda p: value
        if operand.kind not in ("input", "register"):
            return lambda p: operand.raw
        if operand.name in self.history and operand.source != "pre.spike":
            return self._read_stored(operand)
        if operand.kind == "input":
            return self._read_input(operand)
        register = self.c.program.register(operand.name)
        values = self.stored(register).tolist()
        position = OWNER_POSITION[register.owner]
        if stored_per_context(register):
            return lambda p: values[p[0]][p[position]]
        once = values[0]
        return lambda p: once[p[position]]

    def _read_stored(self, operand: Operand) -> Read:
        """A name of the history: its value at the end of step clock.ts. Spikes of axons are read where
        they wait for delayed connections."""
        stored = self.state[f"c{self.c.index}_h_{operand.name}"]
        values = stored[(self.clock.ts - 1) % len(stored)].tolist()
        position = OWNER_POSITION[operand.owner]
        return lambda p: values[p[0]][p[position]]

    def _read_input(self, operand: Operand) -> Read:
        if operand.source == "reward":
            reward = self.clock.reward
            return lambda p: reward[p[0]] if reward else 0
        if operand.source == "pre.spike":
            contexts = range(self.plan.contexts)
            active = [active_axons(self.plan, self.c, self.state, self.clock.ts, b) for b in contexts]
            return lambda p: active[p[0]].get(p[OWNER_POSITION["pre"]], 0)
        values = self.state[f"l{self.c.post}_{INPUT_ARRAYS[operand.source]}"].tolist()
        return lambda p: values[p[0]][p[OWNER_POSITION["post"]]]
