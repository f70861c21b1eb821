"""A prediction of latencies from a few measurements: additive over parts, with a correction.

The times of the parts of the measured networks train a ridge regression of the logarithm of a
part's time on its costs and its kind of component. The predicted times are summed over the parts of
a network. A straight line between the logarithms of sum and latency corrects what is not additive:
launches that overlap, caches, the work between parts.

The intervals are conformal: each measured network is predicted without its own measurement, and
the quantile of the errors is the half width. If errors of further networks are exchangeable with
those, intervals of 90 % hold 90 % of them in the mean over calibrations, whatever their
distribution (Barber et al., Predictive inference with the jackknife+, 2021). Of one calibration
with n networks the share varies; if the errors were independent, its standard deviation would be 4
points for 50 networks, and 6 for 20 (Vovk, Conditional validity of inductive conformal predictors,
2012).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...search_space.architecture.architecture import Architecture
from ...search_space.components.parts import Key
from ...search_space.errors import InputError
from ..cost.value import MAC_KINDS, OTHER_KINDS
from .features import Numbers, part_features

Floats = NDArray[np.float64]
FEWEST = 20
"""Fewest measured networks of a predictor."""
MOST = 50
"""Most measured networks that a predictor uses."""
LEVEL = 0.9
"""Share of the networks whose latency lies in its interval."""
_RIDGE = 1.0
_KIND_SCALE = 3.0
"""Size of the indicator of a kind of component, so that its own level is penalised little."""
_FOLDS = 10


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A network with its measured latency."""

    architecture: Architecture
    """The network."""
    latency: float
    """Latency, ms."""
    part_ms: Mapping[str, float]
    """Times of its parts by name, ms."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A predicted latency."""

    value: float
    """Latency, ms."""
    low: float
    """Lower end of the interval, ms."""
    high: float
    """Upper end of the interval, ms."""


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The parts of a measured network."""

    features: Sequence[Numbers]
    """The features of each part."""
    timed: Sequence[tuple[Numbers, float]]
    """The features and the time of each part whose time is above 0, ms."""


class _PartModel:
    """A ridge regression of the logarithm of a part's time."""

    def __init__(self, parts: Sequence[Numbers], times: Sequence[float]) -> None:
        kinds = sorted({_kind(each) for each in parts})
        self._places = {kind: place for place, kind in enumerate(kinds)}
        x_PF = self._rows(parts)
        y_P = np.log(np.asarray(times))
        self._centre, self._level = x_PF.mean(axis=0), float(y_P.mean())
        centred = x_PF - self._centre
        gram = centred.T @ centred + _RIDGE * np.eye(centred.shape[1])
        self._weights = np.linalg.solve(gram, centred.T @ (y_P - self._level))
        self._range = (float(y_P.min()) - 2, float(y_P.max()) + 2)

    def sum(self, parts: Sequence[Numbers]) -> float:
        """Return the sum of the times of parts, ms."""
        logs = (self._rows(parts) - self._centre) @ self._weights + self._level
        return float(np.exp(np.clip(logs, *self._range)).sum())

    def _rows(self, parts: Sequence[Numbers]) -> Floats:
        rows = np.zeros((len(parts), 4 + len(_COUNTS) + len(self._places)))
        for row, each in zip(rows, parts, strict=True):
            row[:4] = _sizes(each)
            row[4 : 4 + len(_COUNTS)] = [math.log1p(each.get(name, 0.0) / 1e3) for name in _COUNTS]
            place = self._places.get(_kind(each))
            if place is not None:
                row[4 + len(_COUNTS) + place] = _KIND_SCALE
        return rows


_COUNTS = (*(f"macs.{kind}" for kind in MAC_KINDS), *(f"other.{kind}" for kind in OTHER_KINDS))


def _sizes(part: Numbers) -> tuple[float, ...]:
    macs = sum(value for name, value in part.items() if name.startswith("macs."))
    other = sum(value for name, value in part.items() if name.startswith("other."))
    return tuple(math.log(each + 100) for each in (macs + other, part["bytes"], macs, other))


def _kind(part: Numbers) -> str:
    return next(name for name in part if name.startswith("of."))


class _Model:
    """The sum over parts and its correction."""

    def __init__(self, parts: Sequence[_Parts], latencies: Floats) -> None:
        known = [each for network in parts for each in network.timed]
        self._parts = _PartModel([each for each, _ in known], [time for _, time in known])
        sums = np.log([self._parts.sum(each.features) for each in parts])
        self._line = np.polyfit(sums, np.log(latencies), 1) if np.ptp(sums) > 0 else None
        self._shift = float(np.median(np.log(latencies) - sums))

    def log(self, parts: Sequence[Numbers]) -> float:
        """Return the logarithm of a network's latency in ms."""
        total = math.log(self._parts.sum(parts))
        if self._line is None:
            return total + self._shift
        return float(np.polyval(self._line, total))


class LatencyPredictor:
    """Predicts latencies under the conditions of the given measurements."""

    def __init__(self, timed: Sequence[Timed], *, level: float = LEVEL) -> None:
        """Fit the model.

        Args:
            timed: Measured networks, at least ``FEWEST``; the first ``MOST`` are used.
            level: Share of networks whose latency lies in its interval, between 0 and 1.

        Raises:
            InputError: If there are too few networks.
        """
        if len(timed) < FEWEST:
            raise InputError(
                f"a predictor must have at least {FEWEST} measured networks, but got {len(timed)}"
            )
        used = timed[:MOST]
        self._known: dict[Key, Numbers] = {}
        parts = [self._parts_of(each) for each in used]
        latencies = np.array([each.latency for each in used], dtype=np.float64)
        self._model = _Model(parts, latencies)
        errors = sorted(_errors(parts, latencies))
        rank = min(len(errors), math.ceil((len(errors) + 1) * level))
        self.half_width = errors[rank - 1]
        """Half the width of the intervals, on the scale of the logarithm."""
        self.count = len(used)
        """Number of measured networks that the predictor uses."""

    def predict(self, architecture: Architecture) -> Prediction:
        """Return the latency of a network, which is not built.

        Raises:
            UncountableOperation: If an operation has no formula.
        """
        log = self._model.log(self._features(architecture))
        return Prediction(
            value=math.exp(log),
            low=math.exp(log - self.half_width),
            high=math.exp(log + self.half_width),
        )

    def _features(self, architecture: Architecture) -> list[Numbers]:
        found: list[Numbers] = []
        for part in architecture.parts():
            if part.key not in self._known:
                self._known[part.key] = part_features(part)
            found.append(self._known[part.key])
        return found

    def _parts_of(self, timed: Timed) -> _Parts:
        features = self._features(timed.architecture)
        names = [part.name for part in timed.architecture.parts()]
        times = [timed.part_ms.get(name, 0.0) for name in names]
        return _Parts(
            features=features,
            timed=[(f, time) for f, time in zip(features, times, strict=True) if time > 0],
        )


def _errors(parts: Sequence[_Parts], latencies: Floats) -> list[float]:
    """Return the error of each network's logarithm, predicted from the others, in folds."""
    errors: list[float] = []
    for fold in range(_FOLDS):
        left_out = np.arange(len(parts)) % _FOLDS == fold
        kept = [each for each, out in zip(parts, left_out, strict=True) if not out]
        model = _Model(kept, latencies[~left_out])
        for place in np.flatnonzero(left_out).tolist():
            error = model.log(parts[place].features) - math.log(latencies[place])
            errors.append(abs(error))
    return errors


def timed_of(
    architecture: Architecture, provenance: Mapping[str, Any], latency: float
) -> Timed | None:
    """Return a measured network from its record; None if the times of its parts are not recorded.

    Args:
        architecture: The network.
        provenance: Provenance of the latency, measured with the setting ``parts``.
        latency: The latency, ms.
    """
    parts = provenance.get("part_ms")
    if not parts:
        return None
    return Timed(architecture=architecture, latency=latency, part_ms=parts)
