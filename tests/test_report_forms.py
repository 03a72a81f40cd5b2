"""The report as HTML, JSON, Markdown and CSV: the same numbers, escaped, readable in a browser offline."""

import csv
import importlib.util
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from chipsim.chip import load_chip
from chipsim.cli.report import report_data
from chipsim.errors import RunError
from chipsim.ledger import Shape, summary
from chipsim.ledger.neurobench import neurobench
from chipsim.network import Network
from chipsim.report.compare import compare_text, comparison
from chipsim.report.html import html_compare, html_report, lookup
from chipsim.report.markdown import csv_report, leaves, markdown_report
from chipsim.run_folder import RunFolder, load_run, to_json
from chipsim.simulator import Simulator

pytestmark = pytest.mark.one_python

HOSTILE = "<script>alert(1)</script> & \"quotes\" 'single' | bar"


def made(path, chip_name):
    """A run folder of a small network with a rule, three samples learned, two of them tested."""
    net = Network()
    net.source("in", 12)
    net.lif("out", 8, threshold=0.4, reset="hard")
    net.connect("in", "out", rule="stdp_pair")
    sim = Simulator(net, load_chip(chip_name), seed=2)
    draw = np.random.default_rng(0)
    from chipsim.data.events import Events

    events = Events.from_dense(draw.random((3, 10, 12)) < 0.3)
    sim.present(events)
    counted = sim.evaluate(events.slice(0, 2))[1]
    said = summary(
        sim.plan,
        sim.chip,
        sim.state,
        accuracy={"train": 0.9, "validation": 0.8, "test": 0.75, "twin": None},
        controls={HOSTILE: {"test": 0.5}},
        experiment=HOSTILE,
        evaluation={**sim.state, **counted},
        shape=Shape(3, 2, 10),
        neurobench=neurobench(sim, events, accuracy=0.75),
        notes=[{"place": HOSTILE, "kind": "note", "line": 3, "text": HOSTILE}],
    )
    folder = RunFolder.create("run", path, experiment=HOSTILE, rule="stdp_pair", chip=chip_name, seed=2)
    for epoch in (1, 2):
        folder.metric(network="chip", epoch=epoch, learning=0.5 + 0.1 * epoch, validation=0.6 + 0.1 * epoch)
    folder.weights({"c0_w": sim.state["c0_w"]})
    folder.note(arrays={"c0_w": {"what": "weights of in->out", "format": "s8.7"}})
    folder.summary(said)
    folder.finish()
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = made(tmp_path_factory.mktemp("runs") / "priced", "loihi1")
    return json.loads(to_json(report_data(load_run(path))))


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
    assert [tag for tag, _ in Page(text).tags].count("script") == 1


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
    other = json.loads(to_json(report_data(load_run(made(tmp_path / "open", "loihi2")))))
    found = comparison([("priced", data["summary"]), ("open", other["summary"])])
    rows = {row["name"]: row["values"] for row in found["rows"]}
    assert rows["chip"] == ["loihi1", "loihi2"]
    assert rows["energy of an inference"] == [data["summary"]["cost"]["per_inference"]["J"], None]
    text = compare_text(found)
    assert "open: nothing is priced" in text and "do not share a definition" in text
    page = Page(html_compare(json.loads(to_json(found))))
    for number in page.numbers:
        assert lookup(found, number["data-path"]) == float(number["value"])


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


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BROWSER = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs playwright and a chromium binary",
)


@BROWSER
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_in_a_browser_from_a_file(data, tmp_path, width, scheme):
    """Opens offline, without a message in the console; no sideways scrolling; sections by keyboard."""
    from playwright.sync_api import sync_playwright

    file = tmp_path / "report.html"
    file.write_text(html_report(data), encoding="utf-8")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        page, messages = context.new_page(), []
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(file.as_uri())
        assert messages == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == "A"
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#accuracy"
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
        shown = page.evaluate("[...document.querySelectorAll('data')].map(x => [x.dataset.path, x.value])")
        stored = json.loads(page.evaluate("document.getElementById('chipsim-data').textContent"))
        assert shown and all(lookup(stored, path) == float(value) for path, value in shown)
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
        browser.close()
