"""The live view of a search: a bar on a terminal, else one line per candidate."""

import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING

from .found import data_lines
from .shared import shown

if TYPE_CHECKING:
    from rich.status import Status

    from ..results.candidate import Candidate
    from ..searchers.run.loop import Progress
    from ..searchers.run.search import Prepared

PATIENCE = 4.0
"""Seconds without output after which the view states what it waits for."""


@contextmanager
def show_progress() -> Generator["ProgressView"]:
    """Show the progress of a search; remove the live view at the end."""
    view = ProgressView()
    try:
        yield view
    finally:
        view.close()


class ProgressView:
    """The progress display: finished candidates, best value so far, time left."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._head: Future[None] | None = None
        self._first_given = Event()
        self._abandoned = False
        self._timer: Timer | None = None
        self._best: float | None = None
        self._until: float | None = None
        self._objectives: tuple[str, ...] = ()
        self._maximize = True
        if self._console.is_terminal:
            self._status = self._console.status("Reading the data and the space ...")
            self._status.start()
        self._later("Reading the data and the space ...")

    @contextmanager
    def searching(self, prepared: "Prepared") -> Generator[None]:
        """Show the search inside the context, after study, space and data.

        These are printed when the first candidate is about to be measured, since it takes a while
        to count the space. After an error or an interruption nothing waits for the count.
        """
        self._first_given = prepared.ledger.first_given
        done = [each for each in prepared.study.candidates() if each.status == "complete"]
        self._head = Future()
        Thread(target=self._print_head, args=(self._head, prepared, done), daemon=True).start()
        try:
            yield
            self._first_given.set()
            self._head.result()
        except BaseException:
            self._abandoned = True
            self._first_given.set()
            raise

    def _print_head(
        self, head: "Future[None]", prepared: "Prepared", done: "Sequence[Candidate]"
    ) -> None:
        """Print the study, the space and the data; any error is that of ``head``."""
        try:
            self._begin(prepared, done)
        except BaseException as error:
            head.set_exception(error)
        else:
            head.set_result(None)

    def _begin(self, prepared: "Prepared", done: "Sequence[Candidate]") -> None:
        """Print the study, the space and the data, unless the search has been abandoned."""
        prepared.ledger.first_given.wait()
        if self._abandoned:
            return
        from ..evaluators.metrics import MAIN_METRICS, metric
        from ..evaluators.units import plural

        data, space, study = prepared.data, prepared.space, prepared.study
        size, never_built = space.size(), space.never_built()
        if self._abandoned:
            return
        self._objectives = prepared.options.objectives
        self._maximize = metric(self._objectives[0]).direction == "maximize"
        for candidate in done:
            self._note(candidate.value(self._objectives[0]))
        self._say(
            f"Study {study.name}: space {space.name} ({size}), "
            f"{plural(prepared.workers, 'worker')} on {prepared.plan.device}",
            whole=True,
        )
        for line in data_lines(data):
            self._say(line, whole=True)
        for line in never_built:
            self._say(line)
        for line in prepared.notes:
            self._say(line, whole=True)
        if done:
            self._say(f"Continuing after {plural(len(done), 'complete candidate')}")
        plan = prepared.plan
        trained = any(metric(name).tier == "trained" for name in plan.metrics)
        schedule = " and trained" if trained else ""
        if any(each.name in plan.metrics for each in MAIN_METRICS.values()):
            schedule = f" and trained for {plural(plan.settings['accuracy']['epochs'], 'epoch')}"
        if prepared.options.max_time is not None:
            gone = prepared.ledger.clock.wall
            self._until = time.monotonic() + prepared.options.max_time - gone
        self._update(f"0{_of(prepared.options.budget)}: starting the workers ...")
        self._later(
            f"Searching: waiting for the first result; workers start, then each candidate is "
            f"measured{schedule}"
        )

    def __call__(self, progress: "Progress") -> None:
        """Show a finished candidate."""
        if self._head is not None:
            self._first_given.set()
            self._head.result()
        self._cancel()
        candidate = progress.candidate
        if candidate.status == "complete":
            self._note(candidate.value(self._objectives[0]))
        left = self._left(progress)
        values = "  ".join(
            f"{name} {shown(name, candidate.value(name))}"
            for name in dict.fromkeys((*self._objectives, "params", "latency"))
            if candidate.value(name) is not None
        )
        what = (
            values if candidate.status == "complete" else f"{candidate.status}: {candidate.reason}"
        )
        counter = f"{progress.finished}" + (f"/{progress.budget}" if progress.budget else "")
        best = f"best {shown(self._objectives[0], self._best)}"
        clock = f"{_clock(progress.seconds)} elapsed, {_clock(left)} left"
        if self._status is None:
            self._say(f"[{counter}] #{candidate.number} {what}  ({best}, {clock})")
            return
        self._say(f"#{candidate.number:<4} {what}  {candidate.architecture.outline()}")
        gone = progress.seconds / max(1e-9, progress.seconds + left)
        share = progress.finished / progress.budget if progress.budget else gone
        bar = min(30, round(30 * share))
        self._update(f"{'━' * bar}{'╌' * (30 - bar)} {counter}  {best}  {clock}")

    def _left(self, progress: "Progress") -> float:
        """Return the remaining time of the search, s."""
        each, left = progress.seconds / progress.fresh, float("inf")
        if progress.budget is not None:
            left = each * (progress.budget - progress.finished)
        if self._until is not None:
            left = min(left, max(0.0, self._until - time.monotonic()))
        return left

    def close(self) -> None:
        """Stop the live view."""
        self._cancel()
        if self._status is not None:
            self._status.stop()

    def _later(self, line: str) -> None:
        """Print a line if nothing else is printed for a few seconds; a terminal shows it at
        once."""
        self._cancel()
        if self._status is None:
            self._timer = Timer(PATIENCE, self._say, (line,))
            self._timer.daemon = True
            self._timer.start()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _note(self, value: float | None) -> None:
        if value is None:
            return
        better = self._best is None or (value > self._best) == self._maximize
        if better:
            self._best = value

    def _say(self, line: str, *, whole: bool = False) -> None:
        """Print a line, cut at the terminal's width unless ``whole``."""
        if self._status is None:
            print(line, file=sys.stderr, flush=True)
        elif whole:
            self._console.print(line, markup=False)
        else:
            self._console.print(line, markup=False, overflow="ellipsis", no_wrap=True)

    def _update(self, line: str) -> None:
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(line))


def _of(budget: int | None) -> str:
    return "" if budget is None else f" of {budget}"


def _clock(seconds: float) -> str:
    return time.strftime("%M:%S" if seconds < 3600 else "%H:%M:%S", time.gmtime(max(0, seconds)))
