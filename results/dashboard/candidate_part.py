"""The page of one candidate: network, costs, training, and a comparison with another candidate."""

from collections.abc import Sequence
from itertools import groupby
from urllib.parse import urlencode

from markupsafe import Markup

from ...evaluators.base import Measurement, metric
from ...search_space.architecture.graph import Node
from ..analysis.provenance import described
from ..candidate import Candidate
from ..export.formats import FORMATS, installed
from ..figures.markup import facts, heads, joined, row, scrolled, tag
from ..figures.networks import Pair, make_pair
from ..figures.plots import short_path
from ..figures.snapshot import Snapshot
from ..figures.view import View
from ..numbers import format_measurement, format_value
from .controls import menu, number_field
from .detail import dominated_by, measured
from .source import Source


def choice(snapshot: Snapshot, view: View, pair: Pair) -> Markup:
    """Return the fields for the two candidates' numbers, and the menu of the node size."""
    last = str(snapshot.columns.number_N[-1]) if len(snapshot.columns) else "0"
    fields = [
        number_field(name, label, "" if number is None else str(number), min="0", max=last)
        for name, label, number in (
            ("candidate", "candidate", view.candidate),
            ("other", "compare with", view.other),
        )
    ]
    weights = [("macs", "MACs"), ("params", "parameters"), ("time", "time, measured now")]
    return joined((fields, menu("weight", "sizes by", weights, view.weight)))


def summary(source: Source, snapshot: Snapshot, view: View, pair: Pair) -> Markup:
    """Return the candidate's architecture, measurements and export links."""
    one = pair.one
    if one is None:
        if view.candidate is not None:
            return tag("p", f"There is no candidate {view.candidate} in {snapshot.name}.")
        return tag("p", "Give the number of a candidate, or choose one in the table.")
    return joined(
        (
            tag("h2", f"Candidate {one.number}"),
            tag("p", one.status, " ", tag("code", one.digest)),
            tag("p", one.outline()),
            tag("p", one.reason, class_="fault") if one.reason else "",
            measured(one),
            dominated_by(snapshot, view),
            tag("h3", "Export"),
            _exports(view, one, lacks_weights=source.lacks_weights(snapshot.name, one)),
            _failure(one),
        )
    )


def _exports(view: View, one: Candidate, *, lacks_weights: bool) -> Markup:
    """Return the export links; formats that need missing weights are disabled."""
    links = [
        tag("a", ending, role="link", aria_disabled="true")
        if lacks_weights
        else tag(
            "a", ending, href=_export(view, ending), data_export=f"candidate {one.number}{ending}"
        )
        for ending in installed()
    ]
    first = next(iter(FORMATS))
    name = f"untrained candidate {one.number}{first}"
    fresh = tag("a", "untrained", href=f"{_export(view, first)}&untrained=1", data_export=name)
    why = (
        "Its trained weights were not kept: only an untrained export is possible. "
        if lacks_weights
        else ""
    )
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
    """Return each measurement with its provenance."""
    if pair.one is None:
        return Markup("")
    measurements = pair.one.measurements
    ways = {name: described(each) for name, each in measurements.items()}
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
    """Return the differences of two candidates: metrics, decisions, costs of each stage."""
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
    """Return the MACs of each stage of both candidates."""
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
