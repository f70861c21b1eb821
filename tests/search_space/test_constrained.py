"""Hard constraints: every sample is feasible, and every feasible network can be sampled."""

import random
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.live_memory import alive_bytes
from nas_explorer.search_space.components.canonical import component_text
from nas_explorer.search_space.components.parts import Part
from nas_explorer.search_space.constraints.build_cost_table import build_cost_table
from nas_explorer.search_space.constraints.check import check
from nas_explorer.search_space.constraints.constraint import Constraint
from nas_explorer.search_space.constraints.cost_table import CostedGraph, CostedNode
from nas_explorer.search_space.constraints.relaxations import relaxations
from nas_explorer.search_space.constraints.steering import Guide, SteeredPath
from nas_explorer.search_space.counting.membership import Membership
from nas_explorer.search_space.counting.size import Size, estimated
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.choosers import CrossoverChooser, MutationChooser, RandomChooser

from .spaces import MEETING, REPEATED, SMALL, every_architecture, small_space

SPACES = SMALL | REPEATED | MEETING
every_space = pytest.mark.parametrize("text", SPACES.values(), ids=list(SPACES))


def costs(part: Part) -> Mapping[str, float]:
    """Return two arbitrary costs that depend on all properties of a part."""
    text = f"{component_text(part.component)} {part.in_shapes} {part.width}"
    mixed = zlib.crc32(text.encode())
    return {"red": mixed % 101, "blue": mixed // 101 % 53, "working_memory": mixed // 7 % 999}


@cache
def totals(architecture: Architecture) -> tuple[float, float]:
    each = [costs(part) for part in architecture.parts()]
    return sum(cost["red"] for cost in each), sum(cost["blue"] for cost in each)


@cache
def peak(architecture: Architecture) -> float:
    parts = architecture.parts()
    working = [costs(part)["working_memory"] for part in parts]
    alive = alive_bytes(parts, architecture.input, held=True)
    return max(map(sum, zip(alive, working, strict=True)))


def table_of(space: SearchSpace, *metrics: str) -> CostedGraph:
    return build_cost_table(space.graph, metrics or ("red", "blue"), costs)


def limits(text: str, share: float) -> tuple[list[Constraint], set[str]]:
    """Return constraints that about ``share`` of a space satisfies, and the feasible digests."""
    sums = {digest: totals(each) for digest, each in every_architecture(text).items()}
    reds = sorted(red for red, _ in sums.values())
    blues = sorted(blue for _, blue in sums.values())
    high = reds[int(share * (len(reds) - 1))]
    low = blues[len(blues) // 4]
    kept = {digest for digest, (red, blue) in sums.items() if red <= high and blue >= low}
    return [Constraint.parse(f"red<={high}"), Constraint.parse(f"blue>={low}")], kept


@every_space
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_exactly_what_keeps_the_constraints_is_enumerated(text: str, share: float) -> None:
    constraints, kept = limits(text, share)
    space = small_space(text)
    if not kept:
        with pytest.raises(InputError, match="must keep red<="):
            space.constrained(constraints, costs)
        return
    constrained = space.constrained(constraints, costs)
    drawn = [walk.architecture.digest for walk in constrained.enumerate()]
    assert set(drawn) == kept
    assert constrained.guide is not None and constrained.guide.exact
    assert constrained.guide.feasible == len(drawn) == constrained.walks
    every = every_architecture(text)
    for digest in list(every)[::5]:
        assert constrained.contains(every[digest]) == (digest in kept)


@pytest.mark.parametrize("bounds", [("<=", 0.1), ("<=", 0.5), (">=", 0.7), ("==", 0.6)])
@every_space
def test_the_peak_memory_is_kept_exactly(text: str, bounds: tuple[str, float]) -> None:
    every = every_architecture(text)
    peaks = {digest: peak(each) for digest, each in every.items()}
    sign, share = bounds
    value = sorted(peaks.values())[int(share * (len(peaks) - 1))]
    constraints = [Constraint.parse(f"peak_memory{sign}{value}"), Constraint.parse("red>=0")]
    kept = {digest for digest, each in peaks.items() if constraints[0].holds(each)}
    space = small_space(text).constrained(constraints, costs)
    drawn = [walk.architecture.digest for walk in space.enumerate()]
    assert set(drawn) == kept and space.walks == len(drawn)


DRAWS = 800


def unevenness(digests: Iterable[str], among: set[str]) -> float:
    """Return Pearson's chi-square of ``DRAWS`` samples against uniform, in standard deviations."""
    counts = Counter(digests)
    assert set(counts) <= among
    mean, freedom = DRAWS / len(among), len(among) - 1
    square = sum((counts[digest] - mean) ** 2 / mean for digest in among)
    return (square - freedom) / (2 * freedom) ** 0.5


@cache
def digest_of(architecture: Architecture) -> str:
    return architecture.digest


@every_space
@pytest.mark.parametrize("share", [0.5, 1])
def test_uniform_draws_are_uniform_over_architectures(
    text: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Membership, "count", cache(Membership.count))  # few networks
    space, among = small_space(text), set(every_architecture(text))
    if share < 1:
        constraints, among = limits(text, share)
        if len(among) < 2:
            return
        space = space.constrained(constraints, costs)
    drawn = [digest_of(space.draw_uniform(seed).architecture) for seed in range(DRAWS)]
    assert abs(unevenness(drawn, among)) < 5


@pytest.mark.parametrize("text", MEETING.values(), ids=list(MEETING))
def test_samples_that_are_uniform_over_walks_differ_from_these(text: str) -> None:
    walks = [walk.architecture.digest for walk in small_space(text).enumerate()]
    drawn = random.Random(0).choices(walks, k=DRAWS)
    assert unevenness(drawn, set(walks)) > 10


@every_space
def test_architectures_are_counted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    constraints, kept = limits(text, 0.5)
    space = small_space(text)
    if kept:
        size = space.constrained(constraints, costs).size()
        assert size.exact and size.architectures == len(kept)
    if text in MEETING.values():
        monkeypatch.setattr("nas_explorer.search_space.space.MOST_COUNTED", 0)
        monkeypatch.setattr("nas_explorer.search_space.space.SAMPLE", space.walks - 1)
        size = space.size()
        assert not size.exact and size.interval is not None
        assert size.interval[0] <= len(every_architecture(text)) <= size.interval[1]


def test_an_estimate_by_hand() -> None:
    """The mean of 1, 1/2, 1/2 and 1 is 3/4; Wilson's interval of 3 in 4 is 0.3006 to 0.9544."""
    size = estimated(10**6, [1, 2, 2, 1], exact_walks=True)
    assert size.architectures == 750_000 and size.interval == (300_641, 954_413)
    shown = "about 750,000 different architectures (1.00e6 walks; 95 % interval 300,641 to 954,413)"
    assert str(size) == shown
    assert estimated(10, [1, 1], exact_walks=False) == Size(architectures=10, walks=10, exact=False)


@pytest.mark.parametrize("cap", [2, 16])
def test_thinned_sums_never_lead_astray(cap: int) -> None:
    checked = 0
    for text in SPACES.values():
        constraints, kept = limits(text, 0.3)
        space = small_space(text)
        guide = Guide(table=table_of(space), constraints=constraints, cap=cap)
        if guide.feasible:
            steered = space.constrained(constraints, costs)
            object.__setattr__(steered, "guide", guide)
            digests = {steered.walk(RandomChooser(i)).architecture.digest for i in range(20)}
            digests |= {steered.draw_uniform(i).architecture.digest for i in range(20)}
            assert digests <= kept
            checked += not guide.exact
    assert checked


def test_a_single_upper_bound_is_exact_however_few_sums_are_kept() -> None:
    for text in SPACES.values():
        sums = {totals(each)[0] for each in every_architecture(text).values()}
        space = small_space(text)
        for bound, feasible in ((min(sums), True), (min(sums) - 1, False)):
            constraint = Constraint(metric="red", high=bound)
            guide = Guide(table=table_of(space), constraints=[constraint], cap=2)
            assert bool(guide.feasible) == feasible


def test_every_chooser_is_steered() -> None:
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    reds = sorted(totals(space.walk(RandomChooser(i)).architecture)[0] for i in range(60))
    constraints = [
        Constraint(metric="red", low=reds[2], high=reds[5]),
        Constraint.parse("blue<600"),
    ]
    steered = space.constrained(constraints, costs)
    first, second = (steered.walk(RandomChooser(i)) for i in (1, 2))
    for seed in range(10):
        for walk in (
            steered.walk(RandomChooser(seed)),
            steered.walk(MutationChooser(first.decisions, seed, 0.2)),
            steered.walk(CrossoverChooser(first.decisions, second.decisions, seed)),
            steered.draw_uniform(seed),
        ):
            red, blue = totals(walk.architecture)
            assert reds[2] <= red <= reds[5] and blue < 600


@pytest.mark.parametrize("cap", [1, None])
@every_space
def test_what_is_feasible_is_found_and_replayed_offered_or_not(text: str, cap: int | None) -> None:
    constraints, kept = limits(text, 0.5)
    space = small_space(text)
    guide = Guide(table=table_of(space), constraints=constraints, cap=cap)
    if guide.empty:
        return
    steered = replace(space, guide=guide)
    for walk in islice(space.enumerate(), 0, None, 7):
        if walk.architecture.digest in kept:
            found = steered.find(walk.architecture)
            assert found is not None and steered.replay(found.decisions) == found
            assert steered.replay(walk.decisions) == walk
            assert all(map(steered.replay, (near.decisions for near in steered.neighbours(walk))))
            continue
        assert not steered.contains(walk.architecture)
        with pytest.raises(InputError, match=r"must keep (red<=|blue>=)\d+, but got \w+ \d+$"):
            steered.replay(walk.decisions)


def test_strict_and_doubled_bounds() -> None:
    text = REPEATED["patterns"]
    reds = sorted({totals(each)[0] for each in every_architecture(text).values()})
    low, high = reds[1], reds[-2]
    space = small_space(text).constrained(
        [
            Constraint.parse(f"red>{low}"),
            Constraint.parse(f"red<{high}"),
            Constraint.parse("red>=0"),
        ],
        costs,
    )
    found = {totals(walk.architecture)[0] for walk in space.enumerate()}
    assert found == set(reds[2:-2])


@every_space
def test_check_tells_the_extremes_and_what_would_help(text: str) -> None:
    space = small_space(text)
    reds = [totals(each)[0] for each in every_architecture(text).values()]
    peaks = [peak(each) for each in every_architecture(text).values()]
    found = check(table_of(space, "red", "peak_memory"), [])
    spread = found.spreads["peak_memory"]
    assert (spread.low, spread.high) == (min(peaks), max(peaks))
    assert found.walks == space.walks and found.share == 1
    assert (found.spreads["red"].low, found.spreads["red"].high) == (min(reds), max(reds))
    assert min(reds) <= found.spreads["red"].median <= max(reds)
    none = check(table_of(space), [Constraint.parse("red<=1")])
    assert none.share == 0
    assert none.moves == (f"red<=1 must become red<={min(reds)} or more",)
    constraints, kept = limits(text, 0.5)
    some = check(table_of(space), constraints)
    assert some.exact and (some.share > 0) == bool(kept)
    assert some.feasible_sample == (100 if kept else 0)


@pytest.mark.parametrize("name", ["patterns", "stages left out"])
def test_samples_of_a_table_are_uniform(name: str) -> None:
    """The mean of 4,000 walks within four standard errors of that over all, and the extremes."""
    space = small_space(SPACES[name])
    reds = [totals(walk.architecture)[0] for walk in space.enumerate()]
    sample = table_of(space).sample(4000, seed=1)[:, 0]
    assert abs(sample.mean() - np.mean(reds)) < 4 * np.std(reds) / 4000**0.5
    assert set(sample) <= set(reds)


@pytest.mark.parametrize(("high", "least", "most"), [(1440, 0.3, 0.6), (4, 0, 1e-290)])
def test_more_walks_than_a_float_can_count(high: float, least: float, most: float) -> None:
    """A table of 107 nodes with three digits each: the mean of the sum of 321 digits is 1444.5."""
    nodes = tuple(
        CostedNode(table=0, times=1, nexts=np.array([number + 1])) for number in range(107)
    )
    sums = np.indices((10, 10, 10)).sum(0).reshape(-1, 1)
    table = CostedGraph(metrics=("sum",), tables=(sums.astype(float),), nodes=nodes)
    assert table.path_counts[0] == 10**321
    guide = Guide(table=table, constraints=[Constraint(metric="sum", high=high)])
    assert least <= guide.share <= most
    steered, generator = SteeredPath(guide), random.Random(0)
    while steered.number != table.end:
        steered.take(steered.drawn(generator))
    assert steered.spent_K.item() <= high


@every_space
def test_the_proposed_relaxation_is_the_least_that_helps(text: str) -> None:
    """Each bound alone is feasible, all together are not: relaxations against enumeration."""
    space = small_space(text)
    every = [(*totals(each), peak(each)) for each in every_architecture(text).values()]
    reds, _, peaks = zip(*every, strict=True)
    least = min(peaks)
    tight = [max(blue for _, blue, peak in every if peak <= least) + 1, min(reds)]
    constraints = [
        Constraint(metric="peak_memory", high=least),
        Constraint(metric="blue", low=tight[0]),
    ]
    found = relaxations(table_of(space, "red", "blue", "peak_memory"), constraints)
    most = max(blue for _, blue, _ in every)
    if tight[0] > most:
        assert found == (f"blue>={tight[0]} must become blue>={most} or less",)
        return
    higher = min(peak for _, blue, peak in every if blue >= tight[0])
    assert found == (
        f"peak_memory<={least} must become peak_memory<={higher} or more",
        f"blue>={tight[0]} must become blue>={tight[0] - 1} or less",
    )


def test_several_bounds_move_where_one_is_not_enough() -> None:
    """Three choices, each of which satisfies one of three bounds."""
    node = CostedNode(table=0, times=1, nexts=np.array([1]))
    costs_RM = np.array([[0.0, 7, 9], [6, 1, 9], [6, 8, 2]])
    table = CostedGraph(metrics=("red", "blue", "peak_memory"), tables=(costs_RM,), nodes=(node,))
    texts = "red<=-3", "blue<2", "peak_memory in 2..5"
    assert relaxations(table, [Constraint.parse(each) for each in texts]) == (
        "red<=-3 must become red<=0 or more and blue<2 must become blue<=7 or more "
        "and peak_memory in 2..5 must become peak_memory in 2..9 or more",
    )


@pytest.mark.parametrize(
    ("text", "low", "high", "strict"),
    [
        ("params<=2e6", float("-inf"), 2e6, False),
        ("params <= 2M", float("-inf"), 2e6, False),
        ("macs>1.5G", 1.5e9, float("inf"), True),
        ("latency<5", float("-inf"), 5, True),
        ("macs in 200e6..300e6", 200e6, 300e6, False),
        ("macs in 200M..0.3G", 200e6, 300e6, False),
        ("params==12k", 12e3, 12e3, False),
    ],
)
def test_constraints_as_text(text: str, low: float, high: float, strict: bool) -> None:
    constraint = Constraint.parse(text)
    assert (constraint.low, constraint.high, constraint.strict) == (low, high, strict)
    assert Constraint.parse(str(constraint)) == constraint


@pytest.mark.parametrize(
    "text", ["", "params", "params<=", "params=<3", "params<=two", "macs in 3..2", "<=3", "a<=1<=2"]
)
def test_constraints_that_are_not_right(text: str) -> None:
    with pytest.raises(InputError, match="must") as caught:
        Constraint.parse(text)
    assert repr(text) in str(caught.value)


def test_bounds_and_their_own_values() -> None:
    assert Constraint.parse("a<=3").holds(3) and not Constraint.parse("a<3").holds(3)
    assert Constraint.parse("a in 1..3").holds(1) and not Constraint.parse("a in 1..3").holds(0)
    assert not Constraint.parse("a>=3").holds(2.999)
