"""Figures hold the numbers they were given, for few and for many items, and save the same bytes."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from chipsim import plot
from chipsim.errors import DataError, RunError, SettingError
from chipsim.fixed import Format

ROWS = [dict(epoch=e, train=0.9 + 0.01 * e, validation=0.9, test=None) for e in (1, 2, 3)]


def lengths(ax):
    return [patch.get_width() for patch in ax.patches]


def test_accuracy_draws_each_split_in_percent_and_each_control():
    ax = plot.accuracy(ROWS, controls={"linear readout": 0.951}, chance=0.1).axes[0]
    train, validation, linear, chance = ax.lines
    assert np.allclose(train.get_ydata(), [91, 92, 93]) and train.get_xdata().tolist() == [1, 2, 3]
    assert np.allclose(validation.get_ydata(), 90)
    assert linear.get_ydata()[0] == pytest.approx(95.1) and chance.get_ydata()[0] == pytest.approx(10)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["train", "validation", "linear readout (95.1 %)", "chance (10.0 %)"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "accuracy (%)")


def test_raster_has_one_panel_per_layer_with_its_spikes():
    layers = {"in": (np.array([0, 2]), np.array([5, 6]), 300), "out": (np.array([1]), np.array([0]), 3)}
    top, bottom = plot.raster(layers, 4, dt_ms=2).axes
    assert top.collections[0].get_offsets().tolist() == [[2, 0]]
    assert bottom.collections[0].get_offsets().tolist() == [[0, 5], [4, 6]]
    assert bottom.get_xlabel() == "time (ms)"
    assert bottom.get_title("left") == "in: 300 neurons, 0.17 % spike per step"


def test_traces_show_raw_and_value_and_a_band_beyond_eight_elements():
    raw = np.arange(40).reshape(4, 10) * 2
    few, many = plot.traces({"v": (raw[:, 0], Format(True, 16, 3)), "x": (raw, Format(False, 7, 4))}).axes
    assert few.lines[0].get_ydata().tolist() == [0, 20, 40, 60]
    assert len(few.lines) == 1 and len(many.lines) == 8 and len(many.collections) == 1
    right = few.child_axes[0]
    few.figure.canvas.draw()
    assert np.allclose(np.array(few.get_ylim()) / 8, right.get_ylim())


def test_traces_mark_a_register_at_its_rail():
    ax = plot.traces({"x": (np.array([0, 7, 5]), Format(False, 3, 0))}).axes[0]
    assert "reaches its rail 7" in ax.get_title("left")


def test_weight_histogram_counts_every_lsb_and_the_rails():
    raw = np.array([-8] * 5 + [-7, 0, 0, 3] + [7] * 2)
    ax = plot.weight_histogram({"w": (raw, Format(True, 4, 3))}).axes[0]
    bars = {p.get_x() + p.get_width() / 2: p.get_height() for p in ax.patches if p.get_height()}
    assert {round(x): h for x, h in bars.items()} == {-8: 5, -7: 1, 0: 2, 3: 1, 7: 2}
    assert ax.get_title("left") == "w: 11 weights, s4.3; 45 % at rail -8, 18 % at rail 7"
    narrow = plot.weight_histogram({"w": (raw, Format(True, 4, 3))}, limits={"w": (-7, 3)}).axes[0]
    assert "9.1 % at rail -7, 9.1 % at rail 3" in narrow.get_title("left")


def test_wide_weights_share_bars_and_none_is_lost():
    raw = np.random.default_rng(0).integers(-30000, 30000, 5000)
    ax = plot.weight_histogram({"w": (raw, Format(True, 16, 0))}).axes[0]
    heights = [patch.get_height() for patch in ax.patches]
    assert sum(heights) == 5000 and len(heights) == 256 + 2
    assert ax.get_ylabel() == "weights per 256 LSB"


def test_op_ledger_stacks_pathways_largest_first():
    rows = {"spike": dict(inference=10), "synaptic_event": dict(inference=100, error=20)}
    ax = plot.op_ledger(rows).axes[0]
    assert lengths(ax) == [100, 10, 0, 0, 20, 0]  # pathway by pathway
    assert [t.get_text() for t in ax.get_yticklabels()] == ["synaptic_event", "spike"]
    assert [t.get_text() for t in ax.texts] == ["120", "10"]


def test_op_ledger_joins_the_smallest_of_many():
    ax = plot.op_ledger({f"op {k}": dict(learning=k + 1) for k in range(60)}).axes[0]
    assert sum(lengths(ax)) == 60 * 61 / 2
    assert ax.get_yticklabels()[-1].get_text() == "37 others"


def test_layer_activity_draws_known_shares_only():
    rows = [
        dict(layer="a", silent=0.25, surrogate=0.5, rate=0.03),
        dict(layer="b", silent=1.0, surrogate=None),
    ]
    ax = plot.layer_activity(rows).axes[0]
    assert lengths(ax) == [25, 100, 50]
    assert [t.get_text() for t in ax.texts] == ["25.0 %", "100 %", "50.0 %"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a\n3 % / step", "b"]


def test_stdp_window_draws_form_band_and_points():
    lag, form = np.array([-8.0, -4, 4, 8]), np.array([-1.0, -2, 2, 1])
    ax = plot.stdp_window(lag, form + 0.1, form, lsb=0.25, error=0.5, pairings=60).axes[0]
    points = next(line for line in ax.lines if line.get_marker() == "o")
    assert np.allclose(points.get_ydata(), form + 0.1)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["closed form", "error bound", "measured"]
    top = max(path.get_paths()[0].vertices[:, 1].max() for path in ax.collections if path.get_paths())
    assert top == 2.5


def test_stdp_window_of_one_side_names_its_form():
    ax = plot.stdp_window([4.0, 8.0], [2.0, 1.0], [2.0, 1.0], lsb=1.0).axes[0]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["closed form", "measured"]


def test_rounding_noise_draws_means_of_seeds():
    results = {"lane": {4: [0.94, 0.96], 8: [0.97, 0.97]}, "shared": {4: [0.9], 8: [0.95]}}
    ax = plot.rounding_noise(results, twin=0.98).axes[0]
    means = [line.get_ydata().astype(float) for line in ax.lines if line.get_linestyle() == "-"]
    assert np.allclose(means[0], [95, 97]) and np.allclose(means[1], [90, 95])
    assert ax.get_legend().get_title().get_text() == "noise (1–2 seeds, ± s.d.)"


FEW_AND_MANY = {
    "one point": lambda: plot.accuracy([dict(epoch=1, train=1.0)]),
    "many epochs": lambda: plot.accuracy([dict(epoch=e, train=0.5) for e in range(500)]),
    "silent raster": lambda: plot.raster({"a": (np.array([], int), np.array([], int), 1)}, 1),
    "zero trace": lambda: plot.traces({"x": (np.zeros(1, int), Format(True, 8, 0))}),
    "no weight": lambda: plot.weight_histogram({"w": (np.array([], int), Format(True, 8, 7))}),
    "32-bit weights": lambda: plot.weight_histogram({"w": (np.array([-(2**31), 5]), Format(True, 32, 0))}),
    "many connections": lambda: plot.weight_histogram(
        {f"w{k}": (np.arange(-8, 8), Format(True, 4, 0)) for k in range(9)}
    ),
    "nothing counted": lambda: plot.op_ledger({"spike": {}}),
    "many layers": lambda: plot.layer_activity([dict(layer=str(k), silent=0.5) for k in range(40)]),
    "one lag": lambda: plot.stdp_window([4.0], [1.0], [1.0], lsb=1.0),
    "one result": lambda: plot.rounding_noise({"lane": {8: [0.5]}}),
}


@pytest.mark.parametrize("case", FEW_AND_MANY)
def test_few_and_many_items_can_be_drawn_and_saved(tmp_path, case):
    figure = FEW_AND_MANY[case]()
    assert isinstance(figure, Figure)
    assert plot.save(figure, tmp_path / "f.png").stat().st_size > 1000


@pytest.mark.parametrize("end", ["png", "svg"])
def test_equal_figures_give_equal_bytes_whatever_the_users_settings(tmp_path, end):
    def drawn():
        return plot.save(plot.accuracy(ROWS), tmp_path / f"a.{end}").read_bytes()

    first = drawn()
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "figure.facecolor": "red"}):
        assert drawn() == first
    assert dict(matplotlib.rcParams) == before
    assert b"Date" not in first and b"date" not in first


def test_a_figure_can_be_drawn_into_given_axes():
    figure = Figure()
    left, _ = figure.subplots(1, 2)
    assert plot.accuracy(ROWS, ax=left) is figure and len(left.lines) == 2


def test_pyplot_is_never_imported():
    code = "import sys, chipsim.plot as p; p.accuracy([dict(epoch=1, train=1)]); "
    code += "print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr


def test_refusals(tmp_path):
    with pytest.raises(
        SettingError, match=r"^figure file 'a\.gif'\n  remedy: end its name in \.png or \.svg$"
    ):
        plot.save(plot.accuracy(ROWS), "a.gif")
    with pytest.raises(RunError, match=r"a\.png: the figure cannot be written: No such file or directory\n"):
        plot.save(plot.accuracy(ROWS), tmp_path / "no" / "a.png")
    with pytest.raises(DataError, match=r"^accuracy plot: no row has an accuracy"):
        plot.accuracy([dict(epoch=1)])
    with pytest.raises(
        DataError, match=r"^op ledger: unknown pathway 'inferenc'\n  remedy: pathways are inference, "
    ):
        plot.op_ledger({"spike": dict(inferenc=1)})
    for empty in (lambda: plot.raster({}, 1), lambda: plot.traces({}), lambda: plot.weight_histogram({})):
        with pytest.raises(DataError, match=r"to draw\n"):
            empty()
