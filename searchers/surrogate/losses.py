"""Metric values as losses, on a scale where equal steps are equally valuable."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...results.analysis.correction import LEAST_ERROR, log_error

Floats = NDArray[np.float64]

_LEAST_VALUE = 1e-12


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The scale of one metric: ``log error``, ``log`` or ``linear``."""

    kind: str
    """``error``: log(1 - value); ``log``: log(value); ``linear``: the value."""
    sign: float
    """1 for a metric to minimise, -1 for one to maximise (1 for ``error``)."""

    @classmethod
    def of(cls, *, minimised: bool, share: bool, values: Floats) -> "Scale":
        """Choose the scale of a metric.

        Shares to maximise (accuracies) become logarithms of the error: from 90 to 95 % is as much
        as from 95 to 97.5 %. Other metrics above 0 become logarithms.

        Args:
            minimised: Whether less is better.
            share: Whether values lie between 0 and 1.
            values: Values of the history.
        """
        if share and not minimised:
            return cls(kind="error", sign=1.0)
        return cls(
            kind="log" if len(values) and values.min() > 0 else "linear",
            sign=1.0 if minimised else -1.0,
        )

    def losses(self, values: Floats) -> Floats:
        """Return values as losses, of any shape."""
        if self.kind == "error":
            return log_error(values)
        if self.kind == "linear":
            return self.sign * values
        # A known cost of the pool can be 0 where none of the history is.
        return self.sign * np.log(np.maximum(values, _LEAST_VALUE))

    def loss(self, value: float) -> float:
        """Return one value as a loss; infinite for a bound that no value of the scale has."""
        if self.kind == "log" and value <= 0:
            return -self.sign * math.inf
        return float(self.losses(np.array([value]))[0])

    def deviation(self, value: float, deviation: float) -> float:
        """Return the standard deviation of the loss, from a small one of the value."""
        if self.kind == "error":
            return deviation / max(1 - value, 10 * LEAST_ERROR)
        return deviation / value if self.kind == "log" else deviation
