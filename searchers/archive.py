"""The candidates that evolutionary searchers vary: their losses and the front among them."""

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..results.analysis.front import front_mask
from ..results.candidate import Candidate
from ..search_space.domains import Domain, Value
from ..search_space.walk.choosers import Decisions, MutationChooser
from .base import Objective

Floats = NDArray[np.float64]


VIOLATIONS = {"complete": 2.0, "stopped": 0.5, "infeasible": 1.0, "failed": 2.0}
"""How much a candidate without values breaks a constraint, by its status: those that break less
rank first. A complete one has values that are no numbers."""


def values_of(candidate: Candidate, objectives: Sequence[Objective]) -> list[float] | None:
    """Return the values of the objectives, or None unless all are finite."""
    values = [candidate.value(each.metric) for each in objectives]
    found = [float(value) for value in values if value is not None and math.isfinite(value)]
    return found if candidate.status == "complete" and len(found) == len(values) else None


def losses_of(candidate: Candidate, objectives: Sequence[Objective]) -> Floats:
    """Return the losses of a candidate, (objectives,); infinite unless it is complete."""
    values = values_of(candidate, objectives)
    if values is None:
        return np.full(len(objectives), np.inf)
    return np.array(values) * np.array([each.sign for each in objectives])


def ranks(losses_NM: Floats) -> NDArray[np.int64]:
    """Return the number of the front that each row lies on, (N,): 0 for the first."""
    found = np.zeros(len(losses_NM), dtype=np.int64)
    left, rank = np.arange(len(losses_NM)), 0
    while len(left):
        mask = front_mask(losses_NM[left])
        found[left[mask]] = rank
        left, rank = left[~mask], rank + 1
    return found


class FewChangesChooser:
    """Repeats stored decisions except one or two random ones; new decisions are random."""

    def __init__(self, decisions: Decisions, seed: int) -> None:
        rng = random.Random(seed)
        count = min(rng.randint(1, 2), len(decisions))
        self._changed = set(rng.sample(sorted(decisions), count))
        self._replay = MutationChooser(decisions, rng.getrandbits(32), rate=0.0)
        self._change = MutationChooser(decisions, rng.getrandbits(32), rate=1.0)

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the stored value, or another one if this decision is to change."""
        chooser = self._change if path in self._changed else self._replay
        return chooser.choose(path, domain, allowed)


class Archive:
    """The front of the added candidates; of equal candidates only the first is kept."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = objectives
        self._losses_NM = np.empty((0, len(objectives)))
        self.members: list[Candidate] = []
        """The front, in the order of addition."""

    def add(self, candidate: Candidate) -> None:
        """Add a candidate, and drop the members that it dominates."""
        losses_M = losses_of(candidate, self._objectives)
        if not np.isfinite(losses_M).all():
            return
        if (self._losses_NM <= losses_M).all(axis=1).any():
            return
        kept = ~(losses_M <= self._losses_NM).all(axis=1)
        self.members = [self.members[place] for place in np.flatnonzero(kept)]
        self.members.append(candidate)
        self._losses_NM = np.vstack([self._losses_NM[kept], losses_M])
