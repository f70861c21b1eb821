"""Drift of the device's speed, by the sentinel: within a window, and between measurements."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median, stdev
from typing import Any

from ..base import Measurement
from ..metrics import LATENCY
from .timing import Timing

DRIFT = 0.02
"""Largest drift of the sentinel, as a share, in a window that counts."""
_PRIOR_SPREAD = 0.01
"""Spread between measurements that is assumed before any is known, as a share."""
_PRIOR_DEGREES = 4
"""Weight of that assumption, as a number of measurements."""


def change_within(rounds: Sequence[float]) -> float:
    """Return the change from the first to the last rounds of a window, as a share.

    The two medians are over as many rounds each, without the middle one of an odd number.
    """
    half = len(rounds) // 2
    if not half:
        return 0.0
    slow, fast = sorted((median(rounds[:half]), median(rounds[-half:])), reverse=True)
    return slow / fast - 1 if fast > 0 else 0.0


class SentinelHistory:
    """The sentinel's times in the measurements of one process, each a median in ms.

    The same network is timed with every candidate, so their spread is that of a repeated
    measurement of one network, with all drift between measurements.
    """

    def __init__(self) -> None:
        self._medians: list[float] = []
        self._fastest = math.inf

    def drift(self, sentinel: Timing) -> float:
        """Return the drift of a window, or from the fastest one so far, as a share."""
        return max(self.slower(sentinel), change_within(sentinel.rounds))

    def slower(self, sentinel: Timing) -> float:
        """Return how much slower the sentinel is than in the fastest window so far, as a share."""
        self._fastest = min(self._fastest, sentinel.median)
        return sentinel.median / self._fastest - 1 if self._fastest > 0 else 0.0

    def add(self, sentinel: Timing) -> None:
        """Add the sentinel's time in a window that counts."""
        self._medians.append(sentinel.median)

    def half_width(self) -> float:
        """Return half the 95 % interval of one measurement by the spread between measurements.

        It is a share of the value. The variance is pooled with an assumed one, which counts less
        the more measurements there are (a conjugate prior; Student's t).
        """
        logs = [math.log(each) for each in self._medians if each > 0]
        known = max(0, len(logs) - 1)
        total = known * stdev(logs) ** 2 if known else 0.0
        degrees = known + _PRIOR_DEGREES
        variance = (total + _PRIOR_DEGREES * _PRIOR_SPREAD**2) / degrees
        return student_t(degrees) * math.sqrt(variance)


def least_drift(
    one_window: Callable[[], tuple[Timing, ...]], history: SentinelHistory, most: int
) -> tuple[tuple[Timing, ...], list[float]]:
    """Return the timings of the window with the least drift, and the drift of every window.

    Args:
        one_window: Function that measures a window; the sentinel's timing is its last.
        history: The sentinel's times.
        most: Most windows; the first without much drift is the last.
    """
    found: list[tuple[Timing, ...]] = []
    drifts: list[float] = []
    while len(found) < most and min(drifts, default=1.0) > DRIFT:
        found.append(one_window())
        drifts.append(history.drift(found[-1][-1]))
    return found[drifts.index(min(drifts))], drifts


def latency_of(
    timing: Timing,
    sentinel: Timing,
    history: SentinelHistory,
    drifts: Sequence[float],
    provenance: Mapping[str, Any],
) -> Measurement:
    """Return the latency from the window that counts, with its interval.

    Args:
        timing: Time of the network.
        sentinel: Time of the sentinel beside it, which is added to the history.
        history: The sentinel's times.
        drifts: Drift of every window.
        provenance: Conditions of the measurement.
    """
    history.add(sentinel)
    slower = history.slower(sentinel)
    half = math.hypot(half_width_within(timing.rounds), history.half_width())
    return Measurement(
        metric=LATENCY.name,
        value=timing.median,
        low=min(timing.low, timing.median * math.exp(-half)) / (1 + slower),
        high=max(timing.high, timing.median * math.exp(half)),
        provenance={
            **provenance,
            "windows": len(drifts),
            "sentinel_drift": min(drifts),
            "unstable": min(drifts) > DRIFT,
            "half_width_between": history.half_width(),
        },
    )


def half_width_within(rounds: Sequence[float]) -> float:
    """Return half the 95 % interval of a value by the spread of its rounds, as a share.

    Passes of one round are alike, so rounds are the independent values (Student's t).
    """
    if len(rounds) < 2 or min(rounds) <= 0:
        return 0.0
    spread = stdev(math.log(each) for each in rounds)
    return student_t(len(rounds) - 1) * spread / math.sqrt(len(rounds))


def student_t(degrees: int) -> float:
    """Return the 97.5 % point of Student's t.

    Abramowitz and Stegun, 1964, 26.7.5, from 3 degrees of freedom on with an error below 1 %; exact
    for 1 and 2. SciPy would take each worker a second to import.
    """
    if degrees <= 2:
        return (12.7062, 4.3027)[degrees - 1]
    z = 1.959964
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, 1))
