"""Layout of the nodes and edges of a network's picture: one row per block, stage by stage.

Lengths are in columns to the right and in rows downwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ...search_space.components.parts import IMAGE

if TYPE_CHECKING:
    import networkx as nx

    Graph = nx.DiGraph[str]

Point = tuple[float, float]

HEADING = 0.7
"""Space above the first row of a stage."""
ABOVE = 0.58
"""Distance from a row up to its incoming line."""
BELOW = 0.42
"""Distance from a row down to the next one's space."""
LANE = 0.5
"""Distance between two lanes of a row."""

_DIP = 0.34  # depth of an edge that passes below a row's nodes
_TURN = 0.3  # width of a curve
_PIECES = 6  # of a curve

RIGHT, DOWN, UP = 90, 180, 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of nodes: those of one block, or those between blocks."""

    stage: int | None
    """Number of the stage; None outside the stages."""
    label: str
    """Label at the left."""
    places: Mapping[str, Point]
    """Positions of the nodes; the smallest x is 0."""
    y: float
    """Vertical position of the first lane."""

    @property
    def last(self) -> float:
        """The last column."""
        return max(x for x, _ in self.places.values())

    @property
    def bottom(self) -> float:
        """Vertical position of the last lane."""
        return max(y for _, y in self.places.values())


@dataclass(frozen=True, kw_only=True)
class Line:
    """The drawn line of an edge."""

    points: Sequence[Point]
    """Points from the centre of one node to the centre of the other."""
    angle: int
    """Direction of the line's end: ``RIGHT``, ``DOWN`` or ``UP``, in degrees from upwards."""


def rows_of(graph: "Graph") -> list[Row]:
    """Return the rows from the top, in the order of the graph's nodes.

    Args:
        graph: As ``Architecture.graph`` returns it.
    """
    rows: list[Row] = []
    for (stage, block), group in groupby(graph, lambda name: _place_in_network(graph, name)):
        names = list(group)
        kinds = dict.fromkeys(graph.nodes[name]["kind"] for name in names if name != IMAGE)
        y = 0.0
        if rows:
            heading = HEADING if stage != rows[-1].stage else 0
            y = rows[-1].bottom + BELOW + heading + ABOVE
        rows.append(
            Row(
                stage=stage,
                label=", ".join(kinds) if block is None else f"block {block}",
                places=_places(graph, names, y),
                y=y,
            )
        )
    return rows


def _place_in_network(graph: "Graph", name: str) -> tuple[int | None, int | None]:
    node = graph.nodes[name]
    return node["stage"], node["block"]


def _places(graph: "Graph", names: Sequence[str], y: float) -> dict[str, Point]:
    """Return the positions of a row's nodes.

    Each node is as far to the right as the nodes that take its output allow. Several nodes in one
    column take different lanes, in their order.
    """
    to_end: dict[str, int] = {}
    for name in reversed(names):
        after = [to_end[each] for each in graph.successors(name) if each in to_end]
        to_end[name] = 1 + max(after, default=-1)
    places: dict[str, Point] = {}
    lanes: dict[int, int] = {}
    for name in names:
        column = max(to_end.values()) - to_end[name]
        lane = lanes.get(column, 0)
        lanes[column] = lane + 1
        places[name] = (column, y + LANE * lane)
    return places


def lines_of(graph: "Graph", rows: Sequence[Row]) -> list[Line]:
    """Return the lines of all edges, in the order of the edges.

    Inside a row, a line runs straight to the neighbour, else in a curve below the nodes between. To
    another row, it leaves at the right, runs above that row, and enters from above or from the
    left.
    """
    number = {name: index for index, row in enumerate(rows) for name in row.places}
    gutter = max(row.last for row in rows) + 0.6
    lines: list[Line] = []
    for source, target in graph.edges:
        start, end = rows[number[source]], rows[number[target]]
        a, b = start.places[source], end.places[target]
        if start is end:
            lines.append(_inside(start, a, b))
            continue
        if a[0] == start.last:
            near = number[target] == number[source] + 1 and end.stage == start.stage
            turn = a[0] + 0.5 if near else gutter  # not through the headings at the left
            out = [a, (turn, a[1]), (turn, end.y - ABOVE)]
        else:
            turn, below = a[0] + 0.5, start.bottom + (_DIP + BELOW) / 2
            out = [a, (turn, a[1]), (turn, below), (gutter, below), (gutter, end.y - ABOVE)]
        lines.append(_into(out, b, first_lane=b[1] == end.y))
    return lines


def _into(line: Sequence[Point], end: Point, *, first_lane: bool) -> Line:
    """Continue a line above a row to one of the row's nodes."""
    x, y = end
    above = line[-1][1]
    if first_lane and x > 0:
        return Line(points=[*line, (x, above), end], angle=DOWN)
    return Line(points=[*line, (x - 0.5, above), (x - 0.5, y), end], angle=RIGHT)


def _inside(row: Row, a: Point, b: Point) -> Line:
    """Draw a line along the lower of two lanes, or below nodes in its way."""
    (x1, y1), (x2, y2) = a, b
    if y1 == y2 and x2 == x1 + 1:
        return Line(points=[a, b], angle=RIGHT)
    along = max(y1, y2)
    lowest = max((y for x, y in row.places.values() if x1 < x < x2), default=row.y)
    if y1 == y2 or lowest >= along:
        along = max(along, lowest) + _DIP
    start = _curve(a, (x1, along), (x1 + _TURN, along)) if along > y1 else [a]
    end = _curve((x2 - _TURN, along), (x2, along), b) if along > y2 else [b]
    return Line(points=[*start, *end], angle=UP if along > y2 else RIGHT)


def _curve(start: Point, control: Point, end: Point) -> list[Point]:
    """Return points on a quadratic Bezier curve."""
    points: list[Point] = []
    for piece in range(_PIECES + 1):
        t = piece / _PIECES
        weights = ((1 - t) ** 2, 2 * (1 - t) * t, t**2)
        x, y = (
            sum(w * each[axis] for w, each in zip(weights, (start, control, end), strict=True))
            for axis in (0, 1)
        )
        points.append((x, y))
    return points
