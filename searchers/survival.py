"""Survival of the best candidates, by the selection of Optuna's genetic samplers."""

from collections.abc import Sequence
from functools import cache

import optuna
from optuna.samplers import BaseGASampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial

from ..results.candidate import Candidate
from .archive import VIOLATIONS, losses_of, values_of
from .base import Objective
from .quiet_optuna import quiet_optuna


class WholePopulation(BaseGASampler):
    """A sampler of Optuna whose population is given, not read from the trials of a study."""

    population: Sequence[FrozenTrial] = ()
    """The population."""

    def get_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """Return the population."""
        return list(self.population)


def survivors(
    candidates: Sequence[Candidate], objectives: Sequence[Objective], sampler: WholePopulation
) -> list[Candidate]:
    """Return the candidates that the sampler selects, as many as its population has.

    Candidates rank in the order complete, stopped, infeasible, failed. Values are given to the
    sampler as losses, since NSGA-III of Optuna 5 takes them as such, whatever the directions.
    """
    trials = [_trial(each, objectives) for each in candidates]
    for number, trial in enumerate(trials):
        trial.number = number
    sampler.population = trials
    chosen = sampler.select_parent(_study(len(objectives)), generation=1)
    return [candidates[trial.number] for trial in chosen]


def _trial(candidate: Candidate, objectives: Sequence[Objective]) -> FrozenTrial:
    if values_of(candidate, objectives) is not None:
        return create_trial(values=losses_of(candidate, objectives).tolist())
    violated = {"feasible": VIOLATIONS[candidate.status]}
    return create_trial(values=[0.0] * len(objectives), constraints=violated)


@cache
def _study(objectives: int) -> optuna.Study:
    """Return an empty study that minimises so many objectives."""
    with quiet_optuna():
        return optuna.create_study(directions=[StudyDirection.MINIMIZE] * objectives)
