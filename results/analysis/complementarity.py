"""What pairs of trained networks are right about together: oracle and ensemble.

Suffixes: N images, K classes, D bootstrap draws.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rank_agreement import Estimate

Numbers = NDArray[np.float64]
_DRAWS = 1000
_ENDS = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two networks on the same images."""

    numbers: tuple[int, int]
    """Numbers of the candidates, that of the better one first."""
    accuracies: tuple[float, float]
    """Their accuracies."""
    agreement: float
    """Share of images that both give the same class."""
    oracle: Estimate
    """Share of images that at least one is right about, minus the better accuracy; its interval is
    over resampled images."""
    ensemble: Estimate
    """Accuracy of the mean of both probabilities, minus the better accuracy."""

    def to_json(self) -> dict[str, Any]:
        """Return the pair as JSON values."""
        return {
            "candidates": list(self.numbers),
            "accuracies": list(self.accuracies),
            "agreement": self.agreement,
            "oracle": self.oracle.to_json(),
            "ensemble": self.ensemble.to_json(),
        }


def points(gain: Estimate) -> str:
    """Return a difference of shares in points of percent, with its interval."""
    value, low, high = (100 * each for each in (gain.value, gain.low, gain.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def pairs(
    probabilities: Mapping[int, Numbers], labels_N: NDArray[np.int64], *, seed: int = 0
) -> list[Pair]:
    """Return all pairs, the largest gain of the ensemble first.

    Backbones of unlike families are right about different images, and the best of them for each
    image is better than the best for all (Rodriguez-Opazo et al., Unveiling Backbone Effects in
    CLIP, 2023, arXiv:2312.14400). The oracle is that upper bound for two; the ensemble is what a
    plain mean reaches of it.

    Args:
        probabilities: Probabilities of the classes, (N, K), by number of the candidate.
        labels_N: The classes of the images.
        seed: Seed of the resampling, which is the same for all pairs.
    """
    generator = np.random.default_rng(seed)
    count = len(labels_N)
    weights_DN = generator.multinomial(count, np.full(count, 1 / count), size=_DRAWS) / count
    chosen = {number: each.argmax(1) for number, each in probabilities.items()}
    right = {number: each == labels_N for number, each in chosen.items()}

    def gain(better_N: NDArray[np.bool_], than_N: NDArray[np.bool_]) -> Estimate:
        away_N = better_N.astype(np.float64) - than_N
        low, high = np.percentile(weights_DN @ away_N, _ENDS)
        return Estimate(value=float(away_N.mean()), low=float(low), high=float(high))

    found: list[Pair] = []
    for pair in combinations(probabilities, 2):
        one, other = sorted(pair, key=lambda each: (-right[each].mean(), each))
        together_N = (probabilities[one] + probabilities[other]).argmax(1) == labels_N
        found.append(
            Pair(
                numbers=(one, other),
                accuracies=(float(right[one].mean()), float(right[other].mean())),
                agreement=float((chosen[one] == chosen[other]).mean()),
                oracle=gain(right[one] | right[other], right[one]),
                ensemble=gain(together_N, right[one]),
            )
        )
    return sorted(found, key=lambda each: -each.ensemble.value)
