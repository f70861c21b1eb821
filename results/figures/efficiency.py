"""Figures of efficiency: the gap between ideal and measured time, and the waterline of a network.

Lavin, On the Efficiency of Convolutional Neural Networks, 2024.
"""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from ...evaluators.latency.efficiency import (
    NetworkEfficiency,
    PartEfficiency,
    network_efficiency,
    part_efficiencies,
)
from ..candidate import Candidate
from .plots import BLUE, VERMILLION
from .theme import GREY, new_figure, said

_LINES = (1.0, 0.1, 0.01, 0.001)
"""Efficiencies whose lines are drawn."""
_NONE = "No latency with the peak rates of its device is recorded."


def gap(candidates: Sequence[Candidate]) -> go.Figure:
    """Return the efficiency gap: measured time against the ideal time at the device's peak rate.

    Both axes are logarithmic, so the distance of a point from the line of 100 % is its gap.
    """
    found = [
        (each, efficiency)
        for each in candidates
        if (efficiency := network_efficiency(each.measurements)) is not None
    ]
    figure = new_figure(showlegend=False)
    if not found:
        return said(figure, _NONE)
    ideal = [efficiency.ideal_ms for _, efficiency in found]
    ends = [min(ideal) / 1.5, max(ideal) * 1.5]
    for share in _LINES:
        figure.add_scatter(
            x=ends,
            y=[end / share for end in ends],
            mode="lines",
            line={"color": GREY, "width": 1, "dash": "solid" if share == 1 else "dot"},
            hoverinfo="skip",
        )
        figure.add_annotation(
            x=math.log10(ends[1]),
            y=math.log10(ends[1] / share),
            text=f"{100 * share:g} %",
            showarrow=False,
            xanchor="right",
            yanchor="bottom",
        )
    figure.add_scatter(
        x=ideal,
        y=[efficiency.latency for _, efficiency in found],
        customdata=[each.number for each, _ in found],
        mode="markers",
        marker={"color": BLUE, "size": 7},
        text=[_tip(each, efficiency) for each, efficiency in found],
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_xaxes(type="log", title={"text": "ideal time at the peak rate [ms]"})
    figure.update_yaxes(type="log", title={"text": "latency [ms]"})
    return figure


def waterline(candidate: Candidate | None) -> go.Figure:
    """Return the waterline of a network: multiply-adds per byte of its parts, as wide as their
    multiply-adds, and the device's ridge.

    Parts below the line are limited by memory.
    """
    figure = new_figure(showlegend=False, bargap=0)
    if candidate is None:
        return said(figure, "No candidate is chosen.")
    found = network_efficiency(candidate.measurements)
    if found is None or not candidate.is_buildable:
        return said(figure, _NONE)
    latency = candidate.measurements["latency"].provenance
    parts = part_efficiencies(
        candidate.architecture,
        found.peaks,
        latency.get("part_ms"),
        batch=latency.get("batch", 1),
    )
    working = [each for each in parts if each.macs]
    if not working:
        return said(figure, "No part has multiply-adds.")
    starts = [sum(each.macs for each in working[:place]) for place in range(len(working))]
    figure.add_bar(
        x=starts,
        y=[each.intensity for each in working],
        width=[each.macs for each in working],
        offset=0,
        marker={
            "color": [VERMILLION if each.memory_bound else BLUE for each in working],
            "line": {"color": "rgba(255,255,255,0.6)", "width": 0.5},
        },
        text=list(map(_part_tip, working)),
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    figure.add_hline(
        y=found.peaks.ridge,
        line={"color": GREY, "dash": "dash"},
        annotation_text=f"waterline: {found.peaks.ridge:.3g} MACs per byte",
    )
    figure.update_xaxes(title={"text": "MACs, from the image to the head"}, tickformat="~s")
    figure.update_yaxes(type="log", title={"text": "MACs per byte"})
    return figure


def _tip(candidate: Candidate, efficiency: NetworkEfficiency) -> str:
    return f"candidate {candidate.number}<br>{efficiency.text}"


def _part_tip(part: PartEfficiency) -> str:
    lines = [
        f"{part.name}: {part.component}",
        f"{part.macs:,} MACs, {part.bytes:,} bytes: {part.intensity:.3g} MACs per byte",
        f"limited by {'memory' if part.memory_bound else 'arithmetic'}",
    ]
    if part.ms and part.efficiency is not None:
        lines.append(f"{part.ms:.3g} ms, {100 * part.efficiency:.3g} % of what the peaks allow")
    return "<br>".join(lines)
