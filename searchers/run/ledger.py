"""The ledger of one run: the wall time of the searching process and of its workers."""

import time
from collections.abc import Mapping
from threading import Event

from ...evaluators.stopwatch import Stopwatch
from ...results.study.run_time import RunTime
from ..engines.base import Engine


class Ledger:
    """Counts the wall time of one run by activity."""

    def __init__(self) -> None:
        """Start to count; until the workers start, the activity is ``starting``."""
        self.clock = Stopwatch("starting")
        """The stopwatch of the searching process."""
        self.first_given = Event()
        """Set when the first candidate is about to be measured."""
        self._engine: Engine | None = None
        self._begun = 0.0
        self._before: dict[str, float] = {"wall": 0.0, "starting": 0.0}
        self._given: dict[int, float] = {}
        self._workers: dict[str, float] = {}

    def begin(self, engine: Engine) -> None:
        """Count the time of the workers of an engine; the searching process is idle from now on."""
        self._engine, self._begun = engine, time.perf_counter()
        self.clock.turn("idle")

    def end(self) -> None:
        """Stop counting the time of the workers."""
        self._before = self._of_engine()
        self._engine = None
        self.clock.turn("storing")

    def given(self, number: int) -> None:
        """Record that a worker gets a candidate."""
        self._given[number] = time.perf_counter()
        self.first_given.set()

    def returned(self, number: int, seconds: Mapping[str, float]) -> dict[str, float]:
        """Add the times of a candidate that a worker has returned; return them, with ``other``.

        ``other`` is the part of ``total`` that belongs to no named activity.
        """
        self._given.pop(number, None)
        if "total" not in seconds:
            return dict(seconds)
        named = {name: spent for name, spent in seconds.items() if name not in ("total", "other")}
        parts = {**named, "other": max(0.0, seconds["total"] - sum(named.values()))}
        for name, spent in parts.items():
            self._workers[name] = self._workers.get(name, 0.0) + spent
        return {**parts, "total": seconds["total"]}

    def read(self) -> RunTime:
        """Return the times so far."""
        search = self.clock.read()
        found = self._of_engine()
        now = time.perf_counter()
        workers = {"starting": found["starting"], **self._workers}
        if unfinished := sum(now - given for given in self._given.values()):
            workers["unfinished"] = unfinished
        workers["idle"] = max(0.0, found["wall"] - sum(workers.values()))
        return RunTime(
            since=self.clock.began,
            wall=self.clock.wall,
            search=search,
            workers_wall=found["wall"],
            workers=workers if found["wall"] else {},
        )

    def _of_engine(self) -> dict[str, float]:
        """Return the wall time of all workers and the part in which they started, s."""
        if self._engine is None:
            return self._before
        return {
            "wall": self._before["wall"]
            + self._engine.workers * (time.perf_counter() - self._begun),
            "starting": self._before["starting"] + self._engine.starting_seconds,
        }
