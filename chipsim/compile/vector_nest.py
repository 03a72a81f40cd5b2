"""Post- and pre-owned targets: one vector loop per context, or the list of active axons.

What is counted, and how, is chosen here. Results stored in 8 or 16 bits are counted after the loop
(`compare_kernels.py`); a list of axons counts what its lines rarely do, a limit reached, in a branch.
"""

from __future__ import annotations

from chipsim.compile import dense_row
from chipsim.compile.exact import exact_value
from chipsim.compile.rounding import rounded
from chipsim.microcode.program import COUNTS


def vector_nest(nest, owner: str) -> None:
    """Emit a line whose target belongs to axons ("pre") or neurons ("post")."""
    start = nest.level
    nest.each_context()
    listed = owner == "pre" and nest.line.section == "on_pre"
    if not listed and nest.reach_mask(owner) is None and dense_row.vector_decays(nest):
        dense_row.scale_vector(nest, owner)
        nest.count(f"done += {'n_pre' if owner == 'pre' else 'n_post'}")
    else:
        nest.words()
        _listed(nest) if listed else _whole(nest, owner)
    nest.level = start
    nest.finish()


# ---------------------------------------------------------------- the list of active axons


def _listed(nest) -> None:
    when, step = nest.condition(), _step(nest)
    nest.begin_block()
    nest.site.array("act")
    nest.put("for k in range(nact[b]):")
    nest.level += 1
    nest.put("j = u32(act[b, k])")
    ref = nest.place("pre", nest.target, True)
    if step and when is None:
        _bounded_step(nest, ref, step)
    else:
        nest.write(ref, nest._mask_statements(None, when))
    nest.level -= 1
    nest.end_block()
    if when is None:
        nest.count("done += nact[b]")
        if step:
            nest.count("moveds += nact[b]")


def _step(nest) -> int:
    """1 or -1 where a line adds an amount to every listed element that is above or below 0 for certain
    and drops no bits: without a limit the element changes. 0 otherwise."""
    line, sign = nest.line, {"+=": 1, "-=": -1}.get(nest.line.mode, 0)
    counted = nest.site.counting and not nest.site.twin
    if not (counted and sign and nest.drop.hi <= 0 and line.target.overflow == "saturate"):
        return 0
    if nest.needs_word:
        return 0
    e = exact_value(line, nest.program, lambda o: "x", "t", "i64", nest.v_fmt)
    return sign if e.lo > 0 else -sign if e.hi < 0 else 0


def _bounded_step(nest, ref: str, step: int) -> None:
    """A write that can only meet one limit: a branch, as machine code of a scalar limit has one anyhow."""
    lane, t = nest.lane, nest.line.target
    nest.site.array("lines")
    limit, k = f"{lane}({t.hi if step > 0 else t.lo})", nest.line.ordinal
    nest.put(f"E = {nest.exact()}", f"old = {lane}({ref})", *rounded(nest.line, nest.drop, lane, "0"))
    nest.put(f"if q {'>' if step > 0 else '<'} {limit}:", f"    q = {limit}")
    nest.put(f"    lines[{k}, {COUNTS.index('saturated')}] += 1")
    nest.put("    if old == q:", f"        lines[{k}, {COUNTS.index('changed')}] -= 1")
    nest.put(f"{ref} = q")


# ---------------------------------------------------------------- all elements


def _whole(nest, owner: str) -> None:
    index, size = ("j", "n_pre") if owner == "pre" else ("i", "n_post")
    mask, when = nest.reach_mask(owner), nest.condition()
    after = _after(nest)
    nest.begin_block()
    if "was" in after:
        nest.put(f"row = {nest.target}[b]", f"keep(row, {nest.site.array('was')})")
    nest.put(f"for {index} in range({size}):")
    nest.level += 1
    if when is None and mask is not None:
        text = None if _silent(nest) else "mk"
        nest.put(*([f"mk = i32({mask})"] if text else []))
    else:
        text = nest._mask_statements(mask, when)
    nest.skip = tuple(sorted(after))
    nest.write(nest.place(owner, nest.target, True), text)
    nest.level -= 1
    nest.skip = ()
    nest.end_block()
    if when is None:
        nest.count(f"done += {size if mask is None else _reached(nest, mask)}")
    _count_row(nest, after)


def _reached(nest, mask: str) -> str:
    """Text of how many elements the section reaches in context b."""
    return "hit[b]" if nest.line.section == "on_third_factor" else f"filled({mask.removesuffix(', i]')}])"


def _cleared(nest, register) -> bool:
    """Whether the section clears a register when it begins: at neurons it does not reach it stays 0."""
    section = nest.line.section
    written = any(x.target.name == register.name for x in nest.program.section(section))
    return register.temp or (register.publish and section == "on_third_factor" and written)


def _fresh(nest) -> bool:
    """Whether the target is 0 everywhere before the line: cleared when its section began, not yet written."""
    line = nest.line
    same = [x for x in nest.program.section(line.section) if x.target.name == line.target.name]
    return _cleared(nest, line.target) and same[0] is line


def _silent(nest) -> bool:
    """Whether E and the target are 0 at neurons without a third factor, so that the line needs no mask."""
    line, program = nest.line, nest.program
    if line.section != "on_third_factor" or line.form != "scale" or nest.site.twin:
        return False
    if line.mode == "=" and not _cleared(nest, line.target):
        return False
    for x in (line.a, line.b):
        if x is None or x.owner != "post" or x.raw is not None:
            continue
        if x.source == "third_factor" if x.kind == "input" else _cleared(nest, program.register(x.name)):
            return True
    return False


def _after(nest) -> set[str]:
    """What is counted after the loop: changes, and `lost` where it follows from the row before and after
    it (`was`)."""
    if not nest.site.counting or nest.site.twin or nest.line.target.fmt.bits > 16:
        return set()
    if nest.can[1] and dense_row.scaled(nest):
        return {"moved", "lost", "was"}
    return {"moved"} if _fresh(nest) else {"moved", "was"}


def _count_row(nest, after: set[str]) -> None:
    if "lost" in after:
        nest.put("moved_row, lost_row = moved_and_gone(row, was)", "losts += lost_row", "moveds += moved_row")
    elif "was" in after:
        nest.put("moveds += moved_since(row, was)")
    elif after:
        nest.put(f"moveds += filled({nest.target}[b])")
