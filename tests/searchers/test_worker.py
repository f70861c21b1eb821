"""A worker's report on a failed candidate, and whether its process is still usable."""

import pytest
from nas_explorer.evaluators.base import METRICS, CandidateError, Evaluator, Measurement
from nas_explorer.results.candidate import Candidate
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.engines.base import Job
from nas_explorer.searchers.run.worker import MeasuringWorker

SPACE = load_space("micro").bind(channels=1, resolution=8, classes=10)
JOB = Job(number=3, architecture=SPACE.walk(RandomChooser(0)).architecture.to_json())


class Failing(Evaluator):
    name = "failing"
    metrics = (METRICS["latency"],)

    def __init__(self, error: Exception) -> None:
        self.error = error

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "reason", "spent"),
    [
        (ValueError("two\nlines"), "error: ValueError: two", False),
        (CandidateError("non_finite", "the loss"), "non_finite: the loss", False),
        (MemoryError(), "out_of_memory: no memory left", True),
        (
            RuntimeError("CUDA out of memory. Tried"),
            "out_of_memory: CUDA out of memory. Tried",
            True,
        ),
        (RuntimeError("CUDA error: an assert"), "device_error: CUDA error: an assert", True),
    ],
)
def test_a_failure_has_its_kind_and_says_whether_the_process_is_spent(
    error: Exception, reason: str, spent: bool
) -> None:
    worker = MeasuringWorker(evaluators=(Failing(error),), constraints=())
    outcome = worker.run(JOB)
    assert (outcome.number, outcome.status, outcome.reason) == (3, "failed", reason)
    assert outcome.kind == reason.partition(":")[0]
    assert outcome.traceback is not None and "evaluate" in outcome.traceback
    assert worker.spent is spent


def test_an_architecture_that_cannot_be_read_fails_alone() -> None:
    worker = MeasuringWorker(evaluators=(), constraints=())
    outcome = worker.run(Job(number=0, architecture={"unknown": 1}))
    assert outcome.status == "failed"
    assert outcome.reason is not None and outcome.reason.startswith("error: InputError: key of")


class FailingScore(Failing):
    name = "naswot"
    metrics = (METRICS["naswot"],)


@pytest.mark.parametrize(
    ("error", "reason", "spent"),
    [
        (CandidateError("not_defined", "no attention"), "not_defined: no attention", False),
        (MemoryError(), "out_of_memory: no memory left", True),
    ],
)
def test_a_score_that_a_network_does_not_have_fails_nothing(
    error: Exception, reason: str, spent: bool
) -> None:
    worker = MeasuringWorker(evaluators=(FailingScore(error),), constraints=())
    outcome = worker.run(JOB)
    assert (outcome.status, outcome.reason, outcome.undefined) == (
        "complete",
        None,
        {"naswot": reason},
    )
    assert worker.spent is spent and "scoring" in outcome.seconds
    candidate = Candidate(
        number=0,
        architecture=SPACE.walk(RandomChooser(0)).architecture,
        decisions={},
        status="complete",
        undefined=outcome.undefined,
    )
    assert Candidate.from_json(candidate.to_json()).undefined == {"naswot": reason}


def test_an_optional_latency_that_fails_leaves_its_reason() -> None:
    error = CandidateError("not_defined", "openvino refuses it")
    worker = MeasuringWorker(evaluators=(Failing(error),), constraints=(), optional=("failing",))
    outcome = worker.run(JOB)
    assert outcome.status == "complete" and not worker.spent
    assert outcome.undefined == {"latency": "not_defined: openvino refuses it"}
