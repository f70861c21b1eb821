"""The base class of engines, which run jobs on workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

from ...search_space.errors import InputError

if TYPE_CHECKING:  # an engine only passes measurements on, which needs no torch
    from ...evaluators.base import Measurement
    from ..halving import RungRecord


@dataclass(frozen=True, kw_only=True)
class Job:
    """One candidate to measure, as plain values that can be sent between processes."""

    number: int
    """The candidate's number."""
    architecture: Mapping[str, Any]
    """``Architecture.to_json()``."""
    seed: int | None = None
    """Seed in place of the study's, for a further training; None: the study's."""
    rungs: RungRecord | None = None
    """Decides at a rung whether the training continues; None: it always does."""
    leave_out: tuple[str, ...] = ()
    """Names of the evaluators that do not measure this candidate."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a job."""

    number: int
    """The candidate's number."""
    status: Literal["complete", "stopped", "infeasible", "failed"]
    """Status; ``stopped``: at a rung; ``infeasible``: a measured metric breaks a hard
    constraint."""
    measurements: tuple[Measurement, ...] = ()
    """All measurements made, including those before a failure."""
    reason: str | None = None
    """Why the candidate failed, is infeasible or was stopped, one line."""
    traceback: str | None = None
    """The traceback of a failure."""
    undefined: Mapping[str, str] = field(default_factory=dict[str, str])
    """Reasons by metric for training-free scores that the network does not have."""
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Wall time by activity (``training``, ``latency``, ``total``)."""

    @property
    def kind(self) -> str | None:
        """Kind of the failure, which is the first word of ``reason``; None without a failure."""
        return (self.reason or "").partition(":")[0] if self.status == "failed" else None


class JobSource(Protocol):
    """The search loop, as an engine sees it. Called from one thread only."""

    def next_job(self) -> Job | None:
        """Return the next job, or None; unless ``done``, more jobs follow after an outcome."""
        ...

    def take(self, outcome: Outcome) -> None:
        """Store the outcome of one job before returning."""
        ...

    @property
    def done(self) -> bool:
        """Whether no further job will ever come."""
        ...


class Worker(Protocol):
    """Measures candidates one after the other in one process, and keeps its data between them."""

    @property
    def spent(self) -> bool:
        """Whether this process must end because its memory or device has failed.

        The engine reads it after every ``run`` and then continues with a new process.
        """
        ...

    def run(self, job: Job) -> Outcome:
        """Measure one candidate; a fault of the candidate gives the status ``failed``."""
        ...


class WorkerFactory(Protocol):
    """Makes a worker inside the worker's process.

    It is pickled by name, so a new interpreter must be able to import its class. Its paths must be
    absolute, since an engine may run it in another folder.
    """

    def __call__(self) -> Worker:
        """Make the worker (read data, choose the device)."""
        ...


class Engine(ABC):
    """Runs the jobs of a source on ``workers`` workers until the source is done."""

    name: ClassVar[str]
    """The name on the command line."""
    starting_seconds: float = 0.0
    """Wall time that worker processes took to start, summed over all runs; an engine that does not
    measure it leaves 0, and the time then counts as idle."""

    def __init__(self, *, workers: int = 1, time_limit: float | None = None) -> None:
        """Set the number of workers.

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

    @classmethod
    def create(
        cls, *, workers: int, time_limit: float | None, address: str | None, gpus_per_worker: float
    ) -> Self:
        """Return the engine of a search; local engines ignore the last two arguments.

        Args:
            workers: See ``__init__``.
            time_limit: See ``__init__``.
            address: Address of a cluster; None: this machine.
            gpus_per_worker: Share of a GPU for each worker.
        """
        return cls(workers=workers, time_limit=time_limit)

    @abstractmethod
    def run(self, source: JobSource, factory: WorkerFactory) -> None:
        """Run until ``source.done`` and all jobs have returned.

        A worker that dies or exceeds its time limit fails only its own candidate, with the kind
        ``worker_died`` or ``time_limit``. A new worker replaces it, and also one that is ``spent``.
        Time while the engine's own process was stopped does not count. No worker is left behind,
        however the run ends.

        Raises:
            Exception: The factory's own error, if a worker cannot be made.
            WorkError: If several workers in a row end while they start.
            RuntimeError: If the source has no job, no job is running, and it is not done.
        """
