"""The report's figure of scaling."""

from collections.abc import Sequence

import plotly.graph_objects as go

from ...search_space.errors import InputError
from ..analysis.main_metric import main_metric
from ..analysis.scaling import Family, families
from ..analysis.scaling_laws import LawFit, fit_law
from ..candidate import Candidate
from ..figures.scaling import scaling_figure

_SIZE = "macs"


def scaling_figures(candidates: Sequence[Candidate]) -> dict[str, tuple[go.Figure, str]]:
    """Return the figure of the candidates that ``nas scale`` made; empty where there are none."""
    score = main_metric(candidates).short
    found = families(candidates, _SIZE, score)
    if not found:
        return {}
    fits = fits_of(found, _SIZE, score)
    inside = sum(each.inside for each in fits.values())
    text = f"{score.capitalize()} against {_SIZE}, by scaling rule, with 95 % intervals"
    if fits:
        text += (
            "; dashed: a power law fitted to all but the largest, whose interval holds the "
            f"measured value in {inside} of {len(fits)}"
        )
    return {"scaling": (scaling_figure(found, fits, _SIZE, score), text)}


def fits_of(found: Sequence[Family], size: str, score: str, *, seed: int = 0) -> dict[str, LawFit]:
    """Return the power laws of the families that have enough sizes, by their names."""
    fits: dict[str, LawFit] = {}
    for each in found:
        try:
            fits[each.name] = fit_law(each.points(size, score), seed=seed)
        except InputError:
            continue
    return fits
