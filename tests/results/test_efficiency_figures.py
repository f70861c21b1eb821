"""The figures of efficiency show the gap of candidates and the waterline of a network."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.latency.peaks import Peaks
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.figures.efficiency import gap, waterline
from nas_explorer.results.report.efficiency_section import efficiency_figures

PEAKS = Peaks(macs=2e9, bytes=1e9)


@pytest.fixture
def timed(make_candidate: Callable[..., Candidate]) -> list[Candidate]:
    found: list[Candidate] = []
    for number, milliseconds in enumerate((1.0, 10.0)):
        each = make_candidate(number, accuracy=0.5, macs=1_000_000)
        parts = {part.name: 0.1 for part in each.architecture.parts()}
        latency = Measurement(
            metric="latency",
            value=milliseconds,
            provenance={"batch": 1, "peaks": PEAKS.to_json(), "part_ms": parts},
        )
        found.append(replace(each, measurements={**each.measurements, "latency": latency}))
    return found


def test_the_gap_is_measured_over_ideal_time(timed: list[Candidate]) -> None:
    points = gap(timed).to_dict()["data"][-1]
    assert list(points["x"]) == pytest.approx([0.5, 0.5])
    assert list(points["y"]) == [1.0, 10.0]
    assert "50 % of the peak rate" in points["text"][0]


def test_the_waterline_has_a_bar_for_each_part_with_arithmetic(timed: list[Candidate]) -> None:
    figure = waterline(timed[0]).to_dict()
    (bars,) = figure["data"]
    assert len(bars["x"]) == len(bars["y"]) == len(bars["width"]) > 3
    assert list(bars["x"][1:]) == [sum(bars["width"][: n + 1]) for n in range(len(bars["x"]) - 1)]
    assert "MACs per byte" in bars["text"][0] and "ms" in bars["text"][0]
    assert figure["layout"]["shapes"][0]["y0"] == 2.0
    assert any("waterline" in each["text"] for each in figure["layout"]["annotations"])


def test_without_peaks_the_figures_say_so(make_candidate: Callable[..., Candidate]) -> None:
    plain = make_candidate(0, accuracy=0.5, macs=10, latency=1.0)
    for figure in (gap([plain]), waterline(plain), waterline(None), gap([])):
        assert not figure.to_dict()["data"]
        assert figure.to_dict()["layout"]["annotations"]
    assert efficiency_figures([plain], [plain]) == {}


def test_the_report_has_both_figures(timed: list[Candidate]) -> None:
    assert set(efficiency_figures(timed, timed[:1])) == {"gap", "waterline"}
    assert set(efficiency_figures(timed, [])) == {"gap"}
