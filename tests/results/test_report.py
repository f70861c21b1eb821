"""The report is one self-contained file, even with hostile names and reasons."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.report.report import Report, make_report, report_html, write_report
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError

from .conftest import candidate, run, settings

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>&amp;"


class Page(HTMLParser):
    """Collects tags, ids, texts and scripts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.lasttag == "script" and data.strip():
            self.scripts.append((dict(self.tags[-1][1]).get("type"), data))
        self.text.append(data)

    def data(self) -> dict:
        return next(json.loads(text) for kind, text in self.scripts if kind == "application/json")

    def has(self, tag: str, **attributes: str) -> bool:
        return any(name == tag and attributes.items() <= found.items() for name, found in self.tags)


def without_plotly(monkeypatch):
    """Replace five megabytes of script by a short one."""
    monkeypatch.setattr("nas_explorer.results.report.report.get_plotlyjs", lambda: "/*</script*/")


@pytest.fixture(autouse=True)
def plotly(request, monkeypatch):
    """Use plotly's real script only in browser tests."""
    if "slow" not in request.keywords:
        without_plotly(monkeypatch)


@pytest.fixture(scope="module")
def candidates() -> list[Candidate]:
    curve = [{"validation_accuracy": a} for a in (0.2, 0.6)]
    accuracy = Measurement(
        metric="accuracy",
        value=0.6,
        low=0.5,
        high=0.7,
        provenance={"learning_curve": curve, "device": HOSTILE, "seed": 3},
    )
    first = candidate(0, macs=30_000)
    return [
        replace(first, measurements={"accuracy": accuracy, **first.measurements}),
        candidate(1, accuracy=(0.5, 0.4, 0.6), macs=40_000),
        candidate(2, accuracy=(0.4, 0.3, 0.5), macs=20_000),
        replace(candidate(3, status="failed"), reason=HOSTILE, traceback=HOSTILE),
        candidate(4, status="infeasible", macs=90_000),
        candidate(5, accuracy=float("nan"), macs=1),
        candidate(6, status="running"),
    ]


@pytest.fixture(scope="module")
def report(tmp_path_factory, candidates) -> Report:
    first = {"name": HOSTILE, "digest": "feedbeef" * 8, "decisions": {}}
    hostile = settings(data={"name": HOSTILE}, recipe={"note": HOSTILE}, first=(first,))
    file = tmp_path_factory.mktemp("report") / "nas.db"
    study = Study.create_or_open(HOSTILE, f"sqlite:///{file}", hostile)
    run(study, *candidates)
    return make_report(study)


@pytest.fixture(scope="module")
def page(report) -> Page:
    with pytest.MonkeyPatch.context() as patch:
        without_plotly(patch)
        return Page(report_html(report))


def test_text_from_outside_stays_text(page):
    assert [kind for kind, _ in page.scripts] == ["application/json", None, None]
    assert not page.has("img") and not any(tag == "script" and a.get("src") for tag, a in page.tags)
    assert not any(name.startswith("on") for _, found in page.tags for name in found)
    assert f"{HOSTILE} (feedbeef)" in page.text
    assert page.text.count(HOSTILE) >= 5, "name, settings, reason, traceback and provenance"


def test_nothing_is_loaded_and_nothing_else_may_run(page):
    (policy,) = (a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none';")
    for kind, script in page.scripts:
        if kind is None:
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
    for tag, found in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not {"src", "srcset", "action", "style"} & found.keys()
        assert (found.get("href") or "#").startswith("#")
    assert "showSendToCloud: false" in page.scripts[-1][1]


def test_the_data_is_all_there(page, candidates):
    data = page.data()
    columns = data["candidates"]
    assert columns["number"] == [0, 1, 2, 3, 4, 5, 6]
    assert columns["status"] == [each.status for each in candidates]
    assert columns["value"]["macs"] == [30_000, 40_000, 20_000, None, 90_000, 1, None]
    assert columns["value"]["accuracy"] == [0.6, 0.5, 0.4, None, None, None, None]
    assert columns["low"]["accuracy"] == [0.5, 0.4, 0.3, None, None, None, None]
    assert columns["front"] == [True, False, True, False, False, False, False]
    assert data["objectives"] == ["accuracy", "macs"]
    assert [each["name"] for each in data["metrics"]] == ["accuracy", "macs"]
    assert not any("template" in each["layout"] for each in data["figures"].values())
    assert set(data["figures"]) == {"hypervolume", "best", "curves", "parallel"}
    labels = [each["label"].partition(":")[0] for each in data["choices"]["graph"]]
    assert labels == ["0", "2"], "the networks of the front"


def test_every_section_has_a_heading_and_every_plot_a_description(page):
    sections = [found["id"] for tag, found in page.tags if tag == "section"]
    assert sections == [
        "summary",
        "front",
        "pairs",
        "progress",
        "curves",
        "networks",
        "matters",
        "decisions",
        "candidates",
        "failures",
        "settings",
        "provenance",
    ]
    for name in sections:
        assert page.has("h2", id=f"{name}-h") and page.has("a", href=f"#{name}")
    plots = [found for _, found in page.tags if (found.get("class") or "").startswith("plot")]
    assert len(plots) == 9 and all(found["aria-label"] for found in plots)
    assert page.has("html", lang="en") and page.has("meta", name="viewport")


def test_the_front_is_there_without_scripts(page):
    text = "\n".join(page.text)
    front = text[text.index("Intervals are 95 %.") : text.rindex("Any two metrics")]
    assert "60.0 %" in front and "[50.0, 70.0]" in front and "40.0 %" in front
    assert "50.0 %" not in front


def test_of_a_long_front_networks_from_all_along_it_are_drawn(study, monkeypatch, make_candidate):
    many = [make_candidate(i, accuracy=0.1 + 0.01 * i, macs=1000 + i) for i in range(25)]
    monkeypatch.setattr(study, "candidates", lambda: many)
    options = Page(report_html(make_report(study))).data()["choices"]["graph"]
    drawn = [int(each["label"].partition(":")[0]) for each in options]
    assert len(drawn) <= 12 and drawn[0] == 24 and drawn[-1] == 0
    assert max(a - b for a, b in pairwise(drawn)) <= 3


def test_candidates_that_failed_alike_stand_together(study, monkeypatch, make_candidate):
    lost = [
        replace(make_candidate(i, status="failed"), reason=f"reason {i // 30}", traceback="why")
        for i in range(31)
    ]
    monkeypatch.setattr(study, "candidates", lambda: lost)
    text = "\n".join(Page(report_html(make_report(study))).text)
    assert "31\n" in text and "reason 0" in text and "reason 1" in text
    assert text.count("traceback\n") == 2
    assert "18, 19, ..." in text, "the numbers of many are cut off"
    assert "No candidate is complete yet." in text


def test_a_report_of_an_empty_study(study, tmp_path):
    write_report(make_report(study), tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.data()["candidates"]["number"] == []
    assert "No candidate is complete yet." in page.text


def test_a_report_that_cannot_be_written_gives_one_line(study, tmp_path):
    with pytest.raises(InputError, match="must be writable, but got") as error:
        write_report(make_report(study), tmp_path / "none" / "report.html")
    assert "\n" not in str(error.value)


DRIVER = """<iframe id="f" src="report.html" style="width:390px;height:3000px"></iframe>
<pre id="out"></pre><script>
document.getElementById("f").addEventListener("load", () => setTimeout(() => {
  const w = document.getElementById("f").contentWindow, d = w.document, out = {};
  out.drawn = [...d.querySelectorAll(".plot")].filter(p => p.querySelector(".main-svg")).length;
  out.front = d.getElementById("plot-pairs").data.at(-1).x;
  const x = d.getElementById("x");
  x.value = "accuracy";
  x.dispatchEvent(new w.Event("change"));
  out.same = d.getElementById("plot-pairs").data.at(-1).x;
  const sort = () => {
    [...d.querySelectorAll("#all th button")].find(e => e.textContent === "macs").click();
    return [...d.querySelectorAll("#all tbody tr")].map(row => +row.cells[0].textContent);
  };
  out.up = sort();
  out.down = sort();
  out.order = d.querySelector("#all th[aria-sort]").getAttribute("aria-sort");
  out.fits = d.documentElement.scrollWidth === d.documentElement.clientWidth;
  const graph = d.getElementById("graph"), nodes = () => d.getElementById("plot-network").data
    .filter(trace => trace.name).map(trace => trace.x.length).reduce((a, b) => a + b);
  out.nodes = [...graph.options].map(option => {
    graph.value = option.value;
    graph.dispatchEvent(new w.Event("change"));
    return nodes();
  });
  out.requests = w.performance.getEntriesByType("resource").length;
  document.getElementById("out").textContent = JSON.stringify(out);
}, 1000));
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_the_report_works_in_a_browser(report, candidates, tmp_path):
    write_report(report, tmp_path / "report.html")
    (tmp_path / "driver.html").write_text(DRIVER)
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run "
        "--disable-sync --disable-web-security --allow-file-access-from-files "
        f"--virtual-time-budget=6000 --user-data-dir={tmp_path}/profile --dump-dom"
    )
    command = ["chromium", *flags.split(), (tmp_path / "driver.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    match = re.search(r'<pre id="out">({.*})</pre>', done.stdout)
    assert match, done.stdout[-2000:]
    out = json.loads(match[1])
    assert out["drawn"] == 9
    parts = [len(each.architecture.parts()) for each in candidates]
    assert out["nodes"] == [1 + parts[0], 1 + parts[2]] and parts[0] != parts[2]
    assert out["front"] == [20_000, 30_000] and out["same"] == [0.6]
    # Missing values are last in both orders.
    assert out["up"] == [5, 2, 0, 1, 4, 3, 6] and out["down"] == [4, 1, 0, 2, 5, 3, 6]
    assert out["order"] == "descending"
    assert out["fits"], "the page is no wider than a phone"
    assert out["requests"] == 0


def test_the_report_names_the_storage_without_its_password(study, monkeypatch):
    monkeypatch.setattr(study, "url", "postgresql://me:***@host/nas")
    assert "postgresql://me:***@host/nas" in report_html(make_report(study))
