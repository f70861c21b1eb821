"""A study of digits with one candidate, and an engine in the test's process."""

from dataclasses import replace
from pathlib import Path

from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.study.study import Study
from nas_explorer.searchers.engines.base import JobSource
from nas_explorer.searchers.run.worker import Plan

from .quick_search import SETTINGS, SPACE, database


class Here:
    """An engine in this process."""

    starting_seconds = 0.0
    workers = 1

    def run(self, source: JobSource, plan: Plan) -> None:
        worker = plan()
        while (job := source.next_job()) is not None:
            source.take(worker.run(job))


def digits_study(folder: Path, *, constraints: tuple[str, ...] = ()) -> str:
    """Return the URL of a new study named digits; its candidate has costs and an accuracy."""
    data = load_search_data(DataSpec(name="digits"))
    settings = replace(
        SETTINGS,
        objectives=("accuracy", "macs"),
        constraints=constraints,
        data=data.spec.to_json(),
        data_fingerprint=data.fingerprint,
        recipe=Recipe(epochs=1).to_json(),
        evaluation={"device": "cpu"},
    )
    url = database(folder)
    study = Study.create_or_open("digits", url, settings)
    space = SPACE.bind(channels=1, resolution=8, classes=10)
    network = next(a for s in range(50) if (a := space.sample(s)).stages[0].width == 16)
    with study.exclusive():
        made = study.start(architecture=network, decisions={}, distributions={})
        values = {"macs": 10_000, "accuracy": 0.5}
        found = {name: Measurement(metric=name, value=each) for name, each in values.items()}
        study.finish(replace(made, status="complete", measurements=found))
    study.close()
    return url
