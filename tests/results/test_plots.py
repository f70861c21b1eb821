"""The content of the figures."""

from dataclasses import replace

import plotly.graph_objects as go
import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.figures.axis_format import flat_ends, log_tick, tick_format
from nas_explorer.results.figures.plots import (
    best_so_far,
    hover_text,
    hypervolume_progress,
    learning_curves,
    parallel_coordinates,
    pareto,
    short_path,
    telling_decisions,
)


@pytest.fixture
def candidates(make_candidate):
    return [
        make_candidate(0, accuracy=(0.5, 0.45, 0.56), macs=10, latency=3.0),
        make_candidate(1, accuracy=(0.9, 0.85, 0.92), macs=30, latency=1.0),
        make_candidate(2, accuracy=(0.4, 0.35, 0.45), macs=20, latency=2.0),
        make_candidate(3, accuracy=(0.7, 0.65, 0.75), macs=20, latency=5.0),
        make_candidate(4, status="failed", macs=5),
        make_candidate(5, status="infeasible", accuracy=0.99, macs=1),
    ]


def test_the_front_is_a_staircase_and_failures_are_not_shown(candidates):
    figure = pareto(candidates, "macs", "accuracy", title="a <b>")
    dominated, front = figure.data
    assert list(front.x) == [10, 20, 30] and list(front.y) == [0.5, 0.7, 0.9]
    assert list(front.customdata) == [0, 3, 1] and list(dominated.customdata) == [2]
    assert front.line.shape == "hv"
    assert list(front.error_y.array) == pytest.approx([0.06, 0.05, 0.02])
    assert list(front.error_y.arrayminus) == pytest.approx([0.05, 0.05, 0.05])
    assert front.error_x.array is None
    assert figure.layout.xaxis.type == "log" and figure.layout.yaxis.type is None
    assert figure.layout.title.text == "a &lt;b&gt;"
    assert candidates[0].digest[:12] in front.hovertext[0]


def test_the_staircase_turns_with_the_direction(candidates):
    figure = pareto(candidates, "accuracy", "macs")
    assert figure.data[1].line.shape == "vh"
    assert list(figure.data[1].x) == [0.5, 0.7, 0.9]


def test_hovering_tells_the_architecture(candidates):
    text = hover_text(candidates[0])
    assert "accuracy 50.0 % [45.0, 56.0]" in text
    for stage in candidates[0].architecture.summary().split(" | "):
        assert f"<br>{stage}" in text


def test_a_count_of_zero_has_no_logarithmic_axis(make_candidate):
    figure = pareto([make_candidate(0, macs=0, params=3)], "macs", "params")
    assert figure.layout.xaxis.type is None and figure.layout.yaxis.type == "log"


def test_figures_of_nothing_are_empty():
    for figure in (
        pareto([], "macs", "accuracy"),
        best_so_far([], "accuracy"),
        hypervolume_progress([], ("accuracy", "macs")),
        learning_curves([]),
        parallel_coordinates([], ("accuracy",)),
    ):
        assert isinstance(figure, go.Figure)


def test_learning_curves_of_those_that_have_one(make_candidate):
    curve = [{"validation_accuracy": 0.2}, {"validation_accuracy": 0.6}]
    accuracy = Measurement(metric="accuracy", value=0.6, provenance={"learning_curve": curve})
    trained = replace(make_candidate(3), measurements={"accuracy": accuracy})
    figure = learning_curves([make_candidate(0, accuracy=0.5), trained])
    assert [each.name for each in figure.data] == ["3"]
    assert list(figure.data[0].x) == [1, 2] and list(figure.data[0].y) == [0.2, 0.6]
    assert figure.layout.yaxis.range is None
    accuracy = replace(accuracy, provenance={"learning_curve": curve[:1]})
    short = learning_curves([replace(trained, measurements={"accuracy": accuracy})])
    assert short.layout.yaxis.range == (0, 1) and short.layout.xaxis.range == (0, 1.5)


def test_a_logarithmic_axis_has_neither_few_nor_many_labels():
    assert [log_tick(each) for each in ([1, 4], [0, 1, 6], [1, 299], [1, 301], [0])] == [
        *(None, "D2", "D2", 1, None)
    ]


def test_the_best_so_far_only_improves(candidates):
    assert list(best_so_far(candidates, "accuracy").data[1].y) == [0.5, 0.9, 0.9, 0.9]
    assert list(best_so_far(candidates, "latency").data[1].y) == [3.0, 1.0, 1.0, 1.0]


def test_the_hypervolume_only_grows(candidates):
    volumes = list(hypervolume_progress(candidates, ("accuracy", "macs")).data[0].y)
    assert volumes == sorted(volumes) and len(volumes) == 4


def test_parallel_axes_of_decisions_and_metrics(candidates):
    varied = [
        replace(each, decisions={"stages.0.depth": i % 3, "head": "b" if i else "a"})
        for i, each in enumerate(candidates)
    ]
    paths = ("stages.0.depth", "head", "stem")
    (trace,) = parallel_coordinates(varied, ("accuracy", "macs"), paths).data
    depth, head, stem, accuracy, macs = trace.dimensions
    assert depth.label == "s0 depth" and list(depth.values) == [0, 1, 2, 0]
    assert list(head.ticktext) == ["a", "b"] and list(head.values) == [0, 1, 1, 1]
    assert list(stem.ticktext) == ["None"]
    assert list(accuracy.values) == [0.5, 0.9, 0.4, 0.7]
    assert macs.ticktext[0] == "10" and macs.ticktext[-1] == "30"
    assert list(macs.values) == pytest.approx([1, 1.4771, 1.3010, 1.3010], abs=1e-4)


def test_the_decisions_that_tell_most(make_candidate):
    # x determines the accuracy, y does not; z is always different; w may not apply.
    candidates = [
        replace(
            make_candidate(i, accuracy=0.8 if i % 2 else 0.6),
            decisions={"y": i // 2 % 2, "z": i, "x": i % 2, "c": 1} | ({"w": i % 2} if i else {}),
        )
        for i in range(8)
    ]
    assert telling_decisions(candidates, "accuracy", 5) == ["y", "x"]
    assert telling_decisions(candidates, "accuracy", 1) == ["x"]
    assert telling_decisions([], "accuracy", 1) == []


def test_paths_are_shortened():
    assert short_path("stages.2.block.mixer.attention.head_dim") == "s2 mixer attention head_dim"


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ((), ".1~%"),
        ((0.2, 0.9), ".1~%"),
        ((0.9721, 0.9725), ".3~%"),  # 0.04 %: five labels are 0.008 % apart
        ((0.5, 0.5), ".1~%"),
    ],
)
def test_labels_of_shares_differ(values, form):
    assert tick_format("accuracy", values) == form


def test_an_axis_of_one_value_is_near_it():
    assert flat_ends("accuracy", [0.5, 0.5]) == pytest.approx([0.45, 0.55])
    assert flat_ends("latency", [2.0]) == pytest.approx([1.8, 2.2])
    assert flat_ends("accuracy", [0.5, 0.6]) is None and flat_ends("accuracy", []) is None
