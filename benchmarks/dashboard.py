"""How long does a user wait for the dashboard, in the browser, on synthetic studies?

A study of N candidates is written directly into a database, and Chromium opens its dashboard. The
times are those until the first plot is drawn, and from a filter until every plot shows it. The
start of the server, which reads the study, is timed separately.

    python benchmarks/dashboard.py [--candidates 10000,100000] [--repeats 5] [--quick]
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.cost.evaluator import CostEvaluator
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.dashboard.app import Settings, make_dashboard
from nas_explorer.results.dashboard.source import Source
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.storage import open_storage
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser
from playwright.sync_api import Page, sync_playwright

DISTINCT = 500
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY = """() => { const plot = document.querySelector("#scatter .js-plotly-plot");
  return !!plot && !!plot.querySelector(".gl-canvas, .scatterlayer .trace") && plot.data.length > 0
    && plot.data.some(trace => (trace.name || "").startsWith("dominated")); }"""
SETTLED = """wanted => { const plot = id => document.querySelector(`#${id} .js-plotly-plot`);
  return plot("scatter").data.some(t => t.name.startsWith("filtered"))
    && plot("scatter").data.some(t => t.name === `dominated (${wanted})`)
    && plot("parallel").layout.shapes?.length >= 2
    && document.querySelector("#table").textContent.includes(" of "); }"""


def draws(count: int) -> list[Candidate]:
    """Return candidates of random architectures of the space ``micro``, with their exact costs."""
    space, costs = load_space("micro"), CostEvaluator()
    found: list[Candidate] = []
    for number in range(count):
        drawn = space.walk(RandomChooser(number))
        found.append(
            Candidate(
                number=number,
                architecture=drawn.architecture.canonical,
                decisions=drawn.decisions,
                status="complete",
                measurements={each.metric: each for each in costs.evaluate(drawn.architecture)},
            )
        )
    return found


def made_up(number: int, like: Candidate, rng: np.random.Generator) -> dict[str, Any]:
    """Return the record of a candidate with its exact costs and invented accuracy and latency."""
    scale = float(rng.lognormal(0, 0.5))
    found = {k: replace(m, value=int(m.value * scale)) for k, m in like.measurements.items()}
    accuracy = float(
        np.clip(0.55 + 0.06 * np.log10(found["macs"].value / 1e4) + rng.normal(0, 0.04), 0, 1)
    )
    latency = found["macs"].value / 1e6 + float(rng.exponential(0.3)) + 0.2
    curve = [{"train_loss": 1.0, "validation_loss": 1.0, "validation_accuracy": accuracy}] * 3
    for name, value, spread in (("accuracy", accuracy, 0.02), ("latency", latency, 0.05)):
        found[name] = Measurement(
            metric=name,
            value=value,
            low=value - spread,
            high=value + spread,
            provenance={"made_up": True, "learning_curve": curve if name == "accuracy" else []},
        )
    status = rng.choice(["complete", "infeasible", "failed"], p=[0.94, 0.04, 0.02])
    if status != "complete":
        found.pop("accuracy")
    candidate = replace(
        like, number=number, status=str(status), measurements=found, seconds={"total": 2.0}
    )
    record = {**candidate.to_json(), "order": number}
    record["reason"] = None if status == "complete" else "made up"
    return record


def write_study(url: str, name: str, count: int, *, seed: int = 0) -> None:
    """Write a synthetic study directly into the tables of the storage."""
    settings = StudySettings(
        space_name="micro",
        space_digest="made up",
        space={},
        data={"name": "made up"},
        data_fingerprint="made up",
        objectives=("accuracy", "macs"),
        searcher="random",
        seed=seed,
    )
    Study.create_or_open(name, url, settings).close()
    storage = open_storage(url, create=False)
    study_id = storage.get_study_id_from_name(name)
    known, rng = draws(min(count, DISTINCT)), np.random.default_rng(seed)
    states = {"complete": "COMPLETE", "infeasible": "PRUNED", "failed": "FAIL"}
    trials = sqlalchemy.table(
        "trials", *map(sqlalchemy.column, ("trial_id", "study_id", "number", "state"))
    )
    records = sqlalchemy.table(
        "trial_system_attributes", *map(sqlalchemy.column, ("trial_id", "key", "value_json"))
    )
    with storage.engine.begin() as connection:
        most = sqlalchemy.select(sqlalchemy.func.max(trials.c.trial_id))
        first = (connection.execute(most).scalar() or 0) + 1
        for start in range(0, count, 2000):
            made = [
                made_up(number, known[number % len(known)], rng)
                for number in range(start, min(start + 2000, count))
            ]
            rows = [
                {
                    "trial_id": first + each["number"],
                    "study_id": study_id,
                    "number": each["number"],
                    "state": states[each["status"]],
                }
                for each in made
            ]
            connection.execute(sqlalchemy.insert(trials), rows)
            values = [
                {
                    "trial_id": first + each["number"],
                    "key": "nas:candidate",
                    "value_json": json.dumps(each),
                }
                for each in made
            ]
            connection.execute(sqlalchemy.insert(records), values)
    storage.remove_session()
    storage.engine.dispose()


@contextmanager
def served(url: str, study: str) -> Iterator[tuple[str, float]]:
    """Serve the dashboard; yield its address and the seconds until the study was read."""
    start = time.perf_counter()
    source = Source(url)
    server = make_dashboard(source, Settings(port=0))
    source.snapshot(study)
    seconds = time.perf_counter() - start
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/?study={study}", seconds
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def first_plot(page: Page, address: str) -> float:
    """Return the seconds from the request of the page until its plot is drawn."""
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(READY, polling="raf", timeout=120_000)
    return time.perf_counter() - start


def filter_seconds(page: Page, share: float) -> float:
    """Return the seconds from a selection in the scatter plot until all plots and the table show
    it.

    The selection is passed to the page as plotly does when the mouse button is released.
    """
    return page.evaluate(
        """async ([share, settled]) => {
          const plot = document.querySelector("#scatter .js-plotly-plot");
          const done = eval(settled);
          const xs = plot._fullLayout.xaxis.range.map(e => 10 ** e);
          const ys = plot._fullLayout.yaxis.range;
          const old = document.querySelector("#scatter-note").textContent;
          const range = { x: [xs[0], xs[0] + (xs[1] - xs[0]) * share], y: ys };
          const start = performance.now();
          plot.emit("plotly_selected", { points: [], range });
          const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
          for (;;) {
            await frame();
            const note = document.querySelector("#scatter-note").textContent;
            const [kept, front] = note.match(/^[\\d,]+|[\\d,]+(?= on)/g);
            const rest = (+kept.replace(",", "") - +front.replace(",", "")).toLocaleString("en-US");
            if (note !== old && done(rest)) break;
            if (performance.now() - start > 60000) throw new Error("no filter: " + note);
          }
          await frame();
          return (performance.now() - start) / 1000;
        }""",
        [share, SETTLED],
    )


def measure(count: int, repeats: int, folder: Path) -> dict[str, float]:
    """Return all times for a study of ``count`` candidates."""
    url, name = f"sqlite:///{folder}/{count}.db", f"made-up-{count}"
    start = time.perf_counter()
    write_study(url, name, count)
    written = time.perf_counter() - start
    with served(url, name) as (address, read), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        firsts: list[float] = []
        filters: list[float] = []
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            firsts.append(first_plot(page, address))
            page.wait_for_function(
                "() => document.querySelector('#parallel .js-plotly-plot')?.data?.length"
                " && document.querySelector('#table table')",
                timeout=120_000,
            )
            page.wait_for_timeout(500)
            filters += [filter_seconds(page, share) for share in (0.3, 0.2)]
            page.close()
        browser.close()
    return {
        "write": written,
        "read": read,
        "first_plot": statistics.median(firsts),
        "first_plot_worst": max(firsts),
        "filter": statistics.median(filters),
        "filter_worst": max(filters),
    }


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--candidates", default="10000,100000")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="60 candidates, once")
    options = parser.parse_args()
    counts = [60] if options.quick else [int(each) for each in options.candidates.split(",")]
    found: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            found[count] = measure(count, 1 if options.quick else options.repeats, Path(folder))
            print(f"{count:>8,} candidates: ", end="")
            print(", ".join(f"{name} {value:.2f} s" for name, value in found[count].items()))
    line = {
        "benchmark": "dashboard",
        "seconds": found,
        "device": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "dash": version("dash"),
        "plotly": version("plotly"),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
