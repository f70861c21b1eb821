"""The report's menus: networks, importances, metrics of a comparison."""

import re

import numpy as np
import pytest
from nas_explorer.results.analysis.columns import ColumnBuilder
from nas_explorer.results.analysis.effects import effects
from nas_explorer.results.analysis.enrichment import front_shares
from nas_explorer.results.figures.plots import short_path
from nas_explorer.results.figures.snapshot import Snapshot
from nas_explorer.results.report.choice import choice_figures
from nas_explorer.results.report.compare_section import (
    compare_choices,
    compare_figures,
    compare_section,
)
from nas_explorer.results.report.importance_section import importance_choices, importance_section
from nas_explorer.results.report.networks_section import network_choices
from nas_explorer.results.report.report import make_report, report_html
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError

from .hostile import HOSTILE


@pytest.fixture
def make_snapshot(make_candidate, make_settings):
    def make(name: str, count: int) -> Snapshot:
        rng, builder = np.random.default_rng(count), ColumnBuilder()
        for number in range(count):
            candidate = make_candidate(number, macs=int(rng.integers(1000, 9000)))
            deep = 0.2 * (candidate.decisions["stages.0.depth"] == 3)
            candidate = make_candidate(
                number, macs=candidate.value("macs"), accuracy=0.5 + deep + rng.normal(0, 0.02)
            )
            builder.take([{**candidate.to_json(), "order": number}])
        return Snapshot(name=name, settings=make_settings(), columns=builder.columns(), version=1)

    return make


def test_what_matters_is_what_the_effects_say(make_snapshot):
    snapshot = make_snapshot("first", 40)
    columns = snapshot.columns
    choices = importance_choices(snapshot)
    html = importance_section(snapshot, choices)
    assert [each.label for each in choices["metric"]] == ["accuracy", "macs"]
    found = effects(columns, "accuracy", columns.number_N >= 0)
    (bar, chance) = choices["metric"][0].figures["importance"].data
    assert bar.y[0] == "s0 depth" and list(bar.x) == [each.share for each in found.decisions[:15]]
    assert list(chance.x) == [each.chance for each in found.decisions[:15]]
    decisions = choices["metric"][0].inner["decision"]
    assert [d.label for d in decisions] == [short_path(e.path) for e in found.decisions[:15]]
    (points,) = decisions[0].figures["levels"].data
    assert list(points.x) == [each.effect for each in found.decisions[0].levels]
    assert f"predict {found.explained:.0%} of its variance" in decisions[0].note
    assert "fitted to 40 candidates" in decisions[0].note and "s0 depth" in decisions[0].note
    shares = front_shares(columns, ("accuracy", "macs"), "mixer", columns.number_N >= 0)[2]
    word = choices["word"][0]
    assert word.label == "mixer" and f'id="{word.part}"' in html
    assert list(word.figures["represented"].data[0].x) == [each.ratio for each in shares]
    assert all(f"{each.ratio:.2f} [{each.low:.2f}, {each.high:.2f}]" in html for each in shares)


def test_of_few_candidates_nothing_is_said_of_effects(make_snapshot):
    for count in (0, 1, 19):
        snapshot = make_snapshot("few", count)
        choices = importance_choices(snapshot)
        assert list(choices) == (["word"] if count == 19 else [])
        assert "fewer than 20 candidates" in importance_section(snapshot, choices)


def test_studies_are_compared_by_error_and_hypervolume(make_snapshot):
    studies = [make_snapshot("first", 12), make_snapshot(HOSTILE, 8), make_snapshot("none", 0)]
    choices = compare_choices(studies)
    error, macs = choices["compared"]
    assert (error.label, macs.label) == ("accuracy", "macs")
    lines = [each for each in error.figures["distributions"].data if each.name]
    errors = np.sort(1 - studies[0].columns.value("accuracy"))
    assert lines[0].name == "first (12)" and list(lines[0].x) == errors.tolist()
    assert list(lines[0].y) == [(i + 1) / 12 for i in range(12)] and len(lines) == 2
    figures = compare_figures(studies)
    assert list(figures) == ["growth", "growth-time", "fronts"]
    assert len(figures["growth"][0].data) == 2
    html = compare_section(studies, choices)
    assert HOSTILE not in html and html.count("<tr>") == 2 * (1 + len(studies))
    assert not compare_choices(studies[:1]) and not compare_figures(studies[:1])
    assert compare_section(studies[:1], {}) == ""


def test_studies_of_the_storage_stand_beside_the_one_reported(
    study, url, make_settings, fill, make_candidate
):
    fill(study, make_candidate(0, accuracy=0.5, macs=10))
    other = Study.create_or_open("other", url, make_settings(seed=3))
    fill(other, make_candidate(0, accuracy=0.7, macs=20))
    html = report_html(make_report(study, [other]))
    assert 'id="compare"' in html and "seed: 0 / 3" in html
    assert 'id="compare"' not in report_html(make_report(study))
    with pytest.raises(InputError, match="must differ, but got 'first' twice"):
        make_report(study, [study])


def test_each_network_shows_what_its_parts_cost(make_candidate):
    candidate = make_candidate(3, accuracy=0.5, macs=10)
    (option,) = network_choices([candidate])["graph"]
    nodes = candidate.architecture.graph().nodes
    for what in ("macs", "params"):
        bars = option.figures[f"cost-{what}"].data
        assert sum(sum(bar.x) for bar in bars) == sum(nodes[name][what] for name in nodes) > 0
    assert network_choices([]) == {}


def test_every_figure_has_a_file_name_of_its_own(make_snapshot):
    snapshot = make_snapshot("first", 40)
    choices = importance_choices(snapshot)
    names = [name for name, _ in choice_figures(choices)]
    assert len(names) == len(set(names)) and {"importance-macs", "represented-mixer"} <= set(names)
    assert "levels-accuracy-stages.0.depth" in names
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)
    found = effects(columns := snapshot.columns, "accuracy", columns.number_N >= 0)
    reported = [each.path for each in found.decisions[:15] if each.share > each.chance]
    assert [n for n in names if n.startswith("levels-accuracy")] == [
        f"levels-accuracy-{path}" for path in reported
    ], "answers to what matters beyond chance"


@pytest.mark.parametrize("status", ["failed", "infeasible", "complete"])
def test_a_study_without_a_front_says_so(study, fill, make_candidate, status):
    fill(study, *(make_candidate(i, status=status, macs=5) for i in range(2)))
    report = make_report(study)
    html = report_html(report)
    complete = "No complete candidate has a number for accuracy and macs."
    assert (complete if status == "complete" else "No candidate is complete yet.") in html
    assert not report.figures and not report.choices and 'id="pairs"' not in html


def test_one_candidate_is_enough(study, fill, make_candidate):
    fill(study, make_candidate(0, accuracy=0.5, macs=5))
    report = make_report(study)
    assert list(report.figures) == ["hypervolume", "best"] and list(report.choices) == ["graph"]
    assert 'id="pairs"' in report_html(report)
