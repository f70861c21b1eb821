"""Black and white levels of greyscale images of more than 8 bits: one pair per data set."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from .pixels import Samples, stored_values

Range = tuple[float, float]
Levels = Mapping[str, Range]
"""Values of black and of white by kind of ``Samples``."""

_OUTLIERS = 0.01
"""Share of the files whose extremes are ignored, so that a dead pixel does not set the scale."""


def extremes(image: Image.Image, samples: Samples) -> Range | None:
    """Return the smallest and the largest finite value of a loaded image; None without any."""
    values = stored_values(image, samples)
    if samples.kind == "float":
        values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else None


def levels_of(found: Sequence[tuple[str, Range]]) -> Levels:
    """Return the levels of a data set from the kind and the extremes of each image.

    For unsigned values, white is the smallest ``2^bits - 1``, from 8 bits on, that no value
    exceeds, since 16-bit files often hold 10 to 14 bits. For other values, the extremes are the
    levels.
    """
    levels: dict[str, Range] = {}
    for kind in sorted({kind for kind, _ in found}):
        own = [each for its_kind, each in found if its_kind == kind]
        low = float(np.quantile([each[0] for each in own], _OUTLIERS, method="lower"))
        high = float(np.quantile([each[1] for each in own], 1 - _OUTLIERS, method="higher"))
        if kind != "float" and low >= 0:
            low, high = 0.0, float(2 ** max(8, int(high).bit_length()) - 1)
        levels[kind] = (low, high)
    return levels
