"""Regularised evolution, ranked by Pareto fronts."""

import random
from collections import deque

import numpy as np

from ..results.candidate import Candidate
from ..search_space.walk.choosers import Chooser, RandomChooser
from .archive import FewChangesChooser, losses_of, ranks
from .base import Objective, Searcher, Space

_POPULATION = 24
"""Number of the latest candidates among which parents are chosen."""
_TOURNAMENT = 6
"""Candidates drawn for each parent."""


class EvolutionSearcher(Searcher):
    """Mutates the best of a few of the latest candidates (Real et al., 2019).

    A candidate leaves the population by age, not by rank. The winner of a tournament lies on the
    first front of those drawn; one or two decisions of it are changed.
    """

    name = "evolution"

    def __init__(self, *, space: Space, objectives: tuple[Objective, ...], seed: int) -> None:
        super().__init__(space=space, objectives=objectives, seed=seed)
        self._population: deque[Candidate] = deque(maxlen=_POPULATION)

    def learn(self, candidate: Candidate) -> None:
        """Add the candidate to the population; the oldest leaves it."""
        self._population.append(candidate)

    def chooser(self, seed: int) -> Chooser:
        """Return the chooser that makes a child."""
        if len(self._population) < _POPULATION:
            return RandomChooser(seed)
        rng = random.Random(seed)
        drawn = rng.sample(list(self._population), _TOURNAMENT)
        ranked = ranks(np.stack([losses_of(each, self.objectives) for each in drawn]))
        best = [each for each, rank in zip(drawn, ranked, strict=True) if rank == 0]
        decisions = rng.choice(best).decisions
        return FewChangesChooser(decisions, rng.getrandbits(32))
