"""The searchers by name; each is imported at first use."""

from ..search_space.errors import unknown_name
from ..search_space.plugins import resolved
from ..search_space.space import SearchSpace
from .base import Objective, Searcher
from .names import SEARCHERS

__all__ = ["SEARCHERS", "load_searcher", "make_searcher"]


def load_searcher(name: str) -> type[Searcher]:
    """Return the searcher class of a name.

    Raises:
        InputError: If there is none; the message lists the known searchers.
    """
    if name not in SEARCHERS:
        raise unknown_name("searcher", name, SEARCHERS)
    return resolved(SEARCHERS[name], __name__.rpartition(".")[0])


def make_searcher(
    name: str, *, space: SearchSpace, objectives: tuple[Objective, ...], seed: int
) -> Searcher:
    """Make a searcher by name, with an empty history; see ``Searcher``.

    Raises:
        InputError: If there is none; the message lists the known searchers.
    """
    return load_searcher(name)(space=space, objectives=objectives, seed=seed)
