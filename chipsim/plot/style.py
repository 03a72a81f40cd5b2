"""The house look, and how a figure becomes a file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from chipsim.errors import RunError, SettingError

# Okabe & Ito, Color Universal Design (2008); yellow left out: too faint on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, ALARM = "#333333", "#BBBBBB", "#D55E00"
DPI = 150

HOUSE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "chipsim",
    "svg.fonttype": "path",
}


def eng(number: float) -> str:
    """A count with an engineering prefix and three digits: 1234567 -> `1.23 M`."""
    return EngFormatter(places=None, sep="\N{NO-BREAK SPACE}", useMathText=False)(float(f"{number:.3g}"))


def _plain() -> dict:
    """Matplotlib's own defaults, without the backend (which a context would not restore)."""
    return {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}


def house(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw under the house look, whatever the user's own matplotlib settings are."""

    @functools.wraps(function)
    def drawn(*args, **kwargs) -> Figure:
        with matplotlib.rc_context({**_plain(), **HOUSE}):
            return function(*args, **kwargs)

    return drawn


def canvas(width: float = 6.4, height: float = 4.0) -> Figure:
    """An empty figure of so many inches that is not known to pyplot."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.07)
    FigureCanvasAgg(figure)
    return figure


def axes_for(ax: Axes | None, width: float = 6.4, height: float = 4.0) -> tuple[Figure, Axes]:
    """The given axes, or the only axes of a new figure."""
    if ax is not None:
        return ax.figure, ax
    figure = canvas(width, height)
    return figure, figure.add_subplot()


@house
def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as .png (150 dpi) or .svg, without dates: equal figures give equal bytes.

    Raises SettingError for another ending, RunError if the file cannot be written.
    """
    path = Path(path)
    kinds = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}
    if path.suffix.lower() not in kinds:
        raise SettingError(f"figure file '{path.name}'", remedy="end its name in .png or .svg")
    try:
        figure.savefig(path, dpi=DPI, metadata=kinds[path.suffix.lower()])
    except OSError as error:
        raise RunError(f"the figure cannot be written: {error.strerror or error}", where=str(path)) from None
    return path
