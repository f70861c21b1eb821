"""The controls of the page of importances."""

from markupsafe import Markup

from ..analysis.effects import Effects
from ..analysis.enrichment import words
from ..figures.markup import joined
from ..figures.plots import short_path
from ..figures.snapshot import Snapshot, metric_names
from ..figures.view import View
from .controls import menu, same


def controls(snapshot: Snapshot, view: View, found: Effects | None) -> Markup:
    """Return the menus of the metric, the decision and the kind of decision."""
    shown = [] if found is None else found.decisions
    decisions = [("", "the one that matters most")]
    decisions += [(each.path, short_path(each.path)) for each in shown]
    return joined(
        (
            menu("metric", "metric", same(metric_names(snapshot)), view.metric, drops="decision"),
            menu("decision", "decision", decisions, view.decision),
            menu("word", "on the front", same(words(snapshot.columns)), view.word),
        )
    )
