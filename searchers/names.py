"""Names of searchers, without importing the searchers."""

from typing import Any

from ..search_space.errors import known_name
from ..search_space.plugins import add, load_installed

GROUP = "nas_explorer.searchers"
"""Group of the entry points of searchers."""

# Name on the command line: module in this folder and class, or the class.
SEARCHERS: dict[str, str | type[Any]] = {
    "random": "random:RandomSearcher",
    "tpe": "tpe:TpeSearcher",
    "nsga2": "nsga2:Nsga2Searcher",
}

_OTHER_NAMES = {"nsgaii": "nsga2", "randomsearch": "random"}


def searcher_name(text: str) -> str:
    """Return a searcher's exact name: ``nsga2`` for ``NSGA-II``.

    Raises:
        InputError: If the name is unknown; the message lists the known searchers.
    """
    plain = "".join(filter(str.isalnum, text.lower()))
    return _OTHER_NAMES.get(plain) or known_name("searcher", text, SEARCHERS)


def register_searcher(cls: type[Any]) -> None:
    """Add a searcher to the table.

    Raises:
        InputError: If the name is taken.
    """
    add(SEARCHERS, cls.name, cls, kind="searcher", group=GROUP)


load_installed(GROUP, register_searcher)
