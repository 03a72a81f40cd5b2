"""Synapses that do not lie side by side: gathered into a buffer, worked on in one vector loop, scattered.

A fired neuron's column of a dense matrix, all synapses of a neuron or an axon in sparse rows: what each
needs (its stored value, the factor of its axon or neuron, its random word) is copied element by element;
rounding, limiting and counting then run in vector lanes. A block fits the first-level cache.
"""

from __future__ import annotations

import numpy as np

from chipsim.plan import ConnectionPlan

BLOCK = 256
SCRATCH = ("picks_i32", "picks_i64", "picks_at", "picks_word")


def pick_scratch(c: ConnectionPlan) -> dict[str, np.ndarray]:
    """Work arrays: stored values and factors by lane, places, words."""
    columns = any(x.target.owner == "syn" for x in c.program.section("on_post"))
    if c.conv is not None or not (c.sparse or columns):
        return {}
    room = BLOCK if c.sparse else max(c.n_pre, BLOCK)
    return {
        "picks_i32": np.zeros((2, room), np.int32),
        "picks_i64": np.zeros((2, room), np.int64),
        "picks_at": np.zeros(room, np.int64),
        "picks_word": np.zeros(room, np.uint32),
    }


def pickable(nest, split: tuple[list, list] | None) -> bool:
    """Whether a line's E is a product of factors per axon and neuron, and its words are lanes' or shared."""
    words = not nest.needs_word or nest.site.connection.noise in ("lane", "shared")
    return bool(split) and words and not nest.site.twin


def _laned(nest) -> bool:
    return nest.needs_word and nest.site.connection.noise == "lane"


def _stored(nest, index: str) -> str:
    """Text of elements of the target."""
    return f"{nest.target}[b, {index}]" if nest.per_context else f"{nest.target}[{index}]"


def _views(nest, first: str = "") -> None:
    """Names of the buffers, of `size` elements from `first` on."""
    picks = nest.site.array(f"picks_{nest.lane}")
    part = f"[{first} : {first} + size]" if first else "[:size]"
    nest.put(f"pick_w = {picks}[0]", f"pick_z = {picks}[1]{part}")
    nest.put(f"pick_at = {nest.site.array('picks_at')}{part}")
    if _laned(nest):
        nest.put(f"pick_word = {nest.site.array('picks_word')}{part}")


def _write(nest, ref: str, exact: str, word: str, known: bool) -> None:
    """The vector loop over the gathered elements."""
    nest.picked = word if _laned(nest) else ""
    nest.block_nz = "i64(size)" if known and nest.line.target.overflow == "saturate" else ""
    nest.begin_block()
    nest.put("for r in range(size):")
    nest.level += 1
    nest.write(ref, None, exact)
    nest.level -= 1
    nest.end_block()
    nest.picked = ""


# ---------------------------------------------------------------- columns of fired neurons


def dense_columns(nest, column: str, row: str) -> None:
    """Columns of the fired neurons, the rows whose factor is not 0; column, row: text of the factors."""
    lane = nest.lane
    nest.count("done += n_pre * i64(nf[b])")
    picks, at = nest.site.array(f"picks_{lane}"), nest.site.array("picks_at")
    nest.put("picked = 0", "for j in range(n_pre):", f"    z = {row}")
    nest.put(f"    {at}[picked] = j", f"    {picks}[1, picked] = z")
    if _laned(nest):
        nest.put(f"    {nest.site.array('picks_word')}[picked] = odd[j]")
    nest.put("    picked += i64(z != 0)", f"for first in range(0, picked, {BLOCK}):")
    nest.level += 1
    nest.put(f"size = min(picked - first, {BLOCK})")
    _views(nest, "first")
    nest.put("for k in range(nf[b]):")
    nest.level += 1
    nest.put("i = u32(fidx[b, k])")
    if column:
        nest.put(f"f = {column}", "if f == 0:", "    continue")
    if _laned(nest):
        nest.put("even_i = even[i]")
    nest.put("for r in range(size):", f"    pick_w[r] = {_stored(nest, 'u32(pick_at[r]), i')}")
    exact = f"{lane}(pick_z[r] * f)" if column else "pick_z[r]"
    _write(nest, "pick_w[r]", exact, "even_i ^ pick_word[r]", known=True)
    nest.put("for r in range(size):", f"    {_stored(nest, 'u32(pick_at[r]), i')} = pick_w[r]")
    nest.level -= 2


def sparse_columns(nest, column: str, row: str) -> None:
    """All synapses of the fired neurons; the synapse is number ptr[pre] + rank."""
    for x in ("ptr", "cptr", "cpre", "crank"):
        nest.site.array(x)
    nest.put("for k in range(nf[b]):")
    nest.level += 1
    nest.put("i = u32(fidx[b, k])")
    nest.count("done += cptr[i + 1] - cptr[i]")
    if column:
        nest.put(f"f = {column}")
    if _laned(nest):
        nest.put("even_i = even[i]")
    nest.put(f"for first in range(cptr[i], cptr[i + 1], {BLOCK}):")
    nest.level += 1
    nest.put(f"size = min(cptr[i + 1] - first, {BLOCK})")
    _views(nest)
    nest.put("for r in range(size):", "    j = u32(cpre[first + r])")
    nest.put("    s = ptr[j] + i64(crank[first + r])", "    pick_at[r] = s")
    nest.put(f"    pick_z[r] = {row}", f"    pick_w[r] = {_stored(nest, 's')}")
    if _laned(nest):
        nest.put("    pick_word[r] = odd[j]")
    exact = f"{nest.lane}(pick_z[r] * f)" if column else "pick_z[r]"
    _write(nest, "pick_w[r]", exact, "even_i ^ pick_word[r]", known=False)
    nest.put("for r in range(size):", f"    {_stored(nest, 'pick_at[r]')} = pick_w[r]")
    nest.level -= 2


# ---------------------------------------------------------------- sparse rows


def sparse_row(nest, split: tuple[list, list], by_column: bool) -> None:
    """The synapses of axon j, which lie side by side; what their neurons hold is gathered."""
    lane = nest.lane
    nest.put(f"for first in range(ptr[j], ptr[j + 1], {BLOCK}):")
    nest.level += 1
    nest.put(f"size = min(ptr[j + 1] - first, {BLOCK})", f"pick_s = {_stored(nest, 'first : first + size')}")
    _views(nest)
    gathered = []
    if split[0] or by_column:
        gathered.append(f"    pick_z[r] = vec_{lane}[i]" if split[0] else "    pick_z[r] = cols[i]")
    if _laned(nest):
        gathered.append("    pick_word[r] = even[i]")
    if by_column and nest.site.counting:
        nest.put("mets = i32(0)", "misses = i32(0)")
        gathered.append("    mets = i32(mets + cols[i])")
        if nest.line.when is not None and nest.line.when.owner == "post":
            reach = nest.reach_mask("post")
            gathered.append(f"    misses = i32(misses + i32(i32({reach or 1}) - cols[i]))")
    if gathered:
        nest.put("for r in range(size):", "    i = u32(tgt[first + r])", *gathered)
    if by_column:
        nest.count("done += mets")
        nest.count("skipped += misses")
    exact = "z"
    if split[0]:
        exact = f"{lane}(pick_z[r] * z)" if split[1] else "pick_z[r]"
    elif by_column:
        exact = f"{lane}(z * pick_z[r])"
    _write(nest, "pick_s[r]", exact, "pick_word[r] ^ odd_j", known=not split[0] and not by_column)
    nest.level -= 1
