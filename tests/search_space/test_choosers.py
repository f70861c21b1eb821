"""Choosers: replay, mutation, crossover."""

import pytest
from nas_explorer.search_space.domains import Choice, Value
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.assembly import Walk
from nas_explorer.search_space.walk.choosers import (
    CrossoverChooser,
    EnumerationChooser,
    MutationChooser,
    RandomChooser,
    ReplayChooser,
)

MICRO = load_space("micro")


def drawn(seed: int) -> Walk:
    return MICRO.walk(RandomChooser(seed))


def test_replay_asks_the_other_where_it_knows_nothing() -> None:
    ask = ReplayChooser({"a": 3, "b": 9}, RandomChooser(0)).choose
    domain = Choice((1, 2, 3))
    assert ask("a", domain, domain.values) == 3
    assert ask("a", domain, (1,)) == 1
    assert ask("b", domain, (2,)) == 2
    with pytest.raises(InputError, match=r"^b must be one of 1, 2, 3, but got 9$"):
        ReplayChooser({"b": 9}).choose("b", domain, domain.values)
    with pytest.raises(InputError, match=r"^c must be one of 1, 2, 3, but got None$"):
        ReplayChooser({}).choose("c", domain, domain.values)


def test_replay_does_not_take_one_for_true() -> None:
    yes_no = Choice((False, True))
    with pytest.raises(InputError):
        ReplayChooser({"a": 1}).choose("a", yes_no, yes_no.values)


def test_mutation_changes_at_the_given_rate() -> None:
    parent = drawn(1)
    assert MICRO.walk(MutationChooser(parent.decisions, 5, 0.0)) == parent
    kept = [
        sum(walk.decisions.get(path) == value for path, value in parent.decisions.items())
        for walk in (MICRO.walk(MutationChooser(parent.decisions, s, 0.1)) for s in range(40))
    ]
    assert 0.6 * len(parent.decisions) < sum(kept) / len(kept) < len(parent.decisions)


def test_mutation_moves_ordered_values_to_a_neighbour() -> None:
    sizes = Choice((1, 2, 3, 4, 5))
    moved: set[Value] = set()
    for seed in range(50):
        moved.add(MutationChooser({"a": 3}, seed, 1.0).choose("a", sizes, sizes.values))
    assert moved == {2, 4}
    assert MutationChooser({"a": 1}, 0, 1.0).choose("a", sizes, sizes.values) == 2
    assert MutationChooser({"a": 2}, 0, 1.0).choose("a", sizes, (2, 5)) == 5
    assert MutationChooser({"a": 2}, 0, 1.0).choose("a", sizes, (2,)) == 2
    names = Choice(("x", "y", "z"))
    moved.clear()
    for seed in range(50):
        moved.add(MutationChooser({"a": "x"}, seed, 1.0).choose("a", names, names.values))
    assert moved == {"y", "z"}


def test_children_take_every_decision_from_a_parent() -> None:
    first, second = drawn(1), drawn(2)
    took_first = took_second = 0
    for seed in range(30):
        child = MICRO.walk(CrossoverChooser(first.decisions, second.decisions, seed))
        for path, value in child.decisions.items():
            a, b = first.decisions.get(path), second.decisions.get(path)
            if a is not None and b is not None and a != b and value in (a, b):
                took_first += value == a
                took_second += value == b
    assert 0.5 < took_first / took_second < 2
    same = MICRO.walk(CrossoverChooser(first.decisions, first.decisions, 3))
    assert same == first


@pytest.mark.parametrize("seed", range(5))
def test_seeds_decide(seed: int) -> None:
    first, second = drawn(1).decisions, drawn(2).decisions
    for make in (
        lambda s: RandomChooser(s),
        lambda s: MutationChooser(first, s, 0.3),
        lambda s: CrossoverChooser(first, second, s),
    ):
        assert MICRO.walk(make(seed)) == MICRO.walk(make(seed))
        assert MICRO.walk(make(seed)) != MICRO.walk(make(seed + 100))


def test_enumeration_takes_every_way_once() -> None:
    domain = Choice((1, 2, 3))
    chooser, seen = EnumerationChooser(), []
    while True:
        first = chooser.choose("a", domain, domain.values)
        walk = [first]
        if first != 2:
            walk.append(chooser.choose("b", domain, (1, 3)))
        seen.append(tuple(walk))
        if not chooser.advance():
            break
    assert seen == [(1, 1), (1, 3), (2,), (3, 1), (3, 3)]


def test_a_choice_that_is_not_allowed_is_our_fault() -> None:
    class Wrong:
        def choose(self, path: str, domain: object, allowed: object) -> Value:
            return "sprocket"

    with pytest.raises(AssertionError, match="sprocket"):
        MICRO.walk(Wrong())
