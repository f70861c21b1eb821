"""The local engine: persistent worker processes, each with one candidate at a time."""

import logging
import pickle
from typing import ClassVar

from .base import Engine, Job, JobSource, WorkerFactory
from .outcomes import START_ATTEMPTS, check_waiting, outcome_of
from .process import NotStarted, WorkerProcess, wait_for

_log = logging.getLogger(__name__)


class LocalEngine(Engine):
    """Runs the jobs in ``workers`` child processes, each with one thread.

    The processes are spawned, so a new interpreter must be able to import the factory by name.
    """

    name: ClassVar[str] = "local"

    def run(self, source: JobSource, factory: WorkerFactory) -> None:  # noqa: D102
        if source.done:
            return
        pool = _Pool(engine=self, source=source, factory=pickle.dumps(factory))
        try:
            pool.run()
        finally:
            pool.kill()


class _Pool:
    """The processes of one run with their jobs."""

    def __init__(self, *, engine: LocalEngine, source: JobSource, factory: bytes) -> None:
        self._engine = engine
        self._source = source
        self._factory = factory
        self._workers = engine.workers
        self._not_started = 0
        self._time_limit = engine.time_limit
        self._processes: list[WorkerProcess] = []
        self._jobs: dict[WorkerProcess, Job] = {}
        self._ahead: list[Job] = []

    def run(self) -> None:
        self._start()
        if job := self._source.next_job():  # while the workers start
            self._ahead.append(job)
        while True:
            self._start()
            self._hand_out()
            if not (self._jobs or self._ahead) and self._source.done:
                return
            wait_for(self._processes)
            self._take()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            self._engine.starting_seconds += process.starting_seconds()

    def _start(self) -> None:
        self._processes = [process for process in self._processes if process.alive]
        wanted = bool(self._ahead) or not self._source.done
        while wanted and len(self._processes) < self._workers:
            self._processes.append(
                WorkerProcess(factory=self._factory, time_limit=self._time_limit)
            )

    def _hand_out(self) -> None:
        for process in self._processes:
            if process.idle and (self._ahead or not self._source.done):
                job = self._ahead.pop() if self._ahead else self._source.next_job()
                if job is None:
                    check_waiting(done=self._source.done, under_way=bool(self._jobs))
                    return
                process.give(pickle.dumps(job))
                self._jobs[process] = job

    def _take(self) -> None:
        """Pass on all results that have arrived; an error is raised after the last one."""
        errors: list[Exception] = []
        for process in self._processes:
            event = process.collect()
            self._engine.starting_seconds += process.starting_seconds()
            if process.idle:
                self._not_started = 0
            if event is None or (isinstance(event, NotStarted) and self._goes_on(event)):
                continue
            # Only a worker that could not be made has no job; its event raises.
            job = self._jobs.pop(process, None)
            try:
                self._source.take(outcome_of(-1 if job is None else job.number, event))
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _goes_on(self, event: NotStarted) -> bool:
        """Return whether to retry or to continue with one worker less after a failed start."""
        self._not_started += 1
        _log.warning("a worker could not start: %s", event.detail)
        if self._not_started < START_ATTEMPTS:
            return True
        if self._workers == 1:
            return False
        self._not_started = 0
        self._workers -= 1
        _log.warning("the search goes on with %d workers", self._workers)
        return True
