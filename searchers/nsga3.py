"""NSGA-III: children of the best candidates so far, spread over directions of compromise."""

import math
import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIIISampler

from ..search_space.seeds import derive_seed
from .nsga2 import POPULATION, Nsga2Searcher
from .survival import WholePopulation


class Nsga3Survival(WholePopulation, NSGAIIISampler):
    """Survival by rank, in the last rank by niche: the least crowded direction first."""


class Nsga3Searcher(Nsga2Searcher):
    """Crosses and mutates the best 20 candidates so far (Deb and Jain, 2014).

    The searcher differs from ``nsga2`` in who survives of the last rank: instead of the candidates
    in the emptiest places, those nearest to reference directions, evenly spread from one
    objective to the others, that have the fewest candidates. There are as many directions as fit
    the population: 20 for two objectives, 15 for three, 20 for four.
    """

    name = "nsga3"

    def survival(self, finished: int) -> WholePopulation:
        """Return the sampler that selects the parents, after so many candidates."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return Nsga3Survival(
                population_size=POPULATION,
                dividing_parameter=divisions(len(self.objectives)),
                seed=derive_seed(self.seed, self.name, "survival", finished),
            )


def divisions(objectives: int) -> int:
    """Return into how many steps each objective is divided: as many as the population allows.

    Of M objectives in p steps there are (M + p - 1 over p) directions.
    """
    if objectives == 1:
        return 1
    fit = [p for p in range(1, POPULATION) if math.comb(objectives + p - 1, p) <= POPULATION]
    return max(fit, default=1)
