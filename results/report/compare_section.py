"""The report's comparison with other studies, like the dashboard's page."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go

from ...search_space.errors import InputError
from ..analysis.compare import distribution, growths
from ..figures import comparison
from ..figures.comparison import Comparison
from ..figures.snapshot import Snapshot, complete_view
from ..figures.view import View
from ..study.study import Study
from .choice import Choices, Option, menu, place


def read_snapshot(study: Study) -> Snapshot:
    """Return a snapshot of a study in its present state."""
    return Snapshot(name=study.name, settings=study.settings, columns=study.columns(), version=1)


def snapshots(study: Study, others: Sequence[Study]) -> list[Snapshot]:
    """Return snapshots of a study and of those to compare with.

    Raises:
        InputError: If a study is given twice.
    """
    names = [each.name for each in (study, *others)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"studies that are compared must differ, but got {name!r} twice")
    return [read_snapshot(each) for each in (study, *others)]


def _comparison(studies: Sequence[Snapshot], name: str) -> Comparison:
    masks = [np.ones(len(each.columns), np.bool_) for each in studies]
    return Comparison(
        studies=studies,
        distributions=[
            distribution(each.columns, name, mask)
            for each, mask in zip(studies, masks, strict=True)
        ],
        growths=growths([s.columns for s in studies], masks, studies[0].settings.objectives),
    )


def compare_choices(studies: Sequence[Snapshot]) -> Choices:
    """Return a menu of the distributions of each objective; empty without another study."""
    if len(studies) < 2:
        return {}
    view = View(study=studies[0].name)
    return {
        "compared": [
            Option(
                label=name,
                name=name,
                figures={
                    "distributions": comparison.error_distributions(
                        _comparison(studies, name), replace(view, metric=name)
                    )
                },
                part=f"compared-{name}",
            )
            for name in studies[0].settings.objectives
        ]
    }


def compare_figures(studies: Sequence[Snapshot]) -> dict[str, tuple[go.Figure, str]]:
    """Return the figures that do not depend on the metric, with their descriptions."""
    if len(studies) < 2:
        return {}
    objectives = studies[0].settings.objectives
    view = complete_view(View(study=studies[0].name), studies[0])
    found = _comparison(studies, objectives[0])
    subject = f"Hypervolume of {', '.join(objectives)}, on one scale for all studies"
    figures = {
        "growth": (comparison.growth(found, view), f"{subject}, over the candidates finished"),
        "growth-time": (
            comparison.growth(found, replace(view, over="time")),
            f"{subject}, over measuring time",
        ),
    }
    if len(objectives) > 1:
        figures["fronts"] = (
            comparison.fronts(found, view),
            f"The fronts of {view.x} and {view.y}",
        )
    return figures


def compare_section(studies: Sequence[Snapshot], choices: Choices) -> str:
    """Return the HTML of the metric's menu, the distributions and the table."""
    if not choices:
        return ""
    tables = "".join(
        f'<div id="{each.part}">'
        f"{comparison.compare_table(_comparison(studies, each.label), view)}</div>"
        for each in choices["compared"]
        for view in [View(study=studies[0].name, metric=each.label)]
    )
    return (
        f'<div class="controls">{menu("compared", "metric")}</div>'
        + place("distributions", "Share of the candidates with at most each value")
        + tables
    )
