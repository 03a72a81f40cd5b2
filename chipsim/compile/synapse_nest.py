"""Synapse-owned targets: rows, columns, or the exact sum over contexts."""

from __future__ import annotations

from chipsim.compile import dense_row
from chipsim.compile.picks import pickable, sparse_row

ROW_OWNERS = ("pre", "layer", "none")


def synapse_nest(nest) -> None:
    """Emit a line whose target is a stored weight, a tag or a temp per synapse."""
    if nest.site.connection.conv is not None:
        from chipsim.compile.conv_nest import conv_nest

        conv_nest(nest)
        return
    if nest.site.contexts > 1 and not nest.per_context:
        _summed(nest)
        return
    start = nest.level
    nest.each_context()
    if nest.line.section == "on_post":
        from chipsim.compile.column_nest import columns

        columns(nest)
    else:
        _rows(nest)
    nest.level = start
    nest.finish()


def _open_rows(nest) -> None:
    """Open the loop over reached rows and set j and odd_j."""
    lane_words = nest.needs_word and nest.site.connection.noise == "lane"
    if nest.line.section == "on_pre":
        nest.site.array("act")
        nest.put("for k in range(nact[b]):")
        nest.level += 1
        nest.put("j = u32(act[b, k])")
        if lane_words:
            nest.put(f"odd_j = {nest.one_word('2 * j + 1')}")
        return
    if lane_words:
        nest.site.array("odd")
        nest.put(nest.fill("odd"))
    nest.put("for j in range(n_pre):")
    nest.level += 1
    if lane_words:
        nest.put("odd_j = odd[j]")


def _when_owner(nest) -> str | None:
    return None if nest.line.when is None else nest.line.when.owner


def _rows(nest) -> None:
    """All elements of the reached rows; along a row one vector loop."""
    line, sparse = nest.line, nest.site.connection.sparse
    nest.words()
    when_owner = _when_owner(nest)
    reach = nest.reach_mask("post")
    if sparse and line.section == "on_pre":
        reach = None  # every synapse of an active row is reached
    by_column = reach is not None or when_owner == "post"
    if by_column:
        _column_mask(nest, reach, nest.condition() if when_owner == "post" else None)
    split = _split(nest) if line.mode != "=" and line.form == "scale" else None
    per_row = _per_row(nest, by_column)
    narrow = dense_row.sums(nest, split, per_row)
    if split and split[0]:
        _post_vector(nest, split[0], by_column, narrow and not dense_row.always_fits(nest))
    outer, asked, in_bulk = nest.level, when_owner in ROW_OWNERS, per_row and not sparse
    if asked and in_bulk:
        nest.count("walked = i64(0)")
    _open_rows(nest)
    length = "ptr[j + 1] - ptr[j]" if sparse else "n_post"
    if sparse:
        nest.site.array("ptr"), nest.site.array("tgt")
    if asked:
        nest.put(f"if not {nest.condition()}:")
        nest.level += 1
        if not in_bulk:
            _skipped_row(nest, per_row, by_column, length)
        nest.put("continue")
        nest.level -= 1
    if in_bulk and asked:
        nest.count("walked += 1")
    elif per_row and not in_bulk:
        nest.count(f"done += {length}")
    _row(nest, split, by_column, length)
    nest.level = outer
    if in_bulk:
        _count_rows(nest, asked, by_column)


def _row(nest, split: tuple[list, list] | None, by_column: bool, length: str) -> None:
    """The statements of row j: in narrow lanes, gathered, or one loop."""
    line, sparse, when_owner = nest.line, nest.site.connection.sparse, _when_owner(nest)
    per_row = _per_row(nest, by_column)
    if split:
        _row_factor(nest, split, skip=per_row)
    saturates = line.target.overflow == "saturate"
    if split and per_row and saturates and not (sparse and split[0]):
        nest.block_nz = "loud" if split[0] else "chosen" if by_column else f"i64({length})"
        small = nest.site.connection.n_post < 1 << 15  # two counters of 16 bits
        counting = nest.site.counting and not nest.site.twin
        nest.packed = counting and small and not sparse and nest.lane == "i32"
    if sparse and when_owner != "syn" and pickable(nest, split):
        sparse_row(nest, split, by_column)
    elif dense_row.decays(nest, by_column):
        _along_row(nest, lambda: dense_row.scale_row(nest))
    elif dense_row.sums(nest, split, per_row):
        _along_row(nest, lambda: _narrow_row(nest, split, by_column))
    else:
        _along_row(nest, lambda: _row_loop(nest, split, by_column, when_owner))


def _per_row(nest, by_column: bool) -> bool:
    """Whether all reached synapses of a row are written, or none."""
    return not (_when_owner(nest) == "syn" or (nest.site.connection.sparse and by_column))


def _skipped_row(nest, per_row: bool, by_column: bool, length: str) -> None:
    """Count the synapses of a row whose `when` does not hold."""
    if per_row:
        nest.count(f"skipped += {'reached' if by_column else length}")
        return
    nest.put("for s in range(ptr[j], ptr[j + 1]):")
    counted = nest.site.counting and not nest.site.twin
    nest.put("    skipped += i64(cols[tgt[s]])" if counted else "    pass")


def _count_rows(nest, asked: bool, by_column: bool) -> None:
    """Count all dense rows at once, `walked` of them not left out by a `when`."""
    rows = "i64(nact[b])" if nest.line.section == "on_pre" else "n_pre"
    walked = "walked" if asked else rows
    nest.count(f"done += {walked} * {'chosen' if by_column else 'n_post'}")
    if asked or by_column:
        all_of_row, written = ("reached", "chosen") if by_column else ("n_post", "n_post")
        nest.count(f"skipped += {rows} * {all_of_row} - {walked} * {written}")


def _column_mask(nest, reach: str | None, when: str | None) -> None:
    """cols[i] = 1 for columns that are reached and whose `when` holds; counts both."""
    nest.site.array("cols")
    nest.put("reached = i64(0)", "chosen = i64(0)", "for i in range(n_post):")
    nest.level += 1
    nest.put(f"mk = i32({reach or 1})", "reached += i64(mk)")
    if when:
        nest.put(f"mk = i32(mk & i32({when}))")
    nest.put("cols[i] = mk", "chosen += i64(mk)")
    nest.level -= 1


def _split(nest) -> tuple[list, list] | None:
    """Post-owned factors and row factors of a product without synapse operands."""
    factors = [x for x in (nest.line.a, nest.line.b) if x is not None]
    if any(x.owner == "syn" for x in factors):
        return None
    return [x for x in factors if x.owner == "post"], [x for x in factors if x.owner != "post"]


def _sign(nest) -> int:
    """-1 where exactly one of negate and -= holds (the twin's write applies -= itself)."""
    flip = nest.line.negate != (nest.line.mode == "-=" and not nest.site.twin)
    return -1 if flip else 1


def _product(nest, factors: list, lane: str) -> str:
    text = nest.atom(factors[0], lane)
    for x in factors[1:]:
        text = f"{lane}({text} * {nest.atom(x, lane)})"
    return text


def _post_vector(nest, factors: list, by_column: bool, peak: bool) -> None:
    """vec[i]: the product of the post-owned factors, 0 where the column is not chosen; peak: the largest."""
    lane = nest.lane
    vec = nest.site.array("vec_" + lane)
    text = _product(nest, factors, lane)
    if _sign(nest) < 0:
        text = f"{lane}(-{text})"
    if by_column:
        text = f"{lane}({text} * {lane}(cols[i]))"
    nest.count("loud = i32(0)")
    nest.put(*["peak = i32(0)"] * peak, "for i in range(n_post):", f"    E = {text}", f"    {vec}[i] = E")
    nest.put(*["    peak = i32(max(peak, i32(abs(E))))"] * peak)
    nest.count("    loud = i32(loud + i32(E != 0))")


def _row_factor(nest, split: tuple[list, list], skip: bool) -> None:
    """z: the factor all synapses of a row share; a row with z == 0 changes nothing."""
    if not split[1]:
        return
    text = _product(nest, split[1], nest.lane)
    if not split[0] and _sign(nest) < 0:
        text = f"{nest.lane}(-{text})"
    nest.put(f"z = {text}")
    if skip:
        nest.put("if z == 0:", "    continue")


def _row_exact(nest, split: tuple[list, list], by_column: bool) -> str:
    """E from the prepared vector and row factor."""
    lane = nest.lane
    vec = f"vec_{lane}[i]"
    if split[0] and split[1]:
        text = f"{lane}({vec} * z)"
    elif split[0]:
        text = vec
    else:
        text = f"{lane}(z * {lane}(cols[i]))" if by_column else "z"
    if nest.site.twin:
        from chipsim.compile.twin import scale_text

        return scale_text(nest, text)
    return text


def _row_loop(nest, split, by_column: bool, when_owner: str | None) -> None:
    """The loop along one row, dense (slices) or sparse (indices)."""
    sparse = nest.site.connection.sparse

    if not sparse:
        _leave_zeros(nest, by_column, when_owner)
    nest.begin_block()
    if sparse:
        nest.put("for s in range(ptr[j], ptr[j + 1]):", "    i = u32(tgt[s])")
    else:
        nest.put("for i in range(n_post):")
    nest.level += 1
    mask = _row_mask(nest, split, by_column, when_owner)
    exact = _row_exact(nest, split, by_column) if split else None
    nest.write(nest.view("syn", nest.target, nest.per_context), mask, exact)
    nest.level -= 1
    nest.end_block()


def _leave_zeros(nest, by_column: bool, when_owner: str | None) -> None:
    """Leave out a row whose factor per synapse is 0 everywhere: a sum adds nothing there."""
    line = nest.line
    if nest.site.twin or line.mode == "=" or line.form != "scale":
        return
    for x in (line.a, line.b):
        if x is None or x.kind != "register" or x.owner != "syn":
            continue
        asked = when_owner == "syn"
        if asked and (line.when.name != x.name or line.when_not):
            continue
        row = nest.atom(x, nest.lane)[len(nest.lane) + 1 : -1].removesuffix("[i]")
        nest.put(f"if not any_row({row}):")
        nest.level += 1
        if asked:
            nest.count(f"skipped += {'reached' if by_column else 'n_post'}")
        nest.put("continue")
        nest.level -= 1
        return


def _narrow_row(nest, split: tuple[list, list], by_column: bool) -> None:
    """A row in lanes of the stored type; the loop where a step may not fit."""
    vec = f"vec_{nest.lane}" if split[0] else "cols" if by_column else "None"
    otherwise = lambda: _row_loop(nest, split, by_column, None)  # noqa: E731
    dense_row.add_row(nest, vec, "z" if split[1] else "1", otherwise)


def _row_mask(nest, split, by_column: bool, when_owner: str | None) -> str | None:
    """The 0/1 mask of a row's elements, or None where E is 0 already or all are written."""
    sparse, mask = nest.site.connection.sparse, None
    if when_owner == "syn" or (sparse and by_column):
        reach = "cols[i]" if by_column else None
        mask = nest._mask_statements(reach, nest.condition() if when_owner == "syn" else None)
        if sparse and by_column and when_owner != "syn":
            _sparse_skips(nest, when_owner)
    elif by_column and (nest.line.mode == "=" or split is None):
        mask = "cols[i]"
    if split and mask:
        mask = mask if when_owner == "syn" else None
    return mask


def _sparse_skips(nest, when_owner: str | None) -> None:
    """In a sparse row a reached column whose post-owned `when` fails counts as skipped."""
    if when_owner == "post":
        reach = nest.reach_mask("post")
        nest.count(f"misses = i32(misses + i32(i32({reach or 1}) - mk))")


def _along_row(nest, body) -> None:
    """Emit a loop along row j; dense arrays that it indexes are sliced once before it."""
    nest.rows, nest.sliced = True, set()
    outer, nest.out = nest.out, []
    body()
    inner, nest.out = nest.out, outer
    for array, per_context in sorted(nest.sliced):
        nest.put(f"{array}_j = {array}[b, j]" if per_context else f"{array}_j = {array}[j]")
    nest.out += inner
    nest.rows = False


def _summed(nest) -> None:
    """Several contexts into one stored value: sum all contributions exactly, write once."""
    sparse, section, twin = nest.site.connection.sparse, nest.line.section, nest.site.twin
    nest.words()
    if nest.needs_word and nest.site.connection.noise == "lane":
        nest.site.array("odd")
        nest.put(nest.fill("odd"))
    nest.put("written = i64(0)", "for j in range(n_pre):")
    nest.level += 1
    if section == "on_pre":
        nest.site.array("reach_pre")
        nest.put("some = 0", "for b in range(B):", "    some += reach_pre[b, j]")
        nest.put("if some == 0:", "    continue")
    if nest.needs_word and nest.site.connection.noise == "lane":
        nest.put("odd_j = odd[j]")
    if sparse:
        nest.site.array("ptr"), nest.site.array("tgt")
        nest.put("for s in range(ptr[j], ptr[j + 1]):", "    i = u32(tgt[s])")
    else:
        nest.put("for i in range(n_post):")
    nest.level += 1
    nest.put(f"total = {'0.0' if twin else 'i64(0)'}", "met = i64(0)", "for b in range(B):")
    nest.level += 1
    nest.put("if hit[b] == 0:", "    continue")
    reach = {"on_pre": "reach_pre[b, j]", "on_post": "fired[b, i]", "on_third_factor": "reach_post[b, i]"}
    if section in reach:
        nest.site.array(reach[section].split("[")[0])
        nest.put(f"if {reach[section]} == 0:", "    continue")
    from chipsim.compile.layer_nest import _contribution, _write_total

    _contribution(nest)
    nest.level -= 1
    nest.put("if met > 0:")
    nest.level += 1
    ref = nest.place("syn", nest.target, False)
    nest.begin_block()
    if twin:
        _write_total(nest, ref)
        if nest.line.target.is_weight:
            t, lsb = nest.line.target, float(nest.line.target.fmt.lsb)
            nest.put(f"{ref} = min(max({ref}, {t.lo * lsb!r}), {t.hi * lsb!r})")
    else:
        nest.lane = "i64"
        nest.write(ref, None, "total")
        nest.put("written += 1")
    nest.end_block()
    nest.level = 1
    nest.finish("written")
