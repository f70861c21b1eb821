"""The tables of rankings in report and dashboard."""

from dataclasses import replace

import numpy as np
import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.fidelity import score_note
from nas_explorer.results.analysis.rank_agreement import agreement, spearman
from nas_explorer.results.analysis.rankings import rankings, wanted
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.dashboard.pages import TEXTS, Reader
from nas_explorer.results.dashboard.source import Source
from nas_explorer.results.figures.rankings import rankings_text
from nas_explorer.results.report.report import make_report, report_html

from .records import columns_of


@pytest.fixture
def scored(make_candidate) -> list[Candidate]:
    """Twelve candidates: accuracy falls with ntk_condition, and has little to do with the MACs."""
    return [
        make_candidate(
            n,
            accuracy=0.3 + n / 20,
            macs=1000 + n * 5 % 12,
            params=50 + n,
            activations=9 - n % 3,
            ntk_condition=4 - n / 10,
            **({"zico": 1.0 * n} if n < 3 else {}),
        )
        for n in range(12)
    ]


def lengthened(candidate: Candidate, long: float) -> Candidate:
    own = candidate.measurements["accuracy"]
    short = replace(own, provenance={"recipe": {"epochs": 5}, "epochs": 5})
    made = Measurement(
        metric="accuracy_long", value=long, provenance={"recipe": {"epochs": 25}, "epochs": 25}
    )
    found = {**candidate.measurements, "accuracy": short, "accuracy_long": made}
    return replace(candidate, measurements=found)


def test_scores_are_compared_by_the_short_score_with_the_macs_beside(scored) -> None:
    found = rankings(columns_of(scored), [], seed=0, main="accuracy")
    by_name = {each.name: each for each in found.by_short}
    best = by_name["ntk_condition"]  # the smaller, the better
    assert (best.count, best.spearman.value) == (12, pytest.approx(1))
    assert best.macs is not None and best.macs.value == by_name["macs"].spearman.value < 0.5
    note = score_note(scored, "ntk_condition")
    assert note is not None and best.spearman.text() in note and best.macs.text() in note
    assert found.too_few == ("zico",) and not found.by_long and found.verdict == ""
    text = str(rankings_text(found))
    assert "MACs, same candidates" in text and "Too few candidates have: zico." in text
    assert "ranks nothing by itself" in text


def test_without_scores_and_long_trainings_nothing_is_known(make_candidate) -> None:
    plain = [make_candidate(n, accuracy=n / 20, macs=n) for n in range(12)]
    found = rankings(columns_of(plain), [], seed=0, main="accuracy")
    assert not found and not found.by_short
    assert "nas fidelity" in rankings_text(found)


def test_long_trainings_are_compared_as_nas_fidelity_does(scored) -> None:
    made = [lengthened(each, 0.9 - each.number / 100) for each in scored[:9]] + scored[9:]
    columns = columns_of(made)
    assert wanted(columns, "accuracy") == list(range(9))
    found = rankings(columns, made[:9], seed=0, main="accuracy")
    assert {each.name for each in found.by_long} >= {"accuracy", "macs", "ntk_condition"}
    assert found.by_long[-1].agreement.spearman.value == pytest.approx(-1)
    assert found.epochs == (5, 25)
    assert "cannot be told from chance" in found.verdict
    text = str(rankings_text(found))
    assert "(25 epochs, 5 in the search)" in text and found.verdict in text


def test_both_pages_show_the_tables(scored, study, fill, url) -> None:
    made = [lengthened(each, 0.5 + each.number / 100) for each in scored[:9]] + scored[9:]
    fill(study, *made)
    html = report_html(make_report(study))
    source = Source(url)
    at = Reader(source).read("?page=matters")
    text = TEXTS["matters"]["rankings-table"](at)
    assert str(text) in html and "How well scores rank" in html
    assert "Rankings compared with the long score" in text
    assert TEXTS["matters"]["rankings-table"](at) is text, "made once for each state of the study"
    with study.exclusive():
        study.revise(lengthened(study.find("9"), 0.2))
    source.snapshot("first", fresh=True)
    again = TEXTS["matters"]["rankings-table"](Reader(source).read("?page=matters"))
    assert again != text, "a new long training changes the table"


def test_a_study_without_scores_has_no_section_in_its_report(study, fill, candidates) -> None:
    fill(study, *candidates)
    assert "How well scores rank" not in report_html(make_report(study))


def test_the_correlation_of_many_candidates_is_as_that_of_few() -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(0, 50, 6000).astype(np.float64)
    y = x + generator.normal(0, 20, 6000)
    few, whole = spearman(x[:100], y[:100], seed=1), agreement(x[:100], y[:100], seed=1)
    assert whole is not None and few == whole.spearman
    many = spearman(x, y, seed=1)
    assert many is not None and few is not None
    assert many.high - many.low < (few.high - few.low) / 3
    assert few.low < many.value < few.high
