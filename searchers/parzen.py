"""Parzen estimators of decisions: mixtures of products of discrete distributions.

Shape suffixes: N candidates, K kernels (one for each candidate, and the prior last), V values of a
decision, D decisions, S samples. Codes are indices of values in their domain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..search_space.domains import Domain

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

_FINEST = 100
"""Share of the range of an ordered decision that the narrowest kernel covers, at the least."""


@dataclass(frozen=True, eq=False)
class Parzen:
    """The density of some decisions among candidates that have all of them.

    The kernels are those of Optuna's multivariate sampler for the indices of the values. So a
    kernel of an ordered decision is a normal distribution, cut off at the ends and rounded, and as
    wide as the distance to the neighbouring candidates.
    """

    weights_K: Floats
    """Weights of the kernels, which sum to 1."""
    kernels: tuple[Floats, ...]
    """For each decision, the probabilities of its values in each kernel, (K, V)."""

    @classmethod
    def of(cls, codes_ND: Codes, domains: Sequence[Domain], weights_N: Floats) -> "Parzen":
        """Estimate the density.

        Args:
            codes_ND: Decisions of the candidates, of which there may be none.
            domains: Domains of the decisions.
            weights_N: Weights of the candidates; that of the prior is 1.
        """
        weights = np.append(weights_N, 1.0)
        kernels = (
            (ordered_kernels if domain.ordered else unordered_kernels)(codes, len(domain.values))
            for codes, domain in zip(codes_ND.T, domains, strict=True)
        )
        return cls(weights_K=weights / weights.sum(), kernels=tuple(kernels))

    def sample(self, rng: np.random.Generator, count: int) -> Codes:
        """Sample decisions, (count, D)."""
        chosen_S = rng.choice(len(self.weights_K), size=count, p=self.weights_K)
        columns: list[Codes] = []
        for kernels_KV in self.kernels:
            levels_SV = np.cumsum(kernels_KV[chosen_S], axis=1)
            found = (levels_SV < rng.random(count)[:, None]).sum(axis=1)
            columns.append(np.minimum(found, kernels_KV.shape[1] - 1))
        return np.stack(columns, axis=1)

    def log_density(self, codes_SD: Codes) -> Floats:
        """Return the logarithm of the density at decisions, (S,)."""
        terms_SK = np.log(self.weights_K)[None].repeat(len(codes_SD), axis=0)
        with np.errstate(divide="ignore"):  # a narrow kernel may be 0 far away
            for codes, kernels_KV in zip(codes_SD.T, self.kernels, strict=True):
                terms_SK += np.log(kernels_KV.T)[codes]
        most_S1 = terms_SK.max(axis=1, keepdims=True)
        return np.log(np.exp(terms_SK - most_S1).sum(axis=1)) + most_S1[:, 0]


def unordered_kernels(codes_N: Codes, values: int) -> Floats:
    """Return the kernels of a decision without order, (K, V): the candidate's value is likelier.

    A value has the weight 1 / K, the candidate's own one 1 more; the prior is uniform.
    """
    count = len(codes_N) + 1
    kernels = np.full((count, values), 1 / count)
    kernels[np.arange(count - 1), codes_N] += 1
    return kernels / kernels.sum(axis=1, keepdims=True)


def ordered_kernels(codes_N: Codes, values: int) -> Floats:
    """Return the kernels of an ordered decision, (K, V): a normal distribution, in steps.

    Its deviation is the larger distance to the candidates before and after in the order of the
    codes, and at least the range / min(100, K + 1). The prior is centred and as wide as the range.
    """
    from scipy.special import ndtr  # type: ignore[import-untyped]

    centres_K = np.append(codes_N, (values - 1) / 2)
    deviations_K = np.append(_deviations(codes_N.astype(np.float64), values), values)
    edges = np.arange(values + 1) - 0.5
    below = ndtr((edges - centres_K[:, None]) / deviations_K[:, None])
    return np.diff(below, axis=1) / (below[:, -1:] - below[:, :1])


def _deviations(codes_N: Floats, values: int) -> Floats:
    order = np.argsort(codes_N, kind="stable")
    gaps = np.diff(codes_N[order], prepend=-0.5, append=values - 0.5)
    left, right = gaps[:-1].copy(), gaps[1:].copy()
    if len(codes_N) > 1:  # the ends of the range do not count beside other candidates
        left[0], right[-1] = right[0], left[-1]
    found = np.empty(len(codes_N))
    found[order] = np.maximum(left, right)
    return np.clip(found, values / min(_FINEST, len(codes_N) + 2), values)
