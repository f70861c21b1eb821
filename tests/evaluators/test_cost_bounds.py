"""Tight bounds on the costs of a shipped space, which few networks satisfy."""

import numpy as np
import pytest
from nas_explorer.evaluators.cost.spaces import costed_space
from nas_explorer.search_space.constraints.constraint import Constraint
from nas_explorer.search_space.constraints.cost_table import CostedGraph
from nas_explorer.search_space.constraints.relaxations import relaxations
from nas_explorer.search_space.constraints.steering import Guide, SteeredPath


@pytest.fixture(scope="module")
def table() -> CostedGraph:
    return costed_space("micro").table


def drawn(table: CostedGraph, seed: int) -> tuple[list[tuple[int, int]], dict[str, float]]:
    """Return a random walk as nodes and choices, and its costs; choices are uniform."""
    generator = np.random.default_rng(seed)
    walk: list[tuple[int, int]] = []
    spent, number = np.zeros(len(table.metrics)), 0
    while number != table.end:
        node = table.nodes[number]
        index = int(generator.integers(table.choice_count(number)))
        walk.append((number, index))
        spent = table.add(spent, table.costs(number)[index])
        number = int(node.nexts[index if len(node.nexts) > 1 else 0])
    return walk, dict(zip(table.metrics, spent.tolist(), strict=True))


NARROW: dict[str, dict[str, tuple[float, float]]] = {
    "one metric": {"params": (0, 1)},
    "one metric from below": {"macs": (1, np.inf)},
    "one side of two metrics": {"params": (0, 1), "macs": (1, np.inf)},
    "and the peak": {"params": (0, 1), "macs": (1, np.inf), "peak_memory": (0, 1)},
    "one equal": {"activations": (1, 1)},
    "within a thousandth": {"params": (0.999, 1.001), "macs": (0.999, 1.001)},
    "three within a hundredth": dict.fromkeys(("params", "macs", "activations"), (0.99, 1.01)),
    "sides of four metrics": {
        "params": (0, 1),
        "macs": (1, np.inf),
        "activations": (0, 1),
        "peak_memory": (0, 1),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NARROW)
def test_what_a_network_keeps_is_never_called_empty(table: CostedGraph, kind: str) -> None:
    """With bounds at or near the costs of a walk, all samples are within them, without dead
    ends."""
    sides, seed = NARROW[kind], [*NARROW].index(kind)
    walk, costs = drawn(table, seed)
    constraints = [
        Constraint(metric=name, low=low * costs[name], high=high * costs[name])
        for name, (low, high) in sides.items()
    ]
    guide = Guide(table=table, constraints=constraints)
    assert not guide.empty and not guide.exact and 0 < guide.share <= 1
    generator = np.random.default_rng(seed)
    for _ in range(5):
        assert all(each.holds(taken(guide, generator)[each.metric]) for each in constraints)
    one_sided = all(each in ((0, 1), (1, np.inf)) for each in sides.values())
    if one_sided and len(sides.keys() - {"peak_memory"}) <= 2:
        steered = SteeredPath(guide)
        for _, index in walk:
            assert steered.possible() >> index & 1
            steered.take(index)


def taken(guide: Guide, generator: np.random.Generator) -> dict[str, float]:
    """Return the costs of a walk of random offered choices."""
    steered, table = SteeredPath(guide), guide.table
    spent = np.zeros(len(table.metrics))
    while steered.number != table.end:
        number, bits = steered.number, steered.possible()
        index = int(generator.choice(np.flatnonzero([int(b) for b in f"{bits:b}"[::-1]])))
        steered.take(index)
        spent = table.add(spent, table.costs(number)[index])
    return dict(zip(table.metrics, spent.tolist(), strict=True))


def test_two_bounds_that_hardly_any_network_keeps(table: CostedGraph) -> None:
    """The new value of a relaxation is the nearest feasible one."""
    few, many = Constraint.parse("params<=46909"), Constraint.parse("macs>=3200000")
    guide = Guide(table=table, constraints=[few, many])
    assert not guide.empty and guide.complete
    text = relaxations(table, [Constraint.parse("params<=20000"), many])[0]
    least = Constraint.parse(text.split(" must become ")[1].removesuffix(" or more"))
    assert least.metric == "params" and least.high <= few.high
    assert not Guide(table=table, constraints=[least, many]).empty
    below = Constraint(metric="params", high=float(np.nextafter(least.high, 0)))
    none = Guide(table=table, constraints=[below, many])
    assert none.empty and none.proved
