"""A study continued on another device: refused, reported, or measured again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec
from nas_explorer.evaluators.base import EVALUATORS, METRICS, Measurement
from nas_explorer.evaluators.latency.provenance import describe
from nas_explorer.evaluators.latency.settings import (
    BRIEF,
    LatencySettings,
    timed_as_it_counts,
)
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.constraints.constraint import Constraint
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.distributions import distributions
from nas_explorer.searchers.engines.base import Engine, JobSource, Outcome, WorkerFactory
from nas_explorer.searchers.run.remeasure import (
    check_latency,
    check_measured,
    remeasure,
    timed_elsewhere,
    timed_here,
)
from nas_explorer.searchers.run.worker import Plan, broken

import nas_explorer

SPACE = load_space("micro").bind(channels=1, resolution=8, classes=10)
PLAN = Plan(
    metrics=("latency", "accuracy"),
    data=DataSpec(name="digits").to_json(),
    cache="",
    settings={"latency": LatencySettings().to_json()},
    device="cpu",
    seed=0,
    constraints=(Constraint.parse("latency<=5"),),
)
LATENCY = ("accuracy", "latency")
HERE = {**describe(torch.device("cpu")), **PLAN.settings["latency"]}
ELSEWHERE = {**HERE, "device_name": "another processor", "torch": "2.9.0"}
NEW = {0: 1.5, 1: 9.0, 2: 7.0, 3: 4.0, 4: 6.0}
"""New latencies of candidates timed elsewhere; all but the first and the fourth
violate the bound."""


class Inline(Engine):
    """A fake engine that returns the values of ``NEW`` in this process."""

    name = "inline"

    def __init__(self) -> None:
        self.provenance: dict[str, Mapping[str, Any]] = {"latency": HERE}
        self.runs: list[tuple[tuple[str, ...], list[int]]] = []

    def run(self, source: JobSource, factory: WorkerFactory) -> None:
        assert isinstance(factory, Plan)
        self.runs.append((factory.metrics, []))
        while not source.done:
            job = source.next_job()
            assert job is not None
            self.runs[-1][1].append(job.number)
            measured = [
                Measurement(metric=name, value=NEW[job.number], provenance=provenance)
                for name, provenance in self.provenance.items()
                if name in factory.metrics and name not in job.leave_out
            ]
            reason = broken(factory.constraints, measured)
            if reason is None and "accuracy" in factory.metrics:
                measured.append(Measurement(metric="accuracy", value=0.7))
            status = "infeasible" if reason else "complete"
            source.take(
                Outcome(
                    number=job.number, status=status, measurements=tuple(measured), reason=reason
                )
            )


def numbers(found: Mapping[str, list[Candidate]]) -> list[int]:
    """Return the numbers of the candidates whose plain latency is from elsewhere."""
    return [each.number for each in found.get("latency", [])]


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    settings = StudySettings(
        space_name="micro",
        space_digest=SPACE.digest,
        space=SPACE.source,
        data={"name": "digits"},
        data_fingerprint="none",
        objectives=("accuracy", "latency"),
        searcher="random",
        seed=0,
    )
    study = Study.create_or_open("study", f"sqlite:///{tmp_path}/nas.db", settings)
    domains = distributions(SPACE.decisions())
    with study.exclusive():
        for number, provenance in enumerate((ELSEWHERE, ELSEWHERE, HERE)):
            walk = SPACE.walk(RandomChooser(number))
            started = study.start(
                architecture=walk.architecture,
                decisions=walk.decisions,
                distributions=domains,
            )
            measured = {
                "accuracy": Measurement(metric="accuracy", value=0.5),
                "latency": Measurement(metric="latency", value=3.0, provenance=provenance),
            }
            study.finish(replace(started, status="complete", measurements=measured))
        yield study
    study.close()


def test_latencies_that_count_are_refused_from_elsewhere(study: Study) -> None:
    with pytest.raises(InputError, match=r"of another processor, torch 2\.9\.0 \(2 can"):
        check_latency(study, timed_here(PLAN), counting=LATENCY, again=False)


def test_latencies_that_do_not_count_are_reported(study: Study) -> None:
    (line,) = check_latency(study, timed_here(PLAN), counting=(), again=False)
    assert "another processor, torch 2.9.0 (2 candidates)" in line


def test_any_measured_metric_is_refused_from_elsewhere(study: Study) -> None:
    named = ("device_name", "torch", "meter")
    nas_explorer.metric(unit="J", direction="minimize", name="joules")(lambda _: 1.0)
    METRICS["joules"] = replace(METRICS["joules"], conditions=named)
    try:
        for provenance in ({**HERE, "meter": "any"}, {**ELSEWHERE, "meter": "any"}):
            check_measured(study, PLAN, ["joules", "accuracy", "latency"])
            last = study.candidates()[-1]
            joules = Measurement(metric="joules", value=1.0, provenance=provenance)
            study.remeasure(last, (joules,), None)
        with pytest.raises(InputError, match=r"joules must .* another processor, torch 2\.9\.0"):
            check_measured(study, PLAN, ["macs", "joules"])
    finally:
        del EVALUATORS["joules"], METRICS["joules"]


def test_what_will_be_measured_again_is_said(study: Study) -> None:
    (line,) = check_latency(study, timed_here(PLAN), counting=LATENCY, again=True)
    assert line == "Latency is measured again first: 2 candidates"


def test_nodes_of_a_cluster_are_not_taken_for_this_machine(study: Study) -> None:
    unknown = timed_here(PLAN, cluster=True)
    (line,) = check_latency(study, unknown, counting=LATENCY, again=False)
    assert "another processor, torch 2.9.0 (2 candidates); " in line
    assert f"{HERE['device_name']}, torch {torch.__version__} (1 candidate). Nodes" in line
    assert check_latency(study, unknown, counting=(), again=False) == ()
    assert numbers(timed_elsewhere(study, unknown)) == [0, 1, 2]


def test_what_was_timed_elsewhere_is_measured_again(study: Study, tmp_path: Path) -> None:
    engine = Inline()
    assert remeasure(study, PLAN, engine, timed_here(PLAN)) == {}
    assert engine.runs == [(("latency",), [0, 1])]
    again = Study.open("study", f"sqlite:///{tmp_path}/nas.db")
    for candidates in (study.candidates(), again.candidates()):
        first, second, third = candidates
        assert (first.status, first.value("latency"), first.value("accuracy")) == (
            "complete",
            1.5,
            0.5,
        )
        assert (second.status, second.reason) == (
            "infeasible",
            "must keep latency<=5 ms, but latency is 9 ms",
        )
        assert (third.status, third.value("latency")) == ("complete", 3.0)
    again.close()
    assert check_latency(study, timed_here(PLAN), counting=LATENCY, again=False) == ()


def add_infeasible(study: Study, number: int, provenance: Mapping[str, Any]) -> None:
    """Add a candidate that was infeasible by its latency, before its training."""
    walk = SPACE.walk(RandomChooser(number))
    started = study.start(
        architecture=walk.architecture,
        decisions=walk.decisions,
        distributions=distributions(SPACE.decisions()),
    )
    assert started.number == number
    latency = Measurement(metric="latency", value=8.0, provenance=provenance)
    reason = "must keep latency<=5 ms, but latency is 8 ms"
    study.finish(
        replace(started, status="infeasible", reason=reason, measurements={"latency": latency})
    )


def test_what_was_infeasible_by_a_latency_from_elsewhere_gets_another_chance(
    study: Study, tmp_path: Path
) -> None:
    for number, provenance in ((3, ELSEWHERE), (4, ELSEWHERE), (5, HERE)):
        add_infeasible(study, number, provenance)
    (line,) = check_latency(
        study, timed_here(PLAN), counting=LATENCY, again=True, constraints=PLAN.constraints
    )
    assert line == "Latency is measured again first: 4 candidates"
    engine = Inline()
    remeasure(study, PLAN, engine, timed_here(PLAN))
    # Complete candidates are only timed; the others need training too.
    assert engine.runs == [(("latency",), [0, 1]), (("latency", "accuracy"), [3, 4])]
    again = Study.open("study", f"sqlite:///{tmp_path}/nas.db")
    for candidates in (study.candidates(), again.candidates()):
        revived, still, untouched = candidates[3:]
        assert (revived.status, revived.reason) == ("complete", None)
        assert (revived.value("latency"), revived.value("accuracy")) == (4.0, 0.7)
        assert still.reason == "must keep latency<=5 ms, but latency is 6 ms"
        assert (untouched.status, untouched.value("latency")) == ("infeasible", 8.0)
    again.close()
    seen = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path}/nas.db").trials
    assert [each.state.name for each in seen[3:]] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert seen[3].values == [0.7, 4.0]
    assert "reason" not in seen[3].user_attrs and "latency" not in seen[3].user_attrs
    assert seen[4].user_attrs["latency"] == 6.0


def test_optuna_sees_the_new_values(study: Study, tmp_path: Path) -> None:
    remeasure(study, PLAN, Inline(), timed_here(PLAN))
    seen = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path}/nas.db").trials
    assert [each.state.name for each in seen] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert seen[0].values == [0.5, 1.5]
    reason = "must keep latency<=5 ms, but latency is 9 ms"
    shown = {key: seen[1].user_attrs[key] for key in ("accuracy", "latency", "reason")}
    assert shown == {"accuracy": 0.5, "latency": 9.0, "reason": reason}


def test_the_contract_is_brief_only_where_latency_decides_nothing() -> None:
    full, other = LatencySettings(batch=2), {"accuracy": {"epochs": 1}}
    evaluation = {"latency": full.to_json(), **other}

    def timed(*, counts: bool, parts: bool = False) -> LatencySettings:
        found = timed_as_it_counts(evaluation, counting=("latency",) if counts else (), parts=parts)
        assert found["accuracy"] == other["accuracy"]
        return LatencySettings.from_json(found["latency"])

    assert timed(counts=True) == full
    assert timed(counts=True, parts=True) == replace(full, parts=True)
    assert timed(counts=False) == LatencySettings(batch=2, **BRIEF)
    assert timed_as_it_counts(other) == other
    compiled = {"latency": replace(full, runtime="compiled").to_json()}
    assert timed_as_it_counts(compiled)["latency"] == compiled["latency"]


def test_a_brief_latency_is_not_taken_for_a_full_one_of_an_earlier_record(study: Study) -> None:
    plan = replace(PLAN, settings=timed_as_it_counts(PLAN.settings))
    here = timed_here(plan)
    assert numbers(timed_elsewhere(study, here)) == [0, 1, 2]
    for number in (0, 1):
        latency = Measurement(metric="latency", value=1.0, provenance={**HERE, **BRIEF})
        study.remeasure(study.candidates()[number], (latency,), None)
    assert numbers(timed_elsewhere(study, here)) == [2]
    (line,) = check_latency(study, here, counting=(), again=False)
    assert line == (
        "Latency was measured on layout_by rounds (1 candidate), but now it is measured on "
        "layout_by warmup: compare it only within each (--remeasure measures it again here)"
    )
    assert numbers(timed_elsewhere(study, timed_here(PLAN))) == [0, 1]


def test_each_latency_is_checked_and_measured_again_on_its_own(study: Study) -> None:
    name = "latency@onnxruntime"
    settings = {**PLAN.settings, name: LatencySettings(runtime="onnxruntime").to_json()}
    plan = replace(PLAN, metrics=(*PLAN.metrics, name), settings=settings)
    here = timed_here(plan)
    now = dict(here[name] or ())
    assert now["runtime"] == "onnxruntime" and now["runtime_version"]
    old = {**now, "runtime_version": "1.0"}
    for candidate, provenance in zip(study.candidates(), (old, now, old), strict=True):
        measured = Measurement(metric=name, value=2.0, provenance=provenance)
        study.remeasure(candidate, (measured,), None)
    plain, other = check_latency(study, here, counting=(), again=False)
    assert plain.startswith("Latency was measured on another processor")
    assert other.startswith("Latency@onnxruntime was measured on runtime_version 1.0 (2 cand")
    with pytest.raises(InputError, match=rf"{name} must .* runtime_version 1\.0 \(2 candidates\)"):
        check_latency(study, here, counting=("accuracy", name), again=False)
    engine = Inline()
    engine.provenance[name] = now
    assert remeasure(study, replace(plan, constraints=()), engine, here) == {}
    assert engine.runs == [(("latency", name), [0, 1, 2])]
    values = [(each.value("latency"), each.value(name)) for each in study.candidates()]
    assert values == [(1.5, 1.5), (9.0, 2.0), (3.0, 7.0)]
    assert check_latency(study, here, counting=("latency", name), again=False) == ()
