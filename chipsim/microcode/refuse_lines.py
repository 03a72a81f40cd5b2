"""Lines that have no meaning: one short function per refusal."""

from __future__ import annotations

from chipsim.errors import did_you_mean
from chipsim.microcode.program import COMPARISONS, SECTIONS, Program
from chipsim.microcode.source import Source
from chipsim.microcode.symbols import BIT, SIGNAL_SECTIONS, may_read, reads, symbols


def unknown_name(program: Program, at: Source) -> None:
    """A name in a line that is not declared."""
    known = symbols(program)
    for line in program.lines:
        for name in [line.target, *reads(line), *filter(None, (line.when, line.shift_param))]:
            if name not in known:
                at.fail(
                    line.line,
                    f"unknown name '{name}'{did_you_mean(name, known)}",
                    word=name,
                    remedy="declare it above the sections",
                )


def read_only(program: Program, at: Source) -> None:
    """Writing a const, param, input or table."""
    known = symbols(program)
    for line in (*program.lines, *program.products):
        symbol = known.get(line.target)
        if symbol is not None and symbol.kind != "register":
            kind = "param" if symbol.kind == "shift" else symbol.kind
            at.fail(
                line.line,
                f"'{line.target}' is a{'n' * (kind == 'input')} {kind} and cannot be written",
                word=line.target,
                remedy="write a register or a temp",
            )


def operand_kind(program: Program, at: Source) -> None:
    """A shift parameter as a value, a value as a shift, a table without its argument."""
    known = symbols(program)
    for line in program.lines:
        for name in filter(None, [*reads(line), line.when]):
            if known[name].kind == "shift":
                at.fail(
                    line.line,
                    f"'{name}' is a shift, not a value",
                    word=name,
                    operand=True,
                    remedy=f"write `>> {name}`",
                )
            if known[name].kind == "table":
                at.fail(
                    line.line,
                    f"table '{name}' without its argument",
                    word=name,
                    operand=True,
                    remedy=f"write `{name}(v)`",
                )
        if line.shift_param and known[line.shift_param].kind != "shift":
            at.fail(
                line.line,
                f"'{line.shift_param}' is no shift",
                word=line.shift_param,
                operand=True,
                remedy=f"declare `param {line.shift_param} : shift = 4 in 0..12`",
            )


def comparison_target(program: Program, at: Source) -> None:
    """A comparison written into a register that is not u1.0."""
    known = symbols(program)
    for line in program.lines:
        fmt = known[line.target].fmt
        if line.form in COMPARISONS and fmt != BIT:
            at.fail(
                line.line,
                f"a comparison is 0 or 1: '{line.target}' is {fmt or 'weight'}, not u1.0",
                word=line.target,
                remedy=f"declare '{line.target}' with format u1.0",
            )


def layer_sum(program: Program, at: Source) -> None:
    """`=` with more operands than targets: pre or post into a layer register, or syn into neurons."""
    known = symbols(program)
    for line in program.lines:
        target = known[line.target].owner
        for name in filter(None, [*reads(line), line.when]):
            if line.mode == "=" and target == "layer" and known[name].owner in ("pre", "post"):
                at.fail(
                    line.line,
                    f"'=' with more operands than targets: '{name}' exists per {known[name].owner}, "
                    f"'{line.target}' once",
                    word=name,
                    operand=True,
                    remedy="add them up with += or -=",
                )


def layer_two_sides(program: Program, at: Source) -> None:
    """A layer register fed from axons and neurons in one line."""
    known = symbols(program)
    for line in program.lines:
        names = [*reads(line), *filter(None, [line.when])]
        owners = {known[n].owner: n for n in names if known[n].owner in ("pre", "post")}
        if known[line.target].owner == "layer" and len(owners) == 2:
            at.fail(
                line.line,
                f"'{line.target}' is fed from axons ('{owners['pre']}') and neurons "
                f"('{owners['post']}') in one line",
                word=owners["post"],
                operand=True,
                remedy="write one line per side",
            )


def operand_owner(program: Program, at: Source) -> None:
    """An operand owned above or beside its target."""
    known = symbols(program)
    for line in program.lines:
        target = known[line.target].owner
        for name in filter(None, [*reads(line), line.when]):
            owner = known[name].owner
            into_layer = target == "layer" and owner in ("pre", "post") and line.mode != "="
            if not may_read(target, owner) and not into_layer:
                at.fail(
                    line.line,
                    f"'{name}' exists per {owner} and cannot be read into '{line.target}' per {target}",
                    word=name,
                    operand=True,
                    remedy="an operand has its target's owner or one below it: layer < pre, post < syn",
                )


def signal_section(program: Program, at: Source) -> None:
    """third_factor or reward read where it does not exist yet."""
    signals = {i.name: i.source for i in program.inputs if i.source in ("third_factor", "reward")}
    for line in program.lines:
        for name in filter(None, [*reads(line), line.when]):
            if name in signals and line.section not in SIGNAL_SECTIONS:
                at.fail(
                    line.line,
                    f"{signals[name]} cannot be read in {line.section}",
                    word=name,
                    operand=True,
                    remedy=f"it exists in {', '.join(SIGNAL_SECTIONS)}",
                )


def membrane_reach(program: Program, at: Source) -> None:
    """on_membrane reaches neurons only."""
    known = symbols(program)
    for line in program.lines:
        if line.section == "on_membrane" and known[line.target].owner in ("pre", "syn"):
            at.fail(
                line.line,
                f"on_membrane reaches neurons only; '{line.target}' exists per {known[line.target].owner}",
                word=line.target,
                remedy="use on_step or on_third_factor",
            )
        for name in filter(None, [*reads(line), line.when]):
            if line.section == "on_membrane" and known[name].owner == "pre":
                at.fail(
                    line.line,
                    f"on_membrane reaches neurons only; '{name}' exists per pre",
                    word=name,
                    operand=True,
                    remedy="use on_step or on_third_factor",
                )


def table_call(program: Program, at: Source) -> None:
    """A table called with another name than it declares, or a threshold that its argument has not."""
    known = symbols(program)
    tables = {t.name: t for t in program.tables}
    for line in program.lines:
        if line.form != "table":
            continue
        table = tables[line.table]
        if table.argument is not None and table.argument != line.a:
            at.fail(
                line.line,
                f"table '{table.name}' is a function of '{table.argument}', not of '{line.a}'",
                word=str(line.a),
                operand=True,
                remedy="declare it without an argument to use it with several",
            )
        if table.centre == "threshold" and known[line.a].owner != "post":
            at.fail(
                line.line,
                f"'{table.name}' is centred on the neuron's threshold; '{line.a}' exists per "
                f"{known[line.a].owner}",
                word=str(line.a),
                operand=True,
                remedy="use neuron.v or a post register",
            )


def temp_before_write(program: Program, at: Source) -> None:
    """A temp read in a section that has not written it yet (it would always be 0)."""
    temps = {r.name for r in program.registers if r.temp}
    for section in SECTIONS:
        written: set[str] = set()
        for line in (x for x in program.lines if x.section == section):
            for name in filter(None, [*reads(line), line.when]):
                if name in temps and name not in written:
                    at.fail(
                        line.line,
                        f"temp '{name}' is read before {section} writes it",
                        word=name,
                        operand=True,
                        remedy="a temp is 0 when its section begins: write it first, or use a register",
                    )
            written.add(line.target)


def never_written(program: Program, at: Source) -> None:
    """A register that no line writes."""
    written = {line.target for line in (*program.lines, *program.products)}
    for r in program.registers:
        if r.name not in written:
            at.fail(r.line, f"no line writes '{r.name}'", word=r.name, remedy="delete it, or make it a const")


def never_used(program: Program, at: Source) -> None:
    """A param that no line uses: setting it would change nothing."""
    used = {n for line in program.lines for n in (*reads(line), line.when, line.shift_param)}
    for p in program.params:
        if p.name not in used:
            at.fail(p.line, f"no line uses the param '{p.name}'", word=p.name, remedy="delete it")


def late_publish(program: Program, at: Source) -> None:
    """A published register written by on_third_factor after the first line that writes a synapse."""
    known = {r.name: r for r in program.registers}
    late = None
    for line in (x for x in program.lines if x.section == "on_third_factor"):
        register = known[line.target]
        if late is None and register.owner == "syn":
            late = line
        if late is not None and register.publish:
            at.fail(
                line.line,
                f"'{line.target}' is published, but line {late.line} has begun phase 8",
                word=line.target,
                remedy="move the line above the first one that writes a synapse",
            )
