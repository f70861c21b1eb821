"""Which answers are over-represented on the front, and by how much beyond chance.

Had the front been drawn from the candidates blindly, the number of its members that hold an answer
would be hypergeometric. The two-sided probability of a number at least as far out is corrected for
the number of answers looked at (Holm, A Simple Sequentially Rejective Multiple Test Procedure,
1979); the interval of the ratio is that of Clopper and Pearson, 1934, for the front's share. The
candidates of a searcher that learns are not drawn blindly from the space: what it proposes more
often counts on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .columns import Columns
from .front import Mask

SAME = {"second_mixer": "mixer"}
"""Last words of paths that count as others."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often an answer stands on the front and everywhere."""

    label: str
    """The answer."""
    front: int
    """Candidates on the front with it somewhere."""
    every: int
    """Candidates with it somewhere."""
    expected: float
    """Candidates on the front with it, had the front been drawn blindly."""
    ratio: float
    """The front's share over that of all; 1 is what chance gives."""
    low: float
    """Lower end of the ratio's 95 % interval."""
    high: float
    """Upper end."""
    probability: float
    """Of a number at least as far out by chance, corrected for the number of answers."""


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
    """Return how often each answer to a kind of decision stands on the front.

    Args:
        columns: The candidates.
        objectives: What the front is of.
        word: Last word of the decisions' paths: ``mixer``, ``kernel_size``.
        mask: Of which candidates; those not comparable are left out.

    Returns:
        How many are on the front, of how many, and the answers, the most over-represented first.
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
    """Correct the probabilities for their number, after Holm."""
    from dataclasses import replace

    found: list[Share] = []
    greatest = 0.0
    for place, each in enumerate(sorted(shares, key=lambda each: each.probability)):
        greatest = max(greatest, min(1.0, each.probability * (len(shares) - place)))
        found.append(replace(each, probability=greatest))
    return found
