"""The searchers by name; each is imported at first use."""

from ..search_space.errors import unknown_name
from ..search_space.plugins import resolved
from .base import Knowledge, Objective, Searcher, Space
from .names import SEARCHERS

__all__ = ["SEARCHERS", "load_searcher", "make_searcher"]


def load_searcher(name: str) -> type[Searcher]:
    """Return the searcher class of a name.

    Raises:
        InputError: If the name is unknown; the message lists the known searchers.
    """
    if name not in SEARCHERS:
        raise unknown_name("searcher", name, SEARCHERS)
    return resolved(SEARCHERS[name], __name__.rpartition(".")[0])


def make_searcher(
    name: str,
    *,
    space: Space,
    objectives: tuple[Objective, ...],
    seed: int,
    knowledge: Knowledge | None = None,
) -> Searcher:
    """Make a searcher by name, with an empty history; see ``Searcher``.

    Args:
        name: Name in the table.
        space: The search space.
        objectives: Metrics to optimise, at least one.
        seed: Seed of all random numbers.
        knowledge: The knowledge in advance; None: none.

    Raises:
        InputError: If the name is unknown; the message lists the known searchers.
    """
    searcher = load_searcher(name)(space=space, objectives=objectives, seed=seed)
    if knowledge is not None:
        searcher.knowledge = knowledge
    return searcher
