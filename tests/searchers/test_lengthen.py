"""Long trainings: metrics of their own, the front first, predictions for the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nas_explorer.cli.main import run
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.analysis.corrected import is_predicted, left_out, with_long_scores
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.searchers.engines.base import Engine, Job, JobSource, Outcome, WorkerFactory
from nas_explorer.searchers.run.ledger import Ledger
from nas_explorer.searchers.run.lengthen import Lengthened, lengthen
from nas_explorer.searchers.run.refine_request import check_request
from nas_explorer.searchers.run.study_plan import Training
from nas_explorer.searchers.run.worker import Plan

from .quick_search import searched_database


class Quick(Engine):
    """An engine whose trainings depend on the network and the epochs alone."""

    name = "quick"
    most = 1000

    def run(self, source: JobSource, factory: WorkerFactory) -> None:
        assert isinstance(factory, Plan)
        recipe = factory.settings["accuracy"]
        while self.most and not source.done and (job := source.next_job()):
            self.most -= 1
            source.take(_training(job, dict(recipe)))


def _training(job: Job, recipe: dict[str, object]) -> Outcome:
    digest = Architecture.from_json(job.architecture).digest
    value = 0.9 + 0.05 * derive_seed("long", digest) / 2**32
    provenance = {"recipe": recipe, "epochs": recipe["epochs"]}
    measured = Measurement(metric="accuracy", value=value, provenance=provenance)
    return Outcome(number=job.number, status="complete", measurements=(measured,))


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    found = Study.open("quick", searched_database(tmp_path, 12))
    with found.exclusive():
        for each in found.candidates():
            size = Measurement(metric="params", value=1000 + each.number)
            found.remeasure(each, [size])
    yield found
    found.close()


def longer(study: Study, count: int, epochs: int | None = None, *, most: int = 1000) -> Lengthened:
    engine = Quick()
    engine.most = most
    plan = Plan(
        metrics=("accuracy",),
        data={},
        cache="",
        settings={"accuracy": {"epochs": 1}},
        device="cpu",
        seed=0,
    )
    training = Training(plan=plan, metrics=("accuracy",), engine=engine)
    return lengthen(study, training, count, epochs, Ledger(), lambda candidate, reason: None)


def test_long_scores_stand_beside_the_short_ones(study: Study) -> None:
    before = {each.number: each.measurements["accuracy"] for each in study.candidates()}
    front = set(study.front()["number"])
    found = longer(study, max(6, len(front)))
    assert front <= set(found.trained) and found.epochs == 5
    assert found.predicted == 12 - len(found.trained)
    again = Study.open("quick", study.url)
    for each in again.candidates():
        assert each.measurements["accuracy"] == before[each.number]
        assert each.epochs == 0, "the search has trained none of them"
        assert ("accuracy_long" in each.measurements) == (each.number in found.trained)
        assert ("accuracy_predicted" in each.measurements) == (each.number not in found.trained)
    assert set(again.front()["number"]) == front
    scores = {
        each.number: each.measurements["accuracy_long"]
        for each in with_long_scores(again.candidates())
    }
    assert {number for number, each in scores.items() if not is_predicted(each)} == {*found.trained}
    assert len(scores) == 12
    again.close()


def test_an_interrupted_command_goes_on(study: Study) -> None:
    first = longer(study, 6, most=4)
    second = longer(study, 6)
    assert len(first.trained) == 4 and first.predicted == 8
    assert len(second.trained) == 2 and not {*first.trained} & {*second.trained}
    assert longer(study, 6).trained == ()
    check = left_out(study.candidates())
    assert check is not None and check.count == 6 and 0 <= check.inside <= 6


def test_long_scores_of_two_lengths_are_refused(study: Study) -> None:
    with pytest.raises(InputError, match="more than the search's own 1, but got 1"):
        longer(study, 4, 1)
    longer(study, 4, 3)
    with pytest.raises(InputError, match="3 in 'quick', but got 7"):
        longer(study, 4, 7)
    assert longer(study, 5).epochs == 3


def test_a_corrected_front_marks_what_is_predicted(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["front", "--corrected", "--study", "quick", "--storage", study.url]
    assert run(asked) == 2
    assert "nas refine --long 10" in capsys.readouterr().err
    longer(study, 4)
    assert run(asked) == 0
    shown = capsys.readouterr().out
    assert "accuracy_long" in shown
    assert ("~" in shown) == ("~ marks a score that is predicted from 4 long trainings" in shown)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "must have seeds, such as 3, or long, such as 10"),
        ({"seeds": 1}, "seeds must be at least 2, but got 1"),
        ({"long": 3}, "long must be at least 4 candidates, but got 3"),
        ({"seeds": 3, "epochs": 9}, "epochs must come with long, but got epochs 9 alone"),
    ],
)
def test_what_cannot_be_refined_is_refused(asked: dict[str, int], says: str) -> None:
    with pytest.raises(InputError) as caught:
        check_request(**{"seeds": None, "long": None, "epochs": None, **asked})
    assert says in str(caught.value)
