"""The picture of a network's graph, as a plotly figure and as a page of its own."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, cast

import plotly.graph_objects as go

from ...search_space.architecture.graph import Node
from ..numbers import format_value
from .graph_layout import ABOVE, BELOW, HEADING, Line, Row, lines_of, rows_of
from .plots import BLUE, COLOURS, VERMILLION

if TYPE_CHECKING:
    import networkx as nx

    Graph = nx.DiGraph[str]

GREEN, PINK, ORANGE, SKY, GREY = COLOURS[2:]
STYLES: Mapping[str, tuple[str, str]] = {
    "image": (ORANGE, "star"),
    "stem": (GREEN, "hexagon"),
    "downsampling": (GREEN, "triangle-down"),
    "token mixer": (BLUE, "circle"),
    "channel mixer": (VERMILLION, "square"),
    "norm": (SKY, "diamond"),
    "joint": (GREY, "x"),
    "head": (PINK, "pentagon"),
}
"""Colour and symbol of each kind of node."""
OTHER = (GREY, "hexagram")
"""Colour and symbol of all other kinds."""
SUM = "add"
"""Name of the operation that is drawn as a plus sign without label, since it is frequent."""

LINE, BAND = "#8A8A8A", "rgba(127, 127, 127, 0.1)"  # visible on white and on black
ROW, COLUMN = 66, 90  # least width of a column, pixels
LEAST, MOST = 9, 30  # diameter of a node, pixels


def graph_figure(
    graph: "Graph",
    *,
    size: Literal["macs", "params"] = "macs",
    times: Mapping[str, float] | None = None,
) -> go.Figure:
    """Return the picture of a network: stage by stage, block by block.

    Args:
        graph: As ``Architecture.graph`` returns it.
        size: The cost that the area of a node shows.
        times: Milliseconds of each part, by name; if given, the area shows them instead.
    """
    rows = rows_of(graph)
    amounts = {
        name: _node(graph, name)[size] if times is None else times.get(name, 0.0) for name in graph
    }
    most = max(amounts.values())
    diameters = {name: _diameter(amount, most) for name, amount in amounts.items()}
    named = "time" if times is not None else "MACs" if size == "macs" else "parameters"
    figure = go.Figure()
    lines = lines_of(graph, rows)
    _add_lines(figure, lines)
    _add_arrows(figure, lines, [diameters[target] / 2 for _, target in graph.edges])
    _add_nodes(figure, graph, rows, diameters)
    top, bottom = rows[0].y - ABOVE, rows[-1].bottom + BELOW
    margin = 64  # the legend is below the buttons
    figure.update_layout(
        template="plotly_white",
        height=margin + round(ROW * (bottom - top)),
        margin={"l": 96, "r": 16, "t": margin, "b": 0},
        legend={
            "title": {"text": f"area: {named}"},
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.0,
            "x": 0,
            "itemsizing": "constant",
        },
        hoverlabel={"align": "left"},
        xaxis={"visible": False, "range": [-0.7, max(row.last for row in rows) + 0.7]},
        yaxis={
            "range": [bottom, top],
            "tickvals": [row.y for row in rows],
            "ticktext": [escape(row.label) for row in rows],
            "showgrid": False,
            "zeroline": False,
        },
        **_stages(graph, rows),
    )
    return figure


def _node(graph: "Graph", name: str) -> Node:
    return cast(Node, graph.nodes[name])


def _diameter(amount: float, most: float) -> float:
    """Return the diameter of a node in pixels; the area grows with ``amount``."""
    share = amount / most if most else 0
    return round(math.sqrt(LEAST**2 + (MOST**2 - LEAST**2) * share), 1)


def graph_page(graph: "Graph", title: str) -> str:
    """Return the picture as an HTML page that needs no internet connection.

    Args:
        graph: As ``Architecture.graph`` returns it.
        title: Heading of the page.
    """
    figure = graph_figure(graph)
    sums = (sum(_node(graph, name)[what] for name in graph) for what in ("params", "macs"))
    params, macs = (f"{amount:,}" for amount in sums)
    columns = max(row.last for row in rows_of(graph)) + 1
    picture = figure.to_html(
        full_html=False,
        include_plotlyjs=True,
        config={
            "displaylogo": False,
            "modeBarButtonsToRemove": ["lasso2d", "select2d"],
            "showSendToCloud": False,  # the figure is not uploaded
            "plotlyServerURL": "",
        },
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        "<style>body { margin: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1b1f24; } "
        "h1 { font-size: 1.4rem; margin: 0; } p { margin: 0; } "
        f"#network {{ min-width: {COLUMN * columns + 96:.0f}px; }}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{params} parameters, {macs} MACs</p>\n"
        f'<div id="network">{picture}</div>\n</body>\n</html>\n'
    )


# Nodes and stages -------------------------------------------------------------------------------


def _add_nodes(
    figure: go.Figure, graph: "Graph", rows: Sequence[Row], diameters: Mapping[str, float]
) -> None:
    """Add a trace for each kind of node, for an entry in the legend."""
    at = {name: place for row in rows for name, place in row.places.items()}
    first_lanes = {row.y for row in rows}
    total = {what: sum(graph.nodes[name][what] for name in graph) for what in ("params", "macs")}
    kinds: dict[str, list[str]] = {}
    for name in graph:
        kinds.setdefault(_node(graph, name)["kind"], []).append(name)
    for kind, names in kinds.items():
        nodes = [_node(graph, name) for name in names]
        colour, symbol = STYLES.get(kind, OTHER)
        plain = [node["operation"] == SUM for node in nodes]
        figure.add_scatter(
            x=[at[name][0] for name in names],
            y=[at[name][1] for name in names],
            name=kind,
            mode="markers+text",
            marker={
                "color": colour,
                "symbol": ["cross" if each else symbol for each in plain],
                "size": [diameters[name] for name in names],
                "opacity": 1,
                "line": {"width": 0},
            },
            text=[
                "" if each else escape(node["operation"])
                for each, node in zip(plain, nodes, strict=True)
            ],
            textposition=[
                "top center" if at[name][1] in first_lanes else "bottom center" for name in names
            ],
            textfont={"size": 11},
            hovertext=[_hover(name, node, total) for name, node in zip(names, nodes, strict=True)],
            hoverinfo="text",
        )


def _hover(name: str, node: Node, total: Mapping[str, int]) -> str:
    taken = ", ".join(map(str, node["in_shapes"]))
    lines = [
        f"{node['kind']}: {node['label']}",
        f"{taken} to {node['out_shape']}" if taken else str(node["out_shape"]),
        f"{node['params']:,} parameters{_share(node['params'], total['params'])}",
        f"{node['macs']:,} MACs{_share(node['macs'], total['macs'])}",
    ]
    return "<br>".join([f"<b>{escape(name)}</b>", *map(escape, lines)])


def _share(amount: int, total: int) -> str:
    return f" ({amount / total:.1%} of all)" if amount else ""


def _stages(graph: "Graph", rows: Sequence[Row]) -> dict[str, Any]:
    """Return a shaded band for each stage, with a heading that summarises the stage."""
    shapes: list[dict[str, Any]] = []
    headings: list[dict[str, Any]] = []
    for stage, group in groupby(rows, lambda row: row.stage):
        members = list(group)
        if stage is None:
            continue
        top = members[0].y - ABOVE - HEADING
        shapes.append(
            {
                "type": "rect",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": top + 0.05,
                "y1": members[-1].bottom + BELOW - 0.05,
                "fillcolor": BAND,
                "line": {"width": 0},
                "layer": "below",
            }
        )
        nodes = [_node(graph, name) for row in members for name in row.places]
        headings.append(
            {
                "text": _heading(stage, nodes),
                "xref": "paper",
                "x": 0,
                "xanchor": "left",
                "y": top + 0.1,
                "yanchor": "top",
                "showarrow": False,
            }
        )
    return {"shapes": shapes, "annotations": headings}


def _heading(stage: int, nodes: Sequence[Node]) -> str:
    params = format_value("params", sum(node["params"] for node in nodes))
    macs = format_value("macs", sum(node["macs"] for node in nodes))
    return f"<b>stage {stage}</b>  {nodes[-1]['out_shape']}, {params} parameters, {macs} MACs"


# Edges ------------------------------------------------------------------------------------------


def _add_lines(figure: go.Figure, lines: Sequence[Line]) -> None:
    def joined(axis: int) -> Iterator[float | None]:
        for line in lines:
            yield from (round(point[axis], 3) for point in line.points)
            yield None  # a gap between lines

    figure.add_scatter(
        x=list(joined(0)),
        y=list(joined(1)),
        mode="lines",
        line={"color": LINE, "width": 1.2},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_arrows(figure: go.Figure, lines: Sequence[Line], radii: Sequence[float]) -> None:
    figure.add_scatter(
        x=[line.points[-1][0] for line in lines],
        y=[line.points[-1][1] for line in lines],
        mode="markers",
        marker={
            "symbol": "arrow",
            "size": 7,
            "color": LINE,
            "angle": [line.angle for line in lines],
            "standoff": list(radii),
            "opacity": 1,
        },
        hoverinfo="skip",
        showlegend=False,
    )
