"""A self-test of the latency contract on this device.

Three checks find what makes times wrong: a clock that does not follow time, a pass that ends before
its work does, and load by others. To show that they can fail, each fault is then put in on purpose.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal, get_args

import torch

from ...search_space.errors import unknown_name
from ..host_lock import measuring
from .clocks import Clock, Pass, Run, make_clock
from .drift import DRIFT, SentinelHistory
from .sentinel import RESOLUTION, Sentinel
from .settings import LatencySettings
from .timing import Timing, measure_in_turns

Name = Literal["clock", "synchronisation", "load"]
CHECKS: tuple[Name, ...] = get_args(Name)
"""The checks; the fault of the same name is what each must find."""
FAULTS: dict[Name, str] = {
    "clock": "a clock that stands still",
    "synchronisation": "synchronisation taken out",
    "load": "load by other threads",
}
"""The faults by the check that must find them."""
LOST = 0.1
"""Largest share of the time in which the passes wait for the core."""
_SPIN = 0.02
"""Seconds of the pass of known duration."""
_TIMES = 3.0
"""How many times as long a matrix product of eight times the work must take."""
_SIDES = {"cpu": 192, "cuda": 1024}
"""Side of the matrices of the smaller product, by type of device."""
_REPEATS = 7
_BLOCK = bytes(1 << 22)


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one check."""

    name: Name
    """The check."""
    passed: bool
    """Whether nothing was wrong."""
    detail: str
    """What was found, with figures."""


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """The result of a self-test."""

    device: str
    """The device."""
    checks: tuple[Check, ...]
    """The checks of the contract as it is."""
    faults: tuple[Check, ...]
    """For each fault put in, the check that must find it, which then has not passed."""

    @property
    def passed(self) -> bool:
        """Whether each check passed, and each found its fault."""
        return all(each.passed for each in self.checks) and not any(f.passed for f in self.faults)

    @property
    def wrong(self) -> list[str]:
        """What is wrong, one line each."""
        return [
            *(f"{each.name}: {each.detail}" for each in self.checks if not each.passed),
            *(f"{FAULTS[f.name]} is not found: {f.detail}" for f in self.faults if f.passed),
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {**asdict(self), "passed": self.passed}


def self_test(device: torch.device, settings: LatencySettings | None = None) -> SelfTest:
    """Test the latency contract on a device, which takes a few seconds.

    Args:
        device: Device of type ``cpu`` or ``cuda``.
        settings: Settings of the contract; None: the defaults.
    """
    chosen = settings or LatencySettings()
    with measuring():
        return SelfTest(
            device=str(device),
            checks=tuple(run_check(name, device, chosen) for name in CHECKS),
            faults=tuple(run_check(name, device, chosen, fault=name) for name in CHECKS),
        )


def run_check(
    name: Name, device: torch.device, settings: LatencySettings, *, fault: Name | None = None
) -> Check:
    """Run one check.

    Args:
        name: The check.
        device: Device of type ``cpu`` or ``cuda``.
        settings: Settings of the contract.
        fault: Fault to put in, by the check that must find it; None: none.

    Raises:
        InputError: If the check or the fault is unknown.
    """
    for each in (name, fault):
        if each is not None and each not in CHECKS:
            raise unknown_name("check", each, CHECKS)
    with ExitStack() as stack, torch.inference_mode():
        clock = make_clock(device, threads=settings.threads)
        handed_over: Callable[[Run], Run] = _as_it_is
        if fault == "clock":
            clock = _StillClock()
        elif fault == "synchronisation":
            clock = _HastyClock()
            if device.type == "cpu":  # its operations have ended when they return
                pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
                handed_over = lambda run: lambda: pool.submit(run)  # noqa: E731
        elif fault == "load":
            stack.enter_context(_load(device))
        if name == "clock":
            return _check_clock(clock)
        if name == "synchronisation":
            return _check_synchronisation(clock, device, handed_over)
        return _check_load(device, settings)


class _StillClock(Clock):
    """A clock that stands still."""

    name = "still"

    def time(self, run: Run) -> Pass:
        run()
        return Pass(wall=0.0, own=0.0)


class _HastyClock(Clock):
    """A clock that does not wait for the work that a pass has started."""

    name = "hasty"

    def time(self, run: Run) -> Pass:
        start = time.perf_counter_ns()
        run()
        wall = (time.perf_counter_ns() - start) / 1e6
        return Pass(wall=wall, own=wall)


def _as_it_is(run: Run) -> Run:
    return run


def _spin() -> None:
    end = time.monotonic() + _SPIN
    while time.monotonic() < end:
        pass


def _check_clock(clock: Clock) -> Check:
    """Time passes of known duration."""
    read = median(clock.time(_spin).wall for _ in range(3))
    known = 1e3 * _SPIN
    text = f"a pass of {known:g} ms is read as {read:.3g} ms"
    if read <= 0:
        text += ": the clock stands still"
    # Others may use the core meanwhile, so a pass may well take longer than it should.
    return Check(name="clock", passed=0.9 * known <= read <= 3 * known, detail=text)


def _check_synchronisation(
    clock: Clock, device: torch.device, handed_over: Callable[[Run], Run]
) -> Check:
    """Time a matrix product, and one of eight times the work with as many launches."""
    side = _SIDES[device.type]
    medians: list[float] = []
    for each in (side, 2 * side):
        x = torch.ones(each, each, device=device)
        run = handed_over(lambda x=x: x @ x)
        clock.time(run)
        medians.append(median(clock.time(run).own for _ in range(_REPEATS)))
    times = medians[1] / medians[0] if medians[0] > 0 else 0.0
    passed = times >= _TIMES
    text = f"8 times the work takes {times:.2g} times as long"
    if not passed:
        text += ": a pass ends before its work does, or is not timed"
    return Check(name="synchronisation", passed=passed, detail=text)


def _check_load(device: torch.device, settings: LatencySettings) -> Check:
    """Time the sentinel until a window is steady."""
    sentinel = Sentinel().eval().to(device)
    image = torch.zeros(1, 3, RESOLUTION, RESOLUTION, device=device)
    history = SentinelHistory()
    windows: list[tuple[float, float]] = []
    for timing in _windows(lambda: sentinel(image), device, settings):
        windows.append((history.drift(timing), timing.lost))
        if _steady(windows[-1]):
            break
    passed = _steady(windows[-1])
    drift, lost = windows[-1] if passed else min(windows, key=max)
    text = (
        f"the sentinel drifts by {100 * drift:.1f} %, and waits for the core in "
        f"{100 * lost:.0f} % of the time"
    )
    if not passed:
        text += f", in the best of {len(windows)} windows: the device is not free"
    return Check(name="load", passed=passed, detail=text)


def _steady(window: tuple[float, float]) -> bool:
    drift, lost = window
    return drift <= DRIFT and lost <= LOST


def _windows(run: Run, device: torch.device, settings: LatencySettings) -> Iterator[Timing]:
    for _ in range(settings.windows):
        yield measure_in_turns([run], device, settings)[0]


@contextmanager
def _load(device: torch.device) -> Generator[None]:
    """Keep every core busy, and a GPU in bursts, from threads that end with this process."""
    ended = threading.Event()

    def hash_blocks() -> None:
        while not ended.is_set():
            hashlib.sha256(_BLOCK)  # without Python's lock

    def multiply() -> None:
        x = torch.ones(2048, 2048, device=device)
        with torch.cuda.stream(torch.cuda.Stream(device)):
            while not ended.wait(0.01):
                for _ in range(20):
                    torch.matmul(x, x)
                torch.cuda.current_stream(device).synchronize()

    kinds = [hash_blocks] * (_cores() + 1) + ([multiply] if device.type == "cuda" else [])
    threads = [threading.Thread(target=each, daemon=True) for each in kinds]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        ended.set()
        for each in threads:
            each.join()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
