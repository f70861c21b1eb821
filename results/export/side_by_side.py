"""Times of two runs of a network, side by side."""

import time
from collections.abc import Callable
from statistics import median

PASSES = 20
"""Timed passes of each, of which the first quarter is warm-up."""

Pass = Callable[[], float]
"""Runs once, and returns the time, ms."""


def timed(run: Callable[[], object]) -> Pass:
    """Return a pass that runs a function."""

    def pass_ms() -> float:
        began = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - began)

    return pass_ms


def time_ratio(one: Pass, other: Pass) -> float:
    """Return the median time of ``other`` divided by that of ``one``, alternating."""
    spent = [(one(), other()) for _ in range(PASSES)][PASSES // 4 :]
    first, second = map(median, zip(*spent, strict=True))
    return second / first
