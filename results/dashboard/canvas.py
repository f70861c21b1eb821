"""Points drawn on a canvas by ``assets/points.js``, since thousands of elements would be slow."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly.colors import sample_colorscale

from ..analysis.columns import Numbers
from ..figures.theme import SCALE

_SHADES = 64


def layer(
    values: Mapping[str, Numbers],
    number_N: NDArray[np.int64],
    marker: Mapping[str, Any],
    *,
    edge: float,
    quiet: bool,
) -> dict[str, Any]:
    """Return points of one kind.

    Args:
        values: Values for ``x``, ``y`` or both; points without one value are drawn at the edge.
        number_N: Numbers of the candidates.
        marker: Plotly's marker of the points.
        edge: Distance from the edge as a share of height or width.
        quiet: Whether the points ignore the mouse.
    """
    colour, size = marker["color"], marker["size"]
    found = {
        "number": _packed(number_N, np.int32),
        "symbol": marker.get("symbol", "circle"),
        "opacity": marker.get("opacity", 1.0),
        "width": marker.get("line", {}).get("width", 1.0),
        "edge": edge,
        "quiet": quiet,
        **{axis: _packed(each, np.float32) for axis, each in values.items()},
    }
    found |= {"size": size} if isinstance(size, int) else {"sizes": _packed(size, np.float32)}
    if isinstance(colour, str):
        return {**found, "colour": colour}
    low, high = np.nanmin(colour), np.nanmax(colour)
    shades = np.nan_to_num((colour - low) / (high - low or 1.0) * (_SHADES - 1), nan=255)
    palette = sample_colorscale(SCALE, np.linspace(0, 1, _SHADES).tolist())
    return {**found, "shade": _packed(shades, np.uint8), "palette": palette}


def in_legend(marker: Mapping[str, Any]) -> dict[str, Any]:
    """Return the style of the empty trace that represents a layer in the legend."""
    looks = dict(marker)
    if not isinstance(looks["size"], int):
        looks["size"] = 8
    if not isinstance(looks["color"], str):
        ends = {"cmin": np.nanmin(looks["color"]), "cmax": np.nanmax(looks["color"])}
        looks |= {"color": [ends["cmin"]], **ends}
    return looks


def _packed(values: Any, kind: type) -> str:
    """Return numbers as base64, which a browser reads into an array without parsing."""
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode()
