"""The contents of the pages: for each container, the function that renders a view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import plotly.graph_objects as go
from markupsafe import Markup

from ..analysis.columns import STATUSES
from ..analysis.effects import Effects, effects
from ..analysis.enrichment import front_shares
from ..analysis.fragility import fragility
from ..analysis.rankings import rankings, wanted
from ..figures import comparison, efficiency, importance, networks
from ..figures.filters import Filter, kept
from ..figures.fragility import fragility_text
from ..figures.markup import joined, link, tag
from ..figures.networks import Pair, make_pair
from ..figures.rankings import rankings_text
from ..figures.scatter_data import ScatterData, scatter_data, without_note
from ..figures.snapshot import Snapshot, complete_view, once_a_version
from ..figures.view import Page, View, not_there
from . import candidate_part, compare_part, importance_page
from .cards import cards
from .controls import axes_choice, axes_controls, filter_form, study_menu
from .detail import better_rows, detail, in_words
from .parallel import Axis, make_axes, parallel
from .progress import progress
from .reach import beyond_note
from .scatter import scatter
from .source import Source
from .table_part import table


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """A view with the data that it shows."""

    source: Source
    """Source of the studies."""
    snapshot: Snapshot
    """The study."""
    view: View
    """The view."""
    not_there: Sequence[str]
    """A sentence for each missing study or candidate of the address."""

    @cached_property
    def scatter_data(self) -> ScatterData:
        """Points of the scatter, by role."""
        return scatter_data(self.snapshot.columns, self.view, self.snapshot.settings.objectives)

    @cached_property
    def effects(self) -> Effects | None:
        """Effects of the decisions on the chosen metric, over the kept candidates."""
        return _effects(self.snapshot, self.view.metric, self.view.filters)

    @cached_property
    def shares(self) -> importance.Shares:
        """Frequencies of values on the front, over the kept candidates."""
        columns, objectives = self.snapshot.columns, self.snapshot.settings.objectives
        return front_shares(columns, objectives, self.view.word, kept(self.view.filters, columns))

    @cached_property
    def comparison(self) -> comparison.Comparison:
        """The comparison of this study with the chosen ones."""
        return compare_part.compare(self.source, self.snapshot, self.view)

    @cached_property
    def pair(self) -> Pair:
        """The chosen candidate, and the one to compare with."""
        asked = (self.view.candidate, self.view.other)
        numbers = [each for each in asked if each is not None]
        found = self.source.candidates(self.snapshot.name, numbers) if numbers else {}
        one, other = (None if each is None else found.get(each) for each in asked)
        return make_pair(one, other, self.view.other)


class Reader:
    """Makes pages from addresses."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, query: str | None) -> Sight:
        """Return the page of an address; defaults replace missing studies and candidates."""
        view = View.from_query(query or "", self._source.studies)
        snapshot = self._source.snapshot(view.study)
        return Sight(
            source=self._source,
            snapshot=snapshot,
            view=complete_view(view, snapshot),
            not_there=not_there(
                query or "",
                self._source.studies,
                view.study,
                lambda number: snapshot.columns.row(number) is not None,
            ),
        )

    def axes(self, at: Sight) -> Sequence[Axis]:
        """Return the parallel axes."""
        return _axes(at.snapshot, at.view.axes)


@once_a_version
def _axes(snapshot: Snapshot, chosen: Sequence[str]) -> Sequence[Axis]:
    return make_axes(snapshot.columns, snapshot.settings.objectives, chosen)


@once_a_version
def _effects(snapshot: Snapshot, name: str, filters: Sequence[Filter]) -> Effects | None:
    return effects(snapshot.columns, name, kept(filters, snapshot.columns))


@once_a_version
def _rankings(snapshot: Snapshot, source: Source) -> Markup:
    """Return the tables of rankings; only candidates that were trained again are read whole."""
    columns, settings = snapshot.columns, snapshot.settings
    main = settings.main_metric
    numbers = wanted(columns, main)
    again = source.candidates(snapshot.name, numbers) if numbers else {}
    return rankings_text(rankings(columns, again.values(), seed=settings.seed, main=main))


@once_a_version
def _runtimes(snapshot: Snapshot) -> Markup:
    """Return the tables of the fronts by each latency."""
    return fragility_text(fragility(snapshot.columns, snapshot.settings.objectives))


_progress = once_a_version(progress)
Texts = Mapping[str, Callable[[Sight], Markup]]
TITLES: Mapping[Page, str] = {
    "explore": "Explore",
    "candidate": "Candidate",
    "matters": "What matters",
    "compare": "Compare",
}


# On every page ----------------------------------------------------------------------------------


def _status(at: Sight) -> Markup:
    """Return the progress of the study."""
    columns = at.snapshot.columns
    counts = ((int(columns.has_status(name).sum()), name) for name in STATUSES)
    return joined(", ".join(f"{count:,} {name}" for count, name in counts if count))


def _nav(at: Sight) -> Markup:
    """Return links to the pages."""
    return joined(
        tag("span", title, aria_current="page")
        if name == at.view.page
        else link(title, replace(at.view, page=name), key=name)
        for name, title in TITLES.items()
    )


def _chips(at: Sight) -> Markup:
    """Return the active filters, each with a link that removes it."""
    items: list[Markup] = []
    for each in at.view.filters:
        rest = tuple(other for other in at.view.filters if other is not each)
        label = each.label(at.snapshot.columns)
        lift = link("✕", replace(at.view, filters=rest), title=f"lift {label}")
        items.append(tag("li", label, " ", lift))
    if len(items) > 1:
        items.append(tag("li", link("lift all", replace(at.view, filters=()))))
    return joined(items)


def _announced(at: Sight) -> Markup:
    """Return the announcement for screen readers after a filter."""
    columns = at.snapshot.columns
    count = int(kept(at.view.filters, columns).sum())
    return joined(f"{count:,} of {len(columns):,} candidates shown")


COMMON: Texts = {
    "studies": lambda at: study_menu(at.source, at.view),
    "status": _status,
    "nav": _nav,
    "chips": _chips,
    "not-there": lambda at: joined(" ".join(at.not_there)),
    "told": _announced,
    "form": lambda at: filter_form(at.snapshot, at.view),
}
"""Texts on every page."""


# The page of plots -------------------------------------------------------------------------------


def _scatter(at: Sight) -> go.Figure:
    references = at.source.references(at.view.extras)
    return scatter(
        at.snapshot.columns, at.view, references, at.scatter_data, better_rows(at.snapshot, at.view)
    )


def _parallel(at: Sight) -> go.Figure:
    axes, objectives = _axes(at.snapshot, at.view.axes), at.snapshot.settings.objectives
    return parallel(at.snapshot.columns, at.view, axes, objectives)


def _count(at: Sight) -> int:
    """Return the number of kept candidates with the chosen metric."""
    columns = at.snapshot.columns
    return int((kept(at.view.filters, columns) & columns.comparable((at.view.metric,))).sum())


def _scatter_note(at: Sight) -> Markup:
    view, drawn, columns = at.view, at.scatter_data, at.snapshot.columns
    total = len(drawn.shown) + len(drawn.context)
    names = in_words(at.snapshot.settings.objectives)
    measured = dict.fromkeys((*at.snapshot.settings.objectives, view.x, view.y))
    count = f"{len(drawn.shown):,} of {total:,} complete candidates kept"
    unclear = f", {len(drawn.unclear):,} of them not beyond the 95 % intervals"
    sentences = (
        f"{count}, {len(drawn.front):,} on the front of {names}: no other of these is at least as "
        "good in all metrics and better in one. All others are dominated"
        f"{unclear * ('intervals' in view.extras)}."
        if len(drawn.shown)
        else f"{count}.",
        f"The dotted line joins the best in {view.x} and {view.y} alone." * drawn.alone,
        *(
            f"{each[0].upper()}{each[1:]}."
            for each in (*columns.condition_notes(measured), *columns.mean_notes(measured))
        ),
        "Drag to select candidates: the selection filters all figures and tables.",
        without_note(view, drawn),
        beyond_note(view, columns, at.source.references(view.extras)),
    )
    return joined(" ".join(filter(None, sentences)))


FIGURES: Mapping[Page, Mapping[str, Callable[[Sight], go.Figure]]] = {
    "explore": {
        "scatter": _scatter,
        "parallel": _parallel,
        "progress": lambda at: _progress(at.snapshot)[0],
    },
    "candidate": {
        "network": lambda at: networks.network(at.pair, at.view),
        "costs": lambda at: networks.cost_by_part(at.pair, at.view),
        "curves": lambda at: networks.curves(at.pair),
        "gap": lambda at: efficiency.gap([e for e in (at.pair.one, at.pair.other) if e]),
        "waterline": lambda at: efficiency.waterline(at.pair.one),
    },
    "matters": {
        "importance": lambda at: importance.importance(at.effects, _count(at)),
        "levels": lambda at: importance.levels(at.effects, at.view),
        "represented": lambda at: importance.represented(at.shares),
    },
    "compare": {
        "distributions": lambda at: comparison.error_distributions(at.comparison, at.view),
        "growth": lambda at: comparison.growth(at.comparison, at.view),
        "fronts": lambda at: comparison.fronts(at.comparison, at.view),
    },
}
"""Figures of each page by container."""
OF_STUDY = ("progress",)
"""Figures that do not depend on the view, so they need not be sent again."""
TEXTS: Mapping[Page, Texts] = {
    "explore": {
        "controls": lambda at: axes_controls(at.source, at.snapshot, at.view),
        "cards": lambda at: cards(at.source, at.snapshot, at.view),
        "scatter-note": _scatter_note,
        "axes": lambda at: axes_choice(
            at.snapshot, [axis.name for axis in _axes(at.snapshot, at.view.axes)]
        ),
        "table": lambda at: table(at.source, at.snapshot, at.view),
        "detail": lambda at: detail(at.source, at.snapshot, at.view),
        "progress-note": lambda at: joined(_progress(at.snapshot)[1]),
    },
    "candidate": {
        "choice": lambda at: candidate_part.choice(at.snapshot, at.view, at.pair),
        "summary": lambda at: candidate_part.summary(at.source, at.snapshot, at.view, at.pair),
        "provenance": lambda at: candidate_part.provenance(at.pair),
        "parts": lambda at: candidate_part.parts(at.pair),
        "difference": lambda at: candidate_part.difference(at.pair),
    },
    "matters": {
        "matters-controls": lambda at: importance_page.controls(at.snapshot, at.view, at.effects),
        "matters-note": lambda at: importance.importance_note(at.effects, at.view),
        "rankings-table": lambda at: _rankings(at.snapshot, at.source),
        "runtimes-table": lambda at: _runtimes(at.snapshot),
        "represented-table": lambda at: importance.represented_table(at.shares, at.view),
    },
    "compare": {
        "compare-controls": lambda at: compare_part.controls(at.source, at.snapshot, at.view),
        "compare-table": lambda at: comparison.compare_table(at.comparison, at.view),
    },
}
"""Texts of each page by container."""
