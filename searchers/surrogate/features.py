"""Features of candidates: an embedding of their decisions, and numbers such as costs.

Shape suffixes: N candidates, E columns of the decisions' embedding, F numbers.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...search_space.domains import Domain, Value
from .gaussian_process import Inputs

Floats = NDArray[np.float64]

_NUMBERED = re.compile(r"\d+")
_COST_LENGTH, _SHARE_LENGTH = 1.0, 1.5
"""Prior medians of the length scales, in standard deviations of the numbers."""


@dataclass(frozen=True, eq=False)
class Features:
    """The features of one candidate."""

    decisions_E: Floats
    """Embedding of the decisions; see ``Encoder``."""
    active: int
    """Number of decisions that apply."""
    costs: tuple[float, ...]
    """Logarithms of its known costs."""
    numbers: Floats
    """Shares of values and means of ordered values, NaN where a decision does not apply."""


class Encoder:
    """Encodes candidates by their decisions and known costs.

    A decision that does not apply to a candidate has zeros in the embedding. The agreement of two
    values of an unordered decision is 1 if they are equal, else 0. For an ordered decision it is 1
    minus the distance of their indices in the domain, divided by the number of values.

    Decisions of one kind in several stages (``stages.0.block.mixer`` and ``stages.1.block.mixer``)
    are also summarised: by the share of each value, and for numbers by the mean of the logarithms.
    Each ordered number of one stage (its width, its depth) is also a feature.
    """

    def __init__(self, domains: Mapping[str, Domain]) -> None:
        """Lay out the columns.

        Args:
            domains: Every decision of the space: path to domain.
        """
        self._rows: dict[str, dict[Value, Floats]] = {}
        self._starts: dict[str, int] = {}
        self.width = 0
        """Number of columns of the embedding."""
        self._domains = domains
        self._kinds: dict[str, str] = {}
        self._shares: dict[tuple[str, Value], int] = {}
        self._means: dict[str, int] = {}
        for path, domain in domains.items():
            if len(domain.values) > 1:
                self._add(path, domain)

    def _add(self, path: str, domain: Domain) -> None:
        embedded = embedding(domain)
        self._rows[path] = {_key(v): row for v, row in zip(domain.values, embedded, strict=True)}
        self._starts[path] = self.width
        self.width += len(embedded)
        kind = _NUMBERED.sub("*", path)
        self._kinds[path] = kind
        if _is_numbers(domain):
            for name in (path, kind):
                self._means.setdefault(name, len(self._means))
        else:
            for value in domain.values[1:]:  # the shares of all sum to 1
                self._shares.setdefault((kind, _key(value)), len(self._shares))

    def encode(self, decisions: Mapping[str, Value], costs: Sequence[float] = ()) -> Features:
        """Encode one candidate.

        Args:
            decisions: Path to value, those that apply.
            costs: Known costs, above 0.
        """
        vector = np.zeros(self.width)
        active = 0
        sums, counts = np.zeros(len(self._means)), np.zeros(len(self._means))
        shares, of_kind = np.zeros(len(self._shares)), dict[str, int]()
        for path, value in decisions.items():
            rows = self._rows.get(path)
            row = None if rows is None else rows.get(_key(value))
            if row is None:
                continue
            active += 1
            vector[self._starts[path] : self._starts[path] + len(row)] = row
            kind = self._kinds[path]
            if _is_numbers(self._domains[path]):
                places = [self._means[path], self._means[kind]]
                sums[places] += _logarithm(float(value))
                counts[places] += 1
            else:
                of_kind[kind] = of_kind.get(kind, 0) + 1
                place = self._shares.get((kind, _key(value)))
                if place is not None:
                    shares[place] += 1
        totals = np.array([of_kind.get(kind, 0) for kind, _ in self._shares], dtype=np.float64)
        with np.errstate(invalid="ignore"):  # 0 / 0 where nothing applies
            numbers = np.concatenate([sums / counts, shares / totals])
        return Features(
            decisions_E=vector,
            active=active,
            costs=tuple(_logarithm(each) for each in costs),
            numbers=numbers,
        )


@dataclass(frozen=True, eq=False)
class Scaler:
    """Turns features into the inputs of a kernel, standardised by a sample of the space."""

    cost_mean: Floats
    cost_sd: Floats
    number_mean: Floats
    number_sd: Floats
    kept: NDArray[np.bool_]
    """The numbers that vary."""

    @classmethod
    def of(cls, sample: Sequence[Features]) -> "Scaler":
        """Measure mean and deviation in a sample; numbers that do not vary are left out."""
        costs = np.array([each.costs for each in sample])
        numbers = np.ma.masked_invalid(np.stack([each.numbers for each in sample]))
        mean = np.ma.filled(numbers.mean(axis=0), 0.0)
        sd = np.ma.filled(numbers.std(axis=0), 0.0)
        spread = costs.std(axis=0)
        return cls(
            cost_mean=costs.mean(axis=0),
            cost_sd=np.where(spread > 0, spread, 1.0),
            number_mean=mean,
            number_sd=sd,
            kept=sd > 1e-9,
        )

    @property
    def lengths(self) -> tuple[float, ...]:
        """Prior medians of the groups' length scales."""
        of_numbers = (_SHARE_LENGTH,) if self.kept.any() else ()
        return (_COST_LENGTH,) * len(self.cost_mean) + of_numbers

    def inputs(self, features: Sequence[Features]) -> Inputs:
        """Return the inputs of the kernel: a group for each cost, and one for the numbers."""
        costs = (np.array([each.costs for each in features]) - self.cost_mean) / self.cost_sd
        groups = [costs[:, [place]] for place in range(costs.shape[1])]
        if self.kept.any():
            numbers = np.stack([each.numbers for each in features])[:, self.kept]
            standard = (numbers - self.number_mean[self.kept]) / self.number_sd[self.kept]
            groups.append(np.nan_to_num(standard))
        return Inputs(
            decisions_NE=np.stack([each.decisions_E for each in features]),
            active_N=np.array([each.active for each in features], dtype=np.float64),
            groups=tuple(groups),
        )


def embedding(domain: Domain) -> Floats:
    """Return a row for each value such that products of rows are agreements, (values, values).

    The agreements of an ordered domain, 1 - |i - j| / n, are positive definite; the rows are their
    symmetric square root.
    """
    count = len(domain.values)
    if not domain.ordered:
        return np.eye(count)
    places = np.arange(count)
    agreement = 1 - np.abs(places[:, None] - places[None]) / count
    values, vectors = np.linalg.eigh(agreement)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _is_numbers(domain: Domain) -> bool:
    return domain.ordered and all(float(each) >= 0 for each in domain.values)


def _logarithm(value: float) -> float:
    """Return log(1 + value): depths and costs can be 0."""
    return math.log1p(max(value, 0.0))


def _key(value: Value) -> Value:
    """Return a key that tells True from 1."""
    return f"bool {value}" if isinstance(value, bool) else value
