"""How a front changes from one runtime to the next: who stays on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...evaluators.runtime_table import is_latency
from .columns import Columns
from .rank_agreement import Estimate, spearman

_FEWEST = 3
"""Fewest candidates of a rank correlation."""


@dataclass(frozen=True, kw_only=True)
class Fragility:
    """The fronts of the same candidates by each latency that is recorded."""

    objectives: tuple[str, ...]
    """The other objectives, which are the same in every front."""
    candidates: int
    """Number of candidates that have all the latencies and the other objectives."""
    fronts: Mapping[str, tuple[int, ...]]
    """Numbers of the candidates on the front, by name of the latency."""
    ranks: Mapping[str, Estimate | None]
    """Rank correlation of each latency with the first one; None: too few candidates."""

    @property
    def first(self) -> str:
        """The latency that the others are compared with."""
        return next(iter(self.fronts))

    @property
    def always(self) -> tuple[int, ...]:
        """Numbers of the candidates that are on every front."""
        found = set.intersection(*(set(each) for each in self.fronts.values()))
        return tuple(sorted(found))

    @property
    def ever(self) -> tuple[int, ...]:
        """Numbers of the candidates that are on one of the fronts."""
        return tuple(sorted(set[int]().union(*self.fronts.values())))

    def stay(self, name: str) -> float:
        """Return the share of the first front that is on the front of another latency."""
        first = set(self.fronts[self.first])
        return len(first & set(self.fronts[name])) / len(first)


def latencies(known: Iterable[str], objectives: Sequence[str]) -> tuple[str, ...]:
    """Return the latencies among metrics, those that are objectives first."""
    found = filter(is_latency, dict.fromkeys(known))
    return tuple(sorted(found, key=lambda name: (name not in objectives, name != "latency", name)))


def fragility(columns: Columns, objectives: Sequence[str]) -> Fragility | None:
    """Return the fronts by each latency; None if fewer than two latencies are recorded.

    Each front has the objectives that are no latency, and one latency. Only candidates with all
    latencies count, so that the fronts are of the same candidates.

    Args:
        columns: Columns of a study.
        objectives: Its objectives.
    """
    names = latencies(columns.metrics, objectives)
    others = tuple(name for name in objectives if not is_latency(name))
    mask = columns.comparable((*others, *names))
    fronts = {
        name: tuple(columns.number_N[columns.front((*others, name), mask)].tolist())
        for name in names
    }
    if len(fronts) < 2 or not all(fronts.values()):
        return None
    first, count = columns.value(names[0])[mask], int(mask.sum())
    ranks = {
        name: spearman(first, columns.value(name)[mask], seed=0) if count >= _FEWEST else None
        for name in names
    }
    return Fragility(objectives=others, candidates=count, fronts=fronts, ranks=ranks)
