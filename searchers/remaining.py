"""What is left of a search space."""

from ..search_space.space import SearchSpace
from ..search_space.walk.assembly import Draw


class Untold:
    """The architectures of a space that have not been told yet, in the order of its enumeration.

    What was enumerated once is remembered, so that a space is gone through once and not for each
    question; answers depend on what was told alone.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._coming = space.enumerate()
        self._listed: dict[str, Draw] = {}
        self._told: set[str] = set()

    def remove(self, digest: str) -> None:
        """Take note that the architecture of this digest has been told."""
        self._told.add(digest)
        self._listed.pop(digest, None)

    def draw(self, index: int) -> Draw | None:
        """Return the one at ``index``, from 0, or None where there are not so many."""
        while len(self._listed) <= index:
            draw = next(self._coming, None)
            if draw is None:
                return None
            if draw.architecture.digest not in self._told:
                self._listed.setdefault(draw.architecture.digest, draw)
        return list(self._listed.values())[index]
