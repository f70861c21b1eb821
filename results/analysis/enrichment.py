"""Values of decisions that are over-represented on the front, with significance.

If the front were a random sample of the candidates, the number of its members with a value would be
hypergeometric. The two-sided p-value is corrected for the number of values (Holm, A Simple
Sequentially Rejective Multiple Test Procedure, 1979); the interval of the ratio is that of Clopper
and Pearson, 1934, for the front's share. A searcher that learns does not sample the space
uniformly, but values that it proposes more often count on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .columns import Columns
from .front import Mask

SAME = {"second_mixer": "mixer"}
"""Last word of a path: the word that it counts as."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """The frequency of a value on the front and among all candidates."""

    label: str
    """The value as text."""
    front: int
    """Number of candidates on the front with the value."""
    every: int
    """Number of candidates with the value."""
    expected: float
    """Expected number on the front if the front were a random sample."""
    ratio: float
    """Share of the value on the front, divided by its share of all candidates; 1 by chance."""
    low: float
    """Lower end of the ratio's 95 % interval."""
    high: float
    """Upper end of the ratio's 95 % interval."""
    probability: float
    """P-value of the number on the front, corrected for the number of values."""


def words(columns: Columns) -> list[str]:
    """Return the kinds of decisions by the last words of their paths, mixers first."""
    found = dict.fromkeys(map(_word, columns.decisions))
    return sorted(found, key=lambda word: (word != "mixer", word != "channel_mixer", word))


def _word(path: str) -> str:
    last = path.rpartition(".")[2]
    return SAME.get(last, last)


def front_shares(
    columns: Columns, objectives: Sequence[str], word: str, mask: Mask
) -> tuple[int, int, list[Share]]:
    """Return the frequency on the front of each value of a kind of decision.

    Args:
        columns: The candidates.
        objectives: Metrics of the front.
        word: Last word of the decisions' paths: ``mixer``, ``kernel_size``.
        mask: The candidates that take part if they are comparable.

    Returns:
        The number on the front, the number of candidates, and the values, the most
        over-represented first.
    """
    rows = np.flatnonzero(mask & columns.comparable(objectives))
    best = np.isin(rows, columns.front(objectives, mask))
    holders: dict[str, Mask] = {}
    for path, answers in columns.decisions.items():
        if _word(path) != word:
            continue
        codes = answers.codes_N[rows]
        for code, label in enumerate(answers.labels):
            held = holders.setdefault(label, np.zeros(len(rows), np.bool_))
            held |= codes == code
    counts = {label: (int((m & best).sum()), int(m.sum())) for label, m in holders.items()}
    shares = [
        _share(label, k, every, int(best.sum()), len(rows))
        for label, (k, every) in counts.items()
        if every
    ]
    shares = _corrected(shares)
    return int(best.sum()), len(rows), sorted(shares, key=lambda each: -each.ratio)


def _share(label: str, k: int, every: int, front: int, count: int) -> Share:
    from scipy.stats import beta, hypergeom

    blind = hypergeom(count, every, front)
    tail = min(float(blind.cdf(k)), float(blind.sf(k - 1)))
    low = float(beta.ppf(0.025, k, front - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, front - k)) if k < front else 1.0
    overall = every / count
    return Share(
        label=label,
        front=k,
        every=every,
        expected=front * overall,
        ratio=k / front / overall,
        low=low / overall,
        high=high / overall,
        probability=min(1.0, 2 * tail),
    )


def _corrected(shares: Sequence[Share]) -> list[Share]:
    """Return the p-values corrected for their number, by Holm's method."""
    from dataclasses import replace

    found: list[Share] = []
    greatest = 0.0
    for place, each in enumerate(sorted(shares, key=lambda each: each.probability)):
        greatest = max(greatest, min(1.0, each.probability * (len(shares) - place)))
        found.append(replace(each, probability=greatest))
    return found
