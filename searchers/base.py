"""What a searcher is: it decides which architecture to measure next."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..results.candidate import Candidate
from ..search_space.architecture.architecture import Architecture
from ..search_space.seeds import derive_seed
from ..search_space.space import SearchSpace
from ..search_space.walk.assembly import Draw
from ..search_space.walk.choosers import Chooser, MutationChooser
from .remaining import Untold

_OWN = 10
"""Attempts that are the searcher's own; those after it mutate its first."""
_MUTATED = 10
"""Attempts that mutate, more and more; those after it go through the whole space in order."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One metric to optimise."""

    metric: str
    """Name of the metric."""
    direction: str
    """``minimize`` or ``maximize``."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a searcher wants measured next."""

    architecture: Architecture
    """The network."""
    decisions: Mapping[str, Any]
    """What was chosen on the walk: path to value."""


class Searcher(ABC):
    """Proposes architectures.

    A searcher is a pure function of (space, objectives, seed, history): after the same calls of
    ``tell``, in the same order, ``ask(number, attempt)`` gives the same proposal, in another
    process too, whatever was asked before. So a resumed search is one whose history has been told
    again.
    """

    name: ClassVar[str]
    """The name on the command line."""

    def __init__(self, *, space: SearchSpace, objectives: tuple[Objective, ...], seed: int) -> None:
        """Start with an empty history.

        Args:
            space: Where to search.
            objectives: What to optimise, at least one.
            seed: Seed of everything drawn at random.
        """
        assert objectives
        self.space = space
        self.objectives = objectives
        self.seed = seed
        self._untold = Untold(space)

    @abstractmethod
    def chooser(self, seed: int) -> Chooser:
        """Return who answers the decisions of the next proposal, from the history.

        Args:
            seed: Seed of this one proposal; all that is random depends on it.
        """

    @abstractmethod
    def learn(self, candidate: Candidate) -> None:
        """Take a finished candidate (complete, infeasible or failed) into the history."""

    def tell(self, candidate: Candidate) -> None:
        """Take a finished candidate into the history; in the order of the numbers."""
        self._untold.remove(candidate.digest)
        self.learn(candidate)

    def ask(self, number: int, attempt: int = 0) -> Proposal | None:
        """Propose the architecture of candidate ``number``; None where the space has no further.

        Args:
            number: The candidate's number in the study.
            attempt: 0 at first; to be counted up as long as the proposal is a duplicate. The
                first 10 are the searcher's own, the next 10 change the first of them more and
                more, all later ones go through what has not been told, in a fixed order: so what
                is left of a space is found, down to the last architecture.
        """
        if attempt >= _OWN + _MUTATED:
            draw = self._untold.draw(attempt - _OWN - _MUTATED)
        else:
            draw = self._draw(number, attempt)
        if draw is None:
            return None
        return Proposal(architecture=draw.architecture, decisions=draw.decisions)

    def _draw(self, number: int, attempt: int) -> Draw:
        seed = derive_seed(self.seed, self.name, number, attempt)
        if attempt < _OWN:
            return self.space.walk(self.chooser(seed))
        rate = (attempt - _OWN + 1) / _MUTATED
        first = self._draw(number, 0)
        return self.space.walk(MutationChooser(first.decisions, seed, rate))
