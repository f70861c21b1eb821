"""Given networks are the first candidates of a search; what cannot be one is named."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.cost.cost import additive_costs, architecture_cost
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.around import space_around
from nas_explorer.search_space.constraints.constraint import Constraint
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.assembly import Walk
from nas_explorer.search_space.zoo import ZOO, zoo_entry
from nas_explorer.searchers.base import Proposal
from nas_explorer.searchers.distributions import distributions
from nas_explorer.searchers.run import joined_loop
from nas_explorer.searchers.run.continued import continued, default_name
from nas_explorer.searchers.run.first_candidates import (
    FirstCandidates,
    first_candidates,
    first_proposals,
)
from nas_explorer.searchers.run.options import SearchOptions
from nas_explorer.searchers.table import SEARCHERS

from .quick_search import SETTINGS, SPACE, database, digests_of, outcome_of, quick_loop

DRAWS = [SPACE.draw_uniform(seed) for seed in (3, 1, 4, 15, 9)]
FIRST = [Proposal(architecture=each.architecture, decisions=each.decisions) for each in DRAWS]
GIVEN = [each.architecture for each in DRAWS]
DIGESTS = [each.digest for each in GIVEN]
OUTSIDE = replace(GIVEN[0], stages=(replace(GIVEN[0].stages[0], width=12),))
DEEP = replace(GIVEN[0], stages=(replace(GIVEN[0].stages[0], depth=5),))
"""A network with two more blocks than the space has."""


def search(
    url: str,
    budget: int,
    *,
    stop: int | None = None,
    workers: int = 1,
    searcher: str = "random",
    seed: int = 0,
) -> None:
    """Search with first candidates; die with ``stop`` candidates handed out, some unfinished."""
    study = Study.create_or_open("quick", url, SETTINGS)
    rng, given, running = random.Random(seed), 0, []
    with study.exclusive():
        lag = 1 if workers == 1 else 2 * workers
        loop = quick_loop(study, budget, searcher=searcher, lag=lag, first=FIRST)
        while not loop.done and given != stop:
            job = loop.next_job() if len(running) < workers else None
            if job is not None:
                running.append(job)
                given += 1
            elif running:
                loop.take(outcome_of(running.pop(rng.randrange(len(running)))))
    study.close()


def found(
    architectures: Sequence[Architecture | str],
    space: SearchSpace = SPACE,
    steered: SearchSpace | None = None,
    **options: Any,
) -> FirstCandidates:
    objectives = ("accuracy", "macs")
    asked = SearchOptions(
        architectures=tuple(architectures), **{"objectives": objectives, **options}
    )
    return first_candidates(asked, space, steered or space)


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_they_come_first_in_their_order_under_any_searcher(tmp_path: Path, searcher: str) -> None:
    url = database(tmp_path)
    search(url, 8, searcher=searcher)
    digests = [digest for digest, _, _ in digests_of(url)]
    assert digests[: len(FIRST)] == DIGESTS
    assert len(set(digests)) == 8


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_search_equals_the_uninterrupted_one(tmp_path: Path, workers: int) -> None:
    (tmp_path / "whole").mkdir()
    whole, url = database(tmp_path / "whole"), database(tmp_path)
    search(whole, 8, workers=workers, searcher="evolution")
    search(url, 8, workers=workers, searcher="evolution", stop=3, seed=1)
    assert len(digests_of(url)) == 3
    search(url, 8, workers=workers, searcher="evolution", stop=5, seed=3)
    assert len(FIRST) < len(digests_of(url)) < 8
    search(url, 8, workers=workers, searcher="evolution", seed=2)
    assert digests_of(url) == digests_of(whole)


def test_a_budget_below_their_number_takes_the_first_of_them(tmp_path: Path) -> None:
    url = database(tmp_path)
    search(url, 3)
    assert [digest for digest, _, _ in digests_of(url)] == DIGESTS[:3]
    search(url, 6)
    assert [digest for digest, _, _ in digests_of(url)][:5] == DIGESTS
    notes = found(GIVEN, budget=3).notes
    assert notes[-1] == "The budget of 3 ends before all 5 first candidates"


def test_the_record_holds_what_is_proposed_again() -> None:
    first = found(GIVEN)
    assert [each["digest"] for each in first.stored] == DIGESTS
    settings = replace(SETTINGS, first=first.stored)
    read = StudySettings.from_json(json.loads(json.dumps(settings.to_json())))
    assert read.difference(settings) is None
    again = first_proposals(read, SPACE)
    assert [each.architecture.digest for each in again] == DIGESTS
    older = {key: value for key, value in SETTINGS.to_json().items() if key != "first"}
    assert StudySettings.from_json(older) == SETTINGS


def test_what_cannot_be_a_candidate_is_named_with_its_reason(any_costs: None) -> None:
    costs = [architecture_cost(each).params for each in GIVEN]
    bound = sorted(costs)[2]
    steered = SPACE.constrained([Constraint.parse(f"params<={bound}")], additive_costs)
    first = found([OUTSIDE, DEEP, *GIVEN, GIVEN[costs.index(bound)]], steered=steered)
    kept = [digest for digest, cost in zip(DIGESTS, costs, strict=True) if cost <= bound]
    assert [each["digest"] for each in first.stored] == kept
    told, *left = first.notes
    assert told.startswith("First candidates: 3 (architectures[")
    assert left[0] == (
        "Left out of the first candidates: architectures[0] (from stem on), "
        "architectures[1] (from stages.0.blocks.3.norm1 on): not in space 'unnamed'"
    )
    broken = [
        f"architectures[{place}] (params {cost})"
        for place, cost in enumerate(costs, 2)
        if cost > bound
    ]
    line = f"{', '.join(broken)}: the network must keep params<={bound}"
    assert left[1] == f"Left out of the first candidates: {line}"
    twin = f"architectures[7]: the same network as architectures[{2 + costs.index(bound)}]"
    assert left[-1] == f"Left out of the first candidates: {twin}"


def test_if_none_is_left_the_request_is_wrong() -> None:
    with pytest.raises(InputError) as caught:
        found([OUTSIDE], seed_zoo=True)
    told = str(caught.value)
    assert told.startswith("at least one first candidate must be left, but got none; archi")
    assert f"; {len(ZOO)} of {len(ZOO)} published networks: not in space 'unnamed'" in told
    assert "\n" not in told


def test_networks_for_other_images_are_those_for_the_images_of_the_search() -> None:
    space = space_from_data(
        {
            **SPACE.source,
            "input": {"channels": 1, "resolution": "data", "classes": 3, "min": 2, "max": 16},
        }
    )
    larger = space.bind(channels=3, resolution=16, classes=7)
    first = found(GIVEN, larger)
    networks = [
        each.architecture for each in first_proposals(replace(SETTINGS, first=first.stored), larger)
    ]
    assert [each.input for each in networks] == [Shape(3, 16, 16)] * 5
    for given, network in zip(GIVEN, networks, strict=True):
        assert network.digest == replace(given, input=network.input, classes=7).digest


def test_files_hold_one_architecture_or_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.json").write_text(json.dumps({"architecture": GIVEN[0].to_json()}))
    Path("two.json").write_text(json.dumps([each.to_json() for each in GIVEN[1:3]]))
    first = found(["two.json", "one.json"])
    assert [each["name"] for each in first.stored] == [
        "two.json number 1",
        "two.json number 2",
        "one.json",
    ]
    Path("bad.json").write_text(json.dumps([GIVEN[0].to_json(), {"stages": []}]))
    Path("none.json").write_text("[]")
    with pytest.raises(InputError, match=r"bad.json, number 2: architecture must have"):
        found(["one.json", "bad.json"])
    with pytest.raises(InputError, match=r"must hold an architecture, but got none in none.json"):
        found(["none.json"])


def test_published_networks_are_those_of_the_space() -> None:
    space = space_around(zoo_entry("lsnet_t").architecture, ["width"])
    first = found([], space, seed_zoo=True)
    assert [each["name"] for each in first.stored] == ["lsnet_t"]
    assert first.notes[1:] == (
        f"Left out of the first candidates: {len(ZOO) - 1} of {len(ZOO)} published networks: "
        "not in space 'around'",
    )


def other_study(url: str, space: SearchSpace, draws: Sequence[Walk]) -> None:
    """Make a study whose candidates but the last are on its front, the fourth with the best
    accuracy."""
    settings = replace(SETTINGS, space=space.source, space_digest=space.digest)
    study = Study.create_or_open("other", url, settings)
    with study.exclusive():
        for place, draw in enumerate(draws):
            started = study.start(
                architecture=draw.architecture,
                decisions=draw.decisions,
                distributions=distributions(space.decisions()),
            )
            values = {"accuracy": 0.5 + place / 10, "macs": 10 + place, "params": 30 - place}
            if place == 4:
                values = {"accuracy": 0.4, "macs": 20, "params": 40}
            measurements = {n: Measurement(metric=n, value=v) for n, v in values.items()}
            study.finish(replace(started, status="complete", measurements=measurements))
    study.close()


def test_the_front_of_another_study_is_that_of_the_objectives(tmp_path: Path) -> None:
    url = database(tmp_path)
    other_study(url, SPACE, DRAWS)
    first = found([], from_study="other", storage=url)
    assert [each["digest"] for each in first.stored] == DIGESTS[3::-1]
    assert first.notes == (
        "Front of study other in accuracy, macs: 4 candidates",
        "First candidates: 4 (other #3, other #2, other #1, other #0)",
    )
    single = found([], from_study="other", storage=url, objectives=("accuracy", "params"))
    assert [each["digest"] for each in single.stored] == [DIGESTS[3]]
    unknown = found([], from_study="other", storage=url, objectives=("accuracy", "latency"))
    assert unknown == first
    with pytest.raises(InputError, match="study must be one of other, but got 'othr'"):
        found([], from_study="othr", storage=url)
    Study.create_or_open("empty", url, SETTINGS).close()
    with pytest.raises(InputError, match="complete candidate to start from, but 'empty' has none"):
        found([], from_study="empty", storage=url)


def test_kernels_cut_by_small_maps_are_whole_again_on_large_ones(tmp_path: Path) -> None:
    source = {
        "input": {"channels": 1, "resolution": "data", "classes": 3, "min": 2, "max": 64},
        "stem": {"conv": {"kernel_size": 3, "stride": 2}},
        "stages": [
            {
                "width": 8,
                "depth": 1,
                "block": {"metaformer": {"mixer": {"large_kernel_conv": {"kernel_size": [3, 31]}}}},
            }
        ],
        "head": "pooled",
    }
    space = space_from_data(source)
    small = space.bind(channels=1, resolution=8, classes=3)
    draws = list(small.enumerate())
    other_study(database(tmp_path), small, draws)
    large = space.bind(channels=1, resolution=64, classes=3)
    first = found([], large, from_study="other", storage=database(tmp_path))
    assert [each["decisions"] for each in first.stored] == [e.decisions for e in reversed(draws)]


def test_a_study_keeps_its_own_where_none_are_named(tmp_path: Path) -> None:
    url = database(tmp_path)
    stored = found(GIVEN).stored
    settings = replace(SETTINGS, first=stored)
    Study.create_or_open("mine", url, settings).close()
    for more in ({}, {"searcher": "random", "scheduler": "none"}):
        options = SearchOptions(storage=url, study="mine", **more)
        assert continued(options, SETTINGS)[0].first == stored
    others = SearchOptions(storage=url, study="mine", architectures=(GIVEN[0],))
    for given, says in (
        (stored[:2], f"first candidate 3: architectures[2] ({DIGESTS[2][:8]}), but got none"),
        (stored[::-1], "but got architectures[4]"),
    ):
        asked, name = continued(others, replace(SETTINGS, first=given))
        with pytest.raises(InputError) as caught:
            Study.create_or_open(name, url, asked)
        assert says in str(caught.value)


def test_names_of_studies_depend_on_the_networks_alone() -> None:
    stored = found(GIVEN).stored
    names = {default_name(replace(SETTINGS, first=first)) for first in ((), stored, stored[:2])}
    assert len(names) == 3 and "quick-none-79b3" in names
    renamed = [{**each, "name": "other"} for each in stored]
    assert default_name(replace(SETTINGS, first=tuple(renamed))) in names


def test_the_part_from_which_a_network_leaves_the_space_is_found() -> None:
    unmatched = SPACE.membership.first_unmatched
    assert [unmatched(each) for each in GIVEN] == [None] * len(GIVEN)
    assert unmatched(OUTSIDE) == "stem"  # its width is that of the first stage
    assert unmatched(DEEP) == "stages.0.blocks.3.norm1"
    assert unmatched(replace(GIVEN[0], classes=7)) == "head"
    assert unmatched(replace(GIVEN[0], input=Shape(1, 16, 16))) == "input"


def test_processes_that_search_together_measure_each_of_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joined_loop, "POLL_SECONDS", 0.0)
    url = database(tmp_path)
    studies = [Study.create_or_open("quick", url, SETTINGS) for _ in range(2)]
    with studies[0].joined(), studies[1].joined():
        loops = [quick_loop(each, 7, first=FIRST, join=True) for each in studies]
        jobs = [loops[place].next_job() for place in (0, 1, 1, 0, 0, 1, 0)]
        for place, job in zip((0, 1, 1, 0, 0, 1, 0), jobs, strict=True):
            assert job is not None
            loops[place].take(outcome_of(job))
        assert [each.next_job() for each in loops] == [None, None]
    for each in studies:
        each.close()
    digests = [digest for digest, _, _ in digests_of(url)]
    assert digests[:5] == DIGESTS and len(set(digests)) == 7


def test_many_networks_that_are_left_out_take_few_lines() -> None:
    drawn = (SPACE.draw_uniform(seed).architecture for seed in range(20))
    many = list({each.digest: each for each in drawn}.values())
    notes = found([*many, *many, *[OUTSIDE] * 20]).notes
    left = [each for each in notes if each.startswith("Left out")]
    assert len(left) == 11 and left[-1].endswith("more reasons")
    assert all(len(each) < 400 for each in left)
