"""The section of the report that draws the networks of the front, one at a time."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..evaluators.cost.cost import additive_costs
from .candidate import Candidate
from .graph_plot import graph_figure

MOST = 12
"""Networks that are drawn: each makes the file some 50 kB larger."""


def spread(candidates: Sequence[Candidate], most: int) -> Sequence[Candidate]:
    """Return at most so many candidates, from all along the sequence."""
    return candidates[:: max(1, math.ceil(len(candidates) / most))]


def network_graphs(front: Sequence[Candidate]) -> Mapping[str, Any]:
    """Return the pictures of networks of the front, by the number of the candidate."""
    return {
        str(each.number): graph_figure(each.architecture.graph(additive_costs)).to_plotly_json()
        for each in spread(front, MOST)
    }


def networks_section(front: Sequence[Candidate]) -> str:
    """Return the place of the picture of one network, and the choice between them."""
    shown = spread(front, MOST)
    if not shown:
        return ""
    options = "".join(
        f'<option value="{each.number}">'
        f"{each.number}: {escape(each.architecture.outline())}</option>"
        for each in shown
    )
    rest = f" {len(shown)} of {len(front)} on the front." if len(shown) < len(front) else ""
    return (
        f'<div class="controls"><label>candidate <select id="graph">{options}</select></label>'
        '</div><figure><div class="scroll"><div id="plot-graph" class="plot" role="img" '
        'aria-label="The parts of the network chosen and what each takes, a row for each block">'
        "</div></div><figcaption>A row for each block; the area of a part grows with its MACs, and "
        f"pointing at it tells its shapes, parameters and MACs.{rest}</figcaption></figure>"
    )
