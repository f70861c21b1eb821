"""The columns have the values of the candidates, in whatever order records arrive."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from nas_explorer.results.analysis.columns import ColumnBuilder, merged_path
from nas_explorer.results.analysis.front import loss_intervals, losses
from nas_explorer.results.figures.plots import telling_columns, telling_decisions


@pytest.fixture
def candidates(make_candidate):
    return [
        make_candidate(0, accuracy=(0.5, 0.45, 0.56), macs=10, latency=3.0),
        make_candidate(1, accuracy=(0.9, 0.85, 0.92), macs=30),
        make_candidate(2, accuracy=(0.4, 0.35, 0.45), macs=20, latency=2.0),
        make_candidate(3, status="running"),
        make_candidate(4, status="failed", macs=5),
    ]


def columns_of(candidates):
    builder = ColumnBuilder()
    builder.take({**each.to_json(), "order": each.number} for each in candidates)
    return builder.columns()


def test_columns_hold_what_the_candidates_do(candidates):
    columns = columns_of(candidates)
    assert columns.number_N.tolist() == [0, 1, 2, 3, 4]
    assert columns.value("macs")[[0, 1, 2, 4]].tolist() == [10, 30, 20, 5]
    assert np.isnan(columns.value("macs")[3]) and np.isnan(columns.value("params")).all()
    assert columns.comparable(("accuracy", "macs")).tolist() == [True] * 3 + [False] * 2
    assert columns.row(4) == 4 and columns.row(7) is None
    for path, answers in columns.decisions.items():
        for each, code in zip(candidates, answers.codes_N, strict=True):
            found = [v for p, v in each.decisions.items() if merged_path(p, each.decisions) == path]
            assert found == ([answers.levels[code]] if code >= 0 else [])


def test_losses_are_those_of_the_candidates(candidates):
    names = ("accuracy", "macs")
    columns, complete = columns_of(candidates), candidates[:3]
    assert (columns.losses(names)[:3] == losses(complete, names)).all()
    theirs = loss_intervals(complete, names)
    for mine, other in zip(columns.loss_intervals(names), theirs, strict=True):
        assert (mine[:3] == other).all()


def test_a_candidate_that_has_gone_on_takes_its_row(candidates):
    builder = ColumnBuilder()
    builder.take(each.to_json() for each in candidates)
    assert builder.running == {3} and builder.last == 4
    done = replace(candidates[2], number=3)
    assert builder.take([{**done.to_json(), "order": 4}]) == 1
    columns = builder.columns()
    assert not builder.running and len(columns) == 5
    assert columns.value("macs")[3] == 20 and columns.has_status("complete")[3]


def test_a_knob_has_one_path_whichever_component_it_belongs_to():
    walk = {"s.mixer": "attention", "s.mixer.attention.dim": 8, "s.depth": 2}
    assert [merged_path(path, walk) for path in walk] == ["s.mixer", "s.mixer.dim", "s.depth"]


def test_numbers_of_decisions_come_in_their_order(candidates):
    columns = columns_of(candidates)
    path = next(path for path in columns.decisions if path.endswith("width"))
    answers = columns.decisions[path]
    assert answers.ordered and answers.levels == sorted(answers.levels)
    assert columns.numbers(path).tolist() == [each.decisions[path] for each in candidates]
    words = next(answers for answers in columns.decisions.values() if not answers.ordered)
    assert all(isinstance(level, str) for level in words.levels)


def test_the_same_decisions_tell_most(make_candidate):
    walks = [
        {"a": i % 7, "b": i % 2, "c": i % 3, "all": 0, **({"some": 1} if i % 2 else {})}
        for i in range(40)
    ]
    many = [
        replace(make_candidate(i, accuracy=0.1 + i % 7 / 10), decisions=walk)
        for i, walk in enumerate(walks)
    ]
    for count in (1, 2, 9):
        expected = telling_decisions(many, "accuracy", count)
        assert telling_columns(columns_of(many), "accuracy", count) == expected
    assert telling_columns(columns_of(many), "accuracy", 1) == ["a"]


def test_records_are_read_without_their_networks(study, fill, candidates):
    odd = replace(candidates[4], seconds={"total": float("nan")})  # NaN is no JSON
    fill(study, *candidates[:4], odd)
    whole = list(study.records(after=-1))
    lean = list(study.records(after=-1, networks=False))
    cut = sqlite3.sqlite_version_info >= (3, 38)
    assert ["architecture" in each for each in lean] == [not cut] * 4 + [True]
    for each in (*whole, *lean):
        each.pop("architecture", None)
    assert lean[:4] == whole[:4] and lean[4]["decisions"] == whole[4]["decisions"]
