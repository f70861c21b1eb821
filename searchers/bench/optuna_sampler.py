"""Optuna's samplers with default options, for comparison with the searchers."""

import warnings
from typing import Any

import optuna
from optuna.study import StudyDirection

from ...results.candidate import Candidate
from ...search_space.errors import InputError, unknown_name
from ...search_space.seeds import derive_seed
from ...search_space.walk.choosers import ReplayChooser
from ..archive import values_of
from ..base import Objective, Proposal
from ..distributions import distributions
from .table_space import TableSpace

PREFIX = "optuna:"
"""Prefix of the names of Optuna's samplers, as in ``optuna:TPESampler``."""


class OptunaSampler:
    """A sampler of Optuna with its default options, used through ``ask`` and ``tell`` of a study.

    Decisions are categorical and integer parameters. Networks proposed again are evaluated again,
    as in Optuna's studies.
    """

    def __init__(
        self, name: str, *, space: TableSpace, objectives: tuple[Objective, ...], seed: int
    ) -> None:
        """Make the sampler.

        Args:
            name: Name of the class in ``optuna.samplers``.
            space: The table; it must hold every combination of its decisions.
            objectives: Metrics to optimise.
            seed: Seed of the sampler.

        Raises:
            InputError: If there is no such sampler, or the table lacks combinations.
        """
        self._space = space
        self._distributions = distributions(space.decisions())
        total = 1
        for domain in space.decisions().values():
            total *= len(domain.values)
        if total != space.table.rows:
            raise InputError(
                f"for Optuna's samplers the table must hold all {total} combinations of its "
                f"decisions, but it has {space.table.rows} rows"
            )
        self._objectives = objectives
        with warnings.catch_warnings():  # experimental samplers warn of their status
            warnings.simplefilter("ignore")
            sampler = sampler_class(name)(seed=derive_seed("optuna", seed))
            self._study = optuna.create_study(
                directions=[StudyDirection[each.direction.upper()] for each in objectives],
                sampler=sampler,
            )
        self._trials: dict[int, optuna.Trial] = {}

    def ask(self, number: int, attempt: int = 0) -> Proposal:
        """Return the network of the next trial."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask(self._distributions)
        self._trials[number] = trial
        walk = self._space.walk(ReplayChooser(trial.params))
        return Proposal(architecture=walk.architecture, decisions=walk.decisions)

    def expect(self, pending: tuple[Candidate, ...]) -> None:
        """Do nothing: the study knows which trials are running."""

    def tell(self, candidate: Candidate) -> None:
        """Report the values of a trial; those of an infeasible candidate are reported unchanged."""
        values = [candidate.value(each.metric) for each in self._objectives]
        found = values_of(candidate, self._objectives) or [float(value or 0) for value in values]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study.tell(self._trials.pop(candidate.number), found)


def sampler_class(name: str) -> Any:
    """Return a class of ``optuna.samplers``.

    Raises:
        InputError: If no sampler has that name.
    """
    known = [
        each for each in optuna.samplers.__all__ if each.endswith("Sampler") and each[0] != "B"
    ]
    if name not in known:
        raise unknown_name("a sampler of Optuna", name, known)
    return getattr(optuna.samplers, name)
