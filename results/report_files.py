"""The figures of the report as picture files, and its candidates as a table."""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.io import write_images

from ..search_space.errors import InputError
from .front import pareto_front
from .plots import pareto
from .report import report_figures
from .study import Study
from .table import to_frame, write_csv

FORMATS = ("svg", "png")
_SCALE = 2  # pixels of a PNG for each of the figure
_SIZE = (1000, 560)
_AXIS = 125
"""Pixels of a parallel axis, which must hold the names of its values."""


def write_candidates(study: Study, path: Path) -> None:
    """Write all candidates as CSV, see ``to_frame``.

    Raises:
        InputError: If the file cannot be written.
    """
    write_csv(to_frame(study.candidates()), path)


def write_figures(study: Study, folder: Path) -> list[Path]:
    """Write each figure of the report as SVG and as PNG; return the files.

    Args:
        study: What is shown.
        folder: Where to; made where it is missing.

    Raises:
        InputError: If there is nothing to show, the folder cannot be written, or what draws the
            pictures is not there.
    """
    candidates, objectives = study.candidates(), study.settings.objectives
    figures = {
        name: figure
        for name, (figure, _) in report_figures(
            candidates, objectives, pareto_front(candidates, objectives)
        ).items()
    }
    if not figures:
        raise InputError("figures must show a complete candidate, but the study has none")
    if len(objectives) > 1:
        figures["front"] = pareto(candidates, objectives[1], objectives[0])
    drawn = [(figure, folder / f"{n}.{e}") for n, figure in figures.items() for e in FORMATS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_images(
            fig=[figure for figure, _ in drawn],
            file=[path for _, path in drawn],
            scale=[_SCALE if path.suffix == ".png" else 1 for _, path in drawn],
            width=[_width(figure) for figure, _ in drawn],
            height=_SIZE[1],
        )
    except OSError as error:
        why = error.strerror or error
        raise InputError(
            f"a folder for figures must be writable, but got {folder}: {why}"
        ) from None
    except (ValueError, RuntimeError, ImportError) as error:  # what plotly and kaleido raise
        why = " ".join(str(error).split())[:200]
        raise InputError(
            "figures as files must have kaleido (pip install 'nas-explorer[figures]') and Chrome "
            f"or Chromium, but got: {why}"
        ) from None
    return [path for _, path in drawn]


def _width(figure: go.Figure) -> int:
    """Return the width of a picture in pixels: more where there are many parallel axes."""
    traces: list[dict[str, Any]] = figure.to_dict()["data"]
    axes = max((len(trace.get("dimensions", ())) for trace in traces), default=0)
    return max(_SIZE[0], _AXIS * axes)
