"""The report's pictures of the front's networks, one at a time."""

import math
from collections.abc import Iterator, Sequence

import plotly.graph_objects as go

from ..candidate import Candidate
from ..figures.graph_plot import graph_figure
from ..figures.networks import cost_by_part, make_pair
from ..figures.view import View
from .choice import Choices, Option, high, menu, place

MOST = 12
"""Maximum number of drawn networks; each adds about 50 kB to the file."""


def spread(candidates: Sequence[Candidate], most: int) -> Sequence[Candidate]:
    """Return at most ``most`` evenly spaced candidates."""
    return candidates[:: max(1, math.ceil(len(candidates) / most))]


def network_choices(front: Sequence[Candidate]) -> Choices:
    """Return the pictures of the front's networks, with the costs of their parts."""
    options = list(map(_network, spread([each for each in front if each.is_buildable], MOST)))
    return {"graph": options} if options else {}


def _network(candidate: Candidate) -> Option:
    pair = make_pair(candidate, None)
    figures = {"network": graph_figure(pair.graph)}
    for what in ("macs", "params"):
        costs = cost_by_part(pair, View(study="", weight=what))
        figures[f"cost-{what}"] = high(costs, len(set(_rows(costs))) + 5)  # the legend is high
    return Option(
        label=f"{candidate.number}: {candidate.outline()}",
        name=str(candidate.number),
        figures=figures,
    )


def _rows(figure: go.Figure) -> Iterator[str]:
    for trace in figure.to_dict()["data"]:
        yield from trace["y"]


def networks_section(front: Sequence[Candidate], choices: Choices) -> str:
    """Return the HTML of the menu of networks and the container of their picture."""
    if not choices:
        return ""
    shown = len(choices["graph"])
    rest = f" {shown} of {len(front)} on the front." if shown < len(front) else ""
    caption = (
        "A row for each block; the area of a part grows with its MACs. Point at a part to see its "
        f"shapes, parameters and MACs.{rest}"
    )
    label = "The parts of the chosen network with their costs, a row for each block"
    costs = "".join(
        place(
            f"cost-{what}", f"{name} by part", f"{name} of each block, by kind of part.", tall=True
        )
        for what, name in (("macs", "MACs"), ("params", "Parameters"))
    )
    return (
        f'<div class="controls">{menu("graph", "candidate")}</div>'
        + place("network", label, caption, tall=True)
        + f'<h3>Cost by part</h3><div class="beside">{costs}</div>'
    )
