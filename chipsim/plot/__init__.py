"""Figures: pure functions from numbers to matplotlib Figures, without pyplot or global state.

Each takes an optional `ax` to draw into, labels its axes with units, tells series apart by colour
(the Okabe-Ito palette, safe for colour-blind readers) and by marker or line, and works for one item
as for hundreds. `save` writes PNG or SVG, the same bytes for the same figure.
"""

from chipsim.plot.by_value import by_value
from chipsim.plot.curves import accuracy, rounding_noise, stdp_window
from chipsim.plot.ledger import layer_activity, op_ledger
from chipsim.plot.signals import raster, traces
from chipsim.plot.style import COLOURS, save
from chipsim.plot.weights import weight_histogram

__all__ = [
    "COLOURS",
    "accuracy",
    "by_value",
    "layer_activity",
    "op_ledger",
    "raster",
    "rounding_noise",
    "save",
    "stdp_window",
    "traces",
    "weight_histogram",
]
