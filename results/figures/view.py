"""The view of the dashboard, stored in the address of the page."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, get_args
from urllib.parse import parse_qs, urlencode

from ...search_space.errors import InputError
from .filters import Filter, read_filter

Page = Literal["explore", "candidate", "matters", "compare"]
Extra = Literal["intervals", "infeasible", "zoo", "timm", "far"]


@dataclass(frozen=True, kw_only=True)
class View:
    """The state of the page."""

    study: str
    """Name of the study."""
    page: Page = "explore"
    """Name of the page."""
    x: str = ""
    """Metric on the horizontal axis; empty: the second objective."""
    y: str = ""
    """Metric on the vertical axis; empty: the first objective."""
    scales: tuple[str, ...] | None = None
    """The logarithmic axes among ``x`` and ``y``; None: those of counts."""
    colour: str = ""
    """Column that colours the points; empty: none."""
    size: str = ""
    """Column that sizes the points; empty: none."""
    extras: tuple[str, ...] = ("intervals", "infeasible")
    """Optional elements that are drawn."""
    axes: tuple[str, ...] = ()
    """Columns of the parallel axes; empty: the objectives and the most important decisions."""
    filters: tuple[Filter, ...] = ()
    """Filters of the candidates."""
    by: str = ""
    """Column chosen in the filter form; empty: none yet."""
    candidate: int | None = None
    """Number of the chosen candidate."""
    other: int | None = None
    """Number of the candidate to compare with."""
    weight: str = "macs"
    """Quantity shown by the sizes of parts: ``macs``, ``params`` or ``time``."""
    metric: str = ""
    """Metric of the importances; empty: the first objective."""
    decision: str = ""
    """Decision whose values are shown; empty: the most important one."""
    word: str = "mixer"
    """Kind of decision whose frequencies on the front are shown."""
    studies: tuple[str, ...] = ()
    """Studies to compare with this one."""
    over: str = "candidates"
    """Horizontal axis of the compared progress: ``candidates`` or ``time``."""
    sort: str = "number"
    """Column that sorts the table; a ``-`` before it means descending."""
    start: int = 0
    """Index of the table's first row."""

    def to_query(self) -> str:
        """Return the view as the query of an address, without default values."""
        standard = View(study=self.study)
        pairs: list[tuple[str, str]] = [("study", self.study)]
        for name in _TEXTS:
            if (value := getattr(self, name)) != getattr(standard, name):
                pairs.append((name, str(value)))
        for name in _LISTS:
            if (values := getattr(self, name)) != getattr(standard, name):
                pairs.append((name, ",".join(values or ())))
        for name in _NUMBERS:
            if (number := getattr(self, name)) is not None and number != getattr(standard, name):
                pairs.append((name, str(number)))
        pairs += [("filter", each.to_text()) for each in self.filters]
        pairs += [("studies", each) for each in self.studies]
        return "?" + urlencode(pairs)

    @classmethod
    def from_query(cls, query: str, studies: Sequence[str]) -> "View":
        """Return the view of an address; unknown or wrong values are ignored.

        Args:
            query: The query of the address, from the question mark on.
            studies: Names of the existing studies, at least one; the first is the default.
        """
        text = query.encode(errors="replace").decode()  # lone surrogates cannot be sent
        found = parse_qs(text.removeprefix("?"), keep_blank_values=True)
        first = {name: values[0] for name, values in found.items()}
        study = first.get("study", "")
        view = cls(study=study if study in studies else studies[0])
        view = replace(view, **{name: first[name] for name in _TEXTS if name in first})
        lists = {
            name: tuple(filter(None, first[name].split(","))) for name in _LISTS if name in first
        }
        view = replace(view, **_numbers(first), **lists)
        filters: list[Filter] = []
        for text in found.get("filter", ()):
            with suppress(InputError):
                filters.append(read_filter(text))
        compared = tuple(each for each in found.get("studies", ()) if each in studies)
        page = view.page if view.page in get_args(Page) else "explore"
        return replace(view, page=page, filters=tuple(filters), studies=compared)


def not_there(
    query: str, studies: Sequence[str], shown: str, has: Callable[[int], bool]
) -> list[str]:
    """Return a sentence for each study or candidate of an address that does not exist.

    Args:
        query: The query of the address, from the question mark on.
        studies: Names of the existing studies.
        shown: Name of the study shown.
        has: Function from a number to whether that study has the candidate.
    """
    found = parse_qs(query.removeprefix("?"), keep_blank_values=True)
    here = f"This is {shown}."
    messages = [
        f"There is no study {name} in this storage. {here if key == 'study' else ''}".strip()
        for key in ("study", "studies")
        for name in found.get(key, ())
        if name not in studies
    ]
    for text in (found[key][0] for key in ("candidate", "other") if found.get(key)):
        number = read_number(text)
        if text and (number is None or not has(number)):
            messages.append(f"There is no candidate {text} in {shown}.")
    for text in found.get("filter", ()):
        try:
            read_filter(text)
        except InputError as error:
            messages.append(f"Left out: {error}.")
    return [each if len(each) < _LONG else f"{each[:_LONG]} ..." for each in messages]


_LONG = 300  # repeated characters of the query
_TEXTS = (
    "page",
    "x",
    "y",
    "colour",
    "size",
    "by",
    "weight",
    "metric",
    "decision",
    "word",
    "over",
    "sort",
)
_LISTS = ("scales", "extras", "axes")
_NUMBERS = ("candidate", "other", "start")


def read_number(text: str) -> int | None:
    """Return a whole number of at most nine digits; None for any other text."""
    return int(text) if len(text) <= 9 and text.isascii() and text.isdecimal() else None


def _numbers(first: Mapping[str, str]) -> dict[str, int]:
    found = {name: read_number(first.get(name, "")) for name in _NUMBERS}
    return {name: number for name, number in found.items() if number is not None}
