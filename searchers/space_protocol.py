"""What a searcher needs of a search space."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from ..search_space.domains import Domain
from ..search_space.walk.assembly import Draw
from ..search_space.walk.choosers import Chooser


class Space(Protocol):
    """What a searcher needs of a search space; see ``SearchSpace``."""

    def walk(self, chooser: Chooser) -> Draw:
        """Return what the answers of ``chooser`` give."""
        ...

    def enumerate(self) -> Iterator[Draw]:
        """Yield every walk once, in a fixed order."""
        ...

    def neighbours(self, draw: Draw) -> Iterator[Draw]:
        """Yield the walks that differ from ``draw`` in one decision and in what that opens."""
        ...

    def decisions(self) -> Mapping[str, Domain]:
        """Return every decision that a walk may ask: path to domain."""
        ...
