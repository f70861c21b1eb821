"""The report's importances of decisions, for every metric and decision."""

from collections.abc import Iterator

from ..analysis.effects import FEWEST, Effects, effects
from ..analysis.enrichment import front_shares, words
from ..figures import importance
from ..figures.plots import short_path
from ..figures.snapshot import Snapshot, complete_view, metric_names
from ..figures.view import View
from .choice import Choices, Option, high, menu, note, place


def importance_choices(snapshot: Snapshot) -> Choices:
    """Return the menus of effects on each metric and of frequencies on the front."""
    found = {"metric": list(_metrics(snapshot)), "word": list(_words(snapshot))}
    return {name: options for name, options in found.items() if options}


def _metrics(snapshot: Snapshot) -> Iterator[Option]:
    everyone = snapshot.columns.number_N >= 0
    for name in metric_names(snapshot):
        found = effects(snapshot.columns, name, everyone)
        if found is None:
            continue
        view = complete_view(View(study=snapshot.name, metric=name), snapshot)
        shown = min(len(found.decisions), importance.MOST)
        yield Option(
            label=name,
            name=name,
            figures={"importance": high(importance.importance(found), shown)},
            inner={"decision": list(_decisions(found, view))},
        )


def _decisions(found: Effects, view: View) -> Iterator[Option]:
    for rank, each in enumerate(found.decisions[: importance.MOST]):
        at = View(study=view.study, metric=view.metric, decision=each.path)
        yield Option(
            label=short_path(each.path),
            name=each.path,
            figures={"levels": high(importance.levels(found, at), len(each.levels))},
            filed=rank == 0 or each.share > each.chance,
            note=importance.importance_note(found, at).unescape(),
        )


def _words(snapshot: Snapshot) -> Iterator[Option]:
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    if not columns.comparable(objectives).any():
        return
    for word in words(columns):
        shares = front_shares(columns, objectives, word, columns.number_N >= 0)
        if len(shares[2]) < 2 or shares[0] == shares[1]:  # every candidate is on the front
            continue
        yield Option(
            label=word,
            name=word,
            figures={"represented": high(importance.represented(shares), len(shares[2]))},
            part=f"word-{word}",
        )


def importance_section(snapshot: Snapshot, choices: Choices) -> str:
    """Return the section as HTML."""
    text = ""
    if "metric" in choices:
        text += (
            f'<div class="controls">{menu("metric", "metric")}{menu("decision", "decision")}</div>'
            '<div class="beside">'
            + place("importance", "Share of variance of each decision", tall=True)
            + place("levels", "Effect of each value of the decision", tall=True)
            + f"</div>{note('decision')}"
        )
    else:
        text += f"<p>Effects: fewer than {FEWEST} candidates, or all equal.</p>"
    if "word" in choices:
        tables = "".join(_table(snapshot, each) for each in choices["word"])
        text += (
            "<h3>On the front, relative to chance</h3>"
            f'<div class="controls">{menu("word", "on the front")}</div>'
            + place("represented", "Share on the front divided by share of all", tall=True)
            + tables
        )
    return text


def _table(snapshot: Snapshot, option: Option) -> str:
    view = View(study=snapshot.name, word=option.label)
    columns, objectives = snapshot.columns, snapshot.settings.objectives
    shares = front_shares(columns, objectives, option.label, columns.number_N >= 0)
    return f'<div id="{option.part}">{importance.represented_table(shares, view)}</div>'
