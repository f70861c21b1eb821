"""The contract of every evaluator in the table."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec
from nas_explorer.evaluators.base import (
    EVALUATORS,
    METRICS,
    CandidateError,
    Evaluator,
    Measurement,
    Metric,
    Setup,
    register_evaluator,
)
from nas_explorer.evaluators.function_metric import metric
from nas_explorer.evaluators.metrics import TIERS
from nas_explorer.evaluators.units import read_constraint, write_bounds, write_constraint
from nas_explorer.results.numbers import format_value
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import FirstChooser

ARCHITECTURE = (
    load_space("micro").bind(channels=1, resolution=8, classes=10).walk(FirstChooser()).architecture
)
every_evaluator = pytest.mark.parametrize("name", EVALUATORS)


@cache
def measured(name: str) -> tuple[Measurement, ...]:
    cls = EVALUATORS[name].load()
    quick = {"epochs": 1, "repeats": 10, "max_seconds": 0.1}
    settings = {**cls.defaults, **{key: quick[key] for key in quick if key in cls.defaults}}
    setup = Setup(settings=settings, data=DataSpec(name="digits").to_json())
    return cls.make(setup).measure(ARCHITECTURE)


@every_evaluator
def test_the_table_says_what_the_class_is(name: str) -> None:
    entry = EVALUATORS[name]
    cls = entry.load()
    assert (cls.name, cls.metrics, cls.always) == (name, entry.metrics, entry.always)
    assert json.loads(json.dumps(cls.defaults)) == cls.defaults
    assert {each.tier for each in cls.metrics} == {entry.tier}


@every_evaluator
def test_its_metrics_say_what_they_mean(name: str) -> None:
    for each in EVALUATORS[name].metrics:
        assert METRICS[each.name] == each
        assert each.unit and each.direction in ("minimize", "maximize") and each.tier in TIERS
        assert each.summary and "\n" not in each.summary
        assert Metric.from_json(json.loads(json.dumps(each.to_json()))) == each


@every_evaluator
def test_its_metrics_can_be_bounded_and_shown(name: str) -> None:
    for each in EVALUATORS[name].metrics:
        bound = read_constraint(f"{each.name}<=0.5")
        assert bound.high == 0.5 and read_constraint(write_constraint(bound)) == bound
        assert format_value(each.name, 0.5) != format_value(each.name, 0.25)


@pytest.mark.slow
@pytest.mark.parametrize(  # not every network has every score: see test_scores.py
    "name",
    [
        name
        for name, each in EVALUATORS.items()
        if not each.metrics[0].score and not each.runtime  # see test_runtimes.py
    ],
)
def test_it_measures_each_of_its_metrics(name: str) -> None:
    for found in measured(name):
        known = METRICS[found.metric]
        assert (found.unit, found.direction) == (known.unit, known.direction)
        assert found.low is None or found.low <= found.value <= (found.high or found.value)
        assert Measurement.from_json(json.loads(json.dumps(found.to_json()))) == found
        if known.tier != "exact":
            assert set(known.conditions) & found.provenance.keys() or not known.conditions
        else:
            assert found.low is None and EVALUATORS[name].load().make(Setup()).measure(
                ARCHITECTURE
            ) == measured(name)


# Violations of the contract ----------------------------------------------------------------------


class Gives(Evaluator):
    """Returns given measurements."""

    name = "gives"
    metrics = (METRICS["latency"],)

    def __init__(self, *found: Measurement) -> None:
        self.found = found

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        return self.found


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ((), r"error: evaluator gives must measure \['latency'\], but returned \[\]"),
        (
            (Measurement(metric="macs", value=1),),
            r"must measure \['latency'\], but returned \['macs'\]",
        ),
        ((Measurement(metric="latency", value=float("nan")),), "non_finite: latency is nan"),
    ],
)
def test_what_is_missing_or_no_number_fails_the_candidate(
    found: tuple[Measurement, ...], says: str
) -> None:
    with pytest.raises(CandidateError, match=says):
        Gives(*found).measure(ARCHITECTURE)


def stated(name: str = "energy", **changes: str) -> Metric:
    whole = {"unit": "J", "direction": "minimize", "tier": "measured", "summary": "work"}
    return Metric.from_json({"name": name, **whole, **changes})


@pytest.mark.parametrize(
    ("name", "metrics", "says"),
    [
        ("energy", (stated(unit=""),), "the unit of metric 'energy' must be a text"),
        ("energy", (), "must state name and metrics"),
        ("", (stated(),), "must state name and metrics"),
        ("energy", (stated(), stated("work", tier="exact")), "of one tier"),
        ("energy", (stated("5top"),), "small letters, digits and _, but got '5top'"),
        ("energy", (stated("reason"),), "other columns of tables, .* but got 'reason'"),
        ("energy", (stated("work_low"),), "that end in _low or _high, but got 'work_low'"),
        ("energy", (stated("flops"),), "another name of macs"),
        ("energy", stated(), "must be a tuple of Metric"),
        ("energy", (stated(), stated()), "different names"),
        ("energy", (stated(direction="min"),), "but got 'min'; did you mean 'minimize'"),
        ("energy", (stated(tier="fast"),), "tier of metric 'energy' must be one of exact, meas"),
        ("energy", (stated(summary="two\nlines"),), "summary .* must be a text of one line"),
        ("energy", (replace(stated(), share=True),), "has share=True and unit 'J'"),
        ("energy", (replace(stated(), conditions=["torch"]),), "must be a tuple of texts"),
        ("energy", (replace(stated(), score="yes"),), "score of metric 'energy' must be True or"),
        ("energy", (stated("macs"),), "'macs', which is one of evaluator 'cost'"),
        ("latency", (stated(),), "evaluator must be free, but got 'latency' of "),
    ],
)
def test_an_evaluator_that_does_not_say_what_it_measures_is_refused(
    name: str, metrics: tuple[Metric, ...], says: str
) -> None:
    before = dict(METRICS), dict(EVALUATORS)
    with pytest.raises(InputError, match=says) as caught:
        register_evaluator(type("Energy", (Gives,), {"name": name, "metrics": metrics}))
    assert "\n" not in str(caught.value) and before == (METRICS, EVALUATORS)


def test_settings_that_cannot_be_stored_are_refused() -> None:
    stated_by = {"name": "energy", "metrics": (stated(),), "defaults": {"seconds": {1}}}
    with pytest.raises(InputError, match=r"dictionary of JSON values, but .* \{1\}"):
        register_evaluator(type("Energy", (Gives,), stated_by))


def test_a_name_with_digits_can_be_bounded() -> None:
    metric(unit="ms", direction="minimize", name="latency_int8")(lambda _: 1.0)
    try:
        for text in ("latency_int8<=5ms", "5ms>=latency_int8", "0 <= latency_int8 <= 5"):
            bound = read_constraint(text)
            assert (bound.metric, bound.high) == ("latency_int8", 5)
        assert write_bounds("keep latency_int8<=5 so") == "keep latency_int8<=5 ms so"
    finally:
        del EVALUATORS["latency_int8"], METRICS["latency_int8"]


@pytest.mark.parametrize("value", ["12", True, np.True_, None, [1, 2], 93.5])
def test_what_a_function_returns_must_be_a_number(value: object) -> None:
    metric(unit="1", direction="maximize", name="my_share", share=True)(lambda _: value)  # type: ignore[arg-type,return-value]
    try:
        with pytest.raises(CandidateError, match=r"my_share must be a (number|share from 0 to 1)"):
            EVALUATORS["my_share"].load()().measure(ARCHITECTURE)
    finally:
        del EVALUATORS["my_share"], METRICS["my_share"]
