"""What does each ingredient of the searcher ``pareto`` add? The searcher runs on a table of
finished trainings, whole and with one ingredient replaced at a time, with the same seeds; the
replacements are made here, by patches. Printed are medians of the tight hypervolume ratio over the
seeds (and of the difference at the last trial to the whole searcher with as many workers), without
the bound of the tight ratio (blind) and with it (bounded). The last line is JSON.

    python benchmarks/ablation.py --table nas-bench-macro.csv [--tight 'accuracy>=90']
        [--budget 100] [--seeds 20] [--seed 1000] [--only 'whole,no refit'] [--quick]
"""

import argparse
import json
import platform
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from nas_explorer.searchers import pareto
from nas_explorer.searchers.bench.bench import Bench, BenchSettings
from nas_explorer.searchers.bench.result_table import ResultTable, read_table
from nas_explorer.searchers.pareto import ParetoSearcher
from nas_explorer.searchers.surrogate import gaussian_process, model, pool, promise
from nas_explorer.searchers.surrogate.features import Encoder
from nas_explorer.searchers.surrogate.losses import Scale

REPORTED = (25, 50, 100)
"""Numbers of trials at which the ratios are reported."""
WORKERS = 4
"""Networks evaluated at once in the comparison of batches."""
NONE = 1e-9
"""Amplitude of a term of the kernel that is left out."""

Patches = Mapping[tuple[Any, str], Any]


def no_cost_features() -> Patches:
    """Leave the known costs out of the features; the costs of the pool stay exact."""
    encode = Encoder.encode

    def encoded(self: Encoder, decisions: Any, costs: Any = ()) -> Any:
        return encode(self, decisions)

    return {(Encoder, "encode"): encoded}


def no_shares() -> Patches:
    """Leave the shares of choices and the means of ordered ones out of the features."""
    encode = Encoder.encode

    def encoded(self: Encoder, decisions: Any, costs: Any = ()) -> Any:
        return replace(encode(self, decisions, costs), numbers=())

    return {(Encoder, "encode"): encoded}


def learned_costs() -> Patches:
    """Learn the cost that is an objective, as a measured one; it stays among the features."""
    featured = ParetoSearcher._featured  # pyright: ignore[reportPrivateUsage]

    def found(self: ParetoSearcher, *given: Any) -> Any:
        return featured(self, *given)[0], {}

    return {(ParetoSearcher, "_featured"): found}


def no_costs() -> Patches:
    """Neither know nor use any cost: two ingredients at once."""
    return {**no_cost_features(), **learned_costs()}


def no_logarithms() -> Patches:
    """Take metrics as they are, not their logarithms."""

    def of(*, minimised: bool, share: bool, values: Any) -> Scale:
        return Scale(kind="linear", sign=1.0 if minimised else -1.0)

    return {(Scale, "of"): of}


def plain_reference() -> Patches:
    """Put the reference point beyond the worst of the front, without an average over bounds."""
    improvement = promise.expected_improvement

    def plain(*given: Any, unknown_bound: bool) -> Any:
        return improvement(*given)

    return {(promise, "expected_improvement"): plain}


def no_fantasies() -> Patches:
    """Ignore pending candidates, other than by not proposing them again."""
    start = promise.Promise.__init__

    def started(self: promise.Promise, searcher: Any, usable: Any, pending: Any) -> None:
        start(self, searcher, usable, ())

    return {(promise.Promise, "__init__"): started}


def no_refit() -> Patches:
    """Keep the parameters of the models at the medians of their priors."""

    def theta(self: ParetoSearcher, name: str, training: Any, losses_NM: Any) -> Any:
        return gaussian_process.prior(len(training.inputs.groups), self.scaler().lengths)[0]

    return {(ParetoSearcher, "theta"): theta}


def without_term(place: int) -> Callable[[], Patches]:
    """Return what leaves one of the four terms of the kernel out."""

    def patches() -> Patches:
        means = list(gaussian_process._PRIOR_MEAN)  # pyright: ignore[reportPrivateUsage]
        deviations = list(gaussian_process._PRIOR_SD)  # pyright: ignore[reportPrivateUsage]
        means[place], deviations[place] = NONE, 1e-3
        return {
            (gaussian_process, "_PRIOR_MEAN"): tuple(means),
            (gaussian_process, "_PRIOR_SD"): tuple(deviations),
        }

    return patches


def start_of(count: int) -> Callable[[], Patches]:
    """Return what makes the first ``count`` candidates random ones."""
    return lambda: {(each, "FEWEST"): count for each in (model, pareto, promise)}


def random_pool() -> Patches:
    """Take as many random samples in the place of the variants of the front."""
    sizes = pool.PoolSizes()
    samples = sizes.fresh + sizes.parents * (sizes.mutants + sizes.crossings)
    only = replace(sizes, fresh=samples, mutants=0, crossings=0)

    def of(decisions: int) -> pool.PoolSizes:
        return only

    return {(pool.PoolSizes, "of"): of}


def whole() -> Patches:
    """Replace nothing."""
    return {}


VARIANTS: Mapping[str, Callable[[], Patches]] = {
    "whole": whole,
    "no cost features": no_cost_features,
    "costs learned": learned_costs,
    "no costs at all": no_costs,
    "no shares": no_shares,
    "no logarithms": no_logarithms,
    "plain reference": plain_reference,
    "no refit": no_refit,
    "no linear term": without_term(0),
    "no agreement term": without_term(1),
    "no Matern term": without_term(2),
    "no product term": without_term(3),
    "start of 4": start_of(4),
    "start of 16": start_of(16),
    "random pool": random_pool,
    f"{WORKERS} workers": whole,
    f"{WORKERS} workers without fantasies": no_fantasies,
}


@contextmanager
def patched(patches: Patches) -> Generator[None]:
    """Replace attributes for a while."""
    with ExitStack() as stack:
        for (place, name), value in patches.items():
            stack.enter_context(patch.object(place, name, value))
        yield


def base_of(variant: str) -> str:
    """Return the variant that another one is compared with: the one with as many workers."""
    return f"{WORKERS} workers" if variant.startswith(f"{WORKERS} workers") else "whole"


def read_variants(text: str) -> list[str]:
    """Read names of variants, each after the one that it is compared with."""
    names = text.split(",")
    for place, name in enumerate(names, 1):
        if name not in VARIANTS:
            raise ValueError(f"variants must be of {', '.join(VARIANTS)}, but got {name!r}")
        if base_of(name) not in names[:place]:
            raise ValueError(f"{base_of(name)!r} must come before {name!r}, but got {text!r}")
    return names


def ratios(table: ResultTable, settings: BenchSettings, variant: str) -> Any:
    """Return the tight ratio of a variant after each trial, (seeds, trials)."""
    if base_of(variant) != "whole":
        settings = replace(settings, workers=WORKERS)
    with patched(VARIANTS[variant]()):
        found = Bench(table, settings).run("pareto").tight_SN
    assert found is not None
    return found


def reported(settings: BenchSettings) -> list[int]:
    """Return the numbers of trials to report."""
    return [each for each in REPORTED if each < settings.budget] + [settings.budget]


def run(table: ResultTable, settings: BenchSettings, names: Sequence[str]) -> dict[str, Any]:
    """Run the variants; print and return the medians."""
    at = reported(settings)
    heads = "".join(f"{f'{how} {each}':>11}" for how in ("blind", "bounded") for each in at)
    print(f"{'':28}{heads}  difference, blind / bounded")
    found: dict[str, Any] = {}
    every: dict[tuple[str, bool], Any] = {}
    for name in names:
        medians: dict[str, dict[str, float]] = {}
        differences: dict[str, float] = {}
        for how, with_bound in (("blind", False), ("bounded", True)):
            curves = ratios(table, replace(settings, with_bound=with_bound), name)
            every[name, with_bound] = curves
            base = every[base_of(name), with_bound]
            medians[how] = {str(each): float(np.median(curves[:, each - 1])) for each in at}
            differences[how] = float(np.median((curves - base)[:, at[-1] - 1]))
        found[name] = {"medians": medians, "differences": differences}
        cells = "".join(f"{each:>11.3f}" for of in medians.values() for each in of.values())
        apart = " / ".join(f"{each:+.3f}" for each in differences.values())
        print(f"{name:28}{cells}  {apart}", flush=True)
    return found


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--table", required=True, help="CSV file of finished trainings")
    parser.add_argument("--tight", default="accuracy>=90", help="bound of the tight ratio")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1000, help="the first seed")
    parser.add_argument(
        "--only", default=",".join(VARIANTS), help="variants, each after whole or 4 workers"
    )
    parser.add_argument("--quick", action="store_true", help="one seed, few trials")
    options = parser.parse_args()
    if options.quick:
        options.budget, options.seeds = 20, 1
    try:
        names = read_variants(options.only)
    except ValueError as error:
        parser.error(str(error))
    table = read_table(Path(options.table))
    settings = BenchSettings(
        objectives=("accuracy", "macs"),
        known=tuple(each for each in ("macs", "params") if each in table.values),
        budget=options.budget,
        seeds=options.seeds,
        first_seed=options.seed,
        tight=table.bound(options.tight),
    )
    found = run(table, settings, names)
    line = {
        "benchmark": "ablation",
        "variants": found,
        "budget": settings.budget,
        "seeds": [settings.first_seed, settings.first_seed + settings.seeds - 1],
        "device": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
