"""Parzen estimators of decisions have the densities of Optuna's."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from nas_explorer.search_space.domains import Choice, Domain
from nas_explorer.searchers.parzen import Codes, Parzen, ordered_kernels, unordered_kernels
from nas_explorer.searchers.tpe import age_weights
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import (
    _ParzenEstimator,  # pyright: ignore[reportPrivateUsage]
    _ParzenEstimatorParameters,  # pyright: ignore[reportPrivateUsage]
)
from optuna.samplers._tpe.sampler import default_weights

LONG = Choice(list(range(80)))
DOMAINS: tuple[Domain, ...] = (Choice(["a", "b", "c"]), Choice([3, 5, 7, 15]), Choice([8, 64]))


def optunas(codes_ND: Codes, domains: Sequence[Domain]) -> _ParzenEstimator:
    """Return Optuna's estimator of the same decisions."""
    space: dict[str, BaseDistribution] = {
        str(place): IntDistribution(0, len(each.values) - 1)
        if each.ordered
        else CategoricalDistribution(range(len(each.values)))
        for place, each in enumerate(domains)
    }
    parameters = _ParzenEstimatorParameters(
        prior_weight=1.0,
        consider_magic_clip=True,
        consider_endpoints=False,
        weights=default_weights,
        multivariate=True,
    )
    return _ParzenEstimator({str(d): c for d, c in enumerate(codes_ND.T)}, space, parameters)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 60])
def test_densities_are_those_of_optuna(count: int) -> None:
    """The codes of the ordered decision differ, since Optuna orders equal ones arbitrarily."""
    rng = np.random.default_rng(count)
    domains = (DOMAINS[0], LONG)
    codes_ND = np.stack([rng.integers(0, 3, count), rng.permutation(80)[:count]], axis=1)
    every = np.array(list(product(range(3), range(80))))
    found = Parzen.of(codes_ND, domains, age_weights(count)).log_density(every)
    expected = optunas(codes_ND, domains).log_pdf({str(d): c for d, c in enumerate(every.T)})
    assert np.exp(found).sum() == pytest.approx(1.0)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_density_of_one_decision_is_that_of_optuna(domain: Domain) -> None:
    """With as few values as decisions have, so that most candidates are equal."""
    codes_ND = np.random.default_rng(0).integers(0, len(domain.values), (20, 1))
    every = np.arange(len(domain.values))
    found = Parzen.of(codes_ND, (domain,), np.ones(20)).log_density(every[:, None])
    assert found == pytest.approx(optunas(codes_ND, (domain,)).log_pdf({"0": every}), abs=1e-9)


def test_samples_have_the_density() -> None:
    codes_ND = np.array([[0, 3, 1], [0, 2, 1], [1, 0, 0]])
    parzen = Parzen.of(codes_ND, DOMAINS, np.ones(3))
    drawn = parzen.sample(np.random.default_rng(0), 20_000)
    every, counts = np.unique(drawn, axis=0, return_counts=True)
    shares = counts / counts.sum()
    assert np.abs(shares - np.exp(parzen.log_density(every))).max() < 0.01


def test_kernels_by_hand() -> None:
    """Of one candidate and the prior: 1 1/2 to 1/2 to 1/2 at its value 0, and even."""
    assert unordered_kernels(np.array([0]), 3) == pytest.approx(
        np.array([[3 / 5, 1 / 5, 1 / 5], [1 / 3, 1 / 3, 1 / 3]])
    )
    kernels = ordered_kernels(np.array([1, 1, 1]), 3)
    assert kernels[0] == pytest.approx(kernels[0, ::-1])
    assert kernels[0, 1] > kernels[3, 1] > kernels[3, 0]
