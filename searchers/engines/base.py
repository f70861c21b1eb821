"""What an engine is: it runs jobs on workers; where and how many is its own business."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from ...search_space.errors import InputError

if TYPE_CHECKING:  # an engine only carries measurements, and need not load torch for them
    from ...evaluators.base import Measurement


@dataclass(frozen=True, kw_only=True)
class Job:
    """One candidate to be measured, as plain values that travel between processes."""

    number: int
    """The candidate's number."""
    architecture: Mapping[str, Any]
    """``Architecture.to_json()``."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job."""

    number: int
    """The candidate's number."""
    status: Literal["complete", "infeasible", "failed"]
    """``infeasible``: a measured metric breaks a hard constraint."""
    measurements: tuple[Measurement, ...] = ()
    """All that were had, before a failure too."""
    reason: str | None = None
    """Why it failed or is infeasible, one line."""
    traceback: str | None = None
    """The traceback of a failure."""
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Wall time by activity (``training``, ``latency``, ``total``)."""

    @property
    def kind(self) -> str | None:
        """The kind of the failure, the first word of its reason; None where nothing failed."""
        return (self.reason or "").partition(":")[0] if self.status == "failed" else None


class JobSource(Protocol):
    """The search loop, as an engine sees it. Called from one thread only."""

    def next_job(self) -> Job | None:
        """The next job, or None: if not ``done`` now, more come after an outcome was taken."""
        ...

    def take(self, outcome: Outcome) -> None:
        """Take the outcome of one job; it is stored before this returns."""
        ...

    @property
    def done(self) -> bool:
        """Whether no further job will ever come."""
        ...


class Worker(Protocol):
    """Measures candidates, one after the other, in one process; keeps its data in between."""

    @property
    def spent(self) -> bool:
        """Whether this process must not go on: its memory or device failed it.

        Asked after every ``run``. The engine then has a fresh process do the rest.
        """
        ...

    def run(self, job: Job) -> Outcome:
        """Measure one candidate. Never raises for the candidate's fault: it returns ``failed``."""
        ...


class WorkerFactory(Protocol):
    """Makes a worker inside the process where it will work.

    It travels pickled, by name: its class lives in a module that a fresh interpreter can import.
    Paths in it are absolute, since an engine may run it in another folder.
    """

    def __call__(self) -> Worker:
        """Make the worker (read data, choose the device)."""
        ...


class Engine(ABC):
    """Runs the jobs of a source on ``workers`` workers until the source is done."""

    name: ClassVar[str]
    """The name on the command line."""

    def __init__(self, *, workers: int = 1, time_limit: float | None = None) -> None:
        """Say how many workers there are.

        Args:
            workers: Candidates measured at the same time, each in a process of its own; from 1.
            time_limit: Seconds a candidate may take, more than 0; None for no limit.

        Raises:
            InputError: If a value is out of its range.
        """
        if workers < 1:
            raise InputError(f"workers must be at least 1, but got {workers}")
        if time_limit is not None and not 0 < time_limit <= 1e6:
            raise InputError(f"a time limit must be from 0 to 1e6 s, but got {time_limit:g}")
        self.workers = workers
        self.time_limit = time_limit

    @abstractmethod
    def run(self, source: JobSource, factory: WorkerFactory) -> None:
        """Run until ``source.done`` and every job given out has come back.

        A worker that dies or exceeds its time limit costs its own candidate only: its outcome is
        ``failed`` with kind ``worker_died`` or ``time_limit``, and a fresh worker takes its place,
        as it does of one that is ``spent``. Time in which the engine's own process was stopped
        does not count. However the run ends, no worker is left behind.

        Raises:
            Exception: The factory's own error, if a worker cannot even be made.
            WorkError: If several workers in a row end while they start.
            RuntimeError: If the source has no job, none is under way, and it is not done.
        """
