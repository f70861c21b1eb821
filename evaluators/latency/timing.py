"""Timing of passes: warm-up, repetition, median."""

import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import torch

from ...search_space.statistics import MIN_SAMPLE, median_interval
from .clocks import Clock, Pass, Run, make_clock
from .settings import ROUNDS, LatencySettings

STABLE = 0.05
"""Largest relative difference of the medians of the last two windows of a stable warm-up."""
_PATIENCE = 10.0
"""Longest warm-up that is not stable, as a multiple of its shortest duration."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The time of one pass, from several timed passes."""

    median: float
    """Median time, ms."""
    low: float
    """Lower end of the median's 95 % interval, ms, for independent passes; drift between runs is
    not included."""
    high: float
    """Upper end of the interval, ms."""
    passes: int
    """Number of timed passes."""
    disturbed: int
    """Number of timed passes during which another process used the core."""
    clock: str
    """``wall``: wall time of the undisturbed passes; ``thread``: these were too few, so the
    thread's CPU time of all passes."""
    warmup_passes: int
    """Number of untimed passes before the first timed one."""
    stable: bool
    """Whether the warm-up ended with stable times."""
    rounds: tuple[float, ...] = field(default=(), compare=False)
    """Median time of each round, ms: of the thread's CPU time where that is known."""
    lost: float = field(default=0.0, compare=False)
    """Share of the wall time of the passes in which the thread waited for the core."""

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON values."""
        return {**asdict(self), "rounds": list(self.rounds)}


def measure(run: Run, device: torch.device, settings: LatencySettings) -> Timing:
    """Time ``run`` on ``device``; a pass ends when all its work is done.

    Args:
        run: Function that runs one pass; its result is ignored.
        device: Device of type ``cpu`` or ``cuda``.
        settings: Durations and repetitions.
    """
    return measure_in_turns([run], device, settings)[0]


def measure_in_turns(
    runs: Sequence[Run], device: torch.device, settings: LatencySettings
) -> tuple[Timing, ...]:
    """Time several passes in turns, so that a slow moment affects all of them.

    There are ``ROUNDS`` rounds of several passes of each, after the warm-up of all.
    """
    series = [Series(run, device, settings) for run in runs]
    for each in series:
        each.warm_up()
    return alternate(series)


def is_stable(window: Sequence[float], previous: Sequence[float]) -> bool:
    """Whether the medians of two windows differ by at most ``STABLE`` times the smaller one."""
    if not previous:
        return False
    low, high = sorted((median(window), median(previous)))
    return high - low <= STABLE * low


class Series:
    """The passes of one network, with its warm-up."""

    def __init__(self, run: Run, device: torch.device, settings: LatencySettings) -> None:
        """Set the pass.

        Args:
            run: Function that runs one pass; its result is ignored.
            device: Device of type ``cpu`` or ``cuda``.
            settings: Durations and repetitions.
        """
        self._run = run
        self._clock: Clock = make_clock(device, threads=settings.threads)
        self._settings = settings
        self._rounds: list[list[Pass]] = []
        self._warmup_passes = 0
        self._stable = False

    def warm_up(self) -> float:
        """Run the untimed passes; return the median time of the last ones, ms."""
        with self.threads():
            return self._warm_up()

    def threads(self) -> AbstractContextManager[None]:
        """Return the context in which torch has the threads of the settings."""
        return _threads(self._settings.threads)

    def begin(self) -> None:
        """Forget the timed passes so far."""
        self._rounds = []

    def _warm_up(self) -> float:
        start = time.perf_counter()
        previous: list[float] = []
        while True:
            count = self._settings.warmup_iterations
            window = [self._clock.time(self._run).own for _ in range(count)]
            self._warmup_passes += count
            self._stable = is_stable(window, previous)
            previous = window
            spent = time.perf_counter() - start
            least = self._settings.warmup_seconds
            if spent >= least and (self._stable or spent >= _PATIENCE * least):
                return median(window)

    def round(self) -> None:
        """Time one round of passes, after an untimed one that refills the caches."""
        self._clock.time(self._run)
        start = time.perf_counter()
        done = undisturbed = 0
        passes: list[Pass] = []
        while not self._ended(start, done, undisturbed):
            passes.append(one := self._clock.time(self._run))
            done += 1
            undisturbed += one.undisturbed
        self._rounds.append(passes)

    def _ended(self, start: float, done: int, undisturbed: int) -> bool:
        """Whether a round is over."""
        if not done:
            return False
        spent = ROUNDS * (time.perf_counter() - start)
        enough = ROUNDS * undisturbed >= self._settings.repeats
        if enough and spent >= self._settings.min_seconds:
            return True
        return done >= 2 and spent >= self._settings.max_seconds

    def timing(self) -> Timing:
        """Return the time of one pass, from the rounds so far."""
        return timing_of(self._rounds, warmup_passes=self._warmup_passes, stable=self._stable)


def timing_of(
    rounds: Sequence[Sequence[Pass]], *, warmup_passes: int = 0, stable: bool = True
) -> Timing:
    """Return the time of one pass from timed passes.

    Args:
        rounds: The passes of each round.
        warmup_passes: Number of untimed passes before them.
        stable: Whether the warm-up ended with stable times.
    """
    passes = [each for one in rounds for each in one]
    undisturbed = [each.wall for each in passes if each.undisturbed]
    alone = len(undisturbed) >= MIN_SAMPLE
    low, middle, high = median_interval(undisturbed if alone else [each.own for each in passes])
    wall, own = (sum(getattr(p, kind) for p in passes) for kind in ("wall", "own"))
    return Timing(
        median=middle,
        low=low,
        high=high,
        passes=len(passes),
        disturbed=len(passes) - len(undisturbed),
        clock="wall" if alone else "thread",
        warmup_passes=warmup_passes,
        stable=stable,
        rounds=tuple(median(each.own for each in one) for one in rounds),
        lost=1 - own / wall if wall > 0 else 0.0,
    )


def alternate(series: Sequence[Series]) -> tuple[Timing, ...]:
    """Time the passes of several networks in turns, after their warm-up."""
    with series[0].threads():
        for each in series:
            each.begin()
        for _ in range(ROUNDS):
            for each in series:
                each.round()
    return tuple(each.timing() for each in series)


@contextmanager
def _threads(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
