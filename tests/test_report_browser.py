"""The HTML report in headless Chromium: from a file, offline, at phone and desktop width, by keyboard."""

import importlib.util
import json
from pathlib import Path

import pytest

from chipsim.report.html import html_compare, html_report, lookup

pytestmark = [pytest.mark.one_python, pytest.mark.browser]

WIDTHS = {"phone, dark": (390, "dark"), "desktop, light": (1280, "light")}
BOX = (
    "[...document.querySelectorAll('#{} .panel svg')]"
    ".map(x => x.getAttribute('viewBox').split(' ').map(Number))"
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The report of a small run with hostile names."""
    spec = importlib.util.spec_from_file_location("report_run", Path(__file__).parent / "report_run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("page")
    path = folder / "report.html"
    path.write_text(html_report(module.reported(folder / "run")), encoding="utf-8")
    return path


@pytest.fixture(params=WIDTHS)
def page(browser, file, request):
    """The report, opened offline; nothing may reach the console, and nothing may be asked for."""
    width, scheme = WIDTHS[request.param]
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, has_touch=width < 500
    )
    opened, messages, asked = context.new_page(), [], []
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    assert messages == [] and [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    context.close()


def boxes(page, section):
    """[x, y, width, height] of every panel's view."""
    return page.evaluate(BOX.format(section))


def until(page, true):
    """Wait for what the browser does in its own time; the page's policy lets no text be run as a script,
    so that `wait_for_function` is not to be had."""
    for _ in range(200):
        if true():
            return
        page.wait_for_timeout(10)
    raise AssertionError("it did not happen within 2 s")


def test_fits_the_width_in_its_colours(page):
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (width > 500)
    right = "[...document.querySelectorAll('.bar button, .panel')].map(x => x.getBoundingClientRect().right)"
    assert max(page.evaluate(right)) <= width


def test_every_number_is_the_one_in_its_json(page):
    shown = page.evaluate("[...document.querySelectorAll('data')].map(x => [x.dataset.path, x.value])")
    stored = json.loads(page.evaluate("document.getElementById('chipsim-data').textContent"))
    assert len(shown) > 200
    assert all(lookup(stored, path) == float(value) for path, value in shown)


def test_everything_is_reached_by_the_tab_key(page):
    want = page.evaluate("[...document.querySelectorAll('a, button, [tabindex]')].length")
    seen = set()
    for _ in range(want):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "[...document.querySelectorAll('a, button, [tabindex]')].indexOf(document.activeElement)"
            )
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
    assert seen == set(range(want))


def test_sections_by_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#accuracy"


@pytest.mark.parametrize("section", ["rasters", "traces"])
def test_zoom_by_keyboard(page, section):
    page.focus(f"#{section} .plots")
    whole = boxes(page, section)
    assert all(box[0] == 0.5 and box[2] == 10 for box in whole)
    page.keyboard.press("+")
    assert all(box[2] == 5 and box[0] == 3 for box in boxes(page, section))
    page.keyboard.press("ArrowLeft")
    assert all(box[0] == 1.75 for box in boxes(page, section))
    assert "Steps 2 to 6 of 10" in page.inner_text(f"#{section} .told")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert all(box[0] + box[2] == 10.5 for box in boxes(page, section))
    page.keyboard.press("]")
    taller = boxes(page, section)
    assert all(now[3] == was[3] / 2 for now, was in zip(taller, whole, strict=True))
    page.keyboard.press("ArrowDown")
    assert all(now[1] > was[1] for now, was in zip(boxes(page, section), taller, strict=True))
    for _ in range(20):
        page.keyboard.press("+")
    assert all(box[2] == 3 for box in boxes(page, section))
    page.keyboard.press("0")
    assert boxes(page, section) == whole
    for _ in range(3):
        page.keyboard.press("-")
    assert boxes(page, section) == whole


def test_zoom_by_buttons_that_say_what_they_do(page):
    whole = boxes(page, "rasters")
    page.click("#rasters button:has-text('Zoom in')")
    page.click("#rasters button:has-text('Later')")
    assert all(box[:1] + box[2:3] == [4.25, 5] for box in boxes(page, "rasters"))
    assert boxes(page, "traces")[0][2] == 10
    page.click("#rasters button:has-text('Whole')")
    assert boxes(page, "rasters") == whole


def test_limits_of_the_formats_come_into_view(page):
    traces = page.evaluate("JSON.parse(document.getElementById('chipsim-data').textContent).recording.traces")
    places = page.evaluate(
        "[...document.querySelectorAll('#traces .panel')].map(x => +x.dataset.at.split('/')[2])"
    )
    button = page.locator("#traces button[aria-pressed]")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    for box, k in zip(boxes(page, "traces"), places, strict=True):
        assert (box[1], box[3]) == (-traces[k]["hi"], traces[k]["hi"] - traces[k]["lo"])
    edges = page.evaluate("[...document.querySelectorAll('#traces .edge')].map(x => x.textContent)")
    assert edges[:2] == [f"{traces[places[0]][key]:,}" for key in ("hi", "lo")]


def test_zoom_by_wheel_and_drag(page):
    whole = boxes(page, "traces")
    place = page.locator("#traces .frame svg").first
    place.scroll_into_view_if_needed()
    at = place.bounding_box()
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + 20)
    scrolled = page.evaluate("scrollY")
    page.mouse.wheel(0, 40)
    until(page, lambda: page.evaluate("scrollY") != scrolled)
    assert boxes(page, "traces") == whole  # without the focus the page scrolls
    page.focus("#traces .plots")
    place.scroll_into_view_if_needed()
    at = place.bounding_box()
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + 20)
    page.mouse.wheel(0, -277)  # exp(-277 / 400) is a half
    until(page, lambda: page.inner_text("#traces .told") != "Steps 1 to 10 of 10")
    near = boxes(page, "traces")[0]
    assert near[2] == pytest.approx(5, abs=0.01)
    page.mouse.down()
    page.mouse.move(at["x"] + at["width"] / 4, at["y"] + 20, steps=4)
    page.mouse.up()
    assert boxes(page, "traces")[0][0] == pytest.approx(near[0] + near[2] / 4, abs=0.05)


def test_two_fingers_zoom(page):
    whole = boxes(page, "rasters")[0][2]
    page.evaluate(
        """() => {
          const plots = document.querySelector('#rasters .plots');
          const r = plots.querySelector('svg').getBoundingClientRect();
          plots.setPointerCapture = () => {};
          const send = (type, id, x) => plots.dispatchEvent(new PointerEvent(type, {pointerId: id,
            pointerType: 'touch', clientX: r.left + x * r.width, clientY: r.top + 5, bubbles: true}));
          send('pointerdown', 1, 0.4); send('pointerdown', 2, 0.6);
          send('pointermove', 1, 0.4); send('pointermove', 2, 0.8);
          send('pointerup', 1, 0.4); send('pointerup', 2, 0.8);
        }"""
    )
    assert boxes(page, "rasters")[0][2] == pytest.approx(whole / 2)
    assert page.evaluate("getComputedStyle(document.querySelector('.frame')).touchAction") == "pan-y"


def test_paper_shows_the_whole(page):
    whole = boxes(page, "traces")
    page.focus("#traces .plots")
    page.keyboard.press("+")
    near = boxes(page, "traces")
    page.emulate_media(media="print")
    until(page, lambda: boxes(page, "traces") == whole)
    for hidden in ("nav", ".bar"):
        assert page.evaluate(f"getComputedStyle(document.querySelector('{hidden}')).display") == "none"
    page.emulate_media(media="screen")
    until(page, lambda: boxes(page, "traces") == near)


def test_hostile_names_run_nothing(page):
    assert page.evaluate("document.querySelectorAll('script').length") == 2
    assert "<script>alert(1)</script>" in page.inner_text("#rasters")


def test_no_other_script_runs(browser, file, tmp_path):
    """The content policy names the one script by its hash: a script that got in would not run."""
    bad = tmp_path / "bad.html"
    text = file.read_text(encoding="utf-8")
    bad.write_text(text.replace("</main>", "</main><script>window.got = 1</script>"), encoding="utf-8")
    opened = browser.new_page()
    opened.goto(bad.as_uri())
    assert opened.evaluate("window.got") is None
    assert boxes(opened, "rasters")
    opened.close()


def test_without_javascript_everything_is_there(browser, file):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(file.as_uri())
    assert not opened.is_visible(".bar") and opened.is_visible("#rasters .panel svg path")
    context.close()


def test_a_comparison_opens_too(browser, tmp_path):
    rows = [{"name": "chip", "path": "chip/name", "how": "plain", "values": ["a", "<b>"]}]
    path = tmp_path / "compare.html"
    path.write_text(html_compare({"runs": ["one", "two"], "rows": rows, "notes": []}), encoding="utf-8")
    opened, messages = browser.new_page(), []
    opened.on("console", lambda message: messages.append(message.text))
    opened.goto(path.as_uri())
    assert "<b>" in opened.inner_text("table") and messages == []
    opened.close()
