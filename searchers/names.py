"""Names of searchers, without importing the searchers."""

from ..search_space.errors import known_name

# Name on the command line: module in this folder, class.
SEARCHERS = {
    "random": ("random", "RandomSearcher"),
    "tpe": ("tpe", "TpeSearcher"),
    "nsga2": ("nsga2", "Nsga2Searcher"),
}

_OTHER_NAMES = {"nsgaii": "nsga2", "randomsearch": "random"}


def searcher_name(text: str) -> str:
    """Return a searcher's exact name: ``nsga2`` for ``NSGA-II``.

    Raises:
        InputError: If there is none; the message lists the known searchers.
    """
    plain = "".join(filter(str.isalnum, text.lower()))
    return _OTHER_NAMES.get(plain) or known_name("searcher", text, SEARCHERS)
