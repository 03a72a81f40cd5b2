"""Whether a rule runs on a chip: accepted, approximated (how) or refused (why)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from chipsim.errors import ChipsimError
from chipsim.fixed import Format
from chipsim.microcode.bind import Use, bind
from chipsim.microcode.program import Program


@dataclass(frozen=True)
class Verdict:
    """word is accepted, approximated or refused; reasons say how or why, one sentence each.

    words   lines and products of the bound program, None where it was refused
    """

    rule: str
    chip: str
    engine: str
    word: str
    reasons: tuple[str, ...]
    words: int | None


def default_use(chip: Any, **options: Any) -> Use:
    """A connection as an experiment without wishes would make it: weights span -1..1, without sign 0..1."""
    bits = chip.weight.default_bits
    weight = Format(chip.weight.signed, bits, bits - chip.weight.signed)
    membrane = Format(True, chip.neuron.v_bits, 7 + chip.neuron.guard_bits)
    if chip.crossbar is not None:  # a membrane without sign adds weights as they are
        membrane = Format(False, chip.crossbar.membrane_bits, weight.frac)
    return Use(
        weight=weight,
        w_lo=weight.lo,
        w_hi=weight.hi,
        v=membrane,
        spike=Format(False, 1, 0),
        sample_steps=options.pop("sample_steps", 100),
        **options,
    )


def verdict(program: Program, chip: Any, use: Use | None = None) -> Verdict:
    """What becomes of a rule on a chip, with registers as written; where they do not fit, with the
    low bits cut (`fit = "narrow"`), which is an approximation."""
    use = use or default_use(chip)
    said = {"rule": program.name, "chip": chip.name, "engine": chip.engine}
    try:
        bound, cut = bind(program, chip, use), False
    except ChipsimError as first:
        try:
            bound, cut = bind(program, chip, replace(use, fit="narrow")), True
        except ChipsimError:
            return Verdict(**said, word="refused", reasons=(" ".join(first.message.split()),), words=None)
    limit = None if chip.memory is None else chip.memory.program_words
    words = len(bound.lines) + len(bound.products)
    if limit is not None and words > limit:
        reason = f"{words} lines and products; a core holds {limit} words of microcode"
        return Verdict(**said, word="refused", reasons=(reason,), words=words)
    kinds = ("approximated", "narrowed")
    reasons = tuple(dict.fromkeys(note.text for note in bound.notes if note.kind in kinds))
    return Verdict(
        **said, word="approximated" if reasons or cut else "accepted", reasons=reasons, words=words
    )
