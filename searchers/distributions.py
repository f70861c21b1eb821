"""Decisions as Optuna's distributions, for storage and Optuna's tools."""

from collections.abc import Mapping
from itertools import pairwise

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from ..search_space.domains import Domain


def distributions(domains: Mapping[str, Domain]) -> dict[str, BaseDistribution]:
    """Return the distribution of each decision's value.

    Args:
        domains: Domains by path, as from ``SearchSpace.decisions``.
    """
    return {path: distribution(domain) for path, domain in domains.items()}


def distribution(domain: Domain) -> BaseDistribution:
    """Return an integer range for evenly spaced integers, else a categorical distribution."""
    values = domain.values
    integers = [value for value in values if isinstance(value, int)]
    if domain.ordered and len(integers) == len(values):
        steps = {high - low for low, high in pairwise(integers)}
        if len(steps) == 1:
            return IntDistribution(integers[0], integers[-1], step=steps.pop())
    return CategoricalDistribution(values)
