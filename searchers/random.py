"""Random search."""

from ..results.candidate import Candidate
from ..search_space.walk.choosers import Chooser, RandomChooser
from .base import Searcher


class RandomSearcher(Searcher):
    """Samples every decision uniformly among the allowed values; ignores the history."""

    name = "random"

    def chooser(self, seed: int) -> Chooser:
        """Return the chooser that samples at random."""
        return RandomChooser(seed)

    def learn(self, candidate: Candidate) -> None:
        """Ignore the candidate."""
