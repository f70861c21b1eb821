"""The fidelity of the short score: what is trained, stored and compared."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nas_explorer.cli import fronts
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.base import METRICS, Measurement, metric
from nas_explorer.results.analysis.fidelity import (
    Fidelity,
    compare,
    known_fidelity,
    score_note,
    stratified,
    verdict,
)
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.engines.base import Engine, Job, JobSource, Outcome, WorkerFactory
from nas_explorer.searchers.run.fidelity import FidelityRequest, Steps, measure_fidelity
from nas_explorer.searchers.run.score_features import ScoreFeatures
from nas_explorer.searchers.run.study_plan import Training
from nas_explorer.searchers.run.worker import Plan

from .quick_search import SETTINGS, database, outcome_of, quick_loop


class Quick(Engine):
    """An engine whose results depend on the network, the seed and the epochs alone."""

    name = "quick"

    def __init__(self, most: int = 1000) -> None:
        super().__init__()
        self.most = most
        self.done: list[str] = []
        self.recipes: list[dict[str, Any]] = []

    def run(self, source: JobSource, factory: WorkerFactory) -> None:
        assert isinstance(factory, Plan)
        while self.most and not source.done and (job := source.next_job()):
            self.most -= 1
            source.take(self._outcome(job, factory))

    def _outcome(self, job: Job, plan: Plan) -> Outcome:
        digest = Architecture.from_json(job.architecture).digest
        if METRICS[plan.metrics[0]].score:
            self.done.append("score")
            undefined = {"zico": "not_defined: no gradients"} if job.number % 2 else {}
            found = [
                Measurement(metric=name, value=derive_seed(name, digest) / 2**32)
                for name in plan.metrics
                if name not in undefined
            ]
            return Outcome(
                number=job.number,
                status="complete",
                measurements=tuple(found),
                undefined=undefined,
            )
        self.recipes.append(dict(plan.settings["accuracy"]))
        epochs = plan.settings["accuracy"]["epochs"]
        self.done.append("long" if epochs > 1 else f"seed {job.seed is not None}")
        value = 0.5 + derive_seed("accuracy", digest) / 2**33
        if job.seed is not None:
            value += 0.01 * derive_seed(job.seed, digest) / 2**32
        measured = Measurement(
            metric="accuracy", value=value, provenance={"recipe": {"epochs": epochs}}
        )
        return Outcome(number=job.number, status="complete", measurements=(measured,))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of 14 candidates, to copy."""
    folder = tmp_path_factory.mktemp("filled")
    found = Study.create_or_open("quick", database(folder), SETTINGS)
    with found.exclusive():
        loop = quick_loop(found, 14)
        while job := loop.next_job():
            loop.take(outcome_of(job))
        for each in found.candidates():
            sizes = (("params", 1000 + each.number), ("activations", 50 + each.number))
            found.remeasure(each, [Measurement(metric=name, value=size) for name, size in sizes])
    found.close()
    return folder


@pytest.fixture
def study(filled: Path, tmp_path: Path) -> Iterator[Study]:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    found = Study.open("quick", database(tmp_path))
    yield found
    found.close()


def measured(
    study: Study,
    engine: Quick,
    steps: Steps = lambda what, done, count: None,
    **request: object,
):
    plan = Plan(
        metrics=("accuracy",),
        data={},
        cache="",
        settings={"accuracy": {"epochs": 1}},
        device="cpu",
        seed=0,
    )
    training = Training(plan=plan, metrics=("accuracy",), engine=engine)
    asked = FidelityRequest(**{"sample": 8, "scores": ("naswot", "zico"), **request})  # type: ignore[arg-type]
    return measure_fidelity(
        study,
        training,
        asked,
        said_long=lambda candidate, reason: None,
        said_seeds=lambda candidate, reason: None,
        steps=steps,
    )


def test_a_sample_is_trained_longer_again_and_scored(study: Study) -> None:
    engine = Quick()
    found = measured(study, engine, seeds=3)
    assert len(found.sample) == 8 and found.long_epochs == 5
    kinds = {kind: engine.done.count(kind) for kind in engine.done}
    assert kinds == {"score": 8, "long": 8, "seed True": 16}
    again = Study.open("quick", study.url)
    stored = {each.number: each for each in again.candidates()}
    again.close()
    for number, each in stored.items():
        assert ("accuracy_long" in each.measurements) == (number in found.sample)
        assert len(each.singles.get("accuracy", ())) == (3 if number in found.sample else 0)
        assert ("naswot" in each.measurements) == (number in found.sample)
        assert bool(each.undefined) == (number in found.sample and number % 2 == 1)
    short = found.found("accuracy")
    assert short is not None and short.count == 8
    assert found.noise is not None and found.noise.candidates == 8
    zico = found.found("zico")
    assert zico is None or zico.count == sum(number % 2 == 0 for number in found.sample)


def test_a_killed_run_goes_on_and_nothing_is_measured_twice(study: Study) -> None:
    killed = Quick(most=11)
    measured(study, killed)
    second = Quick()
    found = measured(study, second)
    assert len(killed.done) + len(second.done) == 8 + 8 + 8
    third = Quick()
    assert measured(study, third) == found and third.done == []
    assert json.loads(json.dumps(found.to_json()))["rankings"]["accuracy"]["count"] == 8


def with_options(study: Study, engine: Quick, recipe: dict[str, Any]) -> Fidelity:
    """Measure with the settings of a study of digits, whose options can be checked."""
    plan = Plan(
        metrics=("accuracy",),
        data=DataSpec(name="digits").to_json(),
        cache="runs/cache",
        settings={"accuracy": Recipe(epochs=1).to_json()},
        device="cpu",
        seed=0,
    )
    return measure_fidelity(
        study,
        Training(plan=plan, metrics=("accuracy",), engine=engine),
        FidelityRequest(sample=8, seeds=1, scores=(), recipe=recipe),
        said_long=lambda candidate, reason: None,
        said_seeds=lambda candidate, reason: None,
    )


def test_a_short_training_with_options_is_a_ranking_of_its_own(study: Study) -> None:
    engine, name = Quick(), "accuracy+linear_probe,sam=0.1"
    before = {each.number: each.value("accuracy") for each in study.candidates()}
    found = with_options(study, engine, {"sam": 0.1, "linear_probe": True})
    options = {"linear_probe": True, "sam": 0.1}
    assert [each for each in engine.recipes if each["epochs"] == 1] == 8 * [
        Recipe(epochs=1, options=options).to_json()
    ]
    assert all("options" not in each for each in engine.recipes if each["epochs"] == 5)
    agreement = found.found(name)
    assert agreement is not None and agreement.count == 8
    assert metric(name).score and metric(name).share, "it never ranks by itself"
    assert {each.number: each.value("accuracy") for each in study.candidates()} == before
    second = Quick()
    assert with_options(study, second, options) == found and second.done == []
    with_options(study, second, {"sam": 0.2})
    assert len(second.done) == 8
    for wrong, says in (
        ({"distill": None}, r"distill must be a \.safetensors file"),
        ({"mimic": "nowhere.safetensors"}, r"nowhere\.safetensors"),
    ):
        with pytest.raises(InputError, match=says):
            with_options(study, second, wrong)


class Failing(Quick):
    """An engine in which all trainings of one network fail."""

    def __init__(self, digest: str) -> None:
        super().__init__()
        self.digest = digest

    def _outcome(self, job: Job, plan: Plan) -> Outcome:
        found = super()._outcome(job, plan)
        if Architecture.from_json(job.architecture).digest == self.digest:
            return replace(found, status="failed", reason=f"error: {self.done[-1]}")
        return found


def test_a_candidate_that_fails_twice_has_both_reasons(study: Study) -> None:
    numbers = {each.number: each for each in stratified(study.candidates(), 8, 0)}
    number, broken = next(iter(numbers.items()))
    found = measured(study, Failing(broken.digest), scores=(), seeds=3)
    assert found.failed == {number: "long training: error: long; another seed: error: seed True"}
    assert number not in found.sample and len(found.sample) == 7


def test_every_step_is_counted(study: Study) -> None:
    steps: list[tuple[str, int, int]] = []

    def counted(what: str, done: int, count: int) -> None:
        steps.append((what, done, count))

    measured(study, Quick(most=11), counted)
    assert steps[:2] == [("scores", 0, 8), ("scores", 1, 8)]
    assert [done for what, done, _ in steps if what == "scores"] == list(range(9))
    assert steps[9] == ("long trainings", 0, 8)
    steps.clear()
    measured(study, Quick(), counted)
    assert ("long trainings", 0, 5) in steps and ("long trainings", 5, 5) in steps
    assert steps[-1] == ("other seeds", 8, 8)


def test_wrong_epochs_are_refused_before_anything_is_computed(study: Study) -> None:
    engine = Quick()
    with pytest.raises(InputError, match="more than the search's own 1, but got 1"):
        measured(study, engine, epochs=1)
    assert engine.done == []


def test_another_seed_takes_another_sample(study: Study) -> None:
    usable = study.candidates()
    samples = [stratified(usable, 4, seed) for seed in range(6)]
    assert stratified(usable, 4, 0) == samples[0]
    assert len({tuple(each.number for each in sample) for sample in samples}) > 1
    assert len(stratified(usable, 99, 0)) == len(usable)


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_is_spread_over_macs_and_score(seed: int) -> None:
    population = [candidate(n, accuracy=(n * 37 % 100) / 100, macs=1 + n) for n in range(100)]
    sample = stratified(population, 25, seed)
    for name in ("macs", "accuracy"):
        values = np.sort([each.measurements[name].value for each in population])
        quarters = [
            int(np.searchsorted(values, each.measurements[name].value)) // 25 for each in sample
        ]
        counts = np.bincount(quarters, minlength=4)
        assert len(sample) == 25 and counts.min() >= 4 and counts.max() <= 9


def candidate(number: int, **values: float) -> Candidate:
    made = Candidate.__new__(Candidate)
    found = {
        name: Measurement(metric=name, value=value, provenance={"recipe": {"epochs": 5}})
        for name, value in {"params": 1000.0, "activations": 10.0 + number, **values}.items()
    }
    vars(made).update(
        _record={"digest": str(number), "architecture": {}},
        number=number,
        decisions={},
        status="complete",
        measurements=found,
        singles={},
        undefined={},
        reason=None,
        traceback=None,
        seconds={},
        origin={},
    )
    return made


def long_ones(short: list[float], macs: list[float]) -> list[Candidate]:
    return [
        candidate(n, accuracy=value, macs=cost, accuracy_long=0.5 + n / 100)
        for n, (value, cost) in enumerate(zip(short, macs, strict=True))
    ]


def test_the_verdict_says_what_the_short_score_is_worth() -> None:
    rising = [0.1 + n / 50 for n in range(12)]
    mixed = [0.1 + (n * 7 % 12) / 50 for n in range(12)]
    good = compare(long_ones(rising, [1 + n * 5 % 12 for n in range(12)]))
    assert "12 long trainings with Spearman 1.00 [1.00, 1.00]; the MACs alone" in verdict(good)
    by_size = compare(
        long_ones([*rising[1:3], rising[0], *rising[3:]], [1.0 + n for n in range(12)])
    )
    assert verdict(by_size).endswith("no better than the MACs alone, 1.00 [1.00, 1.00].")
    assert verdict(compare(long_ones(mixed, rising))).endswith("cannot be told from chance.")
    assert compare(long_ones(mixed, rising)).predictors[0].name == "macs"


def test_what_was_not_measured_is_not_said(study: Study) -> None:
    assert known_fidelity(study.candidates()) == ""
    assert fronts.fidelity_text(study) == (
        "How well the short score ranks is not measured here: nas fidelity --study quick "
        "measures it."
    )
    assert known_fidelity(long_ones([0.1, 0.2, 0.3, 0.4], [4, 3, 2, 1])) == ""  # too few
    noisy = long_ones([0.5, 0.5, 0.51, 0.5], [1, 2, 3, 4])
    for each in noisy:
        first = each.measurements["accuracy"]
        other = Measurement(metric="accuracy", value=0.6 + each.number / 100)
        vars(each)["singles"] = {"accuracy": (first, other)}
    assert known_fidelity(noisy).endswith("the short score ranks little better than its noise.")


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"sample": 3}, "sample must be at least 4 candidates, but got 3"),
        ({"seeds": 0}, "seeds must be at least 1, but got 0"),
        ({"scores": ("naswt",)}, "did you mean 'naswot'"),
    ],
)
def test_requests_that_cannot_be_are_refused(request_: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        FidelityRequest(**request_)  # type: ignore[arg-type]


def test_a_score_is_shown_with_its_correlation_and_that_of_the_macs() -> None:
    known = [
        candidate(n, accuracy=n / 20, macs=1.0 + n * 7 % 12, ntk_condition=5.0 - n / 10)
        for n in range(12)
    ]
    note = score_note(known, "ntk_condition")  # the smaller, the better
    assert note is not None and note.startswith(
        "ntk_condition ranks 12 candidates by accuracy with Spearman 1.00 [1.00, 1.00], the MACs "
        "alone with "
    )
    assert score_note(known[:7], "ntk_condition") is None


def test_searchers_are_offered_scores_as_features() -> None:
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    architecture = space.walk(RandomChooser(0)).architecture
    plan = Plan(metrics=(), data={}, cache="", settings={}, device="cpu", seed=0)
    features = ScoreFeatures(plan, ("log_macs", "snip", "random_features"))
    found = features(architecture)
    assert set(found) == {"log_macs", "snip"}, "noise has no labels"
    assert features(architecture) is found
    assert found == ScoreFeatures(plan, ("log_macs", "snip"))(architecture)
