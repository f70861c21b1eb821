"""Predicted latencies: only networks near the bound are measured, and none is called measured."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.units import read_constraint
from nas_explorer.results.analysis.front import pareto_front
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.base import Objective
from nas_explorer.searchers.engines.base import Job, Outcome
from nas_explorer.searchers.run.forecast import LatencyForecast
from nas_explorer.searchers.run.joined_loop import JoinedLoop
from nas_explorer.searchers.run.loop import SearchLoop
from nas_explorer.searchers.run.options import SearchOptions
from nas_explorer.searchers.table import make_searcher

from .quick_search import SETTINGS, SPACE, database

BOUND = read_constraint("latency<=1ms")


def latency(architecture: Architecture, *, scale: float = 1.0) -> Measurement:
    """Return a latency of 0.1 ms for each part."""
    names = [part.name for part in architecture.parts()]
    return Measurement(
        metric="latency",
        value=scale * 0.1 * len(names),
        provenance={"device": "cpu", "part_ms": dict.fromkeys(names, scale * 0.1)},
    )


def history(count: int) -> Sequence[Candidate]:
    walks = [SPACE.walk(RandomChooser(seed)) for seed in range(count)]
    return [
        Candidate(
            number=number,
            architecture=walk.architecture,
            decisions=walk.decisions,
            status="complete",
            measurements={"latency": latency(walk.architecture)},
        )
        for number, walk in enumerate(walks)
    ]


def test_a_forecast_needs_measurements_and_depends_on_the_history_alone() -> None:
    known = history(45)
    network = SPACE.walk(RandomChooser(99)).architecture
    assert LatencyForecast([BOUND]).of(network, known[:19]) is None
    forecast = LatencyForecast([BOUND])
    first = forecast.of(network, known)
    assert first is not None
    assert first.measurement.metric == "latency_predicted"
    assert first.measurement.provenance["from_candidates"] == list(range(40))
    forecast.of(network, known[:25])
    assert forecast.of(network, known) == first == LatencyForecast([BOUND]).of(network, known)
    true = latency(network).value
    assert first.measurement.value == pytest.approx(true, rel=0.1)


def test_only_an_interval_on_a_bound_leaves_it_open() -> None:
    known = history(40)
    network = SPACE.walk(RandomChooser(99)).architecture
    value = latency(network).value
    for bound, breaks, sure in ((0.3, True, False), (1.0, False, False), (3.0, False, True)):
        text = f"latency<={bound * value:.6g}ms"
        found = LatencyForecast([read_constraint(text)]).of(network, known)
        assert found is not None
        if bound != 1.0:  # the interval around the value is narrow
            assert (found.breaks is not None, found.is_sure) == (breaks, sure)
        if breaks:
            assert "latency is predicted as" in str(found.breaks)
            assert "so it was not measured" in str(found.breaks)


def test_a_search_measures_only_what_it_must(tmp_path: pytest.TempPathFactory) -> None:
    study = Study.create_or_open("quick", database(tmp_path), SETTINGS)  # type: ignore[arg-type]
    objectives = (Objective(metric="accuracy", direction="maximize", share=True),)
    jobs: list[Job] = []
    with study.exclusive():
        loop = SearchLoop(
            study=study,
            searcher=make_searcher("random", space=SPACE, objectives=objectives, seed=0),
            exact=[],
            constraints=(BOUND,),
            budget=36,
            lag=1,
            listener=lambda progress: None,
            forecast=LatencyForecast([BOUND]),
        )
        while job := loop.next_job():
            jobs.append(job)
            found = [Measurement(metric="accuracy", value=0.5)]
            timed = latency(Architecture.from_json(job.architecture))
            if "latency" not in job.leave_out:
                found = [timed] if timed.value > 1 else [timed, *found]
            status = "infeasible" if timed.value > 1 else "complete"
            loop.take(Outcome(number=job.number, status=status, measurements=tuple(found)))
    candidates = study.candidates()
    predicted = [each for each in candidates if "latency_predicted" in each.measurements]
    refused = [each for each in predicted if each.status == "infeasible"]
    assert len(candidates) == 36
    assert len(jobs) < 36, "some were never measured"
    assert all("predicted" in str(e.reason) for e in refused if e.value("latency") is None)
    assert [e.number for e in refused if e.value("latency") is None]
    for each in candidates:
        true = latency(each.architecture).value
        assert each.value("latency") in (None, true)
        if each.value("latency") is None:
            assert "latency_predicted" in each.measurements
            assert (each.status == "complete") == (true <= 1), "far from the bound it is right"
    study.close()


def accuracy(architecture: Architecture) -> float:
    return 0.3 + derive_seed("accuracy", architecture.digest) / 2**33


class Front:
    """A search for accuracy and latency, whose workers need no time."""

    def __init__(self, study: Study, *, predict: bool, lag: int = 1, join: bool = False) -> None:
        self.jobs: list[Job] = []
        self.study = study
        objectives = (
            Objective(metric="accuracy", direction="maximize", share=True),
            Objective(metric="latency", direction="minimize"),
        )
        self.loop = (JoinedLoop if join else SearchLoop)(
            study=study,
            searcher=make_searcher("random", space=SPACE, objectives=objectives, seed=0),
            exact=[],
            budget=36,
            lag=lag,
            listener=lambda progress: None,
            forecast=LatencyForecast([], ("latency", "accuracy")) if predict else None,
        )

    def run(self, most: int = 1000) -> None:
        while most and not self.loop.done and (job := self.loop.next_job()):
            most -= 1
            self.jobs.append(job)
            network = Architecture.from_json(job.architecture)
            every = [
                latency(network),
                Measurement(metric="accuracy", value=accuracy(network)),
            ]
            found = tuple(each for each in every if each.metric not in job.leave_out)
            outcome = Outcome(number=job.number, status="complete", measurements=found)
            self.loop.take(outcome)


def front_of(study: Study) -> list[int]:
    found = pareto_front(study.candidates(), ("accuracy", "latency"))
    return sorted(each.number for each in found)


@pytest.mark.parametrize("join", [False, True])
def test_the_latency_is_measured_only_where_the_front_can_be_reached(
    tmp_path: Path, join: bool
) -> None:
    plain = Study.create_or_open("plain", database(tmp_path), SETTINGS)
    with plain.exclusive():
        whole = Front(plain, predict=False)
        whole.run()
    study = Study.create_or_open("predicted", database(tmp_path), SETTINGS)
    with study.joined() if join else study.exclusive():
        search = Front(study, predict=True, join=join)
        search.run()
    candidates = study.candidates()
    assert [each.digest for each in candidates] == [each.digest for each in plain.candidates()]
    skipped = [each for each in candidates if each.value("latency") is None]
    assert len(skipped) > 4 and all(each.status == "stopped" for each in skipped)
    for each in skipped:
        assert each.value("accuracy") is not None and each.value("latency_predicted") is not None
        assert "would dominate it: it was not measured" in str(each.reason)
    assert front_of(study) == front_of(plain), "nothing of the front is lost"
    late = [each for each in search.jobs if each.leave_out == ("accuracy",)]
    assert late, "some were measured after their training"
    trained = [each.number for each in search.jobs if "accuracy" not in each.leave_out]
    assert len(trained) == len(set(trained)), "nothing is trained twice"
    timed = [each.number for each in search.jobs if "latency" not in each.leave_out]
    assert len(timed) == len(candidates) - len(skipped)
    plain.close()
    study.close()


def test_a_search_killed_before_its_late_measurement_ends_the_same(tmp_path: Path) -> None:
    study = Study.create_or_open("whole", database(tmp_path), SETTINGS)
    with study.exclusive():
        whole = Front(study, predict=True, lag=2)
        whole.run()
    late = next(place for place, each in enumerate(whole.jobs) if each.leave_out == ("accuracy",))
    killed = Study.create_or_open("killed", database(tmp_path), SETTINGS)
    with killed.exclusive():
        Front(killed, predict=True, lag=2).run(late)
    again = Study.open("killed", killed.url)
    assert any(each.status == "running" for each in again.candidates())
    with again.exclusive():
        Front(again, predict=True, lag=2).run()
    for one, other in zip(study.candidates(), again.candidates(), strict=True):
        assert (one.digest, one.status, one.reason) == (other.digest, other.status, other.reason)
        assert one.measurements == other.measurements
    for each in (study, killed, again):
        each.close()


def test_a_late_measurement_that_fails_fails_its_candidate(tmp_path: Path) -> None:
    study = Study.create_or_open("failing", database(tmp_path), SETTINGS)
    with study.exclusive():
        search = Front(study, predict=True)
        while (job := search.loop.next_job()) is not None:
            late = job.leave_out == ("accuracy",)
            network = Architecture.from_json(job.architecture)
            every = [latency(network), Measurement(metric="accuracy", value=accuracy(network))]
            found = tuple(e for e in every if e.metric not in job.leave_out)
            outcome = Outcome(number=job.number, status="complete", measurements=found)
            if late:
                failed = "not_defined: no clock"
                outcome = Outcome(
                    number=job.number, status="failed", measurements=(), reason=failed
                )
            search.loop.take(outcome)
            if late:
                break
    found = study.candidates()[job.number] if job else None
    assert found is not None and found.status == "failed" and found.value("accuracy") is not None
    study.close()


def test_predictions_need_a_bound_or_the_objective() -> None:
    says = "predict_latency must come with the objective latency or a bound on it"
    with pytest.raises(InputError, match=says):
        SearchOptions(predict_latency=True, constraints=("params<=1e6",))
    assert SearchOptions(predict_latency=True, constraints=("latency<=5ms",)).predict_latency
    assert SearchOptions(predict_latency=True, objectives=("accuracy", "latency")).predict_latency
