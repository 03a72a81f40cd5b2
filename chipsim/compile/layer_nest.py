"""Layer-owned targets: one exact sum, one write."""

from __future__ import annotations


def layer_nest(nest) -> None:
    """Emit a line whose target is a layer register (stored once) or a layer temp (per context)."""
    from chipsim.compile.nests import widest

    nest.put("written = i64(0)")
    if nest.per_context:
        start = nest.level
        nest.each_context()
        _sum_and_write(nest, widest(nest.line), inside=True)
        nest.level = start
    else:
        _sum_and_write(nest, widest(nest.line), inside=False)
    nest.finish("written")


def _sum_and_write(nest, wide: str, inside: bool) -> None:
    nest.words()
    twin = nest.site.twin
    zero = "0.0" if twin else "i64(0)"
    nest.put(f"total = {zero}", "met = i64(0)")
    start = nest.level
    if not inside:
        nest.each_context()
    if wide == "layer":
        _contribution(nest)
        if nest.line.mode == "=" and not inside and nest.site.contexts > 1:
            nest.put("break")
    else:
        _over_elements(nest, wide)
    nest.level = start
    nest.put("if met > 0:")
    nest.level += 1
    nest.begin_block()
    name = nest.target
    ref = f"{name}[b, 0]" if inside else f"{name}[0]"
    if nest.line.form == "random":
        nest.write(ref, None)
    else:
        nest.lane = "f64" if twin else "i64"
        _write_total(nest, ref)
    nest.end_block()
    if not twin:
        nest.put("written += 1")
    nest.level -= 1


def _write_total(nest, ref: str) -> None:
    if nest.site.twin:
        sign = {"=": "", "+=": f"{ref} + ", "-=": f"{ref} - "}[nest.line.mode]
        nest.put(f"{ref} = {sign}total")
    else:
        nest.write(ref, None, "total")


def _over_elements(nest, wide: str) -> None:
    listed = wide == "pre" and nest.line.section == "on_pre"
    if listed:
        nest.site.array("act")
        nest.put("for k in range(nact[b]):")
        nest.level += 1
        nest.put("j = act[b, k]")
    else:
        nest.put("for j in range(n_pre):" if wide == "pre" else "for i in range(n_post):")
        nest.level += 1
    mask = nest.reach_mask(wide)
    if mask:
        nest.put(f"if {mask} == 0:", "    continue")
    _contribution(nest)


def _contribution(nest, met: str = "met") -> None:
    """One contribution: test when, count (in `met` too), add its exact value."""
    when = nest.condition()
    if when:
        nest.put(f"if {when}:")
        nest.level += 1
    nest.count("done += 1")
    nest.put(f"{met} += 1")
    if nest.line.form != "random":
        if nest.site.twin:
            from chipsim.compile.twin import twin_value

            nest.put(f"total += {twin_value(nest)}")
        else:
            nest.put(f"total += {nest.exact('i64')}")
    if when:
        nest.level -= 1
        nest.put("else:")
        nest.level += 1
        nest.count("skipped += 1")
        if not nest.site.counting or nest.site.twin:
            nest.put("pass")
        nest.level -= 1
