"""The search loop keeps the record right, whoever else writes into it."""

import optuna
import pytest
from nas_explorer.results.study import Study

from .quick_search import (
    SETTINGS,
    database,
    digests_of,
    outcome_of,
    quick_loop,
    quick_search,
)


@pytest.mark.parametrize("searcher", ["random", "tpe"])
def test_trials_of_another_program_change_no_proposal(tmp_path, searcher, caplog):
    (tmp_path / "alone").mkdir()
    alone, url = database(tmp_path / "alone"), database(tmp_path)
    quick_search(alone, 14, searcher=searcher)
    study = Study.create_or_open("quick", url, SETTINGS)
    theirs = optuna.load_study(study_name="quick", storage=url)
    with study.exclusive():
        loop = quick_loop(study, 14, searcher=searcher)
        numbers = []
        while job := loop.next_job():
            numbers.append(job.number)
            if job.number in (3, 8):
                theirs.ask()
            loop.take(outcome_of(job))
    assert numbers == [0, 1, 2, 3, 5, 6, 7, 8, *range(10, 16)]
    assert [each.number for each in study.candidates()] == numbers
    assert digests_of(url) == digests_of(alone)
    assert list(study.left_out) == [4, 9]
    assert "left out: candidate 4 of study 'quick'; another program added it" in caplog.messages
    quick_search(url, 15, searcher=searcher)
    quick_search(alone, 15, searcher=searcher)
    assert digests_of(url) == digests_of(alone)
