"""The contract of every searcher in the table."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from _pytest.mark import ParameterSet
from nas_explorer.evaluators.base import METRICS, Measurement
from nas_explorer.results.candidate import Candidate
from nas_explorer.search_space.components.parts import Part
from nas_explorer.search_space.constraints.constraint import Constraint
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.searchers.base import Objective, Proposal, Searcher
from nas_explorer.searchers.table import SEARCHERS, load_searcher, make_searcher

LARGE = {
    "input": {"channels": 1, "resolution": 8, "classes": 3},
    "stem": {"conv": {"kernel_size": [3, 5], "stride": [1, 2], "norm": ["layer_norm", "none"]}},
    "every_stage": {
        "depth": {"min": 1, "max": 3},
        "downsampling": {"pool": {"pooling": ["mean", "max"]}},
        "pattern": ["uniform", "alternate"],
        "block": {
            "metaformer": {
                "mixer": {
                    "identity": None,
                    "pooling": {"kernel_size": [3, 5]},
                    "large_kernel_conv": {"kernel_size": [3, 5, 7]},
                    "attention": {"head_dim": [4, 8]},
                },
                "channel_mixer": {"mlp": {"ratio": [0.5, 1, 2, 4]}},
            }
        },
    },
    "stages": [{"width": [8, 16, 24]}, {"width": [8, 16, 32]}],
    "head": "pooled",
}
SMALL = {
    "input": {"channels": 1, "resolution": 8, "classes": 3},
    "stem": {"conv": {"stride": [1, 2]}},
    "stages": [
        {
            "depth": {"min": 1, "max": 2},
            "width": [8, 16],
            "block": {
                "metaformer": {"mixer": {"identity": None, "attention": {"head_dim": [4, 8]}}}
            },
        }
    ],
    "head": "pooled",
}
OBJECTIVES = {
    "one, max": ("accuracy",),
    "one, min": ("params",),
    "two": ("accuracy", "macs"),
    "three": ("accuracy", "latency", "params"),
}
AFTER = 24
FEWER = {"gp": 12}
"""Shorter histories for searchers whose proposals take most of a second."""


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return space_from_data(LARGE)


def marked(name: str) -> ParameterSet:
    """Return a searcher's name as a parameter, slow if its proposals are."""
    return pytest.param(name, marks=[pytest.mark.slow] if name in FEWER else [])


@pytest.fixture(params=map(marked, SEARCHERS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def after(name: str) -> int:
    """Return the number of candidates in a searcher's history."""
    return FEWER.get(name, AFTER)


def searcher_of(
    name: str, space: SearchSpace, metrics: Sequence[str] = ("accuracy", "macs"), seed: int = 0
) -> Searcher:
    objectives = tuple(
        Objective(metric=metric, direction=METRICS[metric].direction) for metric in metrics
    )
    return make_searcher(name, space=space, objectives=objectives, seed=seed)


def outcome(number: int, proposal: Proposal, *, status: str = "") -> Candidate:
    """Return a candidate with values from its digest; some are infeasible, some failed."""
    digest = proposal.architecture.digest
    if not status:
        status = {3: "infeasible", 5: "failed"}.get(number % 7, "complete")
    measured = METRICS if status == "complete" else ("params", "macs")
    values = {metric: derive_seed(metric, digest) / 2**32 for metric in measured}
    return Candidate(
        number=number,
        architecture=proposal.architecture.canonical,
        decisions=proposal.decisions,
        status=status,
        measurements={m: Measurement(metric=m, value=value) for m, value in values.items()},
    )


def search(searcher: Searcher, count: int, *, status: str = "") -> list[Candidate]:
    """Ask and tell ``count`` different candidates."""
    history: list[Candidate] = []
    while len(history) < count:
        taken = {each.digest for each in history}
        proposals = (searcher.ask(len(history), attempt) for attempt in range(40))
        fresh = next(p for p in proposals if p and p.architecture.digest not in taken)
        history.append(outcome(len(history), fresh, status=status))
        searcher.tell(history[-1])
    return history


@cache
def searched(name: str) -> tuple[Candidate, ...]:
    """Return a searcher's candidates in the large space."""
    return tuple(search(searcher_of(name, space_from_data(LARGE)), after(name)))


def with_history(searcher: Searcher, history: Sequence[Candidate]) -> Searcher:
    for candidate in history:
        searcher.tell(candidate)
    return searcher


def digests(searcher: Searcher, number: int | None = None) -> list[str]:
    """Return the next proposals: own attempts, mutated ones and enumerated ones."""
    number = after(searcher.name) if number is None else number
    proposals = [searcher.ask(number, attempt) for attempt in (0, 1, 12, 21)]
    return [proposal.architecture.digest for proposal in proposals if proposal]


def test_the_table_names_the_class(name: str) -> None:
    assert load_searcher(name).name == name


def test_an_unknown_searcher_is_refused(space: SearchSpace) -> None:
    with pytest.raises(InputError, match=r"searcher must be one of .*'tpee'; did you mean 'tpe'"):
        searcher_of("tpee", space)


def test_what_was_asked_before_does_not_matter(name: str, space: SearchSpace) -> None:
    searcher = searcher_of(name, space)
    history = search(searcher, after(name))
    assert [each.digest for each in history] == [each.digest for each in searched(name)]
    first = digests(searcher)
    searcher.ask(after(name) + 1)
    assert digests(searcher) == first
    assert digests(with_history(searcher_of(name, space), history)) == first


@pytest.mark.slow
def test_another_process_proposes_the_same(space: SearchSpace) -> None:
    """The history is sent as JSON to a process with another hash seed."""
    histories, expected = {}, {}
    for name in SEARCHERS:
        histories[name] = [each.to_json() for each in searched(name)]
        expected[name] = digests(with_history(searcher_of(name, space), searched(name)))
    code = (
        "import importlib.util, json, sys\n"
        f"spec = importlib.util.spec_from_file_location('contract', {__file__!r})\n"
        "contract = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(contract)\n"
        "found = {}\n"
        "for name, history in json.load(sys.stdin).items():\n"
        "    searcher = contract.searcher_of(name, contract.space_from_data(contract.LARGE))\n"
        "    candidates = [contract.Candidate.from_json(each) for each in history]\n"
        "    found[name] = contract.digests(contract.with_history(searcher, candidates))\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(histories),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    assert json.loads(done.stdout) == expected


def test_the_seed_matters(name: str, space: SearchSpace) -> None:
    first = with_history(searcher_of(name, space, seed=0), searched(name))
    second = with_history(searcher_of(name, space, seed=1), searched(name))
    assert digests(first)[0] != digests(second)[0]


def test_the_number_matters(name: str, space: SearchSpace) -> None:
    """With several workers, several candidates are proposed from one history."""
    searcher = with_history(searcher_of(name, space), searched(name))
    pending: list[Candidate] = []
    for number in range(after(name), after(name) + 5):
        searcher.expect(tuple(pending))
        proposal = searcher.ask(number)
        assert proposal is not None
        pending.append(outcome(number, proposal, status="running"))
    assert len({each.digest for each in pending}) >= 4  # a mutation may give the same network
    again = with_history(searcher_of(name, space), searched(name))
    again.expect(tuple(pending[:3]))
    assert digests(again, after(name) + 3)[0] == pending[3].digest


def test_proposals_lie_in_the_space(name: str, space: SearchSpace) -> None:
    for each in searched(name):
        assert space.replay(each.decisions).architecture.digest == each.digest
        assert json.loads(json.dumps(each.to_json())) == each.to_json()


@pytest.mark.parametrize("metrics", OBJECTIVES.values(), ids=OBJECTIVES)
def test_objectives_of_any_number_and_direction(
    name: str, space: SearchSpace, metrics: tuple[str, ...]
) -> None:
    history = search(searcher_of(name, space, metrics), after(name))
    assert len({each.digest for each in history}) == after(name)


@pytest.mark.parametrize("status", ["infeasible", "failed"])
def test_a_history_without_success(name: str, space: SearchSpace, status: str) -> None:
    history = search(searcher_of(name, space), after(name), status=status)
    assert len({each.digest for each in history}) == after(name)


def test_a_value_that_is_no_number(name: str, space: SearchSpace) -> None:
    searcher = with_history(searcher_of(name, space), searched(name))
    last = searched(name)[-1]
    nan = {"accuracy": Measurement(metric="accuracy", value=float("nan"))}
    searcher.tell(replace(last, status="complete", measurements={**last.measurements, **nan}))
    assert len(digests(searcher)) == 4


def channels(part: Part) -> dict[str, float]:
    """Return costs by which a part has as many parameters as output channels."""
    return {"params": float(part.out_shape.channels)}


def test_hard_constraints_are_kept(name: str, space: SearchSpace) -> None:
    """A constraint that 7 % of random architectures satisfy."""
    limited = space.constrained([Constraint.parse("params<=200")], channels)
    history = search(searcher_of(name, limited), after(name))
    totals = [sum(channels(p)["params"] for p in each.architecture.parts()) for each in history]
    assert max(totals) <= 200


def test_attempts_differ(name: str, space: SearchSpace) -> None:
    searcher = with_history(searcher_of(name, space), searched(name))
    known = {each.digest for each in searched(name)}
    attempts = [searcher.ask(after(name), attempt) for attempt in range(40)]
    proposed = [attempt.architecture.digest for attempt in attempts if attempt]
    assert len(proposed) == 40
    assert len(set(proposed[:20])) >= 12
    listed = set(proposed[20:])
    assert len(listed) == 20 and not listed & known


@pytest.mark.parametrize("lag", [1, 4])
def test_a_small_space_is_found_whole(name: str, lag: int) -> None:
    """A searcher proposes every architecture, then none; also while some are being measured."""
    space = space_from_data(SMALL)
    searcher = searcher_of(name, space)
    history: dict[str, Candidate] = {}
    while True:
        number = len(history)
        if number >= lag:
            searcher.tell(list(history.values())[number - lag])
        for attempt in range(60):
            proposal = searcher.ask(number, attempt)
            if proposal is None or proposal.architecture.digest not in history:
                break
        else:
            pytest.fail("neither a new proposal nor none")
        if proposal is None:
            break
        history[proposal.architecture.digest] = outcome(number, proposal)
    assert set(history) == {walk.architecture.digest for walk in space.enumerate()}
