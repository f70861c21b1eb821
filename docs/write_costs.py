"""Write the costs of the shipped search spaces, which come with the package, from fresh traces.

    python docs/write_costs.py

Run it when a test says that they are of other code. Takes about two minutes; files whose costs are
the same stay as they are.
"""

import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from nas_explorer.evaluators.cost.shipped import ship
from nas_explorer.evaluators.cost.spaces import computed_space
from nas_explorer.search_space.presets import presets

if __name__ == "__main__":
    names = sorted(presets(), key=lambda name: name != "universal")  # the slowest first
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAS_CACHE"] = folder
        with ProcessPoolExecutor(len(names), mp_context=get_context("spawn")) as pool:
            ship(dict(zip(names, pool.map(computed_space, names), strict=True)))
