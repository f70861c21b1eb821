"""The searchers by name; each is imported only when it is asked for."""

from importlib import import_module

from ..search_space.errors import unknown_name
from ..search_space.space import SearchSpace
from .base import Objective, Searcher
from .names import SEARCHERS

__all__ = ["SEARCHERS", "load_searcher", "make_searcher"]


def load_searcher(name: str) -> type[Searcher]:
    """Return the searcher class of that name.

    Raises:
        InputError: If there is none; the message lists the known ones.
    """
    if name not in SEARCHERS:
        raise unknown_name("searcher", name, SEARCHERS)
    module, attribute = SEARCHERS[name]
    return getattr(import_module(f".{module}", __package__), attribute)


def make_searcher(
    name: str, *, space: SearchSpace, objectives: tuple[Objective, ...], seed: int
) -> Searcher:
    """Make the searcher of that name, its history empty; see ``Searcher``.

    Raises:
        InputError: If there is none; the message lists the known ones.
    """
    return load_searcher(name)(space=space, objectives=objectives, seed=seed)
