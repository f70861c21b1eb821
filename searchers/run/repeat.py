"""Repeated trainings of the front with other seeds (``nas refine --seeds``)."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ...evaluators.base import Measurement
from ...evaluators.units import read_constraint
from ...results.analysis.front import pareto_front
from ...results.analysis.means import mean_of, spread_of
from ...results.candidate import Candidate
from ...results.study.run_time import summed
from ...results.study.study import Study
from ...search_space.seeds import derive_seed
from ..engines.base import Job, Outcome
from .ledger import Ledger
from .search import recorded_time
from .study_plan import Listener, Training
from .worker import broken

_log = logging.getLogger(__name__)
_REPEAT = "repeat"
"""Key of the provenance of a repeated training: its number, from 1."""


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """The result of repeated trainings."""

    trainings: int
    """Number of trainings that succeeded."""
    candidates: tuple[int, ...]
    """Numbers of the candidates that were trained again."""
    failed: Mapping[int, str]
    """Reasons by number for candidates with a failed training."""


class Repetition:
    """The source of the trainings that give each candidate of the front several seeds.

    A mean may take a candidate off the front and bring another one onto it, which is then trained
    too: at the end no candidate of the front rests on one training. The front is computed again
    when no training is under way, so the order in which trainings finish changes nothing.
    """

    def __init__(
        self,
        study: Study,
        metrics: Sequence[str],
        seeds: int,
        ledger: Ledger,
        listener: Listener,
        numbers: Collection[int] | None = None,
    ) -> None:
        """Set the study and the number of trainings.

        Args:
            study: The study, inside ``exclusive`` only.
            metrics: The trained metrics.
            seeds: Number of trainings of each candidate of the front, with that of the search.
            ledger: Ledger of the time.
            listener: Called after each training has been stored.
            numbers: The candidates to train again; None: those of the front.
        """
        self._study = study
        self._numbers = numbers
        self._metrics = metrics
        self._seeds = seeds
        self._ledger = ledger
        self._listener = listener
        self._bounds = tuple(map(read_constraint, study.settings.constraints))
        self._now = {each.number: each for each in study.candidates()}
        self._waiting: list[tuple[int, int]] = []
        self._under_way: dict[int, tuple[int, int]] = {}
        self._given = 0
        self.trained: list[int] = []
        """Numbers of the candidates of the trainings that succeeded."""
        self.failed: dict[int, str] = {}
        """Reasons by number for candidates with a failed training."""

    @property
    def done(self) -> bool:
        """Whether no further training will follow."""
        if self._waiting or self._under_way:
            return False
        self._waiting = self._missing()
        return not self._waiting

    def next_job(self) -> Job | None:
        """Return the next training; None while the present front is incomplete."""
        if self.done or not self._waiting:
            return None
        number, repeat = self._waiting.pop(0)
        key, self._given = self._given, self._given + 1
        self._under_way[key] = (number, repeat)
        self._ledger.given(key)
        return Job(
            number=key,
            architecture=self._now[number].architecture.to_json(),
            seed=derive_seed(self._study.settings.seed, f"training {repeat}"),
        )

    def take(self, outcome: Outcome) -> None:
        """Store a training and the mean that it changes."""
        number, repeat = self._under_way.pop(outcome.number)
        spent = self._ledger.returned(outcome.number, outcome.seconds)
        candidate = self._now[number]
        candidate = replace(candidate, seconds=summed((candidate.seconds, spent)))
        if outcome.status != "complete":
            reason = outcome.reason or "no reason given"
            had = self.failed.get(number)  # of a training that was under way at the same time
            self.failed[number] = reason if had in (None, reason) else f"{had}; {reason}"
            _log.warning("candidate %d, training %d: %s", number, repeat + 1, outcome.reason)
        else:
            changed = _with_training(candidate, outcome.measurements, repeat)
            self._now[number] = changed
            self._store(changed)
            self.trained.append(number)
        self._listener(self._now[number], outcome.reason)

    def settle(self) -> None:
        """Give all means the interval of the spread of all trainings."""
        for number, candidate in self._now.items():
            if not candidate.singles:
                continue
            if self._with_means(candidate).measurements != candidate.measurements:
                self._store(self._now[number])

    def _missing(self) -> list[tuple[int, int]]:
        """Return the trainings that the candidates lack, without the failed ones."""
        if self._numbers is None:
            front = pareto_front(list(self._now.values()), self._study.settings.objectives)
        else:
            front = [each for number, each in self._now.items() if number in self._numbers]
        return [
            (each.number, repeat)
            for repeat in range(1, self._seeds)
            for each in front
            if not each.inherits
            and each.number not in self.failed
            and repeat not in self._had(each)
        ]

    def _had(self, candidate: Candidate) -> set[int]:
        """Return the repetitions that a candidate has of every trained metric."""
        return set.intersection(
            *(
                {each.provenance.get(_REPEAT, 0) for each in candidate.singles.get(name, ())}
                for name in self._metrics
            )
        )

    def _store(self, candidate: Candidate) -> None:
        changed = self._with_means(candidate)
        with self._ledger.clock.doing("storing"):
            self._study.revise(changed, self._ledger.read())
        self._now[candidate.number] = changed

    def _with_means(self, candidate: Candidate) -> Candidate:
        """Return the candidate with its means, and the status that they give it."""
        means = {
            name: mean_of(singles, spread_of(self._now.values(), name))
            for name, singles in candidate.singles.items()
        }
        measurements = {**candidate.measurements, **means}
        reason = broken(self._bounds, list(measurements.values()))
        return replace(
            candidate,
            measurements=measurements,
            status="infeasible" if reason else "complete",
            reason=reason,
        )


def _with_training(candidate: Candidate, measured: Sequence[Measurement], repeat: int) -> Candidate:
    """Return the candidate with one more single measurement of each metric."""
    singles = dict(candidate.singles)
    for each in measured:
        first = candidate.measurements.get(each.metric)
        before = singles.get(each.metric, () if first is None else (first,))
        marked = replace(each, provenance={**each.provenance, _REPEAT: repeat})
        singles[each.metric] = (*before, marked)
    return replace(candidate, singles=singles)


def repeat_front(
    study: Study,
    training: Training,
    seeds: int,
    ledger: Ledger,
    listener: Listener,
    numbers: Collection[int] | None = None,
) -> Repeated:
    """Train the candidates of the front again until each has ``seeds`` trainings.

    The record keeps each single measurement, and the candidate's measurement becomes the mean. A
    study in which each candidate of the front has enough trainings is not changed.

    Args:
        study: The study.
        training: How its candidates are trained.
        seeds: Trainings of each candidate, at least 2.
        ledger: Ledger of the time of this run.
        listener: Called after each training has been stored.
        numbers: The candidates to train again; None: those of the front.

    Raises:
        InputError: If another process searches the study.
    """
    with study.exclusive():
        source = Repetition(study, training.metrics, seeds, ledger, listener, numbers)
        return run_repetition(study, source, training, ledger)


def run_repetition(
    study: Study, source: Repetition, training: Training, ledger: Ledger
) -> Repeated:
    """Run all jobs of a repetition; inside ``study.exclusive`` only."""
    with recorded_time(study, ledger, training.engine):
        try:
            training.engine.run(source, training.plan)
        finally:
            source.settle()
    return Repeated(
        trainings=len(source.trained),
        candidates=tuple(dict.fromkeys(source.trained)),
        failed=source.failed,
    )
