"""A search killed between any two statements continues as if uninterrupted."""

import multiprocessing
import os
import signal
import sqlite3

import pytest
import sqlalchemy

from .quick_search import database, digests_of, quick_search

FORK = multiprocessing.get_context("fork")
STATEMENTS = {False: 25, True: 41}
"""Number of statements of a candidate, from its proposal to the stored outcome, and some more, by
whether the process joins."""


def search_and_die(url: str, at: int, join: bool) -> None:
    """Run a search that is killed at the ``at``-th statement or commit from the first candidate
    on."""
    count = -1

    def die(*context: object) -> None:
        nonlocal count
        begun = len(context) > 2 and str(context[2]).startswith("INSERT INTO trials")
        count += count >= 0 or begun
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("after_cursor_execute", "commit"):
        sqlalchemy.event.listen(sqlalchemy.Engine, name, die)
    quick_search(url, 99, join=join)


@pytest.mark.slow
@pytest.mark.parametrize("join", [False, True])
def test_a_kill_at_any_statement_loses_and_doubles_nothing(tmp_path, join: bool) -> None:
    url = database(tmp_path)
    quick_search(url, 1, join=join)
    kills = range(1, STATEMENTS[join], 2)  # two statements lie between two transactions
    for at in kills:
        process = FORK.Process(target=search_and_die, args=(url, at, join))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    count = len(digests_of(url))
    assert len(kills) / 2 < count <= 1 + len(kills)
    quick_search(url, count, join=join)
    (tmp_path / "whole").mkdir()
    whole = database(tmp_path / "whole")
    quick_search(whole, count)
    assert digests_of(url) == digests_of(whole)
    with sqlite3.connect(tmp_path / "nas.db") as connection:
        (bare,) = connection.execute(
            "SELECT count(*) FROM trials WHERE trial_id NOT IN (SELECT trial_id FROM trial_params)"
        ).fetchone()
    assert bare == 0
