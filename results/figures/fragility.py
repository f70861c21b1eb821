"""The table of fronts by each latency: how a front changes from one runtime to the next."""

from markupsafe import Markup

from ..analysis.fragility import Fragility
from .markup import heads, joined, row, scrolled, tag

_NONE = "Only one latency is recorded (nas search --runtime A,B records that in several runtimes)."
_ON = "\N{BLACK CIRCLE}"


def fragility_text(found: Fragility | None) -> Markup:
    """Return the tables; a note where only one latency is recorded."""
    if found is None:
        return tag("p", _NONE, class_="note")
    names = list(found.fronts)
    on = [
        row(
            *(_ON if number in found.fronts[name] else "" for name in names),
            head=f"candidate {number}",
        )
        for number in found.ever
    ]
    agree = [
        row(
            str(len(found.fronts[name])),
            f"{100 * found.stay(name):.0f} %",
            _rank(found, name),
            head=name,
        )
        for name in names
    ]
    others = ", ".join(found.objectives)
    note = (
        f"Each front is that of {others} and one latency"
        if others
        else "Each front has one latency"
    )
    agreement = heads(
        "latency", "on its front", f"of the front by {found.first}", "Spearman [95 %]"
    )
    return joined(
        [
            scrolled("Agreement of the latencies", agreement, agree),
            scrolled("Candidates on the fronts", heads("", *names), on),
            tag(
                "p",
                f"{note}, of the {found.candidates} candidates with all of them. On every "
                f"front: {', '.join(map(str, found.always)) or 'none'}.",
                class_="note",
            ),
        ]
    )


def _rank(found: Fragility, name: str) -> str:
    rank = found.ranks[name]
    return "" if rank is None or name == found.first else rank.text()
