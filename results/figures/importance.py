"""Figures of the effects of decisions on a metric, and of the values' frequencies on the front."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from ..analysis.effects import FEWEST, Effect, Effects, effect_title
from ..analysis.enrichment import Share
from ..analysis.front import is_count
from .axis_format import is_share, share_digits
from .markup import heads, joined, row, scrolled, tag
from .plots import BLUE, VERMILLION, short_path
from .theme import GREY, new_figure, said
from .view import View

_NAMED = 6
MOST = 15
"""Maximum number of drawn decisions."""
Shares = tuple[int, int, list[Share]]


def importance(found: Effects | None, count: int = 0) -> go.Figure:
    """Return a figure of each decision's share of variance, with its interval and chance level.

    Args:
        found: The effects; None if there are too few candidates.
        count: Number of candidates, shown if there are too few.
    """
    if found is None:
        few = f"{count:,} complete candidates; it takes {FEWEST}."
        return said(new_figure(), few if count < FEWEST else "All candidates are equal.")
    top = max(0.05, *(1.05 * max(e.high, e.chance, e.share) for e in found.decisions[:MOST]))
    axis = {"title": {"text": "share of variance"}, "range": [0, top]}
    figure = new_figure(xaxis={**axis, "tickformat": f".{share_digits((0, top))}~%"})
    shown = list(found.decisions[:MOST])
    names = [escape(short_path(each.path)) for each in shown]
    figure.add_bar(
        y=names,
        x=[each.share for each in shown],
        orientation="h",
        name="share",
        marker={"color": [BLUE if each.share > each.chance else GREY for each in shown]},
        showlegend=False,
        error_x=_bars([(each.low, each.share, each.high) for each in shown], GREY),
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    figure.add_scatter(
        y=names,
        x=[each.chance for each in shown],
        mode="markers",
        name="95th percentile by chance",
        marker={"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": VERMILLION}},
        showlegend=True,
        hovertemplate="95th percentile by chance: %{x:.1%}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure


def chosen(found: Effects | None, view: View) -> Effect | None:
    """Return the chosen decision, by default the most important one."""
    if found is None:
        return None
    by_path = {each.path: each for each in found.decisions}
    return by_path.get(view.decision, found.decisions[0])


def levels(found: Effects | None, view: View) -> go.Figure:
    """Return a figure of the effect of each value of the chosen decision."""
    effect = chosen(found, view)
    factor = is_count(view.metric)
    axis: dict[str, Any] = {
        "title": {"text": effect_title(view.metric)},
        "type": "log" if factor else "linear",
    }
    if effect is None:
        return said(new_figure(), "Nothing to show.")
    shown = effect.levels
    ends = [end for each in shown for end in (each.low, each.high)]
    if factor:
        least = (*ends, 0.99, 1.01)  # smaller ranges would look like noise
        axis["range"] = [1.05 * float(np.log10(pick(least))) for pick in (min, max)]
    elif is_share(view.metric):
        least = (*ends, -0.005, 0.005)
        axis["range"] = [1.05 * pick(least) for pick in (min, max)]
        axis["tickformat"] = f"+.{share_digits(least)}~%"
    figure = new_figure(xaxis=axis)
    figure.add_scatter(
        y=[f"{escape(each.label)} ({each.count:,})" for each in shown],
        x=[each.effect for each in shown],
        mode="markers",
        name=escape(short_path(effect.path)),
        marker={"color": BLUE, "size": 9},
        error_x=_bars([(each.low, each.effect, each.high) for each in shown], BLUE),
        hovertemplate="%{y}: %{x}<extra></extra>",
    )
    figure.add_vline(1.0 if factor else 0.0, line={"color": GREY, "dash": "dot"})
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure


def importance_note(found: Effects | None, view: View) -> Markup:
    """Return the explanation of the figures."""
    if found is None:
        return Markup("")
    effect = chosen(found, view)
    name = "" if effect is None else short_path(effect.path)
    words = _beyond(found, view.metric)
    return joined(
        f"{words} An additive model of {view.metric}{' by its logarithm' * is_count(view.metric)}, "
        f"fitted to {found.count:,} candidates kept; all decisions together predict "
        f"{found.explained:.0%} of its variance (cross-validated). Bars: 95 % intervals. "
        f"Red marks: the 95th percentile in shuffled studies; grey bars are below their marks. "
        f"On the right: {name}, each value against the average."
    )


def _beyond(found: Effects, name: str) -> str:
    """Return a text on which decisions matter beyond chance."""
    sure = [short_path(each.path) for each in found.decisions if each.beyond]
    count, above = len(found.decisions), sum(e.share > e.chance for e in found.decisions)
    if sure:
        named = ", ".join(sure[:_NAMED]) + ", ..." * (len(sure) > _NAMED)
        return f"Beyond chance: {named} ({len(sure)} of {count} decisions)."
    return (
        f"Nothing is beyond chance: no decision explains more of {name} than the most important "
        f"one does in shuffled studies. {above} of {count} are above their own mark; about "
        f"{count / 20:.1g} would be by chance."
    )


def _bars(intervals: Sequence[tuple[float, float, float]], colour: str) -> dict[str, Any]:
    """Return plotly's error bars for intervals: lower end, value and upper end of each."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for _, value, high in intervals],
        "arrayminus": [value - low for low, value, _ in intervals],
        "color": colour,
    }


def represented(shares: Shares) -> go.Figure:
    """Return a figure of each value's frequency on the front, relative to chance."""
    figure = new_figure(xaxis={"title": {"text": "share on the front / share of all"}})
    shown = shares[2]
    if not shown:
        return said(figure, "No candidate is complete yet.")
    figure.add_scatter(
        y=[escape(each.label) for each in shown],
        x=[each.ratio for each in shown],
        mode="markers",
        marker={
            "color": [VERMILLION if each.probability < 0.05 else GREY for each in shown],
            "size": 10,
            "symbol": ["diamond" if each.probability < 0.05 else "circle" for each in shown],
        },
        error_x=_bars([(each.low, each.ratio, each.high) for each in shown], GREY),
        hovertemplate="%{y}: %{x:.2f} times<extra></extra>",
    )
    figure.add_vline(1.0, line={"color": GREY, "dash": "dot"})
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure


def represented_table(shares: Shares, view: View) -> Markup:
    """Return the frequencies as a table, with p-values."""
    front, count, shown = shares
    rows = [
        row(
            f"{each.front} of {front}",
            f"{each.every:,} of {count:,}",
            f"{each.expected:.1f}",
            f"{each.ratio:.2f} [{each.low:.2f}, {each.high:.2f}]",
            f"{each.probability:.3g}",
            head=each.label,
        )
        for each in shown
    ]
    header = heads(
        view.word, "on the front", "of all", "by chance", "ratio [95 %]", "probability by chance"
    )
    none = shown and all(each.probability >= 0.05 for each in shown)
    note = "Nothing is beyond chance here. " if none else ""
    note += (
        "A candidate counts if it has the value anywhere. The probability, two-sided and corrected "
        "for the number of values (Holm), is that of a front sampled at random from these "
        "candidates; red diamonds are below 0.05."
    )
    return scrolled("Values on the front", header, rows) + tag("p", note, class_="note")
