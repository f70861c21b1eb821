"""``nas zoo``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import Column, Json, print_json, print_rows, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..search_space.zoo import ZooEntry


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("zoo")(zoo)


def zoo(
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="[PATTERN]", help="Part of a name or a family, or a pattern like 'van_b*'."
        ),
    ] = "",
    *,
    as_json: Json = False,
) -> None:
    """List the published architectures: printed and counted parameters and MACs."""
    from ..evaluators.cost.shipped import shipped_zoo
    from ..search_space.zoo import ZOO, zoo_entry

    known = shipped_zoo()
    entries = [_described(each, known) for each in _matching(pattern, [zoo_entry(n) for n in ZOO])]
    if as_json:
        print_json(entries)
        return
    numbers = ("params", "printed_params", "macs", "printed_macs")
    rows = [
        [
            " = ".join((each["name"], *each["aliases"])),
            str(each["resolution"]),
            *(shown(n.removeprefix("printed_"), each[n]) for n in numbers),
            each["source"],
            each["note"],
        ]
        for each in entries
    ]
    figures = ("params", "printed", "MACs", "printed")
    print_rows(
        [
            Column(title="name", pieces=" = "),
            Column(title="pixels", drop=3),
            *(Column(title=each) for each in figures),
            Column(title="source of printed", drop=2, cut=True),
            Column(title="where they differ", drop=1, cut=True),
        ],
        rows,
    )


def _matching(pattern: str, entries: "list[ZooEntry]") -> "list[ZooEntry]":
    """Return the networks that match a pattern, regardless of capitals and hyphens.

    Raises:
        InputError: If none matches.
    """
    from fnmatch import fnmatchcase

    from ..search_space.zoo import unknown_network

    def plain(text: str) -> str:
        return "".join(each for each in text.lower() if each.isalnum() or each in "*?")

    wanted = plain(pattern)
    whole = "*" in wanted or "?" in wanted
    found = [
        entry
        for entry in entries
        if any(
            fnmatchcase(plain(name), wanted if whole else f"*{wanted}*")
            for name in (entry.name, *entry.aliases, entry.family)
        )
    ]
    if not found:
        raise unknown_network("a pattern must fit the name of a published network", pattern)
    return found


def _described(entry: "ZooEntry", known: "Mapping[str, tuple[int, int]]") -> dict[str, Any]:
    from ..evaluators.cost.cost import architecture_cost

    counted = known.get(entry.architecture.digest)
    if counted is None:
        cost = architecture_cost(entry.architecture)
        counted = cost.params, cost.macs
    return {
        "name": entry.name,
        "aliases": entry.aliases,
        "family": entry.family,
        "resolution": entry.resolution,
        "params": counted[0],
        "macs": counted[1],
        "printed_params": entry.printed_params,
        "printed_macs": entry.printed_macs,
        "source": entry.source,
        "note": entry.note,
    }
