"""Export of the report's figures as picture files, and of its candidates as a table."""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.io import write_images

from ...search_space.errors import InputError
from ..analysis.table import to_frame, write_csv
from ..figures.plots import pareto
from ..study.study import Study
from .choice import choice_figures
from .report import Report

FORMATS = ("svg", "png")
_SCALE = 2  # pixels of a PNG per pixel of the figure
_SIZE = (1000, 560)
_AXIS = 125
"""Pixels of a parallel axis, enough for the names of its values."""


def write_candidates(study: Study, path: Path) -> None:
    """Write all candidates as CSV, see ``to_frame``.

    Raises:
        InputError: If the file cannot be written.
    """
    write_csv(to_frame(study.candidates()), path)


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Write each figure of the report as SVG and as PNG; return the files.

    Effects of values are written for decisions that matter beyond chance.

    Args:
        report: The report, from ``make_report``.
        folder: Target folder, created if missing.

    Raises:
        InputError: If there is nothing to show, the folder cannot be written, or kaleido or its
            browser is missing.
    """
    drawn = [
        (figure, folder / f"{name}.{ending}")
        for name, figure in _figures(report).items()
        for ending in FORMATS
    ]
    if not drawn:
        raise InputError("figures must show a complete candidate, but the study has none")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_images(
            fig=[figure for figure, _ in drawn],
            file=[path for _, path in drawn],
            scale=[_SCALE if path.suffix == ".png" else 1 for _, path in drawn],
            width=[_width(figure) for figure, _ in drawn],
            height=[_height(figure) for figure, _ in drawn],
        )
    except OSError as error:
        why = error.strerror or error
        raise InputError(
            f"a folder for figures must be writable, but got {folder}: {why}"
        ) from None
    except (ValueError, RuntimeError, ImportError) as error:  # raised by plotly and kaleido
        why = " ".join(str(error).split())[:200]
        raise InputError(
            "figures as files must have kaleido (install with '.[figures]' in the clone) and "
            f"Chrome or Chromium, but got: {why}"
        ) from None
    return [path for _, path in drawn]


def _figures(report: Report) -> dict[str, go.Figure]:
    """Return the figures by name, on a white background."""
    objectives = report.study.settings.objectives
    figures = {name: figure for name, (figure, _) in report.figures.items()}
    if figures and len(objectives) > 1:
        figures["front"] = pareto(report.candidates, objectives[1], objectives[0])
    figures |= dict(choice_figures(report.choices))
    white = {"template": "plotly_white", "paper_bgcolor": "white", "plot_bgcolor": "white"}
    return {name: go.Figure(figure).update_layout(white) for name, figure in figures.items()}


def _height(figure: go.Figure) -> int:
    layout: Any = figure.layout
    return layout.height or _SIZE[1]


def _width(figure: go.Figure) -> int:
    """Return the width of a picture in pixels; many parallel axes need more."""
    traces: list[dict[str, Any]] = figure.to_dict()["data"]
    axes = max((len(trace.get("dimensions", ())) for trace in traces), default=0)
    return max(_SIZE[0], _AXIS * axes)
