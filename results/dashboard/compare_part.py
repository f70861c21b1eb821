"""The page that compares studies: two searches, two spaces, two searchers."""

from markupsafe import Markup

from ..analysis.compare import (
    distribution,
    growths,
)
from ..figures.comparison import Comparison
from ..figures.filters import kept
from ..figures.markup import joined, tag
from ..figures.snapshot import Snapshot, metric_names
from ..figures.view import View
from .controls import boxes, menu, same
from .source import Source


def compare(source: Source, snapshot: Snapshot, view: View) -> Comparison:
    """Return the comparison of this study with the chosen ones; the filters apply to all."""
    others = [source.snapshot(name) for name in view.studies if name != snapshot.name]
    studies = [snapshot, *others]
    masks = [kept(view.filters, each.columns) for each in studies]
    pairs = list(zip(studies, masks, strict=True))
    return Comparison(
        studies=studies,
        distributions=[distribution(each.columns, view.metric, mask) for each, mask in pairs],
        growths=growths([s.columns for s in studies], masks, snapshot.settings.objectives),
    )


def controls(source: Source, snapshot: Snapshot, view: View) -> Markup:
    """Return the controls: studies, metric, and the axis of progress."""
    others = [name for name in source.studies if name != snapshot.name]
    over = [("candidates", "candidates"), ("time", "measuring time")]
    return joined(
        (
            menu("metric", "metric", same(metric_names(snapshot)), view.metric),
            menu("over", "progress over", over, view.over),
            boxes("studies", "Compare with", same(others), view.studies, many=True)
            if others
            else tag("p", "There is no other study in this storage."),
        )
    )
