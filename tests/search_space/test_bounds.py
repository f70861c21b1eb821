"""Sums and sampled walks within bounds, against enumeration."""

import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
import pytest
from nas_explorer.search_space.constraints.bounded_steps import BoundedSteps
from nas_explorer.search_space.constraints.check import check
from nas_explorer.search_space.constraints.constraint import Constraint
from nas_explorer.search_space.constraints.cost_table import CostedGraph, CostedNode
from nas_explorer.search_space.constraints.importance_sampling import ImportanceSampler
from nas_explorer.search_space.constraints.pareto_sums import ParetoSums, front, signs_of
from nas_explorer.search_space.constraints.relaxations import relaxations
from nas_explorer.search_space.constraints.steering import Guide, SteeredPath, reachable_sums
from nas_explorer.search_space.constraints.trimmed_sums import TrimmedSums

METRICS = ("red", "blue", "green")


@cache
def chain(seed: int) -> CostedGraph:
    """Return a table of four nodes with small costs."""
    generator = np.random.default_rng(seed)
    tables = [generator.integers(0, 12, (4, 3)).astype(float) for _ in range(4)]
    nodes = [CostedNode(table=number, times=1, nexts=np.array([number + 1])) for number in range(4)]
    return CostedGraph(metrics=METRICS, tables=tuple(tables), nodes=tuple(nodes))


def walks(table: CostedGraph) -> Iterator[tuple[list[int], np.ndarray]]:
    """Return every walk and its sums."""
    for places in np.ndindex(*(table.choice_count(number) for number in range(table.end))):
        sums = sum(table.costs(number)[place] for number, place in enumerate(places))
        yield list(places), np.asarray(sums)


@cache
def all_walks(table: CostedGraph) -> tuple[tuple[tuple[int, ...], tuple[float, ...]], ...]:
    return tuple((tuple(places), tuple(sums.tolist())) for places, sums in walks(table))


def kept(table: CostedGraph, constraints: list[Constraint]) -> set[tuple[int, ...]]:
    return {
        places
        for places, sums in all_walks(table)
        if all(each.holds(sums[METRICS.index(each.metric)]) for each in constraints)
    }


def offered(guide: Guide) -> set[tuple[int, ...]]:
    """Return all walks that a guide offers."""
    found: set[tuple[int, ...]] = set()

    def go(taken: list[int]) -> None:
        steered, table = SteeredPath(guide), guide.table
        for place in taken:
            steered.take(place)
        if steered.number == table.end:
            found.add(tuple(taken))
            return
        bits = steered.possible()
        for place in range(table.choice_count(steered.number)):
            if bits >> place & 1:
                go([*taken, place])

    go([])
    return found


BOUNDS = {
    "one": ["red<={0}"],
    "both sides": ["red in {0}..{1}"],
    "equal": ["red=={0}"],
    "two": ["red<={0}", "blue>={0}"],
    "two from below": ["red>={1}", "blue>={0}"],
    "two and both sides": ["red in {0}..{1}", "blue<={0}"],
    "two of both sides": ["red in {0}..{1}", "blue in {0}..{1}"],
    "three": ["red<={0}", "blue>={0}", "green<={1}"],
    "that exclude each other": ["red<={0}", "red>={1}"],
    "that exclude each other and more": ["red<={0}", "red>={1}", "blue>={0}", "green<={0}"],
}
POSSIBLE = {name: texts for name, texts in BOUNDS.items() if "exclude" not in name}
every_possible_bound = pytest.mark.parametrize("texts", POSSIBLE.values(), ids=list(POSSIBLE))
every_bound = pytest.mark.parametrize("texts", BOUNDS.values(), ids=list(BOUNDS))


def parsed(texts: list[str], low: int) -> list[Constraint]:
    return [Constraint.parse(each.format(low, low + 3)) for each in texts]


@every_bound
def test_with_enough_sums_all_that_is_feasible_is_offered(texts: list[str]) -> None:
    for seed in range(4):
        table = chain(seed)
        for low in (8, 16, 22):
            constraints = parsed(texts, low)
            guide = Guide(table=table, constraints=constraints, cap=4096)
            assert guide.empty == (not kept(table, constraints))
            assert guide.empty or offered(guide) == kept(table, constraints)
            assert bool(guide.share) == (not guide.empty)


@every_possible_bound
def test_with_few_sums_only_what_is_feasible_is_offered(texts: list[str]) -> None:
    checked = 0
    for seed in range(6):
        table = chain(seed)
        for cap in (2, 5):
            constraints = parsed(texts, 18)
            guide = Guide(table=table, constraints=constraints, cap=cap)
            if not guide.empty:
                found = offered(guide)
                assert found and found <= kept(table, constraints)
                checked += len(found)
    assert checked


@every_bound
def test_none_is_claimed_only_where_there_is_none(texts: list[str]) -> None:
    """Infeasibility is claimed only if true, and the true share never exceeds its bound."""
    claimed = 0
    for seed in range(4):
        table = chain(seed)
        for low in range(3 * (seed % 2), 48, 6):
            constraints = parsed(texts, low)
            tilted = ImportanceSampler(BoundedSteps(table, constraints))
            there = len(kept(table, constraints))
            assert there <= math.exp(tilted.log_most) * (1 + 1e-9)
            assert not (tilted.none and there)
            claimed += tilted.none
    assert claimed


def test_the_share_is_estimated_without_bias() -> None:
    """Estimates are within four standard errors, and on average within one and a half."""
    away: list[float] = []
    for seed, texts in product(range(4), POSSIBLE.values()):
        table = chain(seed)
        constraints = parsed(texts, 18)
        steps = BoundedSteps(table, constraints)
        sample = ImportanceSampler(steps).sample(4000, seed=1)
        inside = steps.bounds.holds(sample.sums_WK.T)
        if inside.sum() > 30:
            count_W = np.where(inside, np.exp(sample.logs_W), 0)
            there = len(kept(table, constraints))
            away.append((count_W.mean() - there) / (count_W.std() / 4000**0.5 + 1e-9))
    assert len(away) > 12
    assert np.abs(away).max() < 4 and np.mean(np.square(away)) < 2.25


@pytest.mark.parametrize("texts", [["red<={0}", "blue>={0}"], ["red in {0}..{1}"]])
def test_walks_that_are_kept_are_uniform(texts: list[str]) -> None:
    """Pearson's chi-square test at four standard deviations, which the tilted walks themselves
    fail."""
    table = chain(3)
    constraints = parsed(texts, 14)
    tilted = ImportanceSampler(BoundedSteps(table, constraints))
    guide = Guide(table=table, constraints=constraints, cap=1)
    assert guide.uniform and not guide.exact
    feasible = kept(table, constraints)
    generator, draws = random.Random(0), 20 * len(feasible)
    counts = Counter[tuple[int, ...]]()
    for _ in range(draws):
        steered, taken = SteeredPath(guide), list[int]()
        while steered.number != table.end:
            taken.append(steered.drawn(generator))
            steered.take(taken[-1])
        counts[tuple(taken)] += 1
    assert set(counts) <= feasible and tilted.log_most > 0
    square = sum((counts[each] - 20) ** 2 / 20 for each in feasible)
    freedom = len(feasible) - 1
    assert abs(square - freedom) < 4 * (2 * freedom) ** 0.5


def test_pieces_of_walks_are_joined_to_rare_ones() -> None:
    """The few walks with two given sums, out of 10**12 walks of twelve choices."""
    table, generator = large(2), np.random.default_rng(1)
    red, blue = sum(each[generator.integers(10)] for each in table.tables)
    constraints = [Constraint(metric="red", low=red, high=red)]
    constraints.append(Constraint(metric="blue", low=blue, high=blue))
    bounded = BoundedSteps(table, constraints)
    tilted = ImportanceSampler(bounded)
    sample = tilted.sample(4096, seed=0)
    assert not tilted.none and not bounded.bounds.holds(sample.sums_WK.T).any()
    joined = tilted.recombined(4096)
    assert len(joined)
    sums = [sum(costs_of(bounded, walk)) for walk in joined]
    assert all((each == [red, blue]).all() for each in sums)
    guide = Guide(table=table, constraints=constraints)
    assert not guide.empty and not guide.exact
    steered, rng = SteeredPath(guide), random.Random(1)
    while steered.number != table.end:
        steered.take(steered.drawn(rng))
    assert steered.spent_K.tolist() == [red, blue]


def test_walks_are_recombined_where_some_nodes_are_hardly_ever_visited() -> None:
    """The second of two branches costs a million times more, so that no sampled walk takes it."""
    far, near = np.array([[0.0], [1e9]]), large(1).tables
    nodes = [CostedNode(table=0, times=1, nexts=np.array([1, 13]))]
    for number in range(1, 25):
        after = 25 if number == 12 else number + 1
        nodes.append(CostedNode(table=(number - 1) % 12 + 1, times=1, nexts=np.array([after])))
    table = CostedGraph(metrics=("red",), tables=(far, *near), nodes=tuple(nodes))
    red = float(sum(each[3, 0] for each in near))
    sampler = ImportanceSampler(BoundedSteps(table, [Constraint(metric="red", low=red, high=red)]))
    walks = sampler.recombined(4096)
    assert len(walks) and (walks[:, 0] == 0).all() and (walks[:, 13:] == -1).all()


def costs_of(bounded: BoundedSteps, walk: np.ndarray) -> list[np.ndarray]:
    return [bounded.groups[number].costs_GK[group] for number, group in enumerate(walk)]


def test_a_front_keeps_what_nothing_beats() -> None:
    generator = np.random.default_rng(0)
    for count, high in [(30, 6)] * 20 + [(3000, 60)]:
        sums = generator.integers(0, high, (2, count)).astype(float)
        first, second = sums[:, front(sums)]
        assert len(first) < count and (np.diff(first) >= 0).all() and (np.diff(second) < 0).all()
        for most in np.ndindex(high, high):
            below = ((sums[0] <= most[0]) & (sums[1] <= most[1])).any()
            assert ((first <= most[0]) & (second <= most[1])).any() == below


@pytest.mark.parametrize("texts", [["red<={0}", "blue>={0}"], ["red<={0}"], ["red>={0}"]])
def test_pareto_sums_and_trimmed_sums_agree(texts: list[str]) -> None:
    """Which choices are possible after random sums, with every sum kept."""
    generator = np.random.default_rng(1)
    for seed in range(4):
        steps = BoundedSteps(chain(seed), parsed(texts, 20))
        signs = signs_of(steps)
        assert signs is not None
        pareto, every = ParetoSums(steps, signs, cap=1000), TrimmedSums(steps, cap=1000)
        assert pareto.whole and every.whole and bool(pareto.size) == bool(every.size)
        for number, spent in product(range(4), generator.integers(0, 20, (20, len(steps.sums)))):
            spent_K = np.clip(spent.astype(float), *steps.before[number])
            assert (pareto.possible(number, spent_K) == every.possible(number, spent_K)).all()


@every_possible_bound
def test_choices_are_possible_if_a_range_of_sums_can_be_reached(texts: list[str]) -> None:
    """Against enumeration of the rest of the walk."""
    generator, asked = random.Random(2), 0
    for seed, low in product(range(4), (8, 16, 22)):
        table, constraints = chain(seed), parsed(texts, low)
        steps = BoundedSteps(table, constraints)
        sums = TrimmedSums(steps, cap=4096)
        begun = [generator.randrange(table.choice_count(number)) for number in range(2)]
        spent_K = sum(
            steps.groups[n].costs_GK[steps.groups[n].of_R[r]] for n, r in enumerate(begun)
        )
        for choice, group in enumerate(steps.groups[2].of_R):
            there = any(list(each[:3]) == [*begun, choice] for each in kept(table, constraints))
            assert sums.possible(2, np.asarray(spent_K))[group] == there
            assert (sums.shares(2, np.asarray(spent_K))[group] > 0) == there
            asked += there
    assert asked


@every_possible_bound
def test_the_best_of_what_keeps_the_bounds_is_found(texts: list[str]) -> None:
    """The minimum and the maximum of each metric, with all sums and with few."""
    aimed = 0
    for seed, low, cap in product(range(4), (8, 16, 22), (4096, 24)):
        table = chain(seed)
        constraints = [*parsed(texts, low), Constraint(metric="green", low=-1, high=999)]
        there = kept(table, constraints)
        greens = [sum(table.costs(n)[p][2] for n, p in enumerate(walk)) for walk in there]
        steps = BoundedSteps(table, constraints)
        column = [each.metric for each in steps.sums].index("green")
        for up, best in ((True, max), (False, min)):
            values = reachable_sums(steps, cap=cap, aim=column, up=up).sums(column)
            assert set(values) <= set(greens) and (len(values) or not greens or cap < 4096)
            if len(values):
                aimed += best(values) == best(greens)
                assert cap < 4096 or best(values) == best(greens)
    assert aimed > 24


def test_the_proposed_relaxation_helps_in_a_large_space() -> None:
    """Each relaxation is feasible, even with trimmed sums."""
    table = large(3)
    low, high = table.extremes()
    helped = 0
    for seed in range(6):
        generator = np.random.default_rng(seed)
        at = low + (high - low) * generator.uniform(0.1, 0.9, 3)
        red, blue, green = (each.item() for each in at)
        constraints = [
            Constraint(metric="red", high=red),
            Constraint(metric="blue", low=blue, high=1.001 * blue),
            Constraint(metric="green", low=green),
        ]
        if Guide(table=table, constraints=constraints).empty:
            for text in relaxations(table, constraints):
                after = moved(constraints, text)
                assert after != constraints
                assert not Guide(table=table, constraints=after).empty, text
                helped += 1
    assert helped > 3


def moved(constraints: list[Constraint], text: str) -> list[Constraint]:
    """Return the constraints after a relaxation."""
    for each in text.split(" and "):
        old, new = re.fullmatch(r"(.*) must become (.*) or (?:more|less)", each).groups()
        constraints = [Constraint.parse(new) if str(c) == old else c for c in constraints]
    return constraints


@pytest.mark.parametrize(
    "texts", [["red<=4000", "red>=5000"], ["red<4000", "red>4000", "blue<=9000", "green>=9"]]
)
def test_bounds_that_exclude_each_other_are_reported(texts: list[str]) -> None:
    constraints = [Constraint.parse(each) for each in texts]
    found = check(large(3), constraints)
    assert found.share == 0 and found.proved and found.moves
    for each in found.moves:
        assert not Guide(table=large(3), constraints=moved(constraints, each)).empty


def test_the_interval_of_a_share_covers_it() -> None:
    """Of 40 intervals at 95 %, fewer than 33 contain the share with probability 1 in 10,000."""
    table = large(3)
    sums = table.sample(200_000, seed=9)
    covered = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        share = 10 ** generator.uniform(-3.5, -0.5)
        middle, width = np.quantile(sums[:, 0], generator.uniform(0.2, 0.8)), sums[:, 0].std()
        bounds = [Constraint(metric="red", low=middle, high=middle + 2.5 * share * width)]
        bounds.append(Constraint(metric="blue", high=float(np.median(sums[:, 1]))))
        guide = Guide(table=table, constraints=bounds)
        true = BoundedSteps(table, bounds).bounds.holds(sums[:, :2].T).mean()
        error = 2 * (true / len(sums)) ** 0.5
        _, low, high = guide.share_range
        covered += low - error <= true <= high + error
    assert covered >= 33


def large(metrics: int) -> CostedGraph:
    """Return a table of twelve nodes with ten choices."""
    generator = np.random.default_rng(0)
    tables = tuple(generator.integers(0, 1000, (10, metrics)).astype(float) for _ in range(12))
    nodes = tuple(
        CostedNode(table=number, times=1, nexts=np.array([number + 1])) for number in range(12)
    )
    return CostedGraph(metrics=METRICS[:metrics], tables=tables, nodes=nodes)
