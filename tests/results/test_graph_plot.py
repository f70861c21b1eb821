"""The picture of a network is complete and has no overlaps."""

from collections.abc import Iterator
from itertools import pairwise

import networkx as nx
import pytest
from nas_explorer.results.figures.graph_layout import (
    ABOVE,
    BELOW,
    DOWN,
    HEADING,
    LANE,
    RIGHT,
    UP,
    Line,
    Point,
    lines_of,
    rows_of,
)
from nas_explorer.results.figures.graph_plot import graph_figure, graph_page
from nas_explorer.results.figures.plots import COLOURS
from nas_explorer.search_space.architecture.graph import Node
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.walk.choosers import RandomChooser

MAP = Shape(4, 8, 8)


def graph_of(*nodes: tuple[str, str, int | None, int | None], macs: int = 0) -> nx.DiGraph:
    """Return a graph from parts: name, names of the inputs, stage and block."""
    graph = nx.DiGraph()
    for name, taken, stage, block in nodes:
        node = Node(
            kind="joint" if taken.count(" ") else "norm",
            operation=name,
            label=f"{name}(<b>)",
            stage=stage,
            block=block,
            in_shapes=(MAP,) * len(taken.split()),
            out_shape=MAP,
            params=macs // 2,
            macs=macs,
        )
        graph.add_node(name, **node)
        graph.add_edges_from((each, name) for each in taken.split())
    return graph


BRANCHES = graph_of(
    ("stem", "", None, None),
    ("left", "stem", 0, 0),
    ("long", "left", 0, 0),
    ("right", "stem", 0, 0),
    ("sum", "long right", 0, 0),
    ("skip", "sum left", 0, 0),
    ("next", "skip", 0, 1),
    ("far", "next long", 1, 0),
    ("head", "far", None, None),
)


def drawn(seed: int) -> nx.DiGraph:
    network = load_space("micro").walk(RandomChooser(seed)).architecture
    # The layout does not depend on the costs.
    return network.graph(lambda part: {"params": 1, "macs": part.out_shape.tokens})


def lines(graph: nx.DiGraph) -> dict[tuple[str, str], Line]:
    return dict(zip(graph.edges, lines_of(graph, rows_of(graph)), strict=True))


def places(graph: nx.DiGraph) -> dict[str, Point]:
    return {name: place for row in rows_of(graph) for name, place in row.places.items()}


def samples(line: Line) -> Iterator[Point]:
    for (x1, y1), (x2, y2) in pairwise(line.points):
        for step in range(21):
            yield x1 + (x2 - x1) * step / 20, y1 + (y2 - y1) * step / 20


def test_a_row_for_each_block_and_lanes_for_branches():
    rows = rows_of(BRANCHES)
    assert [row.label for row in rows] == ["norm", "block 0", "block 1", "block 0", "norm"]
    assert [row.stage for row in rows] == [None, 0, 0, 1, None]
    stage = ABOVE + BELOW + HEADING
    assert rows[0].places == {"stem": (0, 0)} and rows[1].y == pytest.approx(stage)
    x = {name: place[0] for name, place in rows[1].places.items()}
    assert x == {"left": 0, "long": 1, "right": 1, "sum": 2, "skip": 3}
    assert rows[1].places["right"][1] == pytest.approx(rows[1].y + LANE) == rows[1].bottom
    assert rows[2].y == pytest.approx(rows[1].bottom + ABOVE + BELOW)
    assert rows[3].y == pytest.approx(rows[2].y + stage)


def test_lines_arrive_from_where_their_arrow_says():
    angles = {edge: line.angle for edge, line in lines(BRANCHES).items()}
    assert angles == {
        ("stem", "left"): RIGHT,
        ("stem", "right"): RIGHT,
        ("left", "long"): RIGHT,
        ("long", "sum"): RIGHT,
        ("right", "sum"): UP,
        ("sum", "skip"): RIGHT,
        ("left", "skip"): UP,
        ("skip", "next"): RIGHT,
        ("next", "far"): RIGHT,
        ("long", "far"): RIGHT,
        ("far", "head"): RIGHT,
    }
    residual = graph_of(("a", "", 0, 0), ("b", "a", 0, 1), ("c", "a b", 0, 1))
    assert lines(residual)["a", "c"].angle == DOWN


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_no_two_nodes_and_no_line_and_node_meet(seed):
    graph = BRANCHES if seed is None else drawn(seed)
    at = places(graph)
    assert set(at) == set(graph)
    for name, (x, y) in at.items():
        for other, (u, v) in at.items():
            assert name == other or abs(x - u) >= 1 or abs(y - v) >= LANE
    for (source, target), line in lines(graph).items():
        assert (line.points[0], line.points[-1]) == (at[source], at[target])
        for x, y in samples(line):
            for name in graph.nodes - {source, target}:
                u, v = at[name]
                assert abs(x - u) > 0.3 or abs(y - v) > 0.25, f"{source}-{target} over {name}"


def test_the_figure_shows_every_node_by_its_kind():
    graph = drawn(3)
    figure = graph_figure(graph)
    named = [trace for trace in figure.data if trace.name]
    assert {trace.name for trace in named} == {graph.nodes[name]["kind"] for name in graph}
    assert sum(len(trace.x) for trace in named) == len(graph)
    looks = {(trace.marker.color, trace.marker.symbol[-1]) for trace in named}
    assert len(looks) == len(named), "kinds can be told apart"
    assert {color for color, _ in looks} <= set(COLOURS)
    assert [each.text.split("</b>")[0] for each in figure.layout.annotations] == [
        f"<b>stage {stage}" for stage in range(len(figure.layout.annotations))
    ]


def test_pointing_at_a_node_tells_its_shapes_and_costs():
    graph = graph_of(("norm", "", 0, 0), macs=2000)
    graph.add_node("sum", **{**graph.nodes["norm"], "in_shapes": (MAP, MAP), "macs": 6000})
    graph.add_edge("norm", "sum")
    (trace,) = (trace for trace in graph_figure(graph).data if trace.name)
    assert trace.hovertext[1].split("<br>") == [
        "<b>sum</b>",
        "norm: norm(&lt;b&gt;)",
        "4x8x8, 4x8x8 to 4x8x8",
        "1,000 parameters (50.0% of all)",
        "6,000 MACs (75.0% of all)",
    ]


@pytest.mark.parametrize("size", ["macs", "params"])
def test_the_area_of_a_node_grows_with_its_cost(size):
    graph = graph_of(("a", "", 0, 0), ("b", "a", 0, 0), ("c", "b", 0, 0))
    for name, amount in {"a": 0, "b": 10, "c": 20}.items():
        graph.nodes[name][size] = amount
    (trace,) = (trace for trace in graph_figure(graph, size=size).data if trace.name)
    none, half, most = (diameter**2 for diameter in trace.marker.size)
    assert half - none == pytest.approx(most - half, rel=0.02) and half > none > 0


def test_a_long_network_is_drawn_longer_not_smaller():
    def height(depth: int) -> int:
        blocks = [(f"b{i}", f"b{i - 1}" if i else "", 0, i) for i in range(depth)]
        return graph_figure(graph_of(*blocks)).layout.height

    assert height(40) - height(30) == height(30) - height(20) >= 500


def test_the_page_stands_alone(monkeypatch):
    monkeypatch.setattr("plotly.io._html.get_plotlyjs", lambda: "/* plotly */")
    page = graph_page(drawn(0), "Candidate <3>")
    assert "<h1>Candidate &lt;3&gt;</h1>" in page and "<3>" not in page
    assert "/* plotly */" in page
    assert "src=" not in page and "<link" not in page and "://" not in page
