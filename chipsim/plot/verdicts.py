"""Rules against chips: what becomes of each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from chipsim.plot.style import INK, canvas, house

WORDS = {"accepted": "#BFE3D7", "approximated": "#F9DFA6", "refused": "#E4E4E4"}


@house
def verdicts(
    rules: Sequence[str], chips: Sequence[str], cells: Mapping[tuple[str, str], tuple[str, Sequence[str]]]
) -> Figure:
    """A field per rule and chip, coloured by its verdict, with at most two short lines of text.

    cells  (rule, chip) -> (accepted | approximated | refused, lines); a missing pair stays white
    """
    figure = canvas(1.9 + 1.02 * len(chips), 1.3 + 0.36 * len(rules))
    ax = figure.add_subplot()
    for (rule, chip), (word, lines) in cells.items():
        x, y = chips.index(chip), rules.index(rule)
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=WORDS[word], edgecolor="white", lw=1.5))
        text = "\n".join(lines[:2])
        ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=7.5, color=INK, linespacing=1.05)
    ax.set(xlim=(0, len(chips)), ylim=(len(rules), 0))
    ax.set_xticks([k + 0.5 for k in range(len(chips))], chips, fontsize=8.5)
    ax.set_yticks([k + 0.5 for k in range(len(rules))], rules, fontsize=8.5)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    found = [word for word in WORDS if any(cell[0] == word for cell in cells.values())]
    handles = [Patch(facecolor=WORDS[word], label=word) for word in found]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=len(handles) or 1)
    return figure
