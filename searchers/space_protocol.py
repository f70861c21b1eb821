"""The interface of a search space for searchers."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from ..search_space.domains import Domain
from ..search_space.walk.assembly import Walk
from ..search_space.walk.choosers import Chooser


class Space(Protocol):
    """The interface of a search space for searchers; see ``SearchSpace``."""

    def walk(self, chooser: Chooser) -> Walk:
        """Return the walk that ``chooser`` decides."""
        ...

    def enumerate(self) -> Iterator[Walk]:
        """Yield every walk once, in a fixed order."""
        ...

    def decisions(self) -> Mapping[str, Domain]:
        """Return the domain of every possible decision by path."""
        ...
