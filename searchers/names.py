"""Names of searchers, without importing the searchers."""

from typing import Any

from ..search_space.errors import InputError, known_name
from ..search_space.plugins import add, load_installed

SCHEDULERS = ("none", "asha")
"""The schedulers by name: ``none`` trains every candidate to the end."""

GROUP = "nas_explorer.searchers"
"""Group of the entry points of searchers."""

# Name on the command line: module in this folder and class, or the class.
SEARCHERS: dict[str, str | type[Any]] = {
    "random": "random:RandomSearcher",
    "tpe": "tpe:TpeSearcher",
    "nsga2": "nsga2:Nsga2Searcher",
    "nsga3": "nsga3:Nsga3Searcher",
    "pareto": "pareto:ParetoSearcher",
    "gp": "gp:GpSearcher",
    "evolution": "evolution:EvolutionSearcher",
    "local_search": "local_search:LocalSearcher",
}

DEFAULT = "pareto"
"""The searcher of new studies."""
EARLIER_DEFAULT = "tpe"
"""The searcher of studies that were made without a choice before ``pareto`` existed."""

_OTHER_NAMES = {"nsgaii": "nsga2", "nsgaiii": "nsga3", "randomsearch": "random"}


def searcher_name(text: str) -> str:
    """Return a searcher's exact name: ``nsga2`` for ``NSGA-II``.

    Raises:
        InputError: If the name is unknown; the message lists the known searchers.
    """
    if text in SEARCHERS:
        return text
    return _OTHER_NAMES.get(_plain(text)) or known_name("searcher", text, SEARCHERS)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def register_searcher(cls: type[Any]) -> None:
    """Add a searcher to the table.

    Raises:
        InputError: If the class is incomplete, or the name is missing, not valid, taken, or
            another spelling of a searcher's name.
    """
    name = getattr(cls, "name", None)
    others = {_plain(each): each for each in SEARCHERS if each != name} | _OTHER_NAMES
    if isinstance(name, str) and _plain(name) in others:
        raise InputError(
            f"the name of this searcher must be free, but got {name!r}, which is another spelling "
            f"of {others[_plain(name)]!r}"
        )
    add(SEARCHERS, name, cls, kind="searcher", group=GROUP)


load_installed(GROUP, register_searcher)
