"""The float twin of a line: the same program in float64, without rounding or saturation.

Registers hold real values (raw * 2**-frac); constants and tables are real numbers as folded.
"""

from __future__ import annotations

from chipsim.microcode.program import COMPARISONS, BoundTable, Operand
from chipsim.microcode.tables import shape_text


def twin_value(nest) -> str:
    """The real value E of a line as text; the sign of -= is applied by the write."""
    line = nest.line

    def atom(x: Operand) -> str:
        return nest.atom(x, "f64")

    if line.form == "random":
        bits, lsb = line.target.fmt.bits, float(line.target.fmt.lsb)
        return f"({line.target.fmt.lo * lsb!r} + f64(u32({nest.word()}) >> u32({32 - bits})) * {lsb!r})"
    a = atom(line.a)
    if line.form == "scale":
        text = a if line.b is None else f"{a} * {atom(line.b)}"
        return scale_text(nest, f"-({text})" if line.negate else text)
    if line.form == "table":
        return _table(line.table, a, nest)
    if line.form == "abs":
        return f"abs({a})"
    if line.form == "sign":
        return f"(f64({a} > 0.0) - f64({a} < 0.0))"
    b = atom(line.b)
    if line.form in COMPARISONS:
        symbol = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "=="}[line.form]
        return f"f64({a} {symbol} {b})"
    if line.form in ("min", "max"):
        return f"{line.form}({a}, {b})"
    return f"({a} {'+' if line.form == 'add' else '-'} {b})"


def scale_text(nest, text: str) -> str:
    """Apply the line's exact power of two."""
    line = nest.line
    if line.shift_sign:
        power = f"(2.0 ** ({-line.shift} {'-' if line.shift_sign > 0 else '+'} f64(p_{line.shift_param})))"
        return f"({text}) * {power}"
    return f"({text}) * {2.0**-line.shift!r}" if line.shift else f"({text})"


def _table(table: BoundTable, a: str, nest) -> str:
    if table.minus_threshold:
        nest.site.array("thr")
        a = f"({a} - thr[i])"
    if table.ideal and table.shape is not None:
        return shape_text(table.shape, table.options, f"({a} - {float(table.centre)!r})")
    lsb, step = float(table.fmt.lsb), float(table.argument_fmt.lsb)
    text = repr(float(table.values[0] * lsb))
    for k, bp in enumerate(table.breakpoints):
        rise = table.values[k + 1] - table.values[k]
        if rise:
            text += f" + f64({a} >= {float(bp * step)!r}) * {float(rise * lsb)!r}"
    return f"({text})"
