"""Write the costs of the shipped search spaces and of the zoo, which come with the package.

    python docs/write_costs.py

Run it when a test says that they are of other code, and before a release. The first time it takes
some minutes; traces of parts are kept in the user's cache, so that later only those are made whose
components changed. Files whose costs are the same stay as they are.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.cost.costed import CostedSpace
from nas_explorer.evaluators.cost.shipped import ship
from nas_explorer.evaluators.cost.spaces import modules_of, with_costs
from nas_explorer.search_space.components.base import Component
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.presets import presets
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.zoo import ZOO


def components_of(space: SearchSpace) -> Iterator[Component]:
    """Yield the components of all choices of a space."""
    for node in space.graph.seen:
        yield from (
            each.component for each in space.graph.choices_at(node).choices if each.component
        )


def space_costs(name: str) -> tuple[CostedSpace, set[str]]:
    """Return a shipped space with its costs, and the modules of its components."""
    space = load_space(name)
    return with_costs(space), modules_of(components_of(space))


def zoo_costs() -> tuple[dict[str, tuple[int, int]], set[str]]:
    """Return parameters and MACs of every network of the zoo by digest, and their modules."""
    found: dict[str, tuple[int, int]] = {}
    modules: set[str] = set()
    for entry in ZOO.values():
        cost = architecture_cost(entry.architecture)
        found[entry.architecture.digest] = (cost.params, cost.macs)
        modules |= modules_of(part.component for part in entry.architecture.parts())
    return found, modules


if __name__ == "__main__":
    names = sorted(presets(), key=lambda name: name != "universal")  # the slowest first
    with ProcessPoolExecutor(len(names) + 1, mp_context=get_context("spawn")) as pool:
        spaces, zoo = pool.map(space_costs, names), pool.submit(zoo_costs)
        ship(dict(zip(names, spaces, strict=True)), zoo.result())
