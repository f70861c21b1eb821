"""The page of one candidate: its network, its costs, its training, and another beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast
from urllib.parse import urlencode

import plotly.graph_objects as go
from markupsafe import Markup

from ...evaluators.base import Measurement, metric
from ...evaluators.cost.cost import additive_costs
from ...evaluators.latency.parts import part_times
from ...search_space.graph import Node
from ..candidate import Candidate
from ..export.files import ENDINGS
from ..graph_plot import OTHER, STYLES, graph_figure
from ..plots import learning_curve, learning_curves, short_path
from ..provenance import told
from ..table import format_measurement, format_value
from .controls import menu
from .detail import dominated_by, measured
from .markup import facts, heads, joined, row, scrolled, tag
from .source import Snapshot, Source
from .theme import new_figure, said, themed
from .view import View


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A candidate, and the one that it is compared with."""

    one: Candidate | None
    """The candidate; none where it is not there."""
    other: Candidate | None
    """The other one; none where none was asked for, or it is not there."""
    asked: int | None
    """Number of the other one that was asked for."""
    nodes: Mapping[str, Node]
    """The parts of the candidate's network, by name."""
    graph: Any
    """The graph of its network."""


def make_pair(one: Candidate | None, other: Candidate | None, asked: int | None = None) -> Pair:
    """Put two candidates side by side."""
    graph = None if one is None else one.architecture.graph(additive_costs)
    nodes = {} if graph is None else {name: cast(Node, graph.nodes[name]) for name in graph}
    return Pair(one=one, other=other, asked=asked, nodes=nodes, graph=graph)


# Figures ----------------------------------------------------------------------------------------


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


# Texts ------------------------------------------------------------------------------------------


def choice(snapshot: Snapshot, view: View, pair: Pair) -> Markup:
    """Return the fields for the two numbers, and for what the sizes stand."""
    last = str(snapshot.columns.number_N[-1]) if len(snapshot.columns) else "0"
    fields = [
        tag(
            "label",
            tag("span", label),
            tag(
                "input",
                type="number",
                min="0",
                max=last,
                value="" if number is None else str(number),
                data_field=name,
                data_key=name,
            ),
            class_="control",
        )
        for name, label, number in (
            ("candidate", "candidate", view.candidate),
            ("other", "compare with", view.other),
        )
    ]
    weights = [("macs", "MACs"), ("params", "parameters"), ("time", "time, measured now")]
    return joined((fields, menu("weight", "sizes by", weights, view.weight)))


def summary(source: Source, snapshot: Snapshot, view: View, pair: Pair) -> Markup:
    """Return what the candidate is, what was measured, and the ways to take it home."""
    one = pair.one
    if one is None:
        if view.candidate is not None:
            return tag("p", f"There is no candidate {view.candidate} in {snapshot.name}.")
        return tag("p", "Give the number of a candidate, or choose one in the table.")
    return joined(
        (
            tag("h2", f"Candidate {one.number}"),
            tag("p", one.status, " ", tag("code", one.digest)),
            tag("p", one.architecture.outline()),
            tag("p", one.reason, class_="fault") if one.reason else "",
            measured(one),
            dominated_by(snapshot, view),
            tag("h3", "Export"),
            _exports(view, one, lacks_weights=source.lacks_weights(snapshot.name, one)),
            _failure(one),
        )
    )


def _exports(view: View, one: Candidate, *, lacks_weights: bool) -> Markup:
    """Return the ways to take it home; those that there are no weights for cannot be followed."""
    links = [
        tag("a", ending, role="link", aria_disabled="true")
        if lacks_weights
        else tag(
            "a", ending, href=_export(view, ending), data_export=f"candidate {one.number}{ending}"
        )
        for ending in ENDINGS
    ]
    name = f"untrained candidate {one.number}{ENDINGS[0]}"
    fresh = tag("a", "untrained", href=f"{_export(view, ENDINGS[0])}&untrained=1", data_export=name)
    why = "No weights of it were kept: only fresh ones can be had. " if lacks_weights else ""
    note = f"{why}A zip of the file and its card, checked against the network first."
    return tag("p", note) + tag("div", links, fresh, class_="buttons")


def _export(view: View, ending: str) -> str:
    query = {"study": view.study, "candidate": str(view.candidate), "format": ending}
    return f"export?{urlencode(query)}"


def _failure(one: Candidate) -> Markup:
    if not one.traceback:
        return Markup("")
    return tag("h3", "Traceback") + tag("pre", one.traceback, tabindex="0")


def provenance(pair: Pair) -> Markup:
    """Return each measurement, and how it was had."""
    if pair.one is None:
        return Markup("")
    measurements = pair.one.measurements
    ways = {name: told(each) for name, each in measurements.items()}
    plain = [name for name, way in ways.items() if not way and metric(name).tier == "exact"]
    found = [
        tag("h3", f"{name} {format_measurement(measurements[name])}") + facts(way, class_="how")
        for name, way in ways.items()
        if name not in plain
    ]
    if exact := {name: format_measurement(measurements[name]) for name in plain}:
        found.append(tag("h3", "Counted exactly") + facts(exact, class_="how"))
    if seconds := {name: f"{value:.2f} s" for name, value in pair.one.seconds.items()}:
        found.append(tag("h3", "Wall time") + facts(seconds, class_="how"))
    return joined(found)


def parts(pair: Pair) -> Markup:
    """Return the parts as a table."""
    rows = [
        row(
            node["label"],
            ", ".join(map(str, node["in_shapes"])),
            str(node["out_shape"]),
            f"{node['params']:,}",
            f"{node['macs']:,}",
            head=name,
        )
        for name, node in pair.nodes.items()
    ]
    header = heads("part", "component", "takes", "gives", "parameters", "MACs")
    return scrolled("Parts", header, rows)


def difference(pair: Pair) -> Markup:
    """Return in what the two differ: metrics, decisions, costs of each stage."""
    one, other = pair.one, pair.other
    if one is None or other is None:
        text = "Give another number above to compare with."
        if one is not None and pair.asked is not None:
            text = f"There is no candidate {pair.asked} to compare with."
        return tag("p", text, class_="note")
    header = heads("", f"candidate {one.number}", f"candidate {other.number}", "ratio")
    rows = [
        row(format_measurement(a), format_measurement(b), _ratio(a, b), head=name)
        for name in dict.fromkeys((*one.measurements, *other.measurements))
        for a, b in [(one.measurements.get(name), other.measurements.get(name))]
    ]
    rows += [
        row(str(one.decisions.get(path, "-")), str(other.decisions.get(path, "-")), "", head=short)
        for path in dict.fromkeys((*one.decisions, *other.decisions))
        if one.decisions.get(path) != other.decisions.get(path)
        for short in [short_path(path)]
    ]
    theirs = make_pair(other, None).nodes.values()
    rows += _stages(list(pair.nodes.values()), list(theirs))
    return scrolled("Differences", header, rows)


def _ratio(a: Measurement | None, b: Measurement | None) -> str:
    return f"{b.value / a.value:.3g}" if a and b and a.value else "-"


def _stages(mine: Sequence[Node], theirs: Sequence[Node]) -> list[Markup]:
    """Return the MACs of each stage of both."""
    sums: list[dict[str, int]] = []
    for nodes in (mine, theirs):
        found: dict[str, int] = {}
        for stage, group in groupby(nodes, lambda node: node["stage"]):
            name = "outside the stages" if stage is None else f"stage {stage}"
            found[name] = found.get(name, 0) + sum(node["macs"] for node in group)
        sums.append(found)
    names = sorted({**sums[0], **sums[1]})
    return [
        row(*(format_value("macs", each.get(name)) for each in sums), "", head=f"MACs, {name}")
        for name in names
        if sums[0].get(name) != sums[1].get(name)
    ]
