"""Figures of one candidate or of two: the network, the costs of its parts, the learning curve."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import plotly.graph_objects as go

from ...evaluators.cost.cost import additive_costs
from ...evaluators.latency.parts import part_times
from ...search_space.architecture.graph import Node
from ..candidate import Candidate
from .graph_plot import OTHER, STYLES, graph_figure
from .plots import learning_curve, learning_curves
from .theme import new_figure, said, themed
from .view import View


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A candidate, and optionally another one to compare with."""

    one: Candidate | None
    """The candidate; None if it does not exist."""
    other: Candidate | None
    """The other candidate; None if none was requested or it does not exist."""
    asked: int | None
    """Requested number of the other candidate."""
    nodes: Mapping[str, Node]
    """The parts of the candidate's network by name."""
    graph: Any
    """The graph of the candidate's network."""


def make_pair(one: Candidate | None, other: Candidate | None, asked: int | None = None) -> Pair:
    """Return the pair of the candidates with these numbers."""
    graph = None if one is None or not one.is_buildable else one.architecture.graph(additive_costs)
    nodes = {} if graph is None else {name: cast(Node, graph.nodes[name]) for name in graph}
    return Pair(one=one, other=other, asked=asked, nodes=nodes, graph=graph)


def network(pair: Pair, view: View) -> go.Figure:
    """Return the picture of the network."""
    if pair.graph is None:
        return said(new_figure(), "No candidate is chosen.")
    size = "params" if view.weight == "params" else "macs"
    figure = graph_figure(pair.graph, size=size, times=_times(pair, view))
    layout: Any = figure["layout"]
    return themed(figure, legend=layout.legend, margin=layout.margin)


def cost_by_part(pair: Pair, view: View) -> go.Figure:
    """Return a figure of the cost of each block by kind of part, from the image to the head."""
    what = "params" if view.weight == "params" else "macs"
    times = _times(pair, view)
    title = "time here [ms]" if times else "parameters" if what == "params" else "MACs"
    axis = {"title": {"text": title}, "tickformat": None if times else "~s"}
    figure = new_figure(barmode="stack", xaxis=axis)
    amounts = {
        name: times.get(name, 0.0) if times else node[what] for name, node in pair.nodes.items()
    }
    parts = {name: node for name, node in pair.nodes.items() if amounts[name]}
    places = list(dict.fromkeys(map(_place, parts.values())))
    if not parts:
        return said(figure, "No candidate is chosen.")
    for kind in dict.fromkeys(node["kind"] for node in parts.values()):
        sums: dict[str, float] = dict.fromkeys(places, 0)
        for name, node in parts.items():
            if node["kind"] == kind:
                sums[_place(node)] += amounts[name]
        if any(sums.values()):
            figure.add_bar(
                y=places,
                x=[sums[place] for place in places],
                name=kind,
                orientation="h",
                marker={"color": STYLES.get(kind, OTHER)[0]},
                hovertemplate=f"%{{y}}: %{{x:,}}<extra>{kind}</extra>",
            )
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure


def _times(pair: Pair, view: View) -> Mapping[str, float] | None:
    """Return the milliseconds of the parts, if requested."""
    if view.weight != "time" or pair.one is None:
        return None
    return part_times(pair.one.architecture)


def _place(node: Node) -> str:
    if node["stage"] is None:
        return node["kind"]
    if node["block"] is None:
        return f"s{node['stage']} {node['kind']}"
    return f"s{node['stage']} block {node['block']}"


def curves(pair: Pair) -> go.Figure:
    """Return a figure of both learning curves, and a note on missing ones."""
    if pair.one is None:
        return said(new_figure(), "No candidate is chosen.")
    both = [each for each in (pair.one, pair.other) if each]
    without = [str(each.number) for each in both if not learning_curve(each)]
    if len(without) == len(both):
        return said(new_figure(), f"No learning curve of {' and '.join(without)} is stored.")
    figure = themed(learning_curves(both), showlegend=True)
    if without:
        text = f"no learning curve of candidate {without[0]} is stored"
        where = {"x": 1, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "right"}
        figure.add_annotation(text=text, showarrow=False, yanchor="bottom", **where)
    return figure
