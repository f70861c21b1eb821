"""Random search."""

from ..results.candidate import Candidate
from ..search_space.walk.choosers import Chooser, RandomChooser
from .base import Searcher


class RandomSearcher(Searcher):
    """Draws every decision uniformly among what is allowed; learns nothing."""

    name = "random"

    def chooser(self, seed: int) -> Chooser:
        """Return who draws at random."""
        return RandomChooser(seed)

    def learn(self, candidate: Candidate) -> None:
        """Take no notice."""
