"""The history of a search as an Optuna study, for Optuna's samplers."""

import math
from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import create_trial

from ..results.candidate import Candidate
from .base import Objective

_STUDY = "history"
_VIOLATIONS = {"complete": 2.0, "stopped": 0.5, "infeasible": 1.0, "failed": 2.0}
"""How much a candidate without values breaks a constraint, by its status."""


def values_of(candidate: Candidate, objectives: Sequence[Objective]) -> list[float] | None:
    """Return the values of the objectives, or None unless all are finite."""
    values = [candidate.value(each.metric) for each in objectives]
    found = [float(value) for value in values if value is not None and math.isfinite(value)]
    return found if candidate.status == "complete" and len(found) == len(values) else None


class OptunaHistory:
    """Finished candidates as the trials of an Optuna study in memory.

    An infeasible candidate is a trial that breaks a constraint, a failed one breaks it by more, one
    that was stopped early by less, so Optuna's samplers rank all three behind the others.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = objectives
        self._storage = InMemoryStorage()
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # Optuna would log the new study
        self._storage.create_new_study(
            [StudyDirection[each.direction.upper()] for each in objectives], _STUDY
        )
        optuna.logging.set_verbosity(before)

    def study(self) -> optuna.Study:
        """Return the current study, which is valid until the next ``add``."""
        # A study object caches the trials that it has read, so each reader gets a new one.
        return optuna.load_study(study_name=_STUDY, storage=self._storage)

    def add(
        self,
        candidate: Candidate,
        params: dict[str, int] | None = None,
        distributions: dict[str, BaseDistribution] | None = None,
    ) -> None:
        """Add a finished candidate, with the sampler's form of its decisions."""
        values = values_of(candidate, self._objectives)
        violation = _VIOLATIONS[candidate.status]
        self.study().add_trial(
            create_trial(
                values=values or [0.0] * len(self._objectives),
                params=params,
                distributions=distributions,
                constraints={"feasible": violation if values is None else 0.0},
            )
        )
