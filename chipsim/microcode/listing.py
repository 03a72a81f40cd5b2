"""The listing of a bound program: what a chip does for a rule, line by line, and what it stores.

Each line is one micro-op. `runs` says how often per step: `active` axons spiked in this step,
`fired` neurons fired, `signalled` neurons have a non-zero third factor. `n` bits are dropped at the
write (0 or less: exact); ranges come from the declared shift ranges.
"""

from __future__ import annotations

from fractions import Fraction

from chipsim.microcode.bounds import lane_bits
from chipsim.microcode.lower import lowering_table
from chipsim.microcode.program import COMPARISONS, BoundLine, BoundProgram, Note
from chipsim.microcode.verify import verify

OWNERS = {"pre": "axon", "post": "neuron", "syn": "synapse", "layer": "layer"}
REACH = {  # which axons and which neurons a section reaches
    "on_pre": ("active", ""),
    "on_post": ("", "fired"),
    "on_third_factor": ("", "signalled"),
}


def listing(bound: BoundProgram, use) -> str:
    """The program as aligned plain text; `use` is what it was bound with."""
    parts = [_head(bound, use), _registers(bound, use), _operands(bound), _program(bound, use)]
    if bound.lowering:
        parts.append(lowering_table(bound).rstrip())
    parts.append(_notes([*bound.notes, *(verify(bound, use) if bound.lines else ())]))
    return "\n\n".join(part for part in parts if part) + "\n"


def table(rows: list[tuple], right: str = "", indent: str = "  ") -> str:
    """Rows (the first is the head) in aligned columns; `right` holds r for right-aligned ones."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    out = []
    for row in texts:
        cells = [
            cell.rjust(width) if right[i : i + 1] == "r" else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        out.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(out)


def _head(bound: BoundProgram, use) -> str:
    contexts = f", {use.contexts} contexts" if use.contexts > 1 else ""
    lines = [
        f"rule {bound.name} on chip {bound.chip}, engine {bound.engine}",
        f"  {use.n_pre} axons -> {use.n_post} neurons{contexts}, step {float(use.dt_ms):g} ms",
    ]
    if bound.lines:
        lines.append(f"  exact values fit {lane_bits(bound)}-bit lanes (proved; limit 63)")
    if bound.history:
        depth = bound.depth or "T (the sample's)"
        lines.append(f"  on_replay after the sample, once per stored step, last step first; depth {depth}")
    if bound.epoch:
        lines.append(f"  on_epoch every {bound.epoch} steps")
    return "\n".join(lines)


# ---------------------------------------------------------------- state


def _registers(bound: BoundProgram, use) -> str:
    rows: list[tuple] = [("register", "per", "format", "bits", "range", "LSB", "round", "overflow", "")]
    for r in bound.registers:
        flags = ["weight"] * r.is_weight + ["temp"] * r.temp + ["keep"] * r.keep + ["publish"] * r.publish
        flags += ["per context"] * (r.owner == "syn" and r.per_context and not r.temp)
        flags += [f"begins at {_num(r.fmt.real(r.init))}"] * bool(r.init)
        span = f"{_num(r.fmt.real(r.lo))} .. {_num(r.fmt.real(r.hi))}"
        row = (r.name, OWNERS[r.owner], r.fmt, r.fmt.bits, span, _num(r.fmt.lsb), r.rounding, r.overflow)
        rows.append((*row, ", ".join(flags)))
    return "registers\n" + table(rows, "   r") + "\n" + _state(bound, use)


def state_bits(bound: BoundProgram) -> dict[str, int]:
    """Stored bits of one element per owner (temps excluded, one context)."""
    bits = dict.fromkeys(OWNERS, 0)
    for r in bound.registers:
        if not r.temp:
            bits[r.owner] += r.fmt.bits
    return bits


def _state(bound: BoundProgram, use) -> str:
    counts = {"pre": use.n_pre, "post": use.n_post, "syn": use.n_pre * use.n_post, "layer": 1}
    rows = [("state", "bits each", "elements", "bits in all")]
    for owner, bits in state_bits(bound).items():
        if bits:
            rows.append(
                (f"per {OWNERS[owner]}", bits, counts[owner], bits * _copies(bound, owner, use, counts))
            )
    for x in bound.stored:
        steps, each = bound.depth or "T", counts[x.owner] * use.contexts
        total = each * x.fmt.bits * bound.depth or f"{each * x.fmt.bits} T"
        rows.append((f"history of {x.name}", x.fmt.bits, f"{each} x {steps} steps", total))
    return table(rows, " rrr")


def _copies(bound: BoundProgram, owner: str, use, counts: dict[str, int]) -> Fraction | int:
    mine = [r for r in bound.registers if r.owner == owner and not r.temp]
    stored = sum(r.fmt.bits * (use.contexts if r.per_context else 1) for r in mine)
    return Fraction(counts[owner] * stored, sum(r.fmt.bits for r in mine))


def _operands(bound: BoundProgram) -> str:
    rows: list[tuple] = [("constant", "format", "raw", "value", "")]
    for name, fmt, raw in bound.consts:
        frac = int(fmt.split(".")[1])
        rows.append((name, fmt, raw, _num(Fraction(raw) / Fraction(2) ** frac), "const"))
    for p in bound.params:
        if p.kind == "shift":
            rows.append((p.name, "shift", p.raw, f"2^-{p.raw}", f"param, {p.lo}..{p.hi}"))
        else:
            rows.append((p.name, p.fmt, p.raw, _num(p.fmt.real(p.raw)), "param"))
    for x in bound.inputs:
        rows.append((x.name, x.fmt, "", "", f"input {x.source}" + f".{x.channel}" * bool(x.channel)))
    text = "constants and inputs\n" + table(rows, "  r") if len(rows) > 1 else ""
    for t in bound.tables:
        steps = ", ".join(
            f"{_num(t.argument_fmt.real(b))}: {_num(t.fmt.real(v))}"
            for b, v in zip(t.breakpoints, t.values[1:], strict=True)
        )
        of = "argument - threshold" if t.minus_threshold else "argument"
        below = _num(t.fmt.real(t.values[0]))
        text += f"\n  table {t.name} ({of} {t.argument_fmt} -> {t.fmt}): below {below}, {steps}"
    return text.strip("\n")


# ---------------------------------------------------------------- program


def _program(bound: BoundProgram, use) -> str:
    if not bound.lines:
        return ""
    bounds = {p.name: (p.lo, p.hi) for p in bound.params if p.kind == "shift"}
    rows: list[tuple] = [("op", "line", "micro-op", "unit", "runs", "writes", "F", "n")]
    marks: dict[int, str] = {}
    phase7 = 0
    for line in bound.lines:
        label = _label(bound, line.section)
        if line.section == "on_third_factor":
            label += "  (phase 7)" if phase7 < bound.phase7 else "  (phase 8)"
            phase7 += 1
        if label not in marks.values():
            marks[len(rows)] = label
        low, high = line.drop_range(bounds)
        f = (low + line.target.fmt.frac, high + line.target.fmt.frac)
        text = " ".join(line.text.split())
        writes = f"{line.target.name} {line.target.fmt}"
        rows.append(
            (
                line.ordinal,
                line.line,
                text,
                _unit(line, high),
                runs(line, use),
                writes,
                _span(*f),
                _span(low, high),
            )
        )
    body = table(rows, "rr    rr").split("\n")
    out = ["program", body[0]]
    for k, row in enumerate(body[1:], start=1):
        if k in marks:
            out.append(f" {marks[k]}:")
        out.append(row)
    return "\n".join(out)


def _label(bound: BoundProgram, section: str) -> str:
    return f"on_epoch {bound.epoch}" if section == "on_epoch" else section


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}..{high}"


def _unit(line: BoundLine, drop: int) -> str:
    """The hardware a line needs; drop: the most bits its write drops."""
    parts = []
    if line.form in COMPARISONS:
        parts.append("compare")
    elif line.form in ("min", "max", "abs", "sign", "table", "random"):
        parts.append(line.form)
    elif line.form in ("add", "sub"):
        parts.append("add")
    elif line.b is not None:
        bits = (line.a.fmt.bits, line.b.fmt.bits)
        parts.append("gate" if 1 in bits else f"mul {bits[0]}x{bits[1]}")
    if line.shift or line.shift_sign:
        parts.append("shift")
    if line.mode != "=":
        parts.append("add")
    if line.target.rounding == "stochastic" and drop > 0 and line.form != "random":
        parts.append("draw")
    return "+".join(parts) or "move"


def runs(line: BoundLine, use) -> str:
    """How often a line runs in one step, in words: axons, neurons, synapses, contexts."""
    axons, neurons = REACH.get(line.section, ("", ""))
    pre = f"{axons} axons" if axons else f"{use.n_pre} axons"
    post = f"{neurons} neurons" if neurons else f"{use.n_post} neurons"
    owner = line.target.owner
    if owner == "layer":
        owners = {x.owner for x in (line.a, line.b) if x is not None}
        owner = next((o for o in ("pre", "post") if o in owners), "layer")
    text = {"pre": pre, "post": post, "syn": f"{pre} x {post}", "layer": "1"}[owner]
    if line.when is not None:
        text += f", {'not ' * line.when_not}{line.when.name}"
    return text


def _notes(notes: list[Note]) -> str:
    if not notes:
        return ""
    rows = [(f"line {n.line}" if n.line else "", n.kind, n.text) for n in notes]
    return "notes\n" + table(rows)


def _num(value: Fraction) -> str:
    return f"{float(value):.5g}"
