"""Scaling laws: known numbers are found again, and the largest size is predicted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.scaling import Family, error_of, families, score_of, spread_of
from nas_explorer.results.analysis.scaling_laws import LawFit, Point, fit_law
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.figures.scaling import scaling_figure
from nas_explorer.results.report.scaling_section import scaling_figures
from nas_explorer.search_space.errors import InputError


def power(size: float) -> float:
    return 0.2 * (size / 1e6) ** -0.5 + 0.03


def points(errors: list[float], spread: float = 0.02) -> list[Point]:
    return [
        Point(number=place, size=1e5 * 2**place, error=error, spread=spread)
        for place, error in enumerate(errors)
    ]


def test_a_power_law_without_noise_is_found_again() -> None:
    found = fit_law(points([power(1e5 * 2**place) for place in range(8)]))
    assert found.held_out.number == 7 and len(found.points) == 7
    numbers = found.numbers
    assert numbers["b"].value == pytest.approx(0.5, abs=0.01)
    assert numbers["c"].value == pytest.approx(0.03, abs=0.002)
    assert numbers["a"].value * (found.unit / 1e6) ** numbers["b"].value == pytest.approx(
        0.2, abs=0.004
    )
    assert found.predicted.value == pytest.approx(power(1e5 * 2**7), rel=0.01)
    assert found.error(3e5) == pytest.approx(power(3e5), rel=0.01)
    assert found.inside and numbers["b"].low < 0.5 < numbers["b"].high


def test_predicted_intervals_hold_measurements_about_as_often_as_stated() -> None:
    inside = 0
    for seed in range(25):
        noise = np.exp(np.random.default_rng(seed).normal(size=7) * 0.05)
        errors = [power(1e5 * 2**place) * noise[place] for place in range(7)]
        inside += fit_law(points(errors, spread=0.05), seed=seed).inside
    assert inside >= 21  # 24 expected


def test_a_size_that_breaks_the_law_is_outside() -> None:
    errors = [power(1e5 * 2**place) for place in range(8)]
    found = fit_law(points([*errors[:-1], 2 * errors[-1]]))
    assert not found.inside and found.predicted.high < 2 * errors[-1]


def test_a_law_of_logarithms_is_a_line() -> None:
    found = fit_law(points([0.5 - 0.05 * place for place in range(6)]), law="log")
    assert found.numbers["b"].value == pytest.approx(0.05 / np.log(2))
    assert found.predicted.value == pytest.approx(0.25)
    assert found.text("images").startswith("error = 0.4 [")


def test_equal_seeds_give_equal_intervals() -> None:
    given = points([power(1e5 * 2**place) * (1 + 0.05 * (-1) ** place) for place in range(6)])
    assert fit_law(given, seed=3) == fit_law(given, seed=3) != fit_law(given, seed=4)


def test_few_sizes_are_refused() -> None:
    with pytest.raises(InputError, match=r"at least 5 trained sizes, .* but got 4"):
        fit_law(points([0.4, 0.3, 0.2, 0.1]))


def test_errors_are_those_of_the_metric() -> None:
    measured = Measurement(metric="accuracy", value=0.9, low=0.88, high=0.92)
    assert error_of(measured) == pytest.approx(0.1) and score_of("accuracy", 0.1) == 0.9
    assert spread_of(measured) == pytest.approx(0.04 / 3.92 / 0.1, rel=1e-3)
    loss = Measurement(metric="loss", value=0.4)
    assert error_of(loss) == score_of("loss", 0.4) == 0.4 and spread_of(loss) == 0


@pytest.fixture
def scaled(make_candidate: Callable[..., Candidate]) -> list[Candidate]:
    """A network with two families: six sizes of the rule width, two of the rule depth."""
    parent = make_candidate(0, accuracy=(1 - power(1e5), 0.3, 0.5), macs=100_000)
    found = [parent]
    for place in range(1, 7):
        size = 100_000 * 2**place
        made = make_candidate(place, accuracy=(1 - power(size), 0.5, 0.99), macs=size)
        origin = {"parent_digest": parent.digest, "rule": "width" if place < 6 else "depth"}
        found.append(replace(made, origin=origin))
    return found


def test_families_have_their_rule_and_the_network_they_come_from(scaled: list[Candidate]) -> None:
    wide, deep = families(scaled[::-1], "macs", "accuracy")[::-1]
    assert wide.name == "width" and [e.number for e in wide.members] == [0, 1, 2, 3, 4, 5]
    assert deep.name == "depth" and [e.number for e in deep.members] == [0, 6]
    assert [each.number for each in wide.points("macs", "accuracy")] == [0, 1, 2, 3, 4, 5]
    other = replace(scaled[1], origin={**scaled[1].origin, "aspect": 0.5})
    assert families([scaled[0], other], "macs", "accuracy") == []


def test_the_figure_has_a_line_for_each_rule_and_law(scaled: list[Candidate]) -> None:
    found: list[Family] = families(scaled, "macs", "accuracy")
    fit: LawFit = fit_law(found[0].points("macs", "accuracy"))
    drawn = scaling_figure(found, {"width": fit}, "macs", "accuracy").to_dict()["data"]
    assert [e["name"] for e in drawn] == ["width", "width, fitted", "width, predicted", "depth"]
    assert list(drawn[0]["x"]) == [100_000 * 2**place for place in range(6)]
    assert list(drawn[2]["y"]) == [1 - fit.predicted.low, 1 - fit.predicted.high]


def test_the_report_has_the_figure_if_there_are_families(scaled: list[Candidate]) -> None:
    ((figure, text),) = scaling_figures(scaled).values()
    assert len(figure.to_dict()["data"]) == 4
    assert "holds the measured value in 1 of 1" in text
    assert scaling_figures(scaled[:1]) == {}
