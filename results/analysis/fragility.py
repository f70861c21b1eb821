"""How a front changes from one runtime to the next: who stays on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...evaluators.metrics import LATENCY
from ...evaluators.runtime_table import is_latency
from ..candidate import Candidate
from .front import comparable, pareto_front
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


def latencies(candidates: Sequence[Candidate], objectives: Sequence[str]) -> tuple[str, ...]:
    """Return the latencies of candidates, those that are objectives first."""
    known = dict.fromkeys(
        name for each in candidates for name in each.measurements if is_latency(name)
    )
    order = sorted(known, key=lambda name: (name not in objectives, name != LATENCY.name, name))
    return tuple(order)


def fragility(candidates: Sequence[Candidate], objectives: Sequence[str]) -> Fragility | None:
    """Return the fronts by each latency; None if fewer than two latencies are recorded.

    Each front has the objectives that are no latency, and one latency. Only candidates with all
    latencies count, so that the fronts are of the same candidates.

    Args:
        candidates: Candidates of a study.
        objectives: Its objectives.
    """
    names = latencies(candidates, objectives)
    others = tuple(name for name in objectives if not is_latency(name))
    alike = comparable(candidates, (*others, *names))
    if len(names) < 2 or not alike:
        return None
    fronts = {
        name: tuple(sorted(each.number for each in pareto_front(alike, (*others, name))))
        for name in names
    }
    values = {name: [each.measurements[name].value for each in alike] for name in names}
    ranks = {name: _rank(values[names[0]], values[name]) for name in names}
    return Fragility(objectives=others, candidates=len(alike), fronts=fronts, ranks=ranks)


def _rank(one: Sequence[float], other: Sequence[float]) -> Estimate | None:
    import numpy as np

    return spearman(np.array(one), np.array(other), seed=0) if len(one) >= _FEWEST else None
