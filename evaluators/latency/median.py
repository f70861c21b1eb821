"""The median of a sample and its distribution-free interval."""

from collections.abc import Sequence
from math import comb
from statistics import median

MIN_SAMPLE = 6
"""With fewer values, not even the smallest and the largest enclose the median with 95 %."""


def interval_ranks(count: int) -> tuple[int, int]:
    """Return the ranks (from 1) of the order statistics that enclose the median with 95 %.

    Of ``n`` independent values, the number below the median is binomial (n, 1/2). So the l-th
    smallest and the l-th largest enclose it with probability ``1 - 2 P(X < l)``, whatever the
    distribution; the largest ``l`` that leaves 95 % is taken (David and Nagaraja, Order
    Statistics, 2003, section 7.1).

    Args:
        count: Number of values, at least ``MIN_SAMPLE``.
    """
    assert count >= MIN_SAMPLE, "an interval needs enough values"
    below, low = 1, 1  # sum of C(n, k) for k < low
    while 40 * (below + comb(count, low)) <= 2**count:  # 2 P(X < low + 1) <= 1 / 20
        below += comb(count, low)
        low += 1
    return low, count + 1 - low


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower end, the median and the upper end, in the values' unit."""
    ordered = sorted(values)
    low, high = interval_ranks(len(ordered))
    return ordered[low - 1], median(ordered), ordered[high - 1]
