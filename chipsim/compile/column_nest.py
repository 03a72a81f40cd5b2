"""Synapse-owned targets of on_post: the synapses of the fired neurons."""

from __future__ import annotations

from chipsim.compile.picks import dense_columns, pickable, sparse_columns
from chipsim.compile.synapse_nest import _along_row, _product, _sign, _split


def columns(nest) -> None:
    """All synapses of the neurons that fired: gathered where E is a product of factors, else one by one."""
    line, sparse = nest.line, nest.site.connection.sparse
    nest.site.array("fidx")
    if nest.needs_word:
        _column_words(nest)
    split = _split(nest) if line.mode != "=" and line.form == "scale" else None
    if line.when is None and pickable(nest, split) and split[1]:
        column, row = (_product(nest, x, nest.lane) if x else "" for x in split)
        if _sign(nest) < 0:
            row = f"{nest.lane}(-{row})"
        (sparse_columns if sparse else dense_columns)(nest, column, row)
        return
    (_sparse_columns if sparse else _dense_columns)(nest)


def _sparse_columns(nest) -> None:
    """Column by column: the synapse is number ptr[pre] + rank."""
    for x in ("ptr", "cptr", "cpre", "crank"):
        nest.site.array(x)
    nest.put("for k in range(nf[b]):")
    nest.level += 1
    nest.put("i = u32(fidx[b, k])")
    if nest.line.when is None:
        nest.count("done += cptr[i + 1] - cptr[i]")
    nest.begin_block()
    nest.put("for q_ in range(cptr[i], cptr[i + 1]):")
    nest.level += 1
    nest.put("j = u32(cpre[q_])", "s = ptr[j] + i64(crank[q_])")
    if nest.needs_word and nest.site.connection.noise == "lane":
        nest.put("odd_j = odd[j]")
    _column_write(nest)


def _dense_columns(nest) -> None:
    """Row by row, so that memory is read in order."""
    nest.put("for j in range(n_pre):")
    nest.level += 1
    if nest.line.when is None:
        nest.count("done += nf[b]")
    if nest.needs_word and nest.site.connection.noise == "lane":
        nest.put("odd_j = odd[j]")

    def body() -> None:
        nest.begin_block()
        nest.put("for k in range(nf[b]):")
        nest.level += 1
        nest.put("i = u32(fidx[b, k])")
        _column_write(nest)

    _along_row(nest, body)


def _column_write(nest) -> None:
    """One synapse of a column, and the end of the innermost loop."""
    when = nest.condition()
    if when:
        nest.put(f"if not {when}:")
        nest.level += 1
        nest.count("skipped += 1")
        nest.put("continue")
        nest.level -= 1
        nest.count("done += 1")
    nest.write(nest.view("syn", nest.target, nest.per_context), None)
    nest.level -= 1
    nest.end_block()


def _column_words(nest) -> None:
    """Words of the fired columns only, of all rows."""
    noise = nest.site.connection.noise
    if noise not in ("lane", "element"):
        nest.words()
        return
    nest.key()
    nest.site.array("even")
    nest.put("for k in range(nf[b]):", f"    even[fidx[b, k]] = {nest.one_word('2 * fidx[b, k]')}")
    if noise == "lane":
        nest.site.array("odd")
        nest.put(nest.fill("odd"))
