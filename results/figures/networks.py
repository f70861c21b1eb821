"""One candidate, or two side by side: the network, what its parts cost, its learning curve."""

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
    """A candidate, and the one that it is compared with."""

    one: Candidate | None
    """The candidate; None where it is not there."""
    other: Candidate | None
    """The other one; None where none was asked for, or it is not there."""
    asked: int | None
    """Number of the other one that was asked for."""
    nodes: Mapping[str, Node]
    """The parts of the candidate's network, by name."""
    graph: Any
    """The graph of its network."""


def make_pair(one: Candidate | None, other: Candidate | None, asked: int | None = None) -> Pair:
    """Put two candidates side by side."""
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
    """Return the cost of each block, from the image to the head, by kind of part."""
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
    """Return the milliseconds of the parts where these are asked for."""
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
    """Return the learning curves of both, and nothing where the candidate is not there."""
    if pair.one is None:
        return said(new_figure(), "No candidate is chosen.")
    both = [each for each in (pair.one, pair.other) if each]
    without = [str(each.number) for each in both if not learning_curve(each)]
    if len(without) == len(both):
        return said(new_figure(), f"No learning curve of {' and '.join(without)} is stored.")
    figure = themed(learning_curves(both), showlegend=True)
    if without:
        text = f"none of candidate {without[0]} is stored"
        where = {"x": 1, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "right"}
        figure.add_annotation(text=text, showarrow=False, yanchor="bottom", **where)
    return figure
