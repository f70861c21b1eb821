"""Candidates and studies made without training."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.results.candidate import Candidate
from nas_explorer.results.dashboard.source import Source
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.assembly import Walk
from nas_explorer.search_space.walk.choosers import RandomChooser
from optuna.distributions import BaseDistribution, CategoricalDistribution

from .hostile import HOSTILE

SPACE = load_space("micro")


@cache
def draw(seed: int) -> Walk:
    return SPACE.walk(RandomChooser(seed))


@cache
def domains() -> dict[str, BaseDistribution]:
    """The domain of each decision of these candidates, by path."""
    known: dict[str, set[Any]] = {}
    for seed in range(100):
        for path, value in draw(seed).decisions.items():
            known.setdefault(path, set()).add(value)
    return {path: CategoricalDistribution(sorted(v, key=str)) for path, v in known.items()}


@pytest.fixture
def distributions() -> dict[str, BaseDistribution]:
    return domains()


def candidate(number: int, *, status: str = "complete", **values: Any) -> Candidate:
    """Return measurements from values, or from (value, low, high), by metric."""
    drawn = draw(number)
    measurements = {
        name: Measurement(metric=name, value=value)
        if isinstance(value, int | float)
        else Measurement(metric=name, value=value[0], low=value[1], high=value[2])
        for name, value in values.items()
    }
    return Candidate(
        number=number,
        architecture=drawn.architecture.canonical,
        decisions=drawn.decisions,
        status=status,  # type: ignore[arg-type]
        measurements=measurements,
    )


@pytest.fixture
def make_candidate() -> Callable[..., Candidate]:
    return candidate


def settings(**changes: Any) -> StudySettings:
    return StudySettings(
        **{
            "space_name": "micro",
            "space_digest": "ab12" * 16,
            "space": {"summary": "small"},
            "data": {"name": "digits", "validation": 0.2},
            "data_fingerprint": "feed",
            "objectives": ("accuracy", "macs"),
            "searcher": "random",
            "seed": 0,
            "recipe": {"epochs": 3, "lr": 0.001},
            "evaluation": {"device": "cpu"},
            **changes,
        }
    )


@pytest.fixture
def make_settings() -> Callable[..., StudySettings]:
    return settings


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs/nas.db"


def run(study: Study, *candidates: Candidate) -> None:
    """Start and finish each candidate; a running one is only started."""
    with study.exclusive():
        for each in candidates:
            study.start(
                architecture=each.architecture,
                decisions=each.decisions,
                distributions=domains(),
            )
            if each.status != "running":
                study.finish(each)


@pytest.fixture
def fill() -> Callable[..., None]:
    return run


@pytest.fixture(scope="session")
def empty_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one study, to copy, since making its tables is slower."""
    file = tmp_path_factory.mktemp("empty") / "nas.db"
    Study.create_or_open("first", f"sqlite:///{file}", settings()).close()
    return file


@pytest.fixture
def study(url: str, empty_study: Path) -> Study:
    file = Path(url.removeprefix("sqlite:///"))
    file.parent.mkdir()
    shutil.copy(empty_study, file)
    return Study.open("first", url)


@pytest.fixture
def candidates(make_candidate):
    return [
        make_candidate(0, accuracy=(0.5, 0.45, 0.56), macs=10_000, latency=3.0),
        make_candidate(1, accuracy=(0.9, 0.85, 0.92), macs=30_000, latency=1.0),
        make_candidate(2, accuracy=(0.4, 0.35, 0.45), macs=20_000, latency=2.0),
        make_candidate(3, accuracy=(0.7, 0.65, 0.75), macs=40_000, latency=5.0),
        replace(make_candidate(4, status="failed", macs=5), reason=HOSTILE, traceback=HOSTILE),
        make_candidate(5, status="infeasible", macs=90_000),
        make_candidate(6, status="running"),
    ]


_made: list[Source] = []  # writing a study takes half a second


@pytest.fixture
def source(request) -> Source:
    if not _made:
        url, study, fill, candidates = map(
            request.getfixturevalue, ("url", "study", "fill", "candidates")
        )
        fill(study, *candidates)
        _made.append(Source(url))
    return _made[0]
