"""The job that trains and measures a candidate made from another one."""

from dataclasses import replace

from ...evaluators.base import CandidateError, Measurement, Setup, evaluators_for
from ...evaluators.measurement_context import candidate_faults
from ...evaluators.units import read_constraint
from ...results.candidate import Candidate, Status
from ...results.study.study import Study
from ...search_space.seeds import derive_seed
from ..engines.base import Job, Outcome
from .ledger import Ledger
from .worker import Plan, broken


class DerivedJob:
    """The source of one job, for an engine; inside ``study.exclusive`` only."""

    def __init__(
        self, study: Study, candidate: Candidate, plan: Plan, seed: int, ledger: Ledger
    ) -> None:
        """Set the candidate.

        Args:
            study: The study.
            candidate: The candidate, which is running.
            plan: Plan of the measurements.
            seed: Seed of the training; 0: that of the study.
            ledger: Ledger of the time.
        """
        self._study = study
        self._plan = plan
        self._seed = seed
        self._ledger = ledger
        self._bounds = tuple(map(read_constraint, study.settings.constraints))
        self._given = False
        self.candidate = candidate
        """The candidate, as it is now."""

    @property
    def done(self) -> bool:
        """Whether the job was given or the candidate has finished without it."""
        return self._given

    def next_job(self) -> Job | None:
        """Return the job after the exact costs; None if the candidate ends there."""
        if self._given:
            return None
        self._given = True
        number = self.candidate.number
        outcome, exact = self._costs()
        self.candidate = replace(self.candidate, measurements={e.metric: e for e in exact})
        if outcome is not None:
            self._finish(outcome)
            return None
        self._ledger.given(number)
        seed = derive_seed(self._plan.seed, f"compression {self._seed}") if self._seed else None
        return Job(number=number, architecture=self.candidate.architecture.to_json(), seed=seed)

    def _costs(self) -> tuple[Outcome | None, list[Measurement]]:
        """Return the exact costs, and the outcome if the candidate ends with them."""
        number, had = self.candidate.number, list[Measurement]()
        try:
            with self._ledger.clock.doing("costing"), candidate_faults():
                settings = self._study.settings
                wanted = (*settings.objectives, *(each.metric for each in self._bounds))
                for each in evaluators_for(wanted):
                    if each.tier == "exact":
                        known = self._plan.settings.get(each.name, {})
                        evaluator = each.load().make(Setup(settings=known))
                        had.extend(evaluator.measure(self.candidate.architecture))
        except CandidateError as error:
            return Outcome(number=number, status="failed", reason=str(error)), had
        reason = broken(self._bounds, had)
        if reason:
            return Outcome(number=number, status="infeasible", reason=reason), had
        return None, had

    def take(self, outcome: Outcome) -> None:
        """Store the outcome."""
        spent = self._ledger.returned(outcome.number, outcome.seconds)
        self.candidate = replace(self.candidate, seconds=spent)
        self._finish(outcome)

    def _status(self, outcome: Outcome) -> Status:
        """Return the status; a measured baseline is no candidate of the front unless asked."""
        origin = self.candidate.origin
        beside = "baseline" in origin and not origin["on_front"]
        return "baseline" if beside and outcome.status == "complete" else outcome.status

    def _finish(self, outcome: Outcome) -> None:
        measured = {each.metric: each for each in outcome.measurements}
        finished = replace(
            self.candidate,
            status=self._status(outcome),
            measurements={**self.candidate.measurements, **measured},
            undefined=outcome.undefined,
            reason=outcome.reason,
            traceback=outcome.traceback,
        )
        with self._ledger.clock.doing("storing"):
            self.candidate = self._study.finish(finished, self._ledger.read())
