"""Pareto local search."""

import random

from ..results.candidate import Candidate
from ..search_space.walk.choosers import Chooser, RandomChooser
from .archive import Archive, FewChangesChooser
from .base import Objective, Searcher, Space

_STARTUP = 10
"""Random candidates before the search starts."""


class LocalSearcher(Searcher):
    """Tries neighbours of the front (Paquete et al., 2004; White et al., 2021 for one objective).

    A neighbour differs in one or two decisions, and in the decisions that follow from them. All
    members of the front are equally likely.
    """

    name = "local_search"

    def __init__(self, *, space: Space, objectives: tuple[Objective, ...], seed: int) -> None:
        super().__init__(space=space, objectives=objectives, seed=seed)
        self._archive = Archive(objectives)
        self._finished = 0

    def learn(self, candidate: Candidate) -> None:
        """Add the candidate to the front, if it belongs there."""
        self._archive.add(candidate)
        self._finished += 1

    def chooser(self, seed: int) -> Chooser:
        """Return the chooser that makes a neighbour."""
        if self._finished < _STARTUP or not self._archive.members:
            return RandomChooser(seed)
        rng = random.Random(seed)
        decisions = rng.choice(self._archive.members).decisions
        return FewChangesChooser(decisions, rng.getrandbits(32))
