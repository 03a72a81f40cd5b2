"""A rule on one chip and one connection: `Program` + `Chip` + `Use` -> `BoundProgram`.

Every format, constant and table becomes final here, and whatever the chip or the experiment cannot
give is refused here; interpreter, kernels and listing need no further checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from chipsim.errors import LimitError, SettingError
from chipsim.fixed import Format
from chipsim.microcode.banks import bind_registers, check_rounding
from chipsim.microcode.bounds import LIMIT_BITS, exact_bound
from chipsim.microcode.early_fire import order_notes
from chipsim.microcode.fixed_rules import FIXED, check_fixed, lower_fixed, own_registers
from chipsim.microcode.lower import lower
from chipsim.microcode.operands import Folder
from chipsim.microcode.program import BoundLine, BoundProgram, Program
from chipsim.microcode.shared import shared_assignment, shared_contexts, shared_engine
from chipsim.microcode.source import Source

ENGINES = ("lines", "sum_of_products")
REASONS = {
    "none": "it has no learning engine",
    "unknown": "its learning datapath is not public",
    "fixed": "its learning engine is fixed hardware and runs its own rule only",
}
SIGNALS = ("none", "global_reward", "per_post_neuron", "any")


@dataclass(frozen=True)
class Use:
    """What one connection and one experiment give a rule.

    weight, w_lo, w_hi   format of the weight memory, write limits (raw)
    v, spike             format of the post neuron's membrane; of pre.spike (u1.0, u8.0 when graded)
    third_factor, reward formats of the signals
    dt_ms                length of a step in ms
    n_pre, n_post        axons and neurons; contexts: samples in flight with shared weights
    positions            places at which a shared kernel weight meets one sample (1: dense)
    shared               weights are shared kernels: a stored weight has many axons and neurons
    formats, params      overrides by register name; by param or const name (a real number)
    fit                  "refuse" or "narrow" (cut low bits of registers wider than the chip's)
    engine               None: the chip's; "lines": run unlowered
    end_of_sample        the update instant is the end of the sample
    sample_steps         T of `history ... depth=T` (0: not given)
    engine_settings      of a sum-of-products engine with streams: epoch, graded, seed (epoch_terms.py)
    """

    weight: Format
    w_lo: int
    w_hi: int
    v: Format
    spike: Format = Format(False, 1, 0)
    third_factor: Format = Format(True, 8, 7)
    reward: Format = Format(True, 8, 4)
    dt_ms: Fraction = Fraction(1)
    n_pre: int = 256
    n_post: int = 256
    contexts: int = 1
    positions: int = 1
    formats: Mapping[str, Format] = field(default_factory=dict)
    params: Mapping[str, Fraction | float | int] = field(default_factory=dict)
    strict: bool = False
    fit: str = "refuse"
    engine: str | None = None
    end_of_sample: bool = False
    shared: bool = False
    sample_steps: int = 0
    engine_settings: Mapping[str, object] = field(default_factory=dict)


def bind(program: Program, chip, use: Use) -> BoundProgram:
    """Bind a rule; raises RuleError, LimitError or SettingError where it cannot run.

    The result carries notes on every folded constant and every narrowed register. On a
    sum_of_products chip it is lowered to products unless use.engine is "lines".
    """
    if use.fit not in ("refuse", "narrow"):
        raise SettingError(f"fit '{use.fit}'", remedy="use refuse or narrow")
    at = Source(program.path, program.source)
    engine = _engine(program, chip, use)
    chip = own_registers(chip) if engine == "fixed" else chip
    _signals(program, chip)
    registers, notes = bind_registers(program, chip, use)
    folder = Folder(program, registers, use, at)
    lines = _lines(program, registers, folder)
    for line in lines:
        _contexts(line, use, at)
        _end_of_sample(line, use, at)
        shared_assignment(line, use, at)
        shared_contexts(line, use, at)
    shared_engine(program, chip, engine, use)
    bounds = {p.name: (p.lo, p.hi) for p in folder.params if p.kind == "shift"}
    lines = tuple(replace(x, exact_bound=_proved(x, use, bounds, at)) for x in lines)
    check_rounding(registers, lines, bounds, chip)
    bound = BoundProgram(
        name=program.name,
        chip=chip.name,
        engine=engine,
        registers=registers,
        lines=lines,
        params=tuple(folder.params),
        inputs=tuple(folder.operand(i.name) for i in program.inputs),
        tables=tuple(folder.tables.values()),
        epoch=program.epoch,
        phase7=_phase7(lines),
        accumulate=getattr(chip.learning, "accumulate", "sum"),
        products=program.products,
        notes=(*notes, *folder.notes, *(order_notes(lines, chip) if engine != "fixed" else ())),
        source=program.source,
        consts=tuple((c.name, str(c.fmt), folder.consts[c.name].raw) for c in program.consts),
        history=program.history[0],
        depth=program.history[1] or use.sample_steps,
    )
    if engine == "fixed":
        return lower_fixed(bound, chip, use)
    return lower(bound, chip, use) if engine == "sum_of_products" else bound


# ---------------------------------------------------------------- chip


def _engine(program: Program, chip, use: Use) -> str:
    where = str(chip.path)
    if chip.engine == "fixed" and chip.fixed in FIXED and use.engine in (None, "fixed"):
        check_fixed(program, chip)
        return "fixed"
    if chip.engine in REASONS:
        raise LimitError(
            f"chip {chip.name} runs no rule: {REASONS[chip.engine]} (engine = {chip.engine})",
            where=where,
            remedy="choose another chip; mapping and cost still work on this one",
        )
    if use.engine is not None and use.engine not in ENGINES:
        raise SettingError(f"engine '{use.engine}'", remedy=f"use one of {', '.join(ENGINES)}")
    own = "sum_of_products" if chip.engine == "sum_of_products" else "lines"
    engine = use.engine or own
    if engine == "sum_of_products" and own != engine:
        raise LimitError(
            f"chip {chip.name} has no sum-of-products engine (engine = {chip.engine})",
            where=where,
            remedy="leave the engine out, or choose a chip with engine = sum_of_products",
        )
    if program.products and engine == "lines":
        line = program.products[0].line
        raise LimitError(
            f"{program.path}:{line}: on_products needs a sum-of-products engine; chip {chip.name} runs lines",
            where=where,
            remedy="write the products as lines of on_third_factor or on_epoch, or choose another chip",
        )
    return engine


def _signals(program: Program, chip) -> None:
    """The third factor that the rule reads must reach the chip's neurons."""
    sources = {i.source: i.line for i in program.inputs}
    has = SIGNALS.index(chip.learning.third_factor)
    for source, need in (("third_factor", "per_post_neuron"), ("reward", "global_reward")):
        if source in sources and has < SIGNALS.index(need):
            raise LimitError(
                f"rule {program.name} reads {source} (line {sources[source]}), which needs {need}; "
                f"chip {chip.name} gives {chip.learning.third_factor}",
                where=str(chip.path),
                remedy="choose a chip that routes this signal, or a rule without it",
            )
    if not chip.learning.pre_spikes:
        _no_pre_spikes(program, chip)


def _no_pre_spikes(program: Program, chip) -> None:
    """An engine that sees no single spikes of axons runs no on_pre and reads no pre.spike."""
    read = next((i.line for i in program.inputs if i.source == "pre.spike"), None)
    line = read or next((x.line for x in program.lines if x.section == "on_pre"), None)
    if line is not None:
        raise LimitError(
            f"rule {program.name} {'reads pre.spike' if read else 'has lines in on_pre'} (line {line}); the "
            f"learning engine of chip {chip.name} sees no single spikes of axons",
            where=str(chip.path),
            remedy="choose another chip; mapping and cost still work on this one",
        )


# ---------------------------------------------------------------- lines


def _lines(program: Program, registers, folder: Folder) -> tuple[BoundLine, ...]:
    targets = {r.name: r for r in registers}
    out = []
    for ordinal, x in enumerate(program.lines):
        target = targets[x.target]
        a, b = folder.pair(x, target)
        table = folder.table(x.table, a.fmt) if x.form == "table" else None
        out.append(
            BoundLine(
                ordinal=ordinal,
                section=x.section,
                target=target,
                mode=x.mode,
                form=x.form,
                a=a,
                b=b,
                negate=x.negate,
                shift=x.shift,
                shift_param=x.shift_param,
                shift_sign=x.shift_sign,
                when=folder.operand(x.when) if x.when else None,
                when_not=x.when_not,
                table=table,
                line=x.line,
                text=x.text,
            )
        )
    return tuple(out)


def _phase7(lines: tuple[BoundLine, ...]) -> int:
    """Leading lines of on_third_factor before the first whose target is owned by syn."""
    count = 0
    for line in (x for x in lines if x.section == "on_third_factor"):
        if line.target.owner == "syn":
            break
        count += 1
    return count


def _contexts(line: BoundLine, use: Use, at: Source) -> None:
    """A register stored once is written by += and -= only when several contexts share it."""
    target = line.target
    if use.contexts == 1 or line.mode != "=" or target.per_context or target.owner not in ("syn", "layer"):
        return
    operands = [x for x in (line.a, line.b, line.when) if x is not None]
    if target.owner == "layer" and not any(x.per_context for x in operands):
        return
    at.fail(
        line.line,
        f"'{target.name}' is stored once for {use.contexts} contexts and written by '='",
        word=line.mode,
        remedy="run with one context, write it with += or -=, or declare it `per context` (one copy each)",
    )


def _end_of_sample(line: BoundLine, use: Use, at: Source) -> None:
    """The current spike at the end of a sample is the last step's only."""
    if not use.end_of_sample or line.section != "on_third_factor":
        return
    for operand in (line.a, line.b, line.when):
        if operand is not None and operand.source in ("post.spike", "pre.spike"):
            at.fail(
                line.line,
                f"{operand.source} in on_third_factor with update = end of sample: only the last step's "
                "spikes would count",
                word=operand.name,
                operand=True,
                remedy="update in every step, or read a trace of the spikes",
            )


def _proved(line: BoundLine, use: Use, bounds, at: Source) -> int:
    bound = exact_bound(line, use, bounds)
    if bound >= 1 << LIMIT_BITS:
        at.fail(
            line.line,
            f"the exact value of this line may need {bound.bit_length()} bits; the limit is {LIMIT_BITS}",
            word=line.target.name,
            remedy="narrow a format, narrow the range of the shift, or sum fewer contributions "
            f"(pre {use.n_pre}, post {use.n_post}, contexts {use.contexts})",
        )
    return bound
