"""How much CPU time does a proposal take with a long history? Each searcher gets the same random
candidates of a space, with made-up metrics that are in conflict, and then proposes: the time of a
proposal is that of one ``tell`` and one ``ask``, in the mean over several. The last line is JSON.

    python benchmarks/proposals.py [--space micro] [--searchers A,B,...] [--sizes 100,1000,5000]
        [--proposals 20] [--seed 0] [--quick]
"""

import argparse
import json
import math
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from nas_explorer.evaluators.base import METRICS, Measurement
from nas_explorer.results.candidate import Candidate
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.seeds import derive_seed
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.choosers import Decisions, RandomChooser
from nas_explorer.searchers.base import Knowledge, Objective
from nas_explorer.searchers.names import SEARCHERS
from nas_explorer.searchers.run.rough_costs import rough_costs
from nas_explorer.searchers.table import make_searcher

METRIC_NAMES = ("accuracy", "macs")
LONGEST = 5000
"""Number of candidates in the longest history."""


def made_up(decisions: Decisions) -> dict[str, float]:
    """Return metrics: each choice has a cost, and a gain that grows with the cost on the whole."""
    parts = [derive_seed(path, repr(value)) / 2**32 for path, value in decisions.items()]
    size = sum(parts)
    gain = sum((1 + 7 * part) % 1 for part in parts) / len(parts)
    return {"accuracy": 0.95 - 0.5 * math.exp(-size / 10) * (2 - gain), "macs": 1e5 * size**2}


def candidates(space: SearchSpace, count: int, seed: int) -> list[Candidate]:
    """Return random candidates with made-up metrics; every hundredth failed."""
    found: list[Candidate] = []
    for number in range(count):
        walk = space.walk(RandomChooser(derive_seed("history", seed, number)))
        failed = number % 100 == 99
        values = {} if failed else made_up(walk.decisions)
        found.append(
            Candidate(
                number=number,
                architecture=walk.architecture,
                decisions=walk.decisions,
                status="failed" if failed else "complete",
                measurements={n: Measurement(metric=n, value=v) for n, v in values.items()},
            )
        )
    return found


def seconds_per_proposal(
    name: str, space: SearchSpace, history: Sequence[Candidate], proposals: int, seed: int
) -> float:
    """Return the CPU time of one ``tell`` and one ``ask``, s.

    Args:
        name: Name of the searcher.
        space: The space.
        history: The candidates; a proposal follows each of the last ``proposals`` ones.
        proposals: Number of proposals.
        seed: Seed of the searcher.
    """
    objectives = tuple(
        Objective(
            metric=each,
            direction=METRICS[each].direction,
            share=each == "accuracy",
        )
        for each in METRIC_NAMES
    )
    searcher = make_searcher(
        name,
        space=space,
        objectives=objectives,
        seed=seed,
        knowledge=Knowledge(costs=rough_costs),
    )
    first = len(history) - proposals
    for candidate in history[:first]:
        searcher.tell(candidate)
    searcher.ask(first)  # what is made once per search
    began = time.process_time()
    for number, candidate in enumerate(history[first:], first + 1):
        searcher.tell(candidate)
        searcher.ask(number)
    return (time.process_time() - began) / proposals


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--space", default="micro", help="a shipped space or a YAML file")
    parser.add_argument("--searchers", default=",".join(SEARCHERS))
    parser.add_argument("--sizes", default=f"100,1000,{LONGEST}", help="candidates in the history")
    parser.add_argument("--proposals", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two searchers, short histories")
    options = parser.parse_args()
    if options.quick:
        options.searchers, options.sizes, options.proposals = "random,tpe", "12,20", 1
    sizes = [int(each) for each in options.sizes.split(",")]
    space = load_space(options.space).bind(channels=1, resolution=8, classes=10)
    history = candidates(space, max(sizes), options.seed)
    found: dict[str, dict[int, float]] = {}
    heads = "".join(f"{f'{size} candidates':>18}" for size in sizes)
    print(f"{'':14}{heads}   longest / shortest")
    for name in options.searchers.split(","):
        found[name] = {
            size: seconds_per_proposal(name, space, history[:size], options.proposals, options.seed)
            for size in sizes
        }
        cells = "".join(f"{found[name][size] * 1e3:>15.2f} ms" for size in sizes)
        ratio = found[name][sizes[-1]] / found[name][sizes[0]]
        print(f"{name:14}{cells}   {ratio:.1f}", flush=True)
    line: dict[str, Any] = {
        "benchmark": "proposals",
        "space": options.space,
        "proposals": options.proposals,
        "cpu_seconds": {name: {str(n): s for n, s in each.items()} for name, each in found.items()},
        "device": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "optuna": version("optuna"),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
