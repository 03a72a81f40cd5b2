"""The report as HTML, JSON, Markdown and CSV: the same numbers, escaped, readable in a browser offline."""

import base64
import csv
import hashlib
import importlib.util
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chipsim.cli.report import report_data
from chipsim.errors import RunError
from chipsim.report.compare import compare_text, comparison
from chipsim.report.html import html_compare, html_report, lookup
from chipsim.report.markdown import csv_report, leaves, markdown_report
from chipsim.run_folder import RunFolder, load_run, to_json

pytestmark = pytest.mark.one_python


def helper(name):
    """A module beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return helper("report_run").reported(tmp_path_factory.mktemp("runs") / "priced")


class Page(HTMLParser):
    """Numbers with their paths, tags, and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.numbers, self.tags, self.said, self.stack = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "data":
            self.numbers.append(dict(attributes))

    def handle_data(self, text):
        self.said.append(text)


def test_every_number_of_the_page_is_the_one_in_the_json(data):
    page = Page(html_report(data))
    assert len(page.numbers) > 150
    for number in page.numbers:
        assert lookup(data, number["data-path"]) == float(number["value"])
    shown = {number["data-path"] for number in page.numbers}
    assert {"summary/energy/priced_J", "summary/cost/per_inference/J", "summary/accuracy/test"} <= shown
    assert {"summary/mapping/cores", "summary/neurobench/SynapticOperations/Dense"} <= shown


def test_the_page_holds_its_json(data):
    text = html_report(data)
    found = re.search(r'<script type="application/json" id="chipsim-data">(.*?)</script>', text, re.S)
    assert json.loads(found[1]) == data


def test_hostile_names_are_text(data):
    text = html_report(data)
    assert "<script>alert(1)" not in text and "&lt;script&gt;alert(1)" in text
    assert [tag for tag, _ in Page(text).tags].count("script") == 2


def test_nothing_is_loaded_from_anywhere(data):
    page = Page(html_report(data))
    for tag, attributes in page.tags:
        for key in ("src", "href", "srcset", "data"):
            value = attributes.get(key, "")
            assert not re.match(r"(https?:)?//|file:", value or ""), (tag, value)
    assert "@import" not in html_report(data) and "url(" not in html_report(data)


def test_pictures_and_tables_can_be_reached_and_read_aloud(data):
    page = Page(html_report(data))
    pictures = [a for tag, a in page.tags if tag == "svg"]
    assert len(pictures) >= 4 and all(a.get("aria-label") and a["role"] == "img" for a in pictures)
    regions = [a for tag, a in page.tags if a.get("class") == "scroll"]
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in regions)
    links = {a["href"][1:] for tag, a in page.tags if tag == "a"}
    assert links <= {a["id"] for _, a in page.tags if "id" in a}


def test_sources_of_prices_are_on_the_page(data):
    text = "".join(Page(html_report(data)).said)
    assert "D18 Table 2 p.96" in text and "stdp_pair_equiv" in text and "lower bound" in text
    assert "static power: this profile states none" in text


def test_csv_has_every_leaf_and_markdown_every_section(data):
    rows = list(csv.reader(io.StringIO(csv_report(data))))
    assert rows[0] == ["path", "value"]
    assert {path: value for path, value in rows[1:]} == {
        path: "" if value is None else str(value) for path, value in leaves(data)
    }
    text = markdown_report(data)
    for title in ("Accuracy", "Energy", "Mapping", "NeuroBench metrics", "Writes", "Histograms of weights"):
        assert f"## {title}" in text
    assert "<script" not in text and "&lt;script>alert(1)" in text and "\\| bar" in text


def test_two_chips_side_by_side(data, tmp_path):
    other = helper("report_run").reported(tmp_path / "open", "loihi2")
    found = comparison([("priced", data["summary"]), ("open", other["summary"])])
    rows = {row["name"]: row["values"] for row in found["rows"]}
    assert rows["chip"] == ["loihi1", "loihi2"]
    assert rows["energy of an inference"] == [data["summary"]["cost"]["per_inference"]["J"], None]
    text = compare_text(found)
    assert "open: nothing is priced" in text and "do not share a definition" in text
    page = Page(html_compare(json.loads(to_json(found))))
    for number in page.numbers:
        assert lookup(found, number["data-path"]) == float(number["value"])


def coordinates(page, kind):
    """What the pictures draw: (place of the panel in the JSON, numbers of each path)."""
    found, inside = [], False
    for tag, attributes in page.tags:
        if tag == "div" and attributes.get("class") == "panel":
            inside = attributes["data-kind"] == kind
            found += [(attributes["data-at"], [])] if inside else []
        elif tag == "path" and inside and attributes["class"].startswith(("ticks", "line")):
            found[-1][1].append(attributes["d"])
    return found


def test_a_raster_draws_every_recorded_spike(data):
    shown = coordinates(Page(html_report(data)), "raster")
    assert len(shown) == sum(len(sample["layers"]) for sample in data["recording"]["samples"]) == 6
    for at, (path,) in shown:
        row = lookup(data, at)
        marks = [(int(t), row["size"] - 1 - int(y)) for t, y in re.findall(r"M(\d+) (\d+)v1", path)]
        assert marks == list(zip(row["step"], row["row"], strict=True)) and marks


def test_a_trace_draws_every_recorded_value(data):
    shown = coordinates(Page(html_report(data)), "trace")
    assert [at for at, _ in shown] == [f"recording/traces/{k}" for k in range(4)]
    for at, paths in shown:
        for path, element in zip(paths, lookup(data, at)["elements"], strict=True):
            first, *rest = re.findall(r"[M0.5 ]*?(-?\d+)H", path.replace("M0.5 ", "V"))
            assert [-int(y) for y in (first, *rest)] == element["values"]


def test_the_policy_names_the_script(data):
    text = html_report(data)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    told = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{told}'" in text and "default-src 'none'" in text
    assert "</script" not in script and "fetch(" not in script and "innerHTML" not in script


def test_sources_are_told_where_one_points(data):
    titles = [text for text in Page(html_report(data)).said if "source: D18" in text]
    assert any(text.startswith("learning: ") for text in titles)


def test_a_run_without_a_recording_has_no_plots(data):
    text = html_report({**data, "recording": None})
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert {"rasters", "traces"}.isdisjoint(a.get("id") for _, a in page.tags)
    assert "## Rasters" not in markdown_report({**data, "recording": None})


def test_markdown_sums_up_what_the_csv_lists(data):
    text = markdown_report(data)
    row = data["recording"]["samples"][1]["layers"][1]
    assert f"| 1 | 0 | out | 8 | {row['spikes']} | 10 |" in text
    trace = data["recording"]["traces"][1]
    values = trace["elements"][0]["values"]
    assert f"| 0 | 127 | {min(values)} | {max(values)} | {values[-1]} |" in text
    listed = dict(list(csv.reader(io.StringIO(csv_report(data))))[1:])
    steps = [listed[f"recording/samples/1/layers/1/step/{k}"] for k in range(len(row["step"]))]
    assert steps == list(map(str, row["step"]))


def test_names_of_sanafe_beside_its_counters(data):
    row = data["summary"]["cost"]["per_inference"]
    assert list(row["breakdown_J"])[:5] == ["total", "synapse", "dendrite", "soma", "network"]
    counted = data["summary"]["layers"][1]["evaluation"]["inference"]
    assert row["counts"] == {
        "spikes": counted["synaptic_event"] / 2,
        "neurons_updated": (counted["neuron_update_active"] + counted["neuron_update_inactive"]) / 2,
        "neurons_fired": counted["spike"] / 2,
    }
    assert row["counts"]["neurons_updated"] == 8 * 10


def test_learning_is_kept_apart_from_inference(data):
    cost = data["summary"]["cost"]
    parts = cost["per_learned_sample"]["breakdown_J"]
    updates = data["summary"]["layers"][1]["ledger"]["learning"]["weight_update"]
    assert parts["learning"] == pytest.approx(120e-12 * updates / 3)
    assert cost["per_inference"]["breakdown_J"]["learning"] == 0
    assert parts["total"] == pytest.approx(cost["per_learned_sample"]["J"])
    whole = data["summary"]["energy"]["priced_J"]
    assert cost["per_accuracy_point_J"] == pytest.approx(whole / 75)


def test_a_run_without_a_summary_says_what_to_do(tmp_path):
    with RunFolder.create("run", tmp_path / "old") as folder:
        folder.finish()
    with pytest.raises(RunError, match="stored no summary.json"):
        report_data(load_run(tmp_path / "old"))


MINE = '''"""Two networks of one run."""
import numpy as np
from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.network import Network
from chipsim.outcome import outcome
from chipsim.recording import record
from chipsim.settings import ExperimentSettings
from chipsim.simulator import Simulator
RULES = ("stdp_pair",)
CHIPS = ("ideal",)
class Settings(ExperimentSettings): pass
def made(seed):
    net = Network()
    net.source("in", 4)
    net.lif("out", 3, threshold=0.4)
    net.connect("in", "out", rule="stdp_pair")
    return Simulator(net, load_chip("ideal"), seed=seed)
def run(context):
    sims = {"first": made(1), "second": made(2)}
    events = Events.from_dense(np.ones((1, 5, 4), int))
    for sim in sims.values():
        sim.present(events)
    context.out.recording(record(sims["first"], events))
    scores = {"accuracy": {"test": 0.5}, "controls": {"chance": {"test": 0.25}}}
    return scores | outcome(context, sims)
'''


def test_an_experiment_of_ones_own_has_every_form_too(chipsim):
    Path("mine.py").write_text(MINE, encoding="utf-8")
    assert chipsim("run", "./mine.py", "--out", "r").status == 0
    told = json.loads(chipsim("report", "r", "--format", "json").out)
    assert told["summary"]["accuracy"] == {"test": 0.5} and told["summary"]["mapping"]["cores"] == 1
    assert told["summary"]["controls"] == {"chance": {"test": 0.25}}
    assert told["summary"]["notes"][0]["text"] == (
        "this report is of network 'first'; the run has first, second"
    )
    names = ["weights of first.in->out", "weights of second.in->out"]
    assert [row["name"] for row in told["histograms"]] == names
    assert [sum(row["counts"]) for row in told["histograms"]] == [12, 12]
    assert told["recording"] == json.loads(Path("r/recording.json").read_text("utf-8"))
    assert chipsim("report", "r", "--format", "html", "--out", "r.html").status == 0
    assert 'id="traces"' in Path("r.html").read_text("utf-8")
    spoiled = Path("r/recording.json").read_text("utf-8").replace('"steps": 5', '"steps": 6')
    Path("r/recording.json").write_text(spoiled, encoding="utf-8")
    assert "recording.json" in chipsim("report", "r", "--format", "json").err
