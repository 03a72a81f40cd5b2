"""Synapse-owned targets of a convolution: the exact sum over all places first, then one write a weight.

A line that reads an axon or a neuron is split into a factor per axon, a factor per neuron and the rest:
the sum of (axon * neuron) over the places of a weight is formed by `gather`, axons without a value left
out. A line that reads neither runs once per stored weight, like a dense one.
"""

from __future__ import annotations

from collections.abc import Sequence

from chipsim.compile.exact import exact_value
from chipsim.compile.rounding import lane_for
from chipsim.microcode.reach import ALWAYS
from chipsim.microcode.shared import meets


def conv_nest(nest) -> None:
    """Emit a line whose target is a shared weight, its tag, or a temp of its synapses."""
    nest.site.array("geo")
    nest.put("rows, channels, side = geo[2] * geo[6] * geo[6], geo[5], geo[6]")
    start = nest.level
    if meets(nest.line):
        _places(nest)
    else:
        _stored(nest)
    nest.level = start


def _open_contexts(nest) -> None:
    """The loop over contexts whose sums belong together; `b` is set where there is only one."""
    if nest.site.contexts == 1:
        nest.put("b = 0")
    else:
        nest.put("for b in range(B):")
        nest.level += 1
        nest.put("if hit[b] == 0:", "    continue")


# ---------------------------------------------------------------- lines that run at every place


def _places(nest) -> None:
    alone = nest.site.contexts == 1 or nest.per_context
    lane = nest.lane = _lane(nest, 1 if alone else nest.site.contexts)
    nest.site.array("grad_" + lane)
    nest.count("written = i64(0)")
    if alone:
        _open_contexts(nest)
        _clear(nest, lane)
        _sum_context(nest, lane)
    else:
        _clear(nest, lane)
        start = nest.level
        _open_contexts(nest)
        _sum_context(nest, lane)
        nest.level = start
    _write_all(nest, lane)
    nest.level = 1
    nest.finish("written")


def _lane(nest, contexts: int) -> str:
    """i32 where the sum over all places provably fits, else i64."""
    if nest.site.twin:
        return "f64"
    e = exact_value(nest.line, nest.program, lambda o: "x", "t", "i64", nest.v_fmt)
    n = nest.site.connection.conv.positions * contexts
    return lane_for(nest.line, nest.drop, e.lo * n, e.hi * n, e.peak * n)


def _by_places(nest) -> bool:
    """Whether the number of places of every weight is needed: `when` is stored with it."""
    return nest.line.when is not None and nest.line.when.owner == "syn"


def _needs_met(nest) -> bool:
    """Whether the weights with a contribution must be known: their draws are counted."""
    return nest.needs_word and nest.site.counting and not nest.site.twin and not _by_places(nest)


def _clear(nest, lane: str) -> None:
    nest.put(f"clear1(grad_{lane})")
    if _by_places(nest):
        nest.put(f"clear1({nest.site.array('number')})")
    if _needs_met(nest):
        nest.put(f"clear2({nest.site.array('touched')})")


def _sum_context(nest, lane: str) -> None:
    """Add the sums of one context to grad, and count its places."""
    line, counting = nest.line, nest.site.counting and not nest.site.twin
    owner = line.when.owner if line.when else None
    _neurons(nest, lane, owner)
    for name in ("plist", "pval_" + lane, "acount"):
        nest.site.array(name)
    _axons(nest, lane, owner, counting)
    if counting:
        _count(nest, owner)
    if owner in ("layer", "none"):
        nest.put(f"if {nest.condition()}:")
        nest.level += 1
    nest.put(f"gather_{lane}(plist, pval_{lane}, listed, vec_{lane}, grad_{lane}, geo)")
    if _by_places(nest):
        nest.site.array("ones")
        nest.put("gather_i32(plist, ones, listed, cols, number, geo)")
    if _needs_met(nest):
        for name in ("bits", "any_bits", "full"):
            nest.site.array(name)
        nest.put("pack(cols, bits, any_bits, geo)", "meet(plist, listed, bits, any_bits, touched, full, geo)")
    if owner in ("layer", "none"):
        nest.level -= 1


def _factors(nest, owners: tuple[str, ...]) -> list:
    return [x for x in (nest.line.a, nest.line.b) if x is not None and x.owner in owners]


def _product(nest, factors: list, lane: str) -> str:
    text = nest.atom(factors[0], lane) if factors else ("1.0" if lane == "f64" else f"{lane}(1)")
    for x in factors[1:]:
        text = f"{lane}({text} * {nest.atom(x, lane)})"
    return text


def _neurons(nest, lane: str, owner: str | None) -> None:
    """cols: chosen neurons; vec: the product of all factors but the axon's and the synapse's."""
    nest.site.array("cols")
    nest.site.array("vec_" + lane)
    reach = nest.reach_mask("post")
    nest.put("for i in range(n_post):")
    nest.level += 1
    nest.put(f"mk = i32({reach or 1})")
    if owner == "post":
        nest.put(f"mk = i32(mk & i32({nest.condition()}))")
    product = _product(nest, _factors(nest, ("post", "layer", "none")), lane)
    nest.put("cols[i] = mk", f"vec_{lane}[i] = {lane}({product} * {lane}(mk))")
    nest.level -= 1


def _axons(nest, lane: str, owner: str | None, counting: bool) -> None:
    """plist, pval: the chosen axons and the product of their factors; acount: how many a pixel."""
    product = _product(nest, _factors(nest, ("pre",)), lane)
    when = nest.condition() if owner == "pre" else None
    nest.put("listed = 0")
    if nest.line.section == "on_pre":
        nest.site.array("act")
        if counting:
            nest.put("clear1(acount)")
        nest.put("for k in range(nact[b]):", "    j = i64(act[b, k])")
        nest.put("    plist[listed] = j", f"    pval_{lane}[listed] = {product}")
        nest.put(f"    chosen = i64({when or 1})", "    listed += chosen")
        if counting:
            nest.put("    acount[j // geo[2]] += chosen")
        return
    nest.put("for pixel in range(geo[0] * geo[1]):", "    before = listed")
    nest.put("    for j in range(pixel * geo[2], (pixel + 1) * geo[2]):")
    nest.put("        plist[listed] = j", f"        pval_{lane}[listed] = {product}")
    nest.put(f"        listed += i64({when or 1})")
    if counting:
        nest.put("    acount[pixel] = listed - before")


def _count(nest, owner: str | None) -> None:
    """done and skipped: places where `when` holds, and where it does not."""
    nest.site.array("image")
    nest.put("image_of(cols, image, geo)", "met_here = places(acount, image, geo)")
    if owner == "syn":  # told apart weight by weight, at the write
        return
    if owner in ("layer", "none"):
        nest.put(f"chosen = i64({nest.condition()})")
        nest.put("done += chosen * met_here", "skipped += (1 - chosen) * met_here")
        return
    nest.put("done += met_here")
    if owner == "pre":
        if nest.line.section == "on_pre":
            nest.put("clear1(acount)", "for k in range(nact[b]):", "    acount[act[b, k] // geo[2]] += 1")
        else:
            nest.put("for pixel in range(geo[0] * geo[1]):", "    acount[pixel] = geo[2]")
    elif owner == "post":
        reach = nest.reach_mask("post")
        nest.put("for i in range(n_post):", f"    cols[i] = i32({reach or 1})", "image_of(cols, image, geo)")
        # the chosen columns are needed again below
        nest.put("for i in range(n_post):", f"    cols[i] = i32(cols[i] & i32({nest.condition()}))")
    if owner in ("pre", "post"):
        nest.put("skipped += places(acount, image, geo) - met_here")


def _write_all(nest, lane: str) -> None:
    """One write for every stored weight; one without a contribution has E = 0 and changes nothing."""
    from chipsim.compile.synapse_nest import _sign

    flip = _sign(nest) < 0
    by_places = _by_places(nest)
    if _needs_met(nest):
        nest.put("written += count_bits(touched)")

    def body() -> None:
        text = f"{lane}(sums[i])"
        for x in _factors(nest, ("syn",)):
            text = f"{lane}({text} * {nest.atom(x, lane)})"
        if flip:
            text = f"{lane}(-{text})"
        if nest.site.twin:
            from chipsim.compile.twin import scale_text

            text = scale_text(nest, text)
        mask = None
        if by_places:
            nest.put(f"mk = i32({nest.condition()})", "here = i64(numbers[i])")
            nest.count("done += here * i64(mk)")
            nest.count("skipped += here * i64(i32(1) - mk)")
            nest.count("written += i64(mk & i32(here > 0))")
            mask = "mk"
        nest.write(nest.view("syn", nest.target, nest.per_context), mask, text)

    slices = [f"sums = grad_{lane}[a : a + channels]"]
    slices += ["numbers = number[a : a + channels]"] if by_places else []
    _rows(nest, body, slices)


# ---------------------------------------------------------------- rows of stored weights


def _words(nest) -> None:
    """Key and words of the channels (i) and places (j) of a shared weight."""
    if not nest.needs_word:
        return
    nest.key()
    noise = nest.site.connection.noise
    if noise == "shared":
        nest.put("word_0 = word(key, u32(0))")
    elif noise == "lfsr":
        nest.put(f"fill_lfsr(key, {nest.site.array('serial')}[:rows * channels])")
    else:
        for which, size in (("even", "channels"), ("odd", "rows"))[: 2 if noise == "lane" else 1]:
            view = f"{nest.site.array(which)}[:{size}]"
            end = f"_top(key, {view}, {nest.drop_text})" if nest.narrow else f"(key, {view})"
            nest.put(f"fill_{which}{end}")


def _rows(nest, body, slices: Sequence[str] = ()) -> None:
    """A vector loop over the channels of every row; `body` writes element i of row r."""
    _words(nest)
    start = nest.level
    _open_rows(nest)
    nest.rows, nest.sliced = True, set()
    outer, nest.out = nest.out, []
    nest.begin_block()
    nest.put("for i in range(channels):")
    nest.level += 1
    body()
    nest.level -= 1
    nest.end_block()
    _renew(nest)
    inner, nest.out = nest.out, outer
    for array, per_context in sorted(nest.sliced):
        nest.put(f"{array}_j = {array}[b, r]" if per_context else f"{array}_j = {array}[r]")
    nest.put(*slices)
    nest.out += inner
    nest.rows = False
    nest.level = start


def _open_rows(nest) -> None:
    """Loops over stored rows: r, the place j of its draws, and where its flipped copy begins (a)."""
    nest.put("for ky in range(side):", "    for kx in range(side):", "        for ci in range(geo[2]):")
    nest.level += 3
    nest.put(
        "r = (ky * side + kx) * geo[2] + ci",
        "place_r = (ci * side + ky) * side + side - 1 - kx",
        "a = place_r * channels",
        "j = u32((ci * side + ky) * side + kx)",
    )
    if nest.needs_word and nest.site.connection.noise == "lane":
        nest.put("odd_j = odd[j]")


def _renew(nest) -> None:
    """Keep the flipped copy of a row of weights, which deliveries read."""
    if nest.line.target.is_weight:
        flat = nest.site.array("flat")
        nest.sliced.add((nest.target, nest.per_context))
        nest.put(f"copy = {flat}[a : a + channels]")
        nest.put("for i in range(channels):", f"    copy[i] = {nest.target}_j[i]")


# ---------------------------------------------------------------- lines that run once a stored weight


def _stored(nest) -> None:
    event = nest.line.section not in ALWAYS
    alone = nest.site.contexts == 1 or nest.per_context
    if alone:
        _open_contexts(nest)
        if event:
            _reached(nest, "touched")
        _rows(nest, lambda: _stored_element(nest, event))
        nest.level = 1
        nest.finish()
        return
    if event:
        start = nest.level
        _open_contexts(nest)
        _reached(nest, "touched_of")
        nest.level = start
    nest.lane = "f64" if nest.site.twin else "i64"
    nest.put("written = i64(0)")
    _rows(nest, lambda: _stored_sum(nest, event))
    nest.level = 1
    nest.finish("written")


def _reached(nest, name: str) -> None:
    """Bits of the stored weights that the section reaches in a context."""
    for array in ("plist", "cols", "bits", "any_bits", "full", name):
        nest.site.array(array)
    met = "touched" if name == "touched" else "touched_of[b]"
    reach = nest.reach_mask("post")
    nest.put("for i in range(n_post):", f"    cols[i] = i32({reach or 1})")
    if nest.line.section == "on_pre":
        nest.site.array("act")
        nest.put("listed = i64(nact[b])", "for k in range(listed):", "    plist[k] = act[b, k]")
    else:
        nest.put("listed = n_pre", "for k in range(listed):", "    plist[k] = k")
    nest.put(f"clear2({met})", "pack(cols, bits, any_bits, geo)")
    nest.put(f"meet(plist, listed, bits, any_bits, {met}, full, geo)")


def _bit(name: str) -> str:
    return f"(({name}[place_r, i >> 5] >> i64(i & 31)) & i64(1))"


def _stored_element(nest, event: bool) -> None:
    mask = nest._mask_statements(_bit("touched") if event else None, nest.condition())
    if mask is None:
        nest.count("done += 1")
    nest.write(nest.view("syn", nest.target, nest.per_context), mask)


def _stored_sum(nest, event: bool) -> None:
    """Several contexts add to one stored value: the exact sum, then one write."""
    from chipsim.compile.layer_nest import _contribution, _write_total

    twin, line = nest.site.twin, nest.line
    nest.rows = False  # tags with a copy per context are read in the inner loop
    nest.put(f"total = {'0.0' if twin else 'i64(0)'}", "met_here = i64(0)", "for b in range(B):")
    nest.level += 1
    nest.put("if hit[b] == 0:", "    continue")
    if event:
        nest.put(
            f"if {_bit('touched_of[b]').replace('touched_of[b][', 'touched_of[b, ')} == 0:", "    continue"
        )
    _contribution(nest, "met_here")
    nest.level -= 1
    nest.put("if met_here > 0:")
    nest.level += 1
    ref = nest.place("syn", nest.target, False)
    if twin:
        _write_total(nest, ref)
        if line.target.is_weight:
            t, lsb = line.target, float(line.target.fmt.lsb)
            nest.put(f"{ref} = min(max({ref}, {t.lo * lsb!r}), {t.hi * lsb!r})")
    else:
        nest.write(ref, None, "total")
        nest.put("written += 1")
    nest.level -= 1
