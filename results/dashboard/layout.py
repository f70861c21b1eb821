"""The static parts of the page: headings, and containers of figures and texts."""

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component


def aria(**given: str) -> dict[str, Any]:
    """Return attributes for screen readers: ``label="..."`` is ``aria-label``."""
    return {f"aria-{name}": value for name, value in given.items()}


def plot(name: str, height: int, label: str) -> Component:
    """Return the container of a figure, with a description for screen readers."""
    return html.Div(id=name, role="figure", style={"height": height}, **aria(label=label))


def section(name: str, heading: str, *children: Component) -> Component:
    """Return a section under its heading."""
    return html.Section(
        [html.H2(heading, id=f"{name}-h"), *children], **aria(labelledby=f"{name}-h")
    )


def halves(*sections: Component) -> Component:
    """Return sections side by side."""
    return html.Div(list(sections), className="halves")


def controls(name: str, label: str) -> Component:
    """Return the container of menus and fields, with a description for screen readers."""
    return html.Div(id=name, className="controls", role="group", **aria(label=label))


def page(seconds: float) -> Component:
    """Return the whole page.

    Args:
        seconds: Seconds between two checks for new candidates.
    """
    data: dict[str, Any] = {"data-seconds": seconds}
    return html.Div(
        [
            dcc.Location(id="url", refresh=False),
            dcc.Store(id="version"),
            dcc.Store(id="contents"),
            dcc.Store(id="done"),
            html.Div(id="tip", hidden=True, role="tooltip"),
            html.Header(
                [
                    html.H1("nas dashboard"),
                    html.Div(id="studies"),
                    html.Nav(id="nav", **aria(label="Pages")),
                    html.P(id="status", role="status", **data),
                    html.P(id="not-there", role="status", className="fault"),
                    html.P(id="told", role="status", className="unseen"),
                ]
            ),
            html.Main(
                [
                    html.Div(_filtering(), id="filtering"),
                    *(
                        html.Div(contents, id=f"page-{name}", hidden=True)
                        for name, contents in (
                            ("explore", _explore()),
                            ("candidate", _candidate()),
                            ("matters", _matters()),
                            ("compare", _compare()),
                        )
                    ),
                ]
            ),
        ]
    )


def _filtering() -> list[Component]:
    form = html.Div(id="form", className="controls")
    return [
        html.Details([html.Summary("Filters"), form], id="filters"),
        html.Ul(id="chips", **aria(label="Filters in force")),
    ]


def _candidate() -> list[Component]:
    parts = "The parts of the network with their costs, a row for each block"
    network = html.Div(plot("network", 0, parts), className="scroll")
    table = html.Details([html.Summary("as a table"), html.Div(id="parts")])
    return [
        controls("choice", "Candidates"),
        html.Div(id="summary"),
        html.P([html.Span(id="export-told", role="status"), " ", html.Span(id="export-time")]),
        halves(
            section("costs", "Cost by part", plot("costs", 420, "Cost of each block"), table),
            section("curves", "Learning curve", plot("curves", 420, "Score over epochs")),
        ),
        halves(
            section(
                "efficiency",
                "Efficiency",
                plot("gap", 360, "Measured time against the ideal time at the peak rate"),
            ),
            section(
                "limits",
                "Arithmetic or memory",
                plot("waterline", 360, "Multiply-adds per byte of each part"),
            ),
        ),
        section("network", "Network", network),
        section("provenance", "Measurements", html.Div(id="provenance")),
        section("difference", "Difference to another", html.Div(id="difference")),
    ]


def _matters() -> list[Component]:
    importance = "Share of the metric's variance that each decision accounts for"
    levels = "Effect of each value of one decision"
    represented = "Frequency of values on the front divided by their frequency anywhere"
    return [
        controls("matters-controls", "What"),
        halves(
            section("importance", "Decisions", plot("importance", 460, importance)),
            section("levels", "Values", plot("levels", 460, levels)),
        ),
        html.P(id="matters-note", className="note"),
        section(
            "represented",
            "On the front",
            plot("represented", 420, represented),
            html.Div(id="represented-table"),
        ),
        section("rankings", "How well scores rank", html.Div(id="rankings-table")),
        section("runtimes", "Fronts by runtime", html.Div(id="runtimes-table")),
    ]


def _compare() -> list[Component]:
    distributions = "Empirical distribution of the metric in each study"
    growth = "Share of the space of objectives that each study's front dominates, over time"
    fronts = "The fronts of the studies in two metrics"
    return [
        controls("compare-controls", "What"),
        halves(
            section("distributions", "Distribution", plot("distributions", 420, distributions)),
            section("growth", "Progress", plot("growth", 420, growth)),
        ),
        html.Div(id="compare-table"),
        section("fronts", "Fronts", plot("fronts", 420, fronts)),
    ]


def _explore() -> list[Component]:
    scatter = "Scatter of two metrics with their front; its candidates are in the table too"
    parallel = (
        "Each line is a candidate, from blue to orange as the first objective grows. Draw a box "
        "over an axis to keep a range."
    )
    progress = "Share of the space of objectives that the front dominates, over time"
    return [
        html.Div(id="cards"),
        controls("controls", "Axes"),
        html.Div(
            [
                section(
                    "front",
                    "Candidates",
                    plot("scatter", 460, scatter),
                    html.P(id="scatter-note", className="note"),
                ),
                html.Aside(id="detail", **aria(label="The candidate chosen")),
            ],
            className="beside",
        ),
        section(
            "parallel",
            "Decisions and metrics",
            html.P(parallel, className="note"),
            html.Details([html.Summary("Choose the axes"), html.Div(id="axes")]),
            html.Div(
                plot("parallel", 400, "Parallel axes of decisions and metrics"), className="scroll"
            ),
        ),
        section("table", "Table", html.Div(id="table")),
        section(
            "progress",
            "Progress",
            plot("progress", 280, progress),
            html.P(id="progress-note", className="note"),
        ),
    ]
