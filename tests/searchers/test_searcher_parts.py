"""The building blocks of the searchers."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from nas_explorer.evaluators.base import METRICS, Measurement
from nas_explorer.results.analysis.front import front_mask, hypervolume
from nas_explorer.results.candidate import Candidate
from nas_explorer.search_space.domains import Choice, Domain, IntRange, Value
from nas_explorer.search_space.files import load_space, space_from_data
from nas_explorer.search_space.walk.choosers import Chooser, RandomChooser, ReplayChooser
from nas_explorer.searchers.archive import Archive, ranks
from nas_explorer.searchers.base import Objective
from nas_explorer.searchers.distributions import distribution, distributions
from nas_explorer.searchers.nsga2 import Nsga2Searcher, Nsga2Survival
from nas_explorer.searchers.nsga3 import Nsga3Searcher, Nsga3Survival, divisions
from nas_explorer.searchers.remaining import Remaining
from nas_explorer.searchers.survival import survivors
from nas_explorer.searchers.tpe import TpeSearcher, age_weights, best, largest, nearest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import create_trial

SPACE = load_space("micro")
ACCURACY = (Objective(metric="accuracy", direction="maximize"),)
TWO = (*ACCURACY, Objective(metric="macs", direction="minimize"))
MIXER = "stages.0.block.mixer"


class Restricted:
    """A chooser that offers another one only some allowed values, as hard constraints do."""

    def __init__(self, chooser: Chooser, seed: int) -> None:
        self._chooser = chooser
        self._random = random.Random(seed)

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        left = [value for value in allowed if self._random.random() < 0.5] or allowed[:1]
        value = self._chooser.choose(path, domain, left)
        assert any(value is each for each in left)
        return value


def candidate(number: int, fixed: Mapping[str, Value], **values: float | str) -> Candidate:
    """Return a random candidate with some fixed decisions, a status and values."""
    walk = SPACE.walk(ReplayChooser(fixed, RandomChooser(number)))
    status: Any = values.pop("status", "complete")
    return Candidate(
        number=number,
        architecture=walk.architecture,
        decisions=walk.decisions,
        status=status,
        measurements={m: Measurement(metric=m, value=float(v)) for m, v in values.items()},
    )


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (IntRange(1, 8, 3), IntDistribution(1, 7, step=3)),
        (Choice([16, 32, 24]), IntDistribution(16, 32, step=8)),
        (Choice([3, 5, 11]), CategoricalDistribution([3, 5, 11])),
        (Choice([1, 0.5]), CategoricalDistribution([0.5, 1])),
        (Choice(["gelu", "relu"]), CategoricalDistribution(["gelu", "relu"])),
        (Choice([False, True]), CategoricalDistribution([False, True])),
        (Choice([3]), CategoricalDistribution([3])),
    ],
)
def test_distribution(domain: Domain, expected: object) -> None:
    assert distribution(domain) == expected


def test_every_decision_fits_its_distribution() -> None:
    """Optuna rejects a trial whose parameters do not match."""
    known = distributions(SPACE.decisions())
    for seed in range(50):
        params = dict(SPACE.walk(RandomChooser(seed)).decisions)
        trial = create_trial(params=params, distributions={p: known[p] for p in params}, value=0.0)
        assert trial.params == params


@pytest.mark.parametrize(
    ("domain", "place", "allowed", "expected"),
    [
        (Choice([3, 5, 7, 31]), 3, (3, 5, 31), 31),
        (Choice([3, 5, 7, 31]), 3, (3, 7), 7),
        (Choice([3, 5, 7, 31]), 0, (7, 31), 7),
        (Choice([3, 5, 7, 31]), 1, (3, 7), 3),
        (IntRange(4, 10, 2), 1, (10,), 10),
        (Choice([False, True]), 0, (False, True), False),
        (Choice(["a", "b", "c"]), 1, ("a", "b"), "b"),
        (Choice(["a", "b", "c"]), 1, ("c",), "c"),
    ],
)
def test_nearest(domain: Domain, place: int, allowed: tuple[Value, ...], expected: Value) -> None:
    assert nearest(domain, place, allowed, random.Random(0)) is expected


def test_nearest_takes_any_name_where_the_drawn_one_is_not_allowed() -> None:
    domain = Choice(["a", "b", "c", "d"])
    taken = {nearest(domain, 1, ("a", "c", "d"), random.Random(seed)) for seed in range(30)}
    assert taken == {"a", "c", "d"}


@pytest.mark.parametrize("searcher_class", [TpeSearcher, Nsga2Searcher, Nsga3Searcher])
def test_any_part_of_a_domain_may_be_allowed(
    searcher_class: type[TpeSearcher | Nsga2Searcher],
) -> None:
    searcher = searcher_class(space=SPACE, objectives=ACCURACY, seed=0)
    for number in range(25):
        searcher.tell(candidate(number, {}, accuracy=number / 25))
    drawn = [SPACE.walk(Restricted(searcher.chooser(seed), seed)) for seed in range(5)]
    assert len({each.architecture.digest for each in drawn}) == 5


def test_tpe_learns_a_knob_of_a_component() -> None:
    """A decision that few candidates have is learned from these."""
    knob = f"{MIXER}.attention.head_dim"
    searcher = TpeSearcher(space=SPACE, objectives=ACCURACY, seed=0)
    for number in range(60):
        fixed: dict[str, Value] = {MIXER: "attention"} if number % 3 else {MIXER: "identity"}
        drawn = candidate(number, fixed, accuracy=0.0)
        good = drawn.decisions.get(knob) == 16
        searcher.tell(candidate(number, fixed, accuracy=0.9 if good else 0.1))
    walks = [SPACE.walk(searcher.chooser(seed)).decisions for seed in range(40)]
    assert sum(each.get(knob) == 16 for each in walks) > 20
    chance = [SPACE.walk(RandomChooser(seed)).decisions for seed in range(40)]
    assert sum(each.get(knob) == 16 for each in chance) < 15


@pytest.mark.parametrize("status", ["infeasible", "failed"])
def test_tpe_avoids_what_cannot_be_used(status: str) -> None:
    searcher = TpeSearcher(space=SPACE, objectives=ACCURACY, seed=0)
    for number in range(60):
        stem = "patch" if number % 2 else "conv"
        how = {"status": status} if stem == "patch" else {"accuracy": 0.5}
        searcher.tell(candidate(number, {"stem": stem}, **how))
    stems = [SPACE.walk(searcher.chooser(seed)).decisions["stem"] for seed in range(10)]
    assert stems.count("patch") <= 2


def _nsga2(count: int) -> Nsga2Survival:
    return Nsga2Survival(population_size=count)


def test_survivors_by_rank_crowding_and_feasibility() -> None:
    """Accuracy up, MACs down. Front: 0, 1, 2, 3; the most crowded of them is 2; 4 is behind."""
    points = [(0.9, 100.0), (0.5, 50.0), (0.48, 49.0), (0.1, 10.0), (0.45, 60.0)]
    pool = [candidate(n, {}, accuracy=a, macs=m) for n, (a, m) in enumerate(points)]
    broken = candidate(5, {}, status="failed", macs=1.0)
    heavy = candidate(6, {}, status="infeasible", macs=1.0)
    everything = [broken, heavy, *pool]

    def kept(count: int) -> list[int]:
        return sorted(each.number for each in survivors(everything, TWO, _nsga2(count)))

    assert kept(3) == [0, 1, 3]
    assert kept(5) == [0, 1, 2, 3, 4]
    assert kept(6) == [0, 1, 2, 3, 4, 6]
    assert kept(7) == list(range(7))


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("seed", range(4))
def test_survivors_by_niche(seed: int) -> None:
    """Accuracy up, MACs down; the directions are those of each objective and the even compromise.

    The front, in losses from 0 to 1: (0, 1), (0.05, 0.9), (0.45, 0.45), (0.5, 0.4), (1, 0). The
    first two lie nearest to the direction of MACs, the next two to the compromise.
    """
    points = [(1.0, 100.0), (0.95, 90.0), (0.55, 45.0), (0.5, 40.0), (0.0, 0.0), (0.5, 50.0)]
    pool = [candidate(n, {}, accuracy=a, macs=m) for n, (a, m) in enumerate(points)]
    pool.append(candidate(6, {}, status="failed", macs=1.0))

    def kept(count: int) -> list[int]:
        sampler = Nsga3Survival(population_size=count, dividing_parameter=2, seed=seed)
        return sorted(each.number for each in survivors(pool, TWO, sampler))

    assert kept(3) == [0, 2, 4]
    assert set(kept(4)) in ({0, 1, 2, 4}, {0, 2, 3, 4})
    assert kept(6) == [0, 1, 2, 3, 4, 5]
    assert kept(7) == list(range(7))


def test_reference_directions_fit_the_population() -> None:
    """20 directions for two objectives, 15 for three, 20 for four, 20 for twenty."""
    assert [divisions(each) for each in (1, 2, 3, 4, 20)] == [1, 19, 4, 3, 1]


def test_children_inherit_from_their_parents() -> None:
    """Every decision, knobs included, is from one parent, except for a few mutations."""
    searcher = Nsga2Searcher(space=SPACE, objectives=ACCURACY, seed=0)
    parents = [candidate(number, {}, accuracy=0.5) for number in range(20)]
    for each in parents:
        searcher.tell(each)
    inherited = new = 0
    for seed in range(40):
        child = SPACE.walk(searcher.chooser(seed)).decisions
        shared = [len(child.items() & each.decisions.items()) for each in parents]
        first, second = sorted(range(20), key=lambda index: -shared[index])[:2]
        both = child.items() & {
            *parents[first].decisions.items(),
            *parents[second].decisions.items(),
        }
        inherited += len(both)
        new += len(child) - len(both)
    assert inherited > 10 * new > 0


def test_remaining_goes_through_all_once() -> None:
    """With a stage that may be left out, two walks can lead to one architecture."""
    stage = {
        "depth": {"min": 0, "max": 1},
        "width": 8,
        "block": "metaformer",
        "downsampling": "none",
    }
    space = space_from_data(
        {
            "input": {"channels": 1, "resolution": 8, "classes": 3},
            "stem": {"conv": {"kernel_size": [3, 5]}},
            "stages": [stage, stage],
            "head": "pooled",
        }
    )
    whole = list(dict.fromkeys(walk.architecture.digest for walk in space.enumerate()))
    assert len(whole) < space.walks
    remaining = Remaining(space)
    remaining.remove(whole[1])
    left = [whole[0], *whole[2:]]
    drawn = [remaining.at(index) for index in range(len(left))]
    assert [each.architecture.digest for each in drawn if each] == left
    assert remaining.at(len(left)) is None
    remaining.remove(whole[0])
    first = remaining.at(0)
    assert first and first.architecture.digest == whole[2]


def test_directions_are_those_of_the_objectives() -> None:
    """The objective's direction counts, not the metric's: MACs can be maximised."""
    most = (Objective(metric="macs", direction="maximize"),)
    assert METRICS["macs"].direction == "minimize"
    pool = [candidate(number, {}, macs=float(number)) for number in range(4)]
    assert [each.number for each in survivors(pool, most, _nsga2(2))] == [3, 2]


def test_fronts_are_ranked_by_hand() -> None:
    losses = np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [1.0, 4.0], [np.inf, np.inf]])
    assert ranks(losses).tolist() == [0, 0, 1, 0, 2]


def test_an_archive_is_the_front() -> None:
    archive = Archive(TWO)
    walk = SPACE.walk(RandomChooser(0))
    for number, (accuracy, macs) in enumerate([(0.5, 10), (0.6, 20), (0.6, 30), (0.7, 15)]):
        values = {"accuracy": accuracy, "macs": macs}
        candidate = Candidate(
            number=number,
            architecture=walk.architecture,
            decisions=walk.decisions,
            status="complete",
            measurements={n: Measurement(metric=n, value=v) for n, v in values.items()},
        )
        archive.add(candidate)
        archive.add(replace(candidate, status="failed"))
    assert [each.number for each in archive.members] == [0, 3]


def test_good_candidates_by_rank_and_volume() -> None:
    """Two fronts: the first four rows, and the last two.

    With the reference at (9.9, 9.9), rows 1 and 2 dominate 5.9 x 5.9 = 34.8 and 5.4 x 6.1 = 32.9,
    the others 0.9 x 9.9 each. Beside row 1, row 2 adds 5.4 x 0.2, row 0 0.9 x 5.9 less 0.9 x 0.9.
    """
    losses = np.array([[0.0, 9.0], [4.0, 4.0], [4.5, 3.8], [9.0, 0.0], [5.0, 5.0], [9.0, 4.0]])
    assert [sorted(best(losses, count).tolist()) for count in (1, 3, 4, 5, 6)] == [
        [1],
        [0, 1, 3],
        [0, 1, 2, 3],
        [0, 1, 2, 3, 4],
        [0, 1, 2, 3, 4, 5],
    ]


@pytest.mark.parametrize("objectives", [1, 3, 4])
def test_good_candidates_dominate_a_large_volume(objectives: int) -> None:
    """Those chosen dominate more than as many others, on average."""
    rng = np.random.default_rng(objectives)
    losses = rng.random((60, objectives))
    losses = losses[front_mask(losses)]
    count = max(1, len(losses) // 3)
    found = hypervolume(losses[largest(losses, count)], np.ones(objectives))
    others = [rng.permutation(len(losses))[:count] for _ in range(20)]
    assert found >= np.mean([hypervolume(losses[each], np.ones(objectives)) for each in others])
    assert len(set(largest(losses, count).tolist())) == count


def test_weights_fall_with_age() -> None:
    assert age_weights(25).tolist() == [1.0] * 25
    assert age_weights(28).tolist() == [1 / 28, (1 + 1 / 28) / 2, 1.0] + [1.0] * 25


def test_tpe_thins_a_long_history() -> None:
    """Of 1,200 candidates, each better than the next, 100 and 400 of the others remain, by number.

    The 400 are spread evenly over the others, the first and the last included.
    """
    walks = [SPACE.walk(RandomChooser(seed)) for seed in range(12)]
    ranks_by_number = [number * 7 % 1200 for number in range(1200)]
    searcher = TpeSearcher(space=SPACE, objectives=TWO, seed=0)
    for number in range(1200):
        walk = walks[number % 12]
        rank = ranks_by_number[number]
        values = {"accuracy": 1 - rank / 1200, "macs": float(rank)}
        searcher.tell(
            Candidate(
                number=number,
                architecture=walk.architecture,
                decisions=walk.decisions,
                status="complete",
                measurements={n: Measurement(metric=n, value=v) for n, v in values.items()},
            )
        )
    good = [number for number in range(1200) if ranks_by_number[number] < 100]
    others = [number for number in range(1200) if number not in good]
    spread = [others[round(place * 1099 / 399)] for place in range(400)]
    assert spread[0] == others[0] and spread[-1] == 1199
    histories = searcher.histories()
    assert np.array_equal(histories.good_ND, [searcher._codes[number] for number in good])
    assert np.array_equal(histories.others_ND, [searcher._codes[number] for number in spread])
