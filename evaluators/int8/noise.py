"""The noise of a quantised network: pure functions of its scores."""

import numpy as np
from numpy.typing import NDArray

LEAST_DB = 3.0
"""Least signal-to-noise ratio of a network's scores, dB: with less it counts as broken."""
MOST_DB = 150.0
"""Largest ratio that is stated, dB, about that of float32."""

Array = NDArray[np.float32]


def sqnr_db(wanted: Array, found: Array) -> float:
    """Return the signal-to-quantisation-noise ratio, dB.

    It is ten times the decimal logarithm of the sum of the squared scores by the sum of their
    squared differences, over all images and outputs.

    Args:
        wanted: Scores of the float network, (N, K), finite.
        found: Scores of the quantised network, of the same shape.
    """
    signal = float(np.square(wanted, dtype=np.float64).sum())
    noise = float(np.square(np.subtract(wanted, found, dtype=np.float64)).sum())
    if noise == 0:
        return MOST_DB
    if signal == 0:
        return -MOST_DB
    return float(np.clip(10 * np.log10(signal / noise), -MOST_DB, MOST_DB))


def same_top(wanted: Array, found: Array) -> float:
    """Return the share of images with the same top class, 0 to 1."""
    return float((wanted.argmax(1) == found.argmax(1)).mean())


def why_broken(wanted: Array, found: Array) -> str | None:
    """Return why a quantised network is broken (the rule, then the value), or None.

    Args:
        wanted: Scores of the float network, (N, K).
        found: Scores of the quantised network.
    """
    if found.shape != wanted.shape:
        return f"scores in int8 must be of {wanted.shape}, but are of {found.shape}"
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).sum())
        return f"scores in int8 must be finite, but {bad} of {found.size} are not"
    ratio = sqnr_db(wanted, found)
    if ratio < LEAST_DB:
        return (
            f"the signal-to-noise ratio of the scores in int8 must be at least {LEAST_DB:g} dB, "
            f"but is {ratio:.1f} dB"
        )
    return None
