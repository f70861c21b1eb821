"""NSGA-II: children of the best candidates so far."""

import random

from optuna.samplers import NSGAIISampler

from ..results.candidate import Candidate
from ..search_space.walk.choosers import Chooser, CrossoverChooser, MutationChooser, RandomChooser
from .base import Objective, Searcher, Space
from .survival import WholePopulation, survivors

POPULATION = 20
"""Number of parents, and of initial random candidates: a fifth of the usual budget of 100."""
_CROSSOVER = 0.9
"""Share of the children that have two parents."""


class Nsga2Survival(WholePopulation, NSGAIISampler):
    """Survival by rank, in the last rank by crowding distance.

    Candidates keep their order within a rank, except in the last one.
    """


class Nsga2Searcher(Searcher):
    """Crosses and mutates the best 20 candidates so far (Deb et al., 2002).

    Survival by rank and crowding distance is Optuna's. It runs after every candidate instead of
    once per generation (steady state, Durillo et al., 2009), which wastes less of a small budget.
    Choosers on the space's walk make the children: every decision comes from a parent that has it,
    and one decision per child is mutated on average. (In Optuna's own NSGA-II, children inherit
    only decisions common to all candidates.)
    """

    name = "nsga2"

    def __init__(self, *, space: Space, objectives: tuple[Objective, ...], seed: int) -> None:
        super().__init__(space=space, objectives=objectives, seed=seed)
        self._parents: list[Candidate] = []
        self._finished = 0

    def learn(self, candidate: Candidate) -> None:
        """Add the candidate to the population, which may drop a worse one."""
        pool = [candidate, *self._parents]
        self._finished += 1
        self._parents = survivors(pool, self.objectives, self.survival(self._finished))

    def survival(self, finished: int) -> WholePopulation:
        """Return the sampler that selects the parents, after so many candidates."""
        return Nsga2Survival(population_size=POPULATION)

    def chooser(self, seed: int) -> Chooser:
        """Return the chooser that makes a child."""
        if self._finished < POPULATION:
            return RandomChooser(seed)
        rng = random.Random(seed)
        first, second = self._parent(rng), self._parent(rng)
        decisions = first.decisions
        if rng.random() < _CROSSOVER:
            both = CrossoverChooser(first.decisions, second.decisions, rng.getrandbits(32))
            decisions = self.space.walk(both).decisions
        return MutationChooser(decisions, rng.getrandbits(32), rate=1 / max(1, len(decisions)))

    def _parent(self, rng: random.Random) -> Candidate:
        """Return the better of two random parents; parents are sorted by rank."""
        count = len(self._parents)
        return self._parents[min(rng.randrange(count), rng.randrange(count))]
