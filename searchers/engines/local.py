"""The engine of this machine: persistent worker processes, one candidate at a time in each."""

import pickle
from typing import ClassVar

from ..engine import Engine, Job, JobSource, WorkerFactory
from .outcomes import check_waiting, outcome_of
from .process import WorkerProcess, wait_for


class LocalEngine(Engine):
    """Runs the jobs in ``workers`` child processes of this one, each with one thread.

    They are spawned anew, so the factory must be importable by name in a fresh interpreter.
    """

    name: ClassVar[str] = "local"

    def run(self, source: JobSource, factory: WorkerFactory) -> None:  # noqa: D102
        if source.done:
            return
        pool = _Pool(source=source, factory=pickle.dumps(factory), time_limit=self.time_limit)
        try:
            pool.run(self.workers)
        finally:
            pool.kill()


class _Pool:
    """The processes of one run, and the jobs they have."""

    def __init__(self, *, source: JobSource, factory: bytes, time_limit: float | None) -> None:
        self._source = source
        self._factory = factory
        self._time_limit = time_limit
        self._processes: list[WorkerProcess] = []
        self._jobs: dict[WorkerProcess, Job] = {}

    def run(self, workers: int) -> None:
        while True:
            self._start(workers)
            self._hand_out()
            if not self._jobs and self._source.done:
                return
            wait_for(self._processes)
            self._take()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _start(self, workers: int) -> None:
        self._processes = [process for process in self._processes if process.alive]
        while len(self._processes) < workers and not self._source.done:
            self._processes.append(
                WorkerProcess(factory=self._factory, time_limit=self._time_limit)
            )

    def _hand_out(self) -> None:
        for process in self._processes:
            if process.idle and not self._source.done:
                job = self._source.next_job()
                if job is None:
                    check_waiting(under_way=bool(self._jobs))
                    return
                process.give(pickle.dumps(job))
                self._jobs[process] = job

    def _take(self) -> None:
        """Hand on every result that has come; what goes wrong with one waits for the others."""
        errors: list[Exception] = []
        for process in self._processes:
            event = process.collect()
            if event is None:
                continue
            # Only a worker that could not be made has no job, and its event raises.
            job = self._jobs.pop(process, None)
            try:
                self._source.take(outcome_of(-1 if job is None else job.number, event))
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]
