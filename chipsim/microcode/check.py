"""What a rule may not say: one short function per refusal, run in the order of `CHECKS`.

Refusals of a single line's form stand in forms.py, of a single declaration in declare.py, of the
file's layout in syntax.py; what depends on chip or experiment is refused by bind.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from chipsim.errors import did_you_mean
from chipsim.fixed import Format
from chipsim.microcode.program import COMPARISONS, SECTIONS, Line, Program, is_gate
from chipsim.microcode.source import Source

RESERVED = (
    "rule param const in table pre post syn layer temp history when not random min max abs sign "
    "decay weight keep publish steps shift threshold"
).split()
SIGNAL_SECTIONS = ("on_third_factor", "on_epoch", "on_replay", "on_sample_end")
INPUT_OWNERS = {
    "neuron.v": "post",
    "neuron.v_after": "post",
    "post.spike": "post",
    "pre.spike": "pre",
    "third_factor": "post",
    "reward": "layer",
}
RANK = {"none": -1, "layer": 0, "pre": 1, "post": 1, "syn": 2}
BIT = Format(False, 1, 0)


@dataclass(frozen=True)
class Symbol:
    """A declared name: kind register | const | param | shift | input | table, owner, format, line."""

    kind: str
    owner: str
    fmt: Format | None
    line: int
    temp: bool = False


def symbols(program: Program) -> dict[str, Symbol]:
    """Every declared name of a program."""
    out = {r.name: Symbol("register", r.owner, r.fmt, r.line, r.temp) for r in program.registers}
    out |= {c.name: Symbol("const", "none", c.fmt, c.line) for c in program.consts}
    out |= {p.name: Symbol("shift" if p.kind == "shift" else "param", "none", p.fmt, p.line) for p in program.params}
    out |= {i.name: Symbol("input", INPUT_OWNERS[i.source], None, i.line) for i in program.inputs}
    out |= {t.name: Symbol("table", "none", t.fmt, t.line) for t in program.tables}
    return out


def reads(line: Line) -> list[str]:
    """The names a line reads, condition and shift parameter excluded."""
    return [x for x in (line.a, line.b) if isinstance(x, str)]


def may_read(target: str, operand: str) -> bool:
    """Owner rule: an operand has the target's owner or one below it."""
    return operand == target or RANK[operand] < RANK[target]


def check(program: Program) -> None:
    """Run every refusal; raises RuleError at the first that applies."""
    at = Source(program.path, program.source)
    for refusal in CHECKS:
        refusal(program, at)


# ---------------------------------------------------------------- declarations


def duplicate_name(program: Program, at: Source) -> None:
    """Two declarations of one name."""
    seen: dict[str, int] = {}
    groups = (program.registers, program.consts, program.params, program.inputs, program.tables)
    for item in sorted((x for group in groups for x in group), key=lambda x: x.line):
        if item.name in seen:
            at.fail(item.line, f"'{item.name}' is declared twice; first in line {seen[item.name]}", word=item.name)
        seen[item.name] = item.line


def reserved_name(program: Program, at: Source) -> None:
    """A name that is a word of the language or a built-in factor."""
    for name, symbol in symbols(program).items():
        if name in RESERVED or is_gate(name):
            why = "a built-in factor of on_products" if is_gate(name) else "a word of the language"
            column = at.row(symbol.line).rfind(f" {name}", 0, at.row(symbol.line).find(":")) + 2
            at.fail(symbol.line, f"'{name}' is {why}", column=max(column, 1), remedy="choose another name")


def weight_owner(program: Program, at: Source) -> None:
    """`weight` on something that is not a synaptic register."""
    for r in program.registers:
        if r.fmt is None and (r.owner != "syn" or r.temp):
            at.fail(r.line, f"'{r.name}' is no synaptic register, so it has no weight format", word="weight",
                    remedy="write `syn w : weight`, or give a format such as s8.4")  # fmt: skip


def second_weight(program: Program, at: Source) -> None:
    """More than one weight register."""
    weights = [r for r in program.registers if r.fmt is None]
    if len(weights) > 1:
        at.fail(weights[1].line, f"a second weight register; '{weights[0].name}' is the first", word=weights[1].name,
                remedy="a rule has one weight; give a tag its own format")  # fmt: skip


def per_context_owner(program: Program, at: Source) -> None:
    """`per context` where it is already so, or has no meaning."""
    for r in program.registers:
        if r.per_context and (r.owner != "syn" or r.temp or r.fmt is None):
            at.fail(r.line, f"'per context' is for synaptic tags; '{r.name}' is none", word="context",
                    remedy="pre, post and temp registers exist once per context already")  # fmt: skip


def publish_owner(program: Program, at: Source) -> None:
    """`publish` on anything but a post register."""
    for r in program.registers:
        if r.publish and (r.owner != "post" or r.temp):
            at.fail(r.line, f"'{r.name}' cannot be published: only a post register can", word="publish",
                    remedy="declare `post NAME : FORMAT publish` and write it")  # fmt: skip


def temp_flags(program: Program, at: Source) -> None:
    """A temp that keeps or begins with a value."""
    for r in program.registers:
        if r.temp and (r.keep or r.init):
            word = "keep" if r.keep else "="
            at.fail(r.line, f"a temp is 0 when its section begins: '{r.name}' has no '{word}'", word=word,
                    remedy="use a pre, post, syn or layer register")  # fmt: skip


def keep_owner(program: Program, at: Source) -> None:
    """`keep` on a register that nothing resets."""
    for r in program.registers:
        if r.keep and r.owner in ("syn", "layer") and not r.per_context:
            at.fail(r.line, f"'{r.name}' stays from sample to sample already", word="keep",
                    remedy="delete keep: only pre and post registers return to their initial value")  # fmt: skip


def weight_init(program: Program, at: Source) -> None:
    """An initial value of the weight in the rule."""
    for r in program.registers:
        if r.fmt is None and r.init:
            at.fail(r.line, f"'{r.name}' takes its initial values from the network", word="=",
                    remedy="delete the value; the experiment states the initial weights")  # fmt: skip


def init_range(program: Program, at: Source) -> None:
    """A start value outside its register's format."""
    for r in program.registers:
        if r.fmt is not None:
            _inside(r.init, r.fmt, f"the initial value of '{r.name}'", r.line, at)


def param_range(program: Program, at: Source) -> None:
    """A parameter's value outside its format."""
    for p in program.params:
        if p.kind == "value":
            _inside(p.value, p.fmt, f"the value of '{p.name}'", p.line, at)


def _inside(value: Fraction, fmt: Format, what: str, line: int, at: Source) -> None:
    lo, hi = fmt.real(fmt.lo), fmt.real(fmt.hi)
    half = fmt.lsb / 2
    if not lo - half < value < hi + half:
        text = f"{what}, {float(value):g}, lies outside {fmt}: {float(lo):g} .. {float(hi):g}"
        at.fail(line, text, word="=", remedy="choose a format with more integer bits, or another value")


def table_steps(program: Program, at: Source) -> None:
    """steps without a step, or breakpoints that do not ascend."""
    for t in program.tables:
        if t.shape is None and not t.steps:
            at.fail(t.line, f"table '{t.name}' has no step", word="steps", remedy="steps(-0.5: 0, 0: 1, 0.5: 0)")
        for (a, _), (b, _) in zip(t.steps, t.steps[1:], strict=False):
            if a >= b:
                text = f"the breakpoints of '{t.name}' do not ascend: {float(b):g} after {float(a):g}"
                at.fail(t.line, text, word="steps", remedy="sort them; each breakpoint stands once")


def table_shape(program: Program, at: Source) -> None:
    """A named shape without a reach, or with a setting that is not above 0."""
    for t in program.tables:
        if t.shape is None:
            continue
        if t.shape not in ("box", "triangle") and t.reach == 0:
            at.fail(t.line, f"'{t.name}': {t.shape} needs its reach", word=t.shape,
                    remedy="add reach=2.0: the table is 0 outside centre - reach .. centre + reach")  # fmt: skip
        for key, value in (("reach", t.reach), *t.options):
            if value <= 0:
                at.fail(t.line, f"'{t.name}': {key}={float(value):g} is not above 0", word=key)
        wrong = {k for k, _ in t.options} & ({"slope"} if t.shape in ("box", "triangle") else {"half_width"})
        for key in sorted(wrong):
            at.fail(t.line, f"'{t.name}': {t.shape} has no {key}", word=key,
                    remedy="box and triangle have half_width; the others slope and reach")  # fmt: skip


def table_argument(program: Program, at: Source) -> None:
    """A table argument that is not declared."""
    names = {n for n, s in symbols(program).items() if s.kind in ("register", "input")}
    for t in program.tables:
        if t.argument is not None and t.argument not in names:
            at.fail(t.line, f"the argument '{t.argument}' of table '{t.name}' is not declared"
                    f"{did_you_mean(t.argument, names)}", word=t.argument, remedy="name an input or register")  # fmt: skip


def history_name(program: Program, at: Source) -> None:
    """history of a name that is no register or input of a neuron or axon."""
    known = {n: s for n, s in symbols(program).items() if s.kind in ("register", "input") and not s.temp}
    line = next((i for i, row in enumerate(program.source.splitlines(), 1) if row.startswith("history")), 1)
    for name in program.history[0]:
        if name not in known:
            at.fail(line, f"history of an unknown name '{name}'{did_you_mean(name, known)}", word=name,
                    remedy="store a pre or post register or an input")  # fmt: skip
        if known[name].owner not in ("pre", "post"):
            at.fail(line, f"history of '{name}': owned by {known[name].owner}", word=name,
                    remedy="store a pre or post register or an input")  # fmt: skip


def replay_history(program: Program, at: Source) -> None:
    """on_replay without anything stored."""
    for line in program.lines:
        if line.section == "on_replay" and not program.history[0]:
            at.fail(line.line, "on_replay needs a history line", remedy="declare `history psi, s depth=T`")


# ---------------------------------------------------------------- lines


def unknown_name(program: Program, at: Source) -> None:
    """A name in a line that is not declared."""
    known = symbols(program)
    for line in program.lines:
        for name in [line.target, *reads(line), *filter(None, (line.when, line.shift_param))]:
            if name not in known:
                at.fail(line.line, f"unknown name '{name}'{did_you_mean(name, known)}", word=name,
                        remedy="declare it above the sections")  # fmt: skip


def read_only(program: Program, at: Source) -> None:
    """Writing a const, param, input or table."""
    known = symbols(program)
    for line in (*program.lines, *program.products):
        symbol = known.get(line.target)
        if symbol is not None and symbol.kind != "register":
            kind = "param" if symbol.kind == "shift" else symbol.kind
            at.fail(line.line, f"'{line.target}' is a{'n' * (kind == 'input')} {kind} and cannot be written",
                    word=line.target, remedy="write a register or a temp")  # fmt: skip


def operand_kind(program: Program, at: Source) -> None:
    """A shift parameter as a value, a value as a shift, a table without its argument."""
    known = symbols(program)
    for line in program.lines:
        for name in filter(None, [*reads(line), line.when]):
            if known[name].kind == "shift":
                at.fail(line.line, f"'{name}' is a shift, not a value", word=name, operand=True,
                        remedy=f"write `>> {name}`")  # fmt: skip
            if known[name].kind == "table":
                at.fail(line.line, f"table '{name}' without its argument", word=name, operand=True,
                        remedy=f"write `{name}(v)`")  # fmt: skip
        if line.shift_param and known[line.shift_param].kind != "shift":
            at.fail(line.line, f"'{line.shift_param}' is no shift", word=line.shift_param, operand=True,
                    remedy=f"declare `param {line.shift_param} : shift = 4 in 0..12`")  # fmt: skip


def comparison_target(program: Program, at: Source) -> None:
    """A comparison written into a register that is not u1.0."""
    known = symbols(program)
    for line in program.lines:
        fmt = known[line.target].fmt
        if line.form in COMPARISONS and fmt != BIT:
            at.fail(line.line, f"a comparison is 0 or 1: '{line.target}' is {fmt or 'weight'}, not u1.0",
                    word=line.target, remedy=f"declare '{line.target}' with format u1.0")  # fmt: skip


def layer_sum(program: Program, at: Source) -> None:
    """`=` with more operands than targets: pre or post into a layer register, or syn into neurons."""
    known = symbols(program)
    for line in program.lines:
        target = known[line.target].owner
        for name in filter(None, [*reads(line), line.when]):
            if line.mode == "=" and target == "layer" and known[name].owner in ("pre", "post"):
                at.fail(line.line, f"'=' with more operands than targets: '{name}' exists per {known[name].owner}, "
                        f"'{line.target}' once", word=name, operand=True,
                        remedy="add them up with += or -=")  # fmt: skip


def layer_two_sides(program: Program, at: Source) -> None:
    """A layer register fed from axons and neurons in one line."""
    known = symbols(program)
    for line in program.lines:
        names = [*reads(line), *filter(None, [line.when])]
        owners = {known[n].owner: n for n in names if known[n].owner in ("pre", "post")}
        if known[line.target].owner == "layer" and len(owners) == 2:
            at.fail(line.line, f"'{line.target}' is fed from axons ('{owners['pre']}') and neurons "
                    f"('{owners['post']}') in one line", word=owners["post"], operand=True,
                    remedy="write one line per side")  # fmt: skip


def operand_owner(program: Program, at: Source) -> None:
    """An operand owned above or beside its target."""
    known = symbols(program)
    for line in program.lines:
        target = known[line.target].owner
        for name in filter(None, [*reads(line), line.when]):
            owner = known[name].owner
            into_layer = target == "layer" and owner in ("pre", "post") and line.mode != "="
            if not may_read(target, owner) and not into_layer:
                at.fail(line.line, f"'{name}' exists per {owner} and cannot be read into '{line.target}' per {target}",
                        word=name, operand=True, remedy="an operand has its target's owner or one below it: "
                        "layer < pre, post < syn")  # fmt: skip


def signal_section(program: Program, at: Source) -> None:
    """third_factor or reward read where it does not exist yet."""
    signals = {i.name: i.source for i in program.inputs if i.source in ("third_factor", "reward")}
    for line in program.lines:
        for name in filter(None, [*reads(line), line.when]):
            if name in signals and line.section not in SIGNAL_SECTIONS:
                at.fail(line.line, f"{signals[name]} cannot be read in {line.section}", word=name, operand=True,
                        remedy=f"it exists in {', '.join(SIGNAL_SECTIONS)}")  # fmt: skip


def membrane_reach(program: Program, at: Source) -> None:
    """on_membrane reaches neurons only."""
    known = symbols(program)
    for line in program.lines:
        if line.section == "on_membrane" and known[line.target].owner in ("pre", "syn"):
            at.fail(line.line, f"on_membrane reaches neurons only; '{line.target}' exists per "
                    f"{known[line.target].owner}", word=line.target, remedy="use on_step or on_third_factor")  # fmt: skip


def table_call(program: Program, at: Source) -> None:
    """A table called with another name than it declares, or a threshold that its argument has not."""
    known = symbols(program)
    tables = {t.name: t for t in program.tables}
    for line in program.lines:
        if line.form != "table":
            continue
        table = tables[line.table]
        if table.argument is not None and table.argument != line.a:
            at.fail(line.line, f"table '{table.name}' is a function of '{table.argument}', not of '{line.a}'",
                    word=str(line.a), operand=True,
                    remedy="declare it without an argument to use it with several")  # fmt: skip
        if table.centre == "threshold" and known[line.a].owner != "post":
            at.fail(line.line, f"'{table.name}' is centred on the neuron's threshold; '{line.a}' exists per "
                    f"{known[line.a].owner}", word=str(line.a), operand=True,
                    remedy="use neuron.v or a post register")  # fmt: skip


def temp_before_write(program: Program, at: Source) -> None:
    """A temp read in a section that has not written it yet (it would always be 0)."""
    temps = {r.name for r in program.registers if r.temp}
    for section in SECTIONS:
        written: set[str] = set()
        for line in (x for x in program.lines if x.section == section):
            for name in filter(None, [*reads(line), line.when]):
                if name in temps and name not in written:
                    at.fail(line.line, f"temp '{name}' is read before {section} writes it", word=name, operand=True,
                            remedy="a temp is 0 when its section begins: write it first, or use a register")  # fmt: skip
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
            at.fail(line.line, f"'{line.target}' is published, but line {late.line} has begun phase 8",
                    word=line.target, remedy="move the line above the first one that writes a synapse")  # fmt: skip


# ---------------------------------------------------------------- products


def product_target(program: Program, at: Source) -> None:
    """A product added to something that is not a synaptic register."""
    known = symbols(program)
    for line in program.products:
        symbol = known.get(line.target)
        if symbol is None:
            at.fail(line.line, f"unknown name '{line.target}'{did_you_mean(line.target, known)}", word=line.target,
                    remedy="declare it above the sections")  # fmt: skip
        if symbol.owner != "syn" or symbol.temp:
            at.fail(line.line, f"on_products writes synaptic registers only; '{line.target}' exists per "
                    f"{symbol.owner}", word=line.target)  # fmt: skip


def product_factor(program: Program, at: Source) -> None:
    """A factor that is neither a register nor a gate."""
    known = symbols(program)
    for line in program.products:
        for factor in line.factors:
            symbol = known.get(factor.name)
            if symbol is None and not is_gate(factor.name):
                at.fail(line.line, f"unknown factor '{factor.name}'{did_you_mean(factor.name, [*known, 'x0', 'y0'])}",
                        word=factor.name, operand=True, remedy="a factor is x0, y0, u<k> or a declared register")  # fmt: skip
            if symbol is not None and (symbol.kind != "register" or symbol.temp):
                at.fail(line.line, f"'{factor.name}' is no register and cannot be a factor of a product",
                        word=factor.name, operand=True, remedy="a factor is x0, y0, u<k> or a declared register")  # fmt: skip


def product_gate(program: Program, at: Source) -> None:
    """A product without x0, y0 or u<k>."""
    for line in program.products:
        if not line.gates:
            at.fail(line.line, "a product needs x0, y0 or u<k>: nothing says when it is evaluated", word=line.mode,
                    remedy="add `* u0` for every learning epoch")  # fmt: skip


CHECKS = (
    duplicate_name,
    reserved_name,
    weight_owner,
    second_weight,
    per_context_owner,
    publish_owner,
    temp_flags,
    keep_owner,
    weight_init,
    init_range,
    param_range,
    table_steps,
    table_shape,
    table_argument,
    history_name,
    unknown_name,
    read_only,
    operand_kind,
    comparison_target,
    layer_sum,
    layer_two_sides,
    operand_owner,
    signal_section,
    membrane_reach,
    table_call,
    temp_before_write,
    product_target,
    product_factor,
    product_gate,
    never_written,
    never_used,
    late_publish,
    replay_history,
)
