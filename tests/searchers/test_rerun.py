"""Further runs separate candidates that tie in latency, or leave a declared tie."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.front import pareto_front
from nas_explorer.results.analysis.ties import tied_with
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.engines.base import Engine, Job, JobSource, Outcome
from nas_explorer.searchers.run import rerun
from nas_explorer.searchers.run.ledger import Ledger
from nas_explorer.searchers.run.rerun import rerun_ties
from nas_explorer.searchers.run.study_plan import Training
from nas_explorer.searchers.run.worker import Plan
from optuna.distributions import CategoricalDistribution

from .quick_search import SETTINGS, SPACE, database

NAMES = ("accuracy", "latency")
ACCURACY = [0.90, 0.89, 0.80]
TRUE = [2.0, 2.06, 1.0]
"""Latencies without noise: candidate 1 is slower than 0, and no more accurate."""


def latency(value: float, width: float = 0.1) -> Measurement:
    return Measurement(metric="latency", value=value, low=value - width, high=value + width)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    settings = replace(SETTINGS, objectives=NAMES)
    found = Study.create_or_open("timed", database(tmp_path), settings)
    walks = {w.architecture.digest: w for s in range(40) if (w := SPACE.walk(RandomChooser(s)))}
    with found.exclusive():
        for number, walk in enumerate(list(walks.values())[:3]):
            found.start(
                architecture=walk.architecture,
                decisions=walk.decisions,
                distributions={k: CategoricalDistribution([v]) for k, v in walk.decisions.items()},
            )
            found.finish(
                Candidate(
                    number=number,
                    architecture=walk.architecture.canonical,
                    decisions=walk.decisions,
                    status="complete",
                    measurements={
                        "accuracy": Measurement(
                            metric="accuracy",
                            value=ACCURACY[number],
                            low=ACCURACY[number] - 0.03,
                            high=ACCURACY[number] + 0.03,
                        ),
                        "latency": latency(TRUE[number]),
                    },
                )
            )
    yield found
    found.close()


class FakeEngine(Engine):
    """Runs jobs in this process, by a function from the digest and the job's number."""

    def __init__(self, value: Callable[[Job], float]) -> None:
        super().__init__()
        self.value = value
        self.seen = 0

    def run(self, source: JobSource, plan: object) -> None:
        while job := source.next_job():
            assert job.seed is None
            self.seen += 1
            found = (latency(self.value(job)),)
            outcome = Outcome(
                number=job.number, status="complete", measurements=found, seconds={"total": 0.1}
            )
            source.take(outcome)


def rerun_with(
    study: Study, value: Callable[[Job], float], patch: pytest.MonkeyPatch, runs: int
) -> tuple[FakeEngine, rerun.Rerun]:
    plan = Plan(metrics=("latency",), data={}, cache="", settings={}, device="cpu", seed=0)
    engine = FakeEngine(value)
    made = Training(plan=plan, metrics=("latency",), engine=engine)
    patch.setattr(rerun, "timing_of", lambda study: made)
    patch.setattr(rerun, "present", lambda plan, name: ())
    return engine, rerun_ties(study, runs, Ledger(), lambda candidate, reason: None)


def true_latency(study: Study, noise: float) -> Callable[[Job], float]:
    digests = {each.architecture.to_json().__repr__(): each.number for each in study.candidates()}

    def value(job: Job) -> float:
        sign = 1 if job.number // 2 % 2 else -1
        return TRUE[digests[repr(job.architecture)]] + sign * noise

    return value


def test_runs_separate_a_tie(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tied_with(pareto_front(study.candidates(), NAMES), NAMES) == {1: [0]}
    engine, found = rerun_with(study, true_latency(study, 0.001), monkeypatch, 9)
    assert found.ties == {}
    assert [e.number for e in pareto_front(study.candidates(), NAMES)] == [0, 2]
    assert set(found.measured.candidates) == {0, 1}, "candidate 2 has no tie"
    assert engine.seen < 2 * 8, "it ends when they are separated"
    for number in (0, 1):
        mean = study.find(number).measurements["latency"]
        assert mean.value == pytest.approx(TRUE[number], abs=0.002)
        assert len(study.find(number).singles["latency"]) == engine.seen / 2 + 1


def test_a_tie_that_is_left_is_declared(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, found = rerun_with(study, true_latency(study, 0.3), monkeypatch, 3)
    assert found.ties == {1: [0]}
    assert engine.seen == 4
    again, same = rerun_with(study, true_latency(study, 0.3), monkeypatch, 3)
    assert (again.seen, same.ties) == (0, {1: [0]})


def test_runs_need_latency_as_an_objective(study: Study) -> None:
    study.settings = replace(study.settings, objectives=("accuracy", "macs"))
    with pytest.raises(InputError, match="runs must be of a study with the objective latency"):
        rerun_ties(study, 3, Ledger(), lambda candidate, reason: None)
