"""Workers, factories and a source for the tests of engines, imported by child processes."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_explorer.searchers.engines.base import Job, Outcome


class EchoWorker:
    """A worker that returns each request, or fails as the request says."""

    spent = False

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        misbehave(request)
        self.spent = request.get("do") == "spend"
        return {**request, "pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}


def misbehave(request: Any) -> None:
    match request.get("do"):
        case "raise":
            raise ValueError("two\nlines")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(request.get("seconds", 60))
        case _:
            pass


class FussyError(Exception):
    """An exception that cannot be unpickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


@dataclass(frozen=True)
class Echo:
    """A factory of echo workers, which can fail."""

    trouble: str = ""

    def __call__(self) -> EchoWorker:
        match self.trouble:
            case "raise":
                raise ValueError("a folder must exist")
            case "fussy":
                raise FussyError("a", "b")
            case "exit":
                os._exit(4)
            case _:
                return EchoWorker()


class JobWorker:
    """A worker that acts as the job's architecture says, with values from the job's number."""

    spent = False

    def run(self, job: Job) -> Outcome:
        misbehave(job.architecture)
        self.spent = job.architecture.get("do") == "spend"
        value = random.Random(job.number).random()
        threads = float(os.environ["OMP_NUM_THREADS"])
        seconds = {"value": value, "pid": os.getpid(), "threads": threads, "nice": os.nice(0)}
        return Outcome(number=job.number, status="complete", seconds=seconds)


@dataclass(frozen=True)
class Make:
    """A factory of job workers, which can fail: by an error, or by dying the first ``deaths``
    times."""

    trouble: str = ""
    deaths: int = 0
    folder: str = ""
    """File that counts the starts."""

    def __call__(self) -> JobWorker:
        if self.trouble:
            raise ValueError(self.trouble)
        for number in range(self.deaths):
            with contextlib.suppress(FileExistsError):
                (Path(self.folder) / str(number)).touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        return JobWorker()


class ListSource:
    """A source with a list of jobs; ``ready(index, outcomes)`` decides whether a job is
    available."""

    def __init__(
        self,
        architectures: Sequence[dict[str, Any]],
        ready: Callable[[int, int], bool] = lambda index, taken: True,
    ) -> None:
        self.architectures = architectures
        self.ready = ready
        self.given = 0
        self.refusals = 0
        self.outcomes: list[Outcome] = []

    def next_job(self) -> Job | None:
        number = self.given
        if number == len(self.architectures) or not self.ready(number, len(self.outcomes)):
            self.refusals += 1
            return None
        self.given += 1
        return Job(number=number, architecture=self.architectures[number])

    def take(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @property
    def done(self) -> bool:
        return self.given == len(self.architectures)
