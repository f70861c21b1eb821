"""The tables of rankings: how well costs, scores and the short training rank the candidates."""

from markupsafe import Markup

from ..analysis.rankings import Rankings
from .markup import heads, joined, row, scrolled, tag

_NONE = (
    "Nothing is known: no training-free score is recorded (nas search --scores), and no candidate "
    "was trained longer (nas fidelity)."
)
_SCORES = "A score ranks nothing by itself: it is to be read beside the MACs."


def rankings_text(found: Rankings) -> Markup:
    """Return the verdict and the tables."""
    if not found:
        return tag("p", _NONE, class_="note")
    parts: list[Markup] = []
    if found.verdict:
        parts.append(tag("p", found.verdict))
    if found.by_long:
        parts += [_by_long(found), tag("p", _long_note(found), class_="note")]
    if found.by_short:
        parts += [_by_short(found), tag("p", _short_note(), class_="note")]
    if found.too_few:
        names = ", ".join(found.too_few)
        parts.append(tag("p", f"Too few candidates have: {names}.", class_="note"))
    return joined(parts)


def _by_long(found: Rankings) -> Markup:
    rows = [
        row(
            str(each.agreement.count),
            each.agreement.spearman.text(),
            each.agreement.kendall.text(),
            each.agreement.top_tenth.text(),
            head=each.name,
        )
        for each in found.by_long
    ]
    header = heads("ranking by", "candidates", "Spearman [95 %]", "Kendall", "best tenth found")
    table = scrolled("Rankings compared with the long score", header, rows)
    return tag("h3", "Compared with the long score") + table


def _long_note(found: Rankings) -> str:
    short, long = found.epochs
    epochs = f" ({long} epochs, {short} in the search)" if short and long else ""
    return (
        f"Each ranking is compared with that by the long score{epochs}: rank correlations and the "
        "share of the best tenth that is found, with 95 % bootstrap intervals over candidates. "
        f"{_SCORES}"
    )


def _by_short(found: Rankings) -> Markup:
    rows = [
        row(
            str(each.count),
            each.spearman.text(),
            "" if each.macs is None else each.macs.text(),
            head=each.name,
        )
        for each in found.by_short
    ]
    header = heads("ranking by", "candidates", "Spearman [95 %]", "MACs, same candidates")
    table = scrolled("Rankings compared with the short score", header, rows)
    return tag("h3", "Compared with the short score") + table


def _short_note() -> str:
    return (
        "Each ranking is compared with that by the score of the search's short training, which "
        f"itself ranks imperfectly. {_SCORES}"
    )
