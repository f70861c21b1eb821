"""Write the costs of the shipped search spaces and of the zoo, which come with the package, from
fresh traces.

    python docs/write_costs.py

Run it when a test says that they are of other code. Takes about ten minutes; files whose costs are
the same stay as they are.
"""

import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.cost.shipped import ship
from nas_explorer.evaluators.cost.spaces import computed_space
from nas_explorer.search_space.presets import presets
from nas_explorer.search_space.zoo import ZOO


def zoo_costs() -> dict[str, tuple[int, int]]:
    """Return parameters and MACs of every network of the zoo, by digest."""
    found: dict[str, tuple[int, int]] = {}
    for entry in ZOO.values():
        cost = architecture_cost(entry.architecture)
        found[entry.architecture.digest] = (cost.params, cost.macs)
    return found


if __name__ == "__main__":
    names = sorted(presets(), key=lambda name: name != "universal")  # the slowest first
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAS_CACHE"] = folder
        with ProcessPoolExecutor(len(names) + 1, mp_context=get_context("spawn")) as pool:
            spaces, zoo = pool.map(computed_space, names), pool.submit(zoo_costs)
            ship(dict(zip(names, spaces, strict=True)), zoo.result())
