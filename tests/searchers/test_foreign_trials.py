"""The search loop keeps the record correct if other programs write to it."""

import optuna
import pytest
from nas_explorer.results.study.study import Study

from .quick_search import (
    SETTINGS,
    database,
    digests_of,
    outcome_of,
    quick_loop,
    quick_search,
)


@pytest.mark.parametrize(
    ("searcher", "budget"), [("random", 4), pytest.param("tpe", 13, marks=pytest.mark.slow)]
)
def test_trials_of_another_program_change_no_proposal(tmp_path, searcher, budget, caplog):
    (tmp_path / "alone").mkdir()
    alone, url = database(tmp_path / "alone"), database(tmp_path)
    quick_search(alone, budget + 1, searcher=searcher)
    study = Study.create_or_open("quick", url, SETTINGS)
    theirs = optuna.load_study(study_name="quick", storage=url)
    with study.exclusive():
        loop = quick_loop(study, budget, searcher=searcher)
        numbers = []
        while job := loop.next_job():
            numbers.append(job.number)
            if job.number in (1, 3):
                theirs.ask()
            loop.take(outcome_of(job))
    assert numbers == [0, 1, 3, *range(5, budget + 2)]
    assert [each.number for each in study.candidates()] == numbers
    assert list(study.left_out) == [2, 4]
    assert "left out: candidate 2 of study 'quick'; another program added it" in caplog.messages
    quick_search(url, budget + 1, searcher=searcher)
    assert digests_of(url) == digests_of(alone)
