"""Menus of the report, each of which shows one of several options."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import plotly.graph_objects as go


@dataclass(frozen=True, kw_only=True, eq=False)
class Option:
    """An option of a menu with its figures and texts."""

    label: str
    """Text in the menu."""
    name: str
    """Part of the names of picture files."""
    figures: Mapping[str, go.Figure]
    """Figures by the name of their container."""
    note: str = ""
    """Note below the figures, plain text."""
    part: str = ""
    """Element of the page shown with the option; those of other options are hidden."""
    filed: bool = True
    """Whether the figures are written to picture files."""
    inner: "Choices" = field(default_factory=dict[str, Any])
    """Further menus."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form for the page's script."""
        return {
            "label": self.label,
            "figures": {place: figure_json(each) for place, each in self.figures.items()},
            "note": self.note,
            "part": self.part,
            "inner": choices_json(self.inner),
        }


Choices = Mapping[str, Sequence[Option]]
"""Options by the name of their menu."""


def figure_json(figure: go.Figure) -> dict[str, Any]:
    """Return a figure without its template, since the page has its own style."""
    found: dict[str, Any] = figure.to_plotly_json()
    layout = {key: each for key, each in found["layout"].items() if key != "template"}
    return {**found, "layout": layout}


def choices_json(choices: Choices) -> dict[str, Any]:
    """Return the JSON form for the page's script."""
    return {menu: [each.to_json() for each in options] for menu, options in choices.items()}


def choice_figures(choices: Choices, chosen: str = "") -> Iterator[tuple[str, go.Figure]]:
    """Yield the figures for picture files, with names made of container and options."""
    every = (option for options in choices.values() for option in options)
    for option in (option for option in every if option.filed):
        names = f"{chosen}-{re.sub(r'[^A-Za-z0-9._]+', '-', option.name)}"
        for place, figure in option.figures.items():
            yield place + names, figure
        yield from choice_figures(option.inner, names)


def menu(name: str, label: str) -> str:
    """Return a menu, which the page's script fills."""
    return f'<label>{escape(label)} <select id="{name}"></select></label>'


def place(name: str, label: str, caption: str = "", *, tall: bool = False) -> str:
    """Return the container of a figure.

    Args:
        name: Name of the container.
        label: Description for screen readers.
        caption: Caption as HTML.
        tall: Whether the figure sets its own height.
    """
    kind = "plot tall-as-drawn" if tall else "plot"
    return (
        f'<figure><div class="scroll"><div id="plot-{name}" class="{kind}" role="img" '
        f'aria-label="{escape(label)}"></div></div>'
        f"{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"
    )


def note(name: str) -> str:
    """Return the container of the note on a menu's option."""
    return f'<p id="{name}-note" role="status"></p>'


def high(figure: go.Figure, rows: int) -> go.Figure:
    """Set the height of a figure of horizontal bars or points by its number of rows."""
    return figure.update_layout(height=112 + 22 * max(rows, 6))
