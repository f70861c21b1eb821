"""Clocks that time one pass on a device, with all the work that the pass started."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

Run = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One timed pass."""

    wall: float
    """Time from the start to the end of the last operation, ms."""
    own: float
    """CPU time of the thread during the pass, ms; equal to ``wall`` if unknown."""

    @property
    def undisturbed(self) -> bool:
        """Whether no other process used the core meanwhile, within the clocks' error."""
        return self.wall - self.own <= 0.02 * self.wall + 0.005


class Clock(ABC):
    """Times passes on one kind of device."""

    name: ClassVar[str]
    """Name of the clock, for the record."""

    @abstractmethod
    def time(self, run: Run) -> Pass:
        """Run the pass once, and return its times when all its work is done."""


class CpuClock(Clock):
    """Reads the monotonic clock, and the thread's CPU time where one thread does all the work."""

    name: ClassVar[str] = "time.perf_counter_ns"

    def __init__(self, *, threads: int) -> None:
        fine = time.get_clock_info("thread_time").resolution <= 1e-6  # coarser on Windows
        self._one_thread = threads == 1 and fine

    def time(self, run: Run) -> Pass:  # noqa: D102
        own_start = time.thread_time_ns()
        start = time.perf_counter_ns()
        run()
        wall = time.perf_counter_ns() - start
        own = time.thread_time_ns() - own_start if self._one_thread else wall
        return Pass(wall=wall / 1e6, own=min(own, wall) / 1e6)


class CudaClock(Clock):
    """Reads CUDA events on the current stream.

    The device is idle when a pass starts, so launch overhead that is not hidden is included, as for
    one request to an idle device.
    """

    name: ClassVar[str] = "torch.cuda.Event"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        with torch.cuda.device(device):
            self._start = torch.cuda.Event(enable_timing=True)
            self._end = torch.cuda.Event(enable_timing=True)

    def time(self, run: Run) -> Pass:  # noqa: D102
        with torch.cuda.device(self._device):
            torch.cuda.synchronize()
            self._start.record()
            run()
            self._end.record()
            torch.cuda.synchronize()
        milliseconds = self._start.elapsed_time(self._end)
        return Pass(wall=milliseconds, own=milliseconds)


def make_clock(device: torch.device, *, threads: int) -> Clock:
    """Return the clock of a device of type ``cpu`` or ``cuda``."""
    return CudaClock(device) if device.type == "cuda" else CpuClock(threads=threads)
