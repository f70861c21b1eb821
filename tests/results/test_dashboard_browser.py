"""The dashboard in a real browser: plots, selections, addresses and live updates."""

import json
import shutil
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import pytest
from nas_explorer.cli.dashboard import make_exporter
from nas_explorer.cli.main import app as cli
from nas_explorer.evaluators.cost.evaluator import CostEvaluator
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.dashboard.app import Settings, make_dashboard
from nas_explorer.results.dashboard.source import Source
from nas_explorer.results.study.study import Study
from typer.testing import CliRunner

from ..benchmark_runs import run_benchmark
from .conftest import candidate, draw, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium"),
]
HOSTILE = "<img src=x onerror='window.hurt = 1'>"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DRAWN = """() => ["scatter", "parallel", "progress"].every(id =>
  document.querySelector(`#${id} .main-svg`) && document.querySelector("#table tbody tr"))"""
POINTS = """name => document.querySelector("#scatter .js-plotly-plot").data
  .filter(t => t.name.startsWith(name)).map(t => +t.name.match(/[(](.*)[)]/)[1])[0]"""


NETWORK = "document.querySelector('#network .main-svg .point')"
# Return the overlapping labels of an axis.
OVERLAPPING = """[...document.querySelectorAll(".main-svg .xaxislayer-above")].flatMap(layer => {
  const boxes = [...layer.querySelectorAll(".xtick text")].map(e => e.getBoundingClientRect())
    .filter(box => box.width).sort((a, b) => a.left - b.left);
  return boxes.filter((box, i) => i && !layer.closest("#parallel") && box.left < boxes[i - 1].right)
    .map(box => `${layer.closest("[role=figure]").id} at ${box.left}`);
})"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def candidates():
    made = [
        candidate(i, accuracy=(a, a - 0.05, a + 0.05), macs=m, latency=1.0 + i)
        for i, a, m in zip(
            count(), (0.5, 0.9, 0.4, 0.7, 0.6, 0.3), (10, 30, 20, 40, 50, 60), strict=False
        )
    ]
    failed = candidate(6, status="failed", macs=5)
    return [*made, replace(failed, reason=HOSTILE, traceback=HOSTILE)]


@pytest.fixture(scope="module")
def full_study(empty_study: Path, candidates, tmp_path_factory):
    """A database with the candidates, to copy, since writing them takes longer."""
    file = shutil.copy(empty_study, tmp_path_factory.mktemp("full"))
    study = Study.open("first", f"sqlite:///{file}")
    run(study, *candidates)
    study.close()
    return file


@pytest.fixture
def study(request, url):
    """The study of the dashboard; an empty one for tests with a study of their own."""
    which = "full_study" if "address" in request.fixturenames else "empty_study"
    file = Path(url.removeprefix("sqlite:///"))
    file.parent.mkdir()
    shutil.copy(request.getfixturevalue(which), file)
    return Study.open("first", url)


@contextmanager
def dashboard_of(url):
    server = make_dashboard(Source(url), Settings(port=0, seconds=0.2))
    with serving(server):
        yield f"http://127.0.0.1:{server.port}/"


@pytest.fixture(scope="module")
def read_only(full_study):
    """The address of one dashboard for all tests that add nothing to the study."""
    with dashboard_of(f"sqlite:///{full_study}") as address:
        yield address


@pytest.fixture
def address(request):
    """The address of a dashboard: of the test's own study if it asks for that."""
    if "study" not in request.fixturenames:
        yield request.getfixturevalue("read_only")
        return
    request.getfixturevalue("study")
    with dashboard_of(request.getfixturevalue("url")) as address:
        yield address


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def pages_of_all(browser):
    """Pages that share a cache, so that each dashboard's scripts are loaded once."""
    with browser.new_context() as context:
        yield context


@pytest.fixture
def open_page(pages_of_all, address):
    """Open the dashboard; after the test, check for errors and for requests to other servers."""
    pages, faults = [], []

    def open_one(query="", wait=DRAWN, width=1280, height=900, color_scheme="light"):
        page = pages_of_all.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=color_scheme)
        page.set_default_timeout(300_000)  # a loaded machine needs minutes
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: faults.append(r.url) if _elsewhere(r.url, address) else None)
        page.goto(address + query)
        page.wait_for_function(wait)
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        page.close()
    assert not faults


def _elsewhere(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


def table_numbers(page):
    return [int(each) for each in page.locator("#table tbody td:first-child").all_inner_texts()]


def drag(page, selector, start, end):
    """Drag the mouse over a plot, between points given as shares of its area."""
    area = page.locator(f"{selector} .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=4)
    page.mouse.up()


def test_a_selection_filters_everything_and_lives_in_the_address(open_page):
    page = open_page()
    assert table_numbers(page) == [0, 1, 2, 3, 4, 5, 6]
    page.wait_for_function(f"({POINTS})('front') === 2")
    drag(page, "#scatter", (0.02, 0.02), (0.62, 0.98))
    page.wait_for_function("document.querySelectorAll('#chips li').length === 3")
    assert table_numbers(page) == [0, 2]
    page.wait_for_function(f"({POINTS})('filtered out') === 4")
    assert "filter=macs" in page.url
    page.locator("#table a[data-key='row 2']").click()
    page.wait_for_selector("#detail h2:text('Candidate 2')")
    assert "candidate=2" in page.url and "Dominated in accuracy and macs by" in page.inner_text(
        "#detail"
    )

    colleague = open_page(page.url.partition("/?")[2].join(("?", "")))
    assert table_numbers(colleague) == [0, 2]
    assert "Candidate 2" in colleague.inner_text("#detail")

    page.go_back()
    page.wait_for_selector("#detail h2:text-is('Candidate')")
    page.locator("#chips a", has_text="lift all").click()
    page.wait_for_function("document.querySelectorAll('#table tbody tr').length === 7")


def test_what_is_not_there_is_reported_until_it_is(open_page, study, fill, make_candidate):
    page = open_page("?study=nope&candidate=7")
    reported = page.locator("#not-there")
    assert (
        "no study nope" in reported.inner_text()
        and "no candidate 7 in first" in reported.inner_text()
    )
    fill(study, make_candidate(7, accuracy=0.95, macs=8))
    page.wait_for_selector("#detail h2:text('Candidate 7')")
    assert reported.inner_text() == "There is no study nope in this storage. This is first."
    page.locator("#nav a", has_text="Compare").click()
    page.wait_for_selector("#fronts .main-svg")
    assert "study=first" in page.url and not reported.is_visible()


def test_a_box_over_parallel_axes_filters_the_others(open_page):
    page = open_page()
    titles = page.locator("#parallel .xtick text").all_text_contents()
    at = (titles.index("accuracy") + 0.35) / (len(titles) - 0.3)
    drag(page, "#parallel", (at - 0.02, 0.0), (at + 0.02, 0.45))
    page.wait_for_selector("#chips li")
    assert page.locator("#chips li").first.inner_text().startswith("accuracy ")
    assert table_numbers(page) == [1, 3]
    page.wait_for_function(f"({POINTS})('filtered out') === 4")


def test_new_candidates_appear_by_themselves(open_page, study, fill, make_candidate):
    page = open_page("?x=macs&y=latency")
    assert page.inner_text("#status") == "6 complete, 1 failed"
    fill(
        study,
        make_candidate(7, accuracy=0.95, macs=8, latency=0.5),
        make_candidate(8, status="running"),
    )
    page.wait_for_selector("#status:text-is('7 complete, 1 failed, 1 running')")
    page.wait_for_function(f"({POINTS})('front') === 1")
    assert "y=latency" in page.url


def test_it_is_used_by_keyboard_alone(open_page):
    page = open_page()
    heading = page.locator("#table a[data-key='sort macs']")
    heading.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#table th[aria-sort='ascending'] >> text=macs")
    assert table_numbers(page)[:2] == [6, 0]
    assert page.evaluate("document.activeElement.dataset.key") == "sort macs", "the focus stays"
    page.keyboard.press("Enter")
    page.wait_for_selector("#table th[aria-sort='descending']")
    assert table_numbers(page)[-1] == 6
    page.locator("[data-field=x]").focus()
    page.keyboard.type("lat")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('x=latency')")
    page.wait_for_selector("#scatter .xtitle:text('latency')")
    assert page.evaluate("document.activeElement.dataset.key") == "x"
    page.locator("#filters summary").press("Enter")
    page.locator("[data-field=by]").select_option("macs")
    page.locator("[data-key='filter at most']").fill("30")
    page.keyboard.press("Enter")
    page.wait_for_selector("#chips li:has-text('macs at most 30')")
    assert sorted(table_numbers(page)) == [0, 1, 2, 6]
    unnamed = page.evaluate(
        """[...document.querySelectorAll("button, input, select, a")].filter(e => e.offsetParent
          && !(e.innerText || e.ariaLabel || e.title || e.labels?.length
               || e.closest(".modebar")))
          .map(e => e.outerHTML)"""
    )
    assert unnamed == []


def test_a_candidate_has_a_page_of_its_own(open_page):
    page = open_page("?candidate=1")
    page.locator("#detail a", has_text="All about it").click()
    page.wait_for_selector("#network .scatterlayer .point")
    page.wait_for_selector("#costs .barlayer .point")
    assert page.locator("#page-explore").is_hidden() and "page=candidate" in page.url
    link = page.locator("#summary a", has_text=".onnx").get_attribute("href")
    assert link == "export?study=first&candidate=1&format=.onnx"
    page.locator("[data-field=other]").fill("3")
    page.keyboard.press("Enter")
    page.wait_for_selector("#difference th:has-text('candidate 3')")
    page.locator("#nav a", has_text="Explore").click()
    page.wait_for_function(
        "document.querySelector('#scatter .main-svg')?.getBoundingClientRect().width > 600"
    )


def test_a_candidate_opened_by_its_address_fills_the_page(open_page):
    page = open_page("?page=candidate&candidate=1", NETWORK)
    sizes = """[...document.querySelectorAll('#network .main-svg, #network')]
      .map(each => [each.clientWidth, each.clientHeight])"""
    (place, svg, *_) = page.evaluate(sizes)
    assert svg == place and place[0] > 1200 and place[1] > 400
    page.set_viewport_size({"width": 1000, "height": 900})
    page.wait_for_function("document.querySelector('#network .main-svg').clientWidth === 968")
    assert page.evaluate(sizes)[1][1] == place[1], "only the width has changed"


def assert_fits_a_phone(page):
    for details in page.locator("summary:visible").all():
        details.click()
    widths = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1] == 360
    assert page.evaluate(OVERLAPPING) == []


def test_no_page_is_wider_than_a_phone(open_page):
    query = "?extras=zoo,intervals,infeasible&candidate=6&by=macs&filter=macs:1..100"
    page = open_page(query, width=360, height=740)
    assert_fits_a_phone(page)
    for name, shows in (
        ("Candidate", "#summary pre"),
        ("What matters", "#represented .main-svg"),
        ("Compare", "#fronts .main-svg"),
    ):
        page.locator("#nav a", has_text=name).click()
        page.wait_for_selector(shows)
        assert_fits_a_phone(page)
    assert_fits_a_phone(
        open_page("?page=candidate&candidate=1&other=2", NETWORK, width=360, height=740)
    )


def test_what_is_kept_is_reported_and_what_a_search_adds_is_not(
    open_page, study, fill, make_candidate
):
    page = open_page("?by=macs&filter=macs:..30")
    reported = page.locator("[role=status]#told")
    assert reported.inner_text() == "4 of 7 candidates shown"
    page.locator("#chips a").click()
    page.wait_for_function("document.querySelector('#told').innerText.startsWith('7 of 7')")
    fill(study, make_candidate(7, accuracy=0.95, macs=8))
    page.wait_for_function("document.querySelector('#status').innerText.startsWith('7 complete')")
    assert reported.inner_text() == "7 of 7 candidates shown"


def test_a_storage_that_is_slower_than_the_page_is_followed(
    open_page, study, fill, make_candidate, monkeypatch
):
    page = open_page()
    read = Source.snapshot

    def slow(self, name, *, fresh=False):
        time.sleep(0.5 * fresh)  # the page looks every 0.2 s
        return read(self, name, fresh=fresh)

    monkeypatch.setattr(Source, "snapshot", slow)
    fill(study, make_candidate(7, accuracy=0.95, macs=8))
    page.wait_for_function("document.querySelector('#status').innerText.startsWith('7 complete')")


def test_a_zoom_and_the_choice_stay_while_candidates_come(open_page, study, fill, make_candidate):
    page = open_page("?candidate=2&filter=macs:15..")
    page.locator("#scatter .modebar-btn[data-title='Zoom']").dispatch_event("click")
    drag(page, "#scatter", (0.2, 0.2), (0.6, 0.7))
    axes = """() => ["xaxis", "yaxis"].map(axis =>
      document.querySelector("#scatter .js-plotly-plot")._fullLayout[axis].range)"""
    zoomed = page.evaluate(axes)
    assert 0.3 < zoomed[1][0] < zoomed[1][1] < 0.9
    fill(study, make_candidate(7, accuracy=0.95, macs=18))
    page.wait_for_function("document.querySelector('#status').innerText.startsWith('7 complete')")
    page.wait_for_function(f"({POINTS})('front') === 1")
    assert page.evaluate(axes) == zoomed
    assert page.evaluate(POINTS, "candidate 2") == 1 and "filter=macs" in page.url
    page.locator("[data-field=x]").select_option("latency")
    page.wait_for_selector("#scatter .xtitle:text('latency')")
    assert page.evaluate(axes)[0] != zoomed[0], "another axis starts anew"


def test_what_lacks_a_metric_is_there_to_be_clicked(open_page):
    page = open_page()
    box = page.locator("#scatter .scatterlayer .point[d^='M0,']").last.bounding_box()
    page.mouse.click(box["x"], box["y"] + box["height"] / 2)
    page.wait_for_selector("#detail h2:text('Candidate 6')")


def test_any_number_of_studies_are_ticked(open_page, study, make_settings, url):
    for name in ("second", "a, b", "fourth"):
        Study.create_or_open(name, url, make_settings(seed=1)).close()
    page = open_page("?study=first&page=compare", "document.querySelector('#fronts .main-svg')")
    for place, name in enumerate(("second", "a, b", "fourth")):
        page.locator(f"#compare-controls input[value='{name}']").click()
        page.wait_for_function(
            f"document.querySelectorAll('#compare-table tbody tr').length === {place + 2}"
        )
        assert not page.locator("#not-there").is_visible()
    page.locator("#compare-controls input[value='a, b']").click()
    page.wait_for_function("document.querySelectorAll('#compare-table tbody tr').length === 3")


def test_the_mouse_over_a_point_tells_of_its_candidate(open_page):
    page = open_page()
    x, y = page.evaluate(
        """() => { const plot = document.querySelector("#scatter .js-plotly-plot");
          const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
          return [box.left + xaxis._offset + xaxis.d2p(30), box.top + yaxis._offset
            + yaxis.d2p(0.9)]; }"""
    )
    page.mouse.move(x + 3, y)
    page.mouse.move(x, y)
    page.wait_for_selector("#tip:has-text('latency')")
    text = page.inner_text("#tip")
    assert "90.0 % [85.0, 95.0]" in text and "2 ms" in text and "On the front of" in text
    assert draw(1).architecture.canonical.outline()[:12] in text
    page.mouse.move(5, 5)
    page.wait_for_selector("#tip", state="hidden")


def test_points_on_the_canvas_are_described_and_chosen(browser, study, fill, url, monkeypatch):
    monkeypatch.setattr("nas_explorer.results.dashboard.scatter.MANY", 3)
    monkeypatch.setattr("nas_explorer.results.dashboard.scatter._FEW", 1)
    values = ((0.9, 10), (0.5, 1_000), (0.6, 100_000))
    fill(
        study,
        *(
            candidate(i, accuracy=a, macs=m)
            for i, (a, m) in enumerate((*values, (0.4, 70), (0.3, 9_000)))
        ),
    )
    server = make_dashboard(Source(url), Settings(port=0))
    with serving(server):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector("#scatter canvas.points")
        x, y = page.evaluate(
            """() => { const plot = document.querySelector("#scatter .js-plotly-plot");
              const layer = plot.nasLayers[0], i = layer.number.indexOf(2);
              const box = plot.getBoundingClientRect();
              return [box.left + layer.left[i], box.top + layer.top[i]]; }"""
        )
        ink = """([x, y]) => { const canvas = document.querySelector("canvas.points");
          const box = canvas.getBoundingClientRect();
          return canvas.getContext("2d").getImageData(x - box.left, y - box.top, 1, 1).data[3]; }"""
        assert page.evaluate(ink, [x, y]) > 100 and page.evaluate(ink, [x + 30, y]) == 0
        page.mouse.move(x + 1, y + 1)
        page.wait_for_selector("#tip:has-text('60.0 %')")
        page.mouse.click(x + 2, y)
        page.wait_for_selector("#detail h2:text('Candidate 2')")
        page.close()


def test_the_titles_of_parallel_axes_do_not_touch(open_page):
    for width in (1280, 360):
        page = open_page("?study=first", width=width)
        boxes = page.evaluate(
            """[...document.querySelectorAll("#parallel .xtick text")]
              .map(e => e.getBoundingClientRect()).map(b => [b.left, b.right, b.top])"""
        )
        left, right, top = page.evaluate(
            """(b => [b.left, b.right, b.top])(
              document.querySelector("#parallel").getBoundingClientRect())"""
        )
        assert len(boxes) == 8 and all(
            b[0] >= left and b[1] <= right and b[2] >= top for b in boxes
        )
        assert all(a[1] < b[0] for a, b in pairwise(boxes))


def test_an_export_arrives_as_nas_export_makes_it(browser, study, fill, url, tmp_path):
    drawn = draw(1)
    costs = CostEvaluator().evaluate(drawn.architecture)
    candidate = Candidate(
        number=0,
        architecture=drawn.architecture.canonical,
        decisions=drawn.decisions,
        status="complete",
        measurements={each.metric: each for each in costs},
    )
    fill(study, candidate)
    server = make_dashboard(Source(url), Settings(port=0), make_exporter(url))
    with serving(server):
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/?page=candidate&candidate=0")
        reported = page.locator("#export-told[role=status]")
        page.locator("#summary a", has_text=".onnx").click()
        page.wait_for_selector("#export-told.fault")
        assert "weights" in reported.inner_text() and "could not be had" in reported.inner_text()
        with page.expect_download(timeout=300_000) as arrived:
            page.locator("#summary a", has_text="untrained").click()
            assert "checking it" in reported.inner_text()
        page.wait_for_selector("#export-told:text('is made and checked')")
        assert "saved by the browser as candidate-0.safetensors.zip" in reported.inner_text()
        assert not page.locator("body.exporting").count()
        assert arrived.value.suggested_filename == "candidate-0.safetensors.zip"
        arrived.value.save_as(tmp_path / "arrived.zip")
        page.close()
    command = ["export", "0", "-o", str(tmp_path / "mine.safetensors"), "--untrained"]
    done = CliRunner().invoke(cli, [*command, "--storage", url])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(tmp_path / "arrived.zip") as archive:
        assert "candidate-0.safetensors.md" in archive.namelist()
        theirs = archive.read("candidate-0.safetensors")
    mine = (tmp_path / "mine.safetensors").read_bytes()
    assert len(theirs) == len(mine) and opened(theirs) == opened(mine)


def opened(data):
    """Return the header of a safetensors file, whose key order is random, and the rest."""
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def test_a_token_opens_from_a_link_elsewhere_and_does_not_stay_in_the_address(browser, study, url):
    settings = Settings(host="127.0.0.2", port=0, token="a-secret")
    server = make_dashboard(Source(url), settings)
    with serving(server):
        base = f"http://127.0.0.2:{server.port}/"
        page = browser.new_page()
        assert page.goto(base).status == 401
        page.goto("about:blank")
        page.set_content(f"<a href='{base}?token=a-secret&study=first&page=compare'>look</a>")
        page.locator("a").click()
        page.wait_for_selector("#fronts .main-svg")
        assert page.url == f"{base}?study=first&page=compare"
        assert "a-secret" not in page.evaluate(
            "document.cookie + document.documentElement.outerHTML"
        )
        page.close()
        stranger = browser.new_page()
        for path in ("", "_dash-layout", "assets/dashboard.js", "export?study=first&candidate=1"):
            assert stranger.goto(base + path).status == 401, path
        stranger.close()


def test_a_study_that_has_only_begun_comes_alive(browser, study, fill, url, make_candidate):
    server, faults = make_dashboard(Source(url), Settings(port=0, seconds=0.1)), []
    with serving(server):
        page = browser.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector("#scatter .annotation-text:text('No candidate has these')")
        for number, (status, measured) in enumerate(
            (("running", {}), ("failed", {}), ("failed", {"macs": 20}))
        ):
            fill(study, make_candidate(number, status=status, **measured))
            page.wait_for_selector(f"#status:has-text('{number or 1} {status}')")
        page.wait_for_function(f"({POINTS})('failed, no accuracy') === 1")
        assert table_numbers(page) == [0, 1, 2]
        fill(study, make_candidate(3, accuracy=0.5, macs=10))
        page.wait_for_function(f"({POINTS})('front') === 1")
        page.wait_for_selector("#progress .scatterlayer")
        assert page.locator("#scatter .annotation-text").count() == 0
        page.close()
    assert not faults


def test_it_fits_a_phone_and_the_dark(open_page):
    page = open_page("?candidate=6", width=390, height=800, color_scheme="dark")
    colours = "e => [getComputedStyle(document.body).backgroundColor, getComputedStyle(e).fill]"
    ground, text = page.locator("#scatter .xtick text").first.evaluate(colours)
    assert (ground, text) == ("rgb(20, 23, 27)", "rgb(230, 233, 236)")
    assert HOSTILE in page.inner_text("#detail") and not page.evaluate("window.hurt")


def test_the_benchmark_runs():
    with ThreadPoolExecutor(1) as thread:  # it drives a browser of its own
        found = thread.submit(run_benchmark, "dashboard.py", "--quick").result()
    seconds = found["seconds"]["60"]
    assert all(value > 0 for value in seconds.values()) and "filter" in seconds
