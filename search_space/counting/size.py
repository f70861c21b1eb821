"""The number of architectures of a space, exact or estimated from a sample of walks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ..statistics import share_interval


@dataclass(frozen=True, kw_only=True)
class Size:
    """The number of architectures of a space, and the number of walks that lead to them."""

    architectures: int
    """Number of different architectures."""
    walks: int
    """Number of walks."""
    exact: bool
    """Whether both numbers are exact; else at least one is an estimate."""
    interval: tuple[int, int] | None = None
    """95 % interval of the number of architectures, if only that is an estimate."""

    @property
    def short(self) -> str:
        """The number of architectures as text."""
        return f"{'' if self.exact else 'about '}{shown_count(self.architectures)}"

    def __str__(self) -> str:
        if self.architectures == self.walks and not self.interval:
            return f"{self.short} architectures"
        shown = f"{shown_count(self.walks)} walks"
        if self.interval:
            shown += f"; 95 % interval {' to '.join(map(shown_count, self.interval))}"
        return f"{self.short} different architectures ({shown})"


def shown_count(number: int) -> str:
    """Return a count as text: all digits up to a million, else three digits and the exponent."""
    return f"{number:,}" if number < 10**6 else f"{Decimal(number):.3g}".replace("e+", "e")


def estimated(walks: int, counts: Iterable[int], *, exact_walks: bool) -> Size:
    """Return the size of a space from a uniform sample of its walks.

    The mean of 1 / multiplicity is the ratio of architectures to walks. Its interval is that of a
    share.

    Args:
        walks: Number of walks.
        counts: For each sampled walk, the number of walks that lead to its architecture.
        exact_walks: Whether ``walks`` is exact.
    """
    shares = [Fraction(1, count) for count in counts]
    mean, n = sum(shares) / len(shares), len(shares)
    low, high = share_interval(float(mean), n)
    return Size(
        architectures=round(walks * mean),
        walks=walks,
        exact=False,
        interval=(int(walks * Fraction(low)), math.ceil(walks * Fraction(high)))
        if exact_walks
        else None,
    )
