"""The remaining architectures of a search space."""

from ..search_space.walk.assembly import Walk
from .space_protocol import Space


class Remaining:
    """The remaining architectures of a space, those not in the history, in order of enumeration.

    Enumerated architectures are cached, so the space is enumerated only once. Results depend only
    on the history.
    """

    def __init__(self, space: Space) -> None:
        self._coming = space.enumerate()
        self._listed: dict[str, Walk] = {}
        self._recorded: set[str] = set()

    def remove(self, digest: str) -> None:
        """Remove the architecture with this digest."""
        self._recorded.add(digest)
        self._listed.pop(digest, None)

    def at(self, index: int) -> Walk | None:
        """Return the remaining architecture at ``index``, from 0, or None beyond the last one."""
        while len(self._listed) <= index:
            walk = next(self._coming, None)
            if walk is None:
                return None
            if walk.architecture.digest not in self._recorded:
                self._listed.setdefault(walk.architecture.digest, walk)
        return list(self._listed.values())[index]
