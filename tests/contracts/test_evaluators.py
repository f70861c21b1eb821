"""The contract of every evaluator in the table."""

import json
from functools import cache

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
from nas_explorer.evaluators.metrics import TIERS
from nas_explorer.evaluators.units import read_constraint, write_constraint
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
@every_evaluator
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
        ("energy", (stated(unit=""),), "each with a unit"),
        ("energy", (), "must state name and metrics"),
        ("", (stated(),), "must state name and metrics"),
        ("energy", (stated(), stated("work", tier="exact")), "of one tier"),
        ("energy", (stated("top5"),), "small letters and _, but got 'top5'"),
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
