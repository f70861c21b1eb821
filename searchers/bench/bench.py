"""Runs of searchers on a table, and their summary over seeds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...evaluators.base import Measurement
from ...evaluators.metrics import fidelity
from ...results.candidate import Candidate, Status
from ...search_space.architecture.architecture import Architecture
from ...search_space.constraints.constraint import Constraint
from ...search_space.errors import InputError
from ...search_space.seeds import derive_seed
from ...search_space.statistics import Z
from ..base import Knowledge, Objective, Proposal
from ..table import make_searcher
from .hypervolume_ratio import HypervolumeRatio, tight_reference, wide_reference
from .optuna_sampler import PREFIX, OptunaSampler
from .result_table import ResultTable, TableBound
from .rungs import SUFFIX, Rungs, TableHalving
from .table_space import TableSpace, row_of

REPORTED = (25, 50, 100, 200, 500)
"""Numbers of trials at which the ratios are reported, beside the budget."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """The settings of the benchmark."""

    objectives: tuple[str, ...]
    """Columns to optimise, at least two."""
    known: tuple[str, ...] = ()
    """Columns that are known before a network is evaluated."""
    budget: int = 100
    """Trials of each run."""
    seeds: int = 5
    """Runs of each searcher."""
    first_seed: int = 0
    """Seed of the first run; the others follow."""
    noise: str | None = None
    """Name of a column ``OBJECTIVE_std`` with the standard deviation of an objective's noise."""
    tight: TableBound | None = None
    """Bound of the tight ratio, on one of the objectives."""
    with_bound: bool = False
    """Whether searchers get the tight bound as a hard constraint."""
    distinct: bool = False
    """Whether rows with equal metrics count as one network."""
    workers: int = 1
    """Networks evaluated at once; see ``SearchLoop`` for the lag that this means."""
    halving: TableHalving | None = None
    """Rungs for the searchers whose name ends in ``+asha``."""


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The runs of one searcher."""

    searcher: str
    """Name of the searcher."""
    wide_SN: Floats
    """Ratio with the wide reference after each trial, (seeds, trials).

    With early stopping, a trial stands for the epochs of one whole training.
    """
    tight_SN: Floats | None
    """Ratio with the tight reference after each trial, (seeds, trials)."""
    cpu_seconds: float
    """CPU time for asking and telling, per proposal."""
    repeats: float
    """Trials that evaluated a network again, per run."""
    skipped: float
    """Proposals of networks in the record, which cost no trial, per run."""
    evaluated: float
    """Networks evaluated per run."""
    stopped: float
    """Networks whose training was stopped early, per run."""


class _Asked(Protocol):
    def ask(self, number: int, attempt: int = 0) -> Proposal | None: ...

    def tell(self, candidate: Candidate) -> None: ...

    def expect(self, pending: tuple[Candidate, ...]) -> None: ...


@dataclass(frozen=True, eq=False)
class Bench:
    """A benchmark of searchers on a table."""

    table: ResultTable
    """The table."""
    settings: BenchSettings
    """The settings of the benchmark."""
    _cache: dict[str, HypervolumeRatio] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        for name in (*settings.objectives, *settings.known):
            self.table.column(name)
        if settings.noise is not None:
            noisy = settings.noise.removesuffix("_std")
            self.table.column(settings.noise)
            if noisy not in settings.objectives:
                raise InputError(
                    f"the column of noise must be that of an objective with '_std' behind it, but "
                    f"got {settings.noise!r} with the objectives {', '.join(settings.objectives)}"
                )
        if settings.with_bound and settings.tight is None:
            raise InputError("--with-bound must come with --tight, but got none")
        signs = [each.sign for each in self.objectives]
        columns = [self.table.column(name) for name in settings.objectives]
        losses_RM = np.stack(columns, axis=1) * np.array(signs)
        self._cache["wide"] = HypervolumeRatio(losses_RM, wide_reference(losses_RM))
        if settings.tight is not None:
            self._cache["tight"] = HypervolumeRatio(losses_RM, self._tight(losses_RM, signs))

    def _tight(self, losses_RM: Floats, signs: Sequence[float]) -> Floats:
        bound = self.settings.tight
        assert bound is not None
        name, names = bound.column, self.settings.objectives
        minimised = self.table.direction(name) == "minimize"
        if name not in names or bound.upper != minimised:
            raise InputError(
                "the tight bound must limit an objective on its worse side, as in 'accuracy>=90', "
                f"but got one on {name!r} from {'above' if bound.upper else 'below'}"
            )
        place = names.index(name)
        found = tight_reference(losses_RM, place, bound.value * signs[place])
        if found is None:
            raise InputError(
                f"the table must have a network within the tight bound on {name} that costs less "
                f"than the best by {name}, but has none"
            )
        return found

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives in the form for searchers."""
        return tuple(
            Objective(
                metric=name,
                direction=self.table.direction(name),
                share=self.table.is_share(name),
            )
            for name in self.settings.objectives
        )

    def run(self, name: str, progress: Callable[[int], None] | None = None) -> Curves:
        """Run one searcher with every seed.

        Args:
            name: Name of the searcher, or ``optuna:`` and the name of a sampler.
            progress: Called with the number of finished runs.
        """
        settings = self.settings
        wide, tight = self._cache["wide"], self._cache.get("tight")
        wides: list[Floats] = []
        tights: list[Floats] = []
        seconds = repeats = skipped = trials = stopped = 0.0
        for done in range(settings.seeds):
            one = _Run(self, name, settings.first_seed + done)
            one.go()
            wides.append(one.growth(wide))
            if tight is not None:
                tights.append(one.growth(tight))
            seconds, trials = seconds + one.seconds, trials + one.trials
            stopped += one.trials - len(one.rows)
            repeats, skipped = repeats + one.repeats, skipped + one.skipped
            if progress is not None:
                progress(done + 1)
        return Curves(
            searcher=name,
            wide_SN=np.array(wides),
            tight_SN=np.array(tights) if tights else None,
            cpu_seconds=seconds / trials,
            repeats=repeats / settings.seeds,
            skipped=skipped / settings.seeds,
            evaluated=trials / settings.seeds,
            stopped=stopped / settings.seeds,
        )


class _Run:
    """One run of one searcher."""

    def __init__(self, bench: Bench, name: str, seed: int) -> None:
        self._table, self._settings = bench.table, bench.settings
        self._objectives = bench.objectives
        halving = self._settings.halving if name.endswith(SUFFIX) else None
        name = name.removesuffix(SUFFIX)
        self._rungs = None if halving is None else Rungs(halving, bench.objectives)
        self._whole = 1 if halving is None else halving.epochs
        space = TableSpace(table=self._table, distinct=self._settings.distinct)
        self._bounds = self._constraints()
        self._measured = self._draw_noise(seed)
        self._searcher: _Asked
        if name.startswith(PREFIX):
            self._searcher = OptunaSampler(
                name.removeprefix(PREFIX), space=space, objectives=self._objectives, seed=seed
            )
        else:
            bounds = self._bounds if self._settings.with_bound else ()
            knowledge = Knowledge(constraints=bounds, costs=self._costs())
            self._searcher = make_searcher(
                name, space=space, objectives=self._objectives, seed=seed, knowledge=knowledge
            )
        self._native = name.startswith(PREFIX)
        self._digests: set[str] = set()
        self._candidates: list[Candidate] = []
        self._spent = 0
        self._ends: list[int] = []
        self.trials = 0
        self.rows: list[int] = []
        self.seconds = 0.0
        self.repeats = self.skipped = 0

    def _constraints(self) -> tuple[Constraint, ...]:
        bound = self._settings.tight
        if bound is None:
            return ()
        if bound.upper:
            return (Constraint(metric=bound.column, high=bound.value),)
        return (Constraint(metric=bound.column, low=bound.value),)

    def _costs(self) -> Callable[[Architecture], Mapping[str, float]] | None:
        known = {name: self._table.column(name) for name in self._settings.known}
        if not known:
            return None
        return lambda network: {name: float(of[row_of(network)]) for name, of in known.items()}

    def _draw_noise(self, seed: int) -> Mapping[str, Floats]:
        """Return the values of the objectives in this run, noise included, (rows,) each."""
        measured = {name: self._table.column(name) for name in self._settings.objectives}
        if self._settings.noise is not None:
            noisy = self._settings.noise.removesuffix("_std")
            generator = np.random.default_rng(derive_seed("noise", seed))
            drawn = generator.standard_normal(self._table.rows)
            values = measured[noisy] + drawn * self._table.column(self._settings.noise)
            if self._table.is_share(noisy):
                values = values.clip(0.0, 1.0)
            measured[noisy] = values
        return measured

    def go(self) -> None:
        """Evaluate proposals until the budget or the table is exhausted."""
        workers = self._settings.workers
        lag = 1 if workers == 1 else 2 * workers
        finished = number = 0
        while self._spent < self._settings.budget * self._whole:
            began = time.thread_time()
            for candidate in self._candidates[finished : max(0, number - lag + 1)]:
                self._searcher.tell(candidate)
                finished += 1
            self._searcher.expect(tuple(self._candidates[finished:]))
            proposal = self._propose(number)
            self.seconds += time.thread_time() - began
            if proposal is None:
                return
            self._evaluate(number, proposal, max(0, number - lag + 1))
            number += 1

    def _propose(self, number: int) -> Proposal | None:
        for attempt in count():
            proposal = self._searcher.ask(number, attempt)
            if proposal is None:
                return None
            repeated = proposal.architecture.digest in self._digests
            if self._native or not repeated:
                self.repeats += repeated
                return proposal
            self.skipped += 1
        raise AssertionError("count() has no end")

    def growth(self, ratio: HypervolumeRatio) -> Floats:
        """Return the ratio after the epochs of 1, 2, ... whole trainings, (budget,)."""
        found = np.concatenate([[0.0], ratio.growth(self.rows)])
        at = np.arange(1, self._settings.budget + 1) * self._whole
        return found[np.searchsorted(self._ends, at, "right")]

    def _evaluate(self, number: int, proposal: Proposal, known: int) -> None:
        row = row_of(proposal.architecture)
        self.trials += 1
        self._digests.add(proposal.architecture.digest)
        values = {name: float(of[row]) for name, of in self._measured.items()}
        epochs = self._whole
        if self._rungs is not None:
            lower = {name: float(of[row]) for name, of in self._table.values.items() if "@" in name}
            epochs = self._rungs.climb(number, known, {**values, **lower})
        self._spent += epochs
        if epochs < self._whole:
            self._keep_stopped(number, proposal, row, epochs)
            return
        self.rows.append(row)
        self._ends.append(self._spent)
        kept = all(each.holds(values[each.metric]) for each in self._bounds)
        status = "complete" if kept or not self._settings.with_bound else "infeasible"
        found = {name: self._measurement(name, row, v) for name, v in values.items()}
        self._add(number, proposal, status, {**self._at_rungs(row, epochs), **found})

    def _keep_stopped(self, number: int, proposal: Proposal, row: int, epochs: int) -> None:
        """Add a network that was stopped: without values of the trained objectives."""
        assert self._settings.halving is not None
        known = set(self._measured) - set(self._settings.halving.trained)
        found = {n: self._measurement(n, row, float(self._measured[n][row])) for n in known}
        self._add(number, proposal, "stopped", {**self._at_rungs(row, epochs), **found})

    def _at_rungs(self, row: int, epochs: int) -> dict[str, Measurement]:
        """Return the values at the rungs up to ``epochs``."""
        halving = self._settings.halving
        if halving is None or self._rungs is None:
            return {}
        names = [
            fidelity(name, rung)
            for name in halving.trained
            for rung in halving.halving.rungs
            if rung <= epochs
        ]
        return {n: self._measurement(n, row, float(self._table.column(n)[row])) for n in names}

    def _add(
        self,
        number: int,
        proposal: Proposal,
        status: Status,
        measurements: Mapping[str, Measurement],
    ) -> None:
        self._candidates.append(
            Candidate(
                number=number,
                architecture=proposal.architecture,
                decisions=proposal.decisions,
                status=status,
                measurements=measurements,
            )
        )

    def _measurement(self, name: str, row: int, value: float) -> Measurement:
        noise, direction = self._settings.noise, self._table.direction(name)
        ends: dict[str, Any] = {}
        if noise is not None and name == noise.removesuffix("_std"):
            half = Z * float(self._table.column(noise)[row])
            ends = {"low": value - half, "high": value + half}
        known = "minimize" if direction == "minimize" else "maximize"
        return Measurement(metric=name, value=value, unit="1", direction=known, **ends)


def reported(budget: int) -> list[int]:
    """Return the numbers of trials at which a run is reported."""
    return sorted({each for each in REPORTED if each <= budget} | {budget})


def quartiles(curves_SN: Floats, trials: int) -> dict[str, float]:
    """Return quartiles over the seeds after a number of trials."""
    low, middle, high = np.percentile(curves_SN[:, trials - 1], (25, 50, 75))
    return {"q1": float(low), "median": float(middle), "q3": float(high)}


def to_json(curves: Curves) -> dict[str, Any]:
    """Return the summary of one searcher as JSON values."""
    points = reported(curves.wide_SN.shape[1])
    tight = curves.tight_SN
    found: dict[str, Any] = {
        "wide": {str(n): quartiles(curves.wide_SN, n) for n in points},
        "cpu_seconds_per_proposal": curves.cpu_seconds,
        "repeated_evaluations": curves.repeats,
        "proposals_from_record": curves.skipped,
        "evaluated": curves.evaluated,
        "stopped_early": curves.stopped,
    }
    if tight is not None:
        found["tight"] = {str(n): quartiles(tight, n) for n in points}
    return found
