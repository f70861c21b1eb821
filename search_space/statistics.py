"""95 % intervals of shares, counts and medians."""

from collections.abc import Sequence
from math import comb, sqrt
from statistics import median

Z = 1.959963984540054
"""Standard deviations that enclose 95 % of a normal distribution."""

MIN_SAMPLE = 6
"""Fewest values whose minimum and maximum enclose the median with 95 %."""


def interval_ranks(count: int) -> tuple[int, int]:
    """Return the ranks (from 1) of the order statistics that bound the median with 95 %.

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


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Return the interval of a share observed in ``count`` cases; it contains ``share``.

    Wilson, Probable inference, the law of succession, and statistical inference, 1927. Unlike the
    normal approximation it stays within 0 and 1 and has a width for a share of 0 or 1. It holds for
    the mean of any numbers from 0 to 1, whose variance is at most that of a share.
    """
    centre = share + Z * Z / (2 * count)
    spread = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    # Rounding must not leave the share itself outside.
    low, high = max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
    return min(share, low), max(share, high)


def count_interval(count: float) -> tuple[float, float]:
    """Return the interval of a Poisson mean, from an observed count above 0.

    Garwood, 1936, as approximated by Wilson and Hilferty, 1931.
    """
    more = count + 1
    low = (1 - 1 / (9 * count) - Z / (3 * sqrt(count))) ** 3 * count
    high = (1 - 1 / (9 * more) + Z / (3 * sqrt(more))) ** 3 * more
    return max(low, 0.0), high
