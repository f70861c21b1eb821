"""The report's figures of efficiency."""

from collections.abc import Sequence

import plotly.graph_objects as go

from ...evaluators.latency.efficiency import network_efficiency
from ..candidate import Candidate
from ..figures.efficiency import gap, waterline


def efficiency_figures(
    candidates: Sequence[Candidate], front: Sequence[Candidate]
) -> dict[str, tuple[go.Figure, str]]:
    """Return the efficiency gap of all candidates and the waterline of the first of the front.

    The result is empty where no latency with peak rates is recorded.
    """
    if not any(network_efficiency(each.measurements) for each in candidates):
        return {}
    found = {
        "gap": (
            gap(candidates),
            "Latency against the ideal time at the peak rate of the device; the lines are "
            "efficiencies, so the distance to the line of 100 % is the gap",
        )
    }
    known = [each for each in front if network_efficiency(each.measurements)]
    if known and known[0].is_buildable:
        found["waterline"] = (
            waterline(known[0]),
            f"Multiply-adds per byte of the parts of candidate {known[0].number}, as wide as their "
            "multiply-adds: those below the line are limited by memory",
        )
    return found
