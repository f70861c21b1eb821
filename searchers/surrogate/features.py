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


@dataclass(frozen=True, eq=False, slots=True)
class _Value:
    """What one value of one decision adds to the features."""

    columns: slice
    row: Floats
    logarithm: float
    means: tuple[int, ...]
    """Places of its means; none for a value that is no number."""
    kind: int | None
    """Place of the kind of its decision; None for a number."""
    share: int | None
    """Place of its share; None for a number and for the first value of a domain."""


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
        self._values: dict[str, dict[Value, _Value]] = {}
        self.width = 0
        """Number of columns of the embedding."""
        self._means = 0
        self._kinds_of_shares: list[int] = []
        self._lay_out({path: each for path, each in domains.items() if len(each.values) > 1})

    def _lay_out(self, domains: Mapping[str, Domain]) -> None:
        means, kinds = dict[str, int](), dict[str, int]()
        shares = dict[tuple[str, Value], int]()
        for path, domain in domains.items():
            kind = _NUMBERED.sub("*", path)
            numbers = _is_numbers(domain)
            if numbers:
                for name in (path, kind):
                    means.setdefault(name, len(means))
            else:
                kinds.setdefault(kind, len(kinds))
                for value in domain.values[1:]:  # the shares of all sum to 1
                    shares.setdefault((kind, _key(value)), len(shares))
            rows = embedding(domain)
            columns = slice(self.width, self.width + len(rows))
            self.width += len(rows)
            self._values[path] = {
                _key(value): _Value(
                    columns=columns,
                    row=row,
                    logarithm=_logarithm(float(value)) if numbers else 0.0,
                    means=(means[path], means[kind]) if numbers else (),
                    kind=kinds.get(kind),
                    share=shares.get((kind, _key(value))),
                )
                for value, row in zip(domain.values, rows, strict=True)
            }
        self._means = len(means)
        self._kinds_of_shares = [kinds[kind] for kind, _ in shares]
        self._kinds = len(kinds)

    def encode(self, decisions: Mapping[str, Value], costs: Sequence[float] = ()) -> Features:
        """Encode one candidate.

        Args:
            decisions: Path to value, those that apply.
            costs: Known costs, above 0.
        """
        vector = np.zeros(self.width)
        active = 0
        sums, counts = [0.0] * self._means, [0] * self._means
        shares, of_kind = [0] * len(self._kinds_of_shares), [0] * self._kinds
        for path, value in decisions.items():
            values = self._values.get(path)
            found = None if values is None else values.get(_key(value))
            if found is None:
                continue
            active += 1
            vector[found.columns] = found.row
            for place in found.means:
                sums[place] += found.logarithm
                counts[place] += 1
            if found.kind is not None:
                of_kind[found.kind] += 1
            if found.share is not None:
                shares[found.share] += 1
        totals = [of_kind[kind] for kind in self._kinds_of_shares]
        with np.errstate(invalid="ignore"):  # 0 / 0 where nothing applies
            numbers = np.array(sums + shares, dtype=np.float64) / np.array(counts + totals)
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
