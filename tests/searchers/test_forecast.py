"""Predicted latencies: only networks near the bound are measured, and none is called measured."""

from collections.abc import Sequence

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.units import read_constraint
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.base import Objective
from nas_explorer.searchers.engines.base import Job, Outcome
from nas_explorer.searchers.run.forecast import LatencyForecast
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
            budget=50,
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
    assert len(candidates) == 50
    assert len(jobs) < 50, "some were never measured"
    assert all("predicted" in str(e.reason) for e in refused if e.value("latency") is None)
    assert [e.number for e in refused if e.value("latency") is None]
    for each in candidates:
        true = latency(each.architecture).value
        assert each.value("latency") in (None, true)
        if each.value("latency") is None:
            assert "latency_predicted" in each.measurements
            assert (each.status == "complete") == (true <= 1), "far from the bound it is right"
    study.close()


def test_predictions_need_a_bound() -> None:
    with pytest.raises(InputError, match="predict_latency must come with a bound on the latency"):
        SearchOptions(predict_latency=True, constraints=("params<=1e6",))
    assert SearchOptions(predict_latency=True, constraints=("latency<=5ms",)).predict_latency
