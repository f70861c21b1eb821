"""A search without training, whose measurements are computed from the digest."""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from nas_explorer.evaluators.base import METRICS, Evaluator, Measurement
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.storage import open_storage
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.searchers.base import Objective, Proposal
from nas_explorer.searchers.engines.base import Job, Outcome
from nas_explorer.searchers.run.joined_loop import JoinedLoop
from nas_explorer.searchers.run.loop import SearchLoop
from nas_explorer.searchers.table import make_searcher

OBJECTIVES = ("accuracy", "macs")
SPACE = space_from_data(
    {
        "input": {"channels": 1, "resolution": 8, "classes": 3},
        "stem": {"conv": {"kernel_size": [3, 5], "stride": [1, 2]}},
        "stages": [
            {
                "depth": {"min": 1, "max": 3},
                "width": [8, 16, 24],
                "block": {
                    "metaformer": {
                        "mixer": {
                            "identity": None,
                            "pooling": {"kernel_size": [3, 5]},
                            "attention": {"head_dim": [4, 8]},
                        },
                        "channel_mixer": {"mlp": {"ratio": [0.5, 1, 2]}},
                    }
                },
            }
        ],
        "head": "pooled",
    }
)
SETTINGS = StudySettings(
    space_name="quick",
    space_digest=SPACE.digest,
    space={},
    data={"name": "none"},
    data_fingerprint="none",
    objectives=OBJECTIVES,
    searcher="random",
    seed=0,
)


def measured(metrics: tuple[str, ...], digest: str) -> tuple[Measurement, ...]:
    """Return measurements that depend on the digest alone."""
    return tuple(Measurement(metric=m, value=derive_seed(m, digest) / 2**32) for m in metrics)


class QuickCosts(Evaluator):
    """An evaluator of MACs without tracing."""

    name = "quick"
    metrics = (METRICS["macs"],)

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        return measured(("macs",), architecture.digest)


def quick_loop(
    study: Study,
    budget: int | None,
    *,
    searcher: str = "random",
    lag: int = 1,
    max_time: float | None = None,
    first: Sequence[Proposal] = (),
    join: bool = False,
) -> SearchLoop:
    """Return the jobs of a search of the study; inside ``exclusive`` or ``joined`` only."""
    objectives = tuple(Objective(metric=m, direction=METRICS[m].direction) for m in OBJECTIVES)
    return (JoinedLoop if join else SearchLoop)(
        study=study,
        searcher=make_searcher(searcher, space=SPACE, objectives=objectives, seed=0),
        exact=[QuickCosts()],
        budget=budget,
        lag=lag,
        listener=lambda progress: None,
        max_time=max_time,
        first=first,
    )


def outcome_of(job: Job) -> Outcome:
    """Return the outcome of a job without training."""
    digest = Architecture.from_json(job.architecture).digest
    return Outcome(
        number=job.number, status="complete", measurements=measured(("accuracy",), digest)
    )


def quick_search(
    url: str, budget: int, *, name: str = "quick", searcher: str = "random", join: bool = False
) -> None:
    """Search until the budget is spent."""
    study = Study.create_or_open(name, url, SETTINGS)
    with study.joined() if join else study.exclusive():
        loop = quick_loop(study, budget, searcher=searcher, join=join)
        while job := loop.next_job():
            loop.take(outcome_of(job))
    study.close()


@cache
def _searched(budget: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        quick_search(database(Path(folder)), budget)
        return (Path(folder) / "nas.db").read_bytes()


def searched_database(folder: Path, budget: int) -> str:
    """Return the URL of a database in a folder with a finished search, made once and copied."""
    (folder / "nas.db").write_bytes(_searched(budget))
    return database(folder)


def digests_of(url: str, name: str = "quick") -> list[tuple[str, str, float | None]]:
    """Return the candidates' contents, in the order of their numbers."""
    study = Study.open(name, url)
    found = [(each.digest, each.status, each.value("accuracy")) for each in study.candidates()]
    study.close()
    return found


@cache
def _tables() -> bytes:
    """Return a database without studies, since making its tables takes longer than copying it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "nas.db"
        storage = open_storage(f"sqlite:///{file}", create=True)
        storage.engine.dispose()
        return file.read_bytes()


def database(folder: Path) -> str:
    """Return the URL of the database in a folder, made if it is not there."""
    file = folder / "nas.db"
    if not file.exists():
        file.write_bytes(_tables())
    return f"sqlite:///{file}"
