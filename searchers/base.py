"""What a searcher is: it decides which architecture to measure next."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..results.candidate import Candidate
from ..search_space.architecture import Architecture
from ..search_space.space import SearchSpace


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
    note: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the searcher needs when the history is replayed; JSON values."""


class Searcher(ABC):
    """Proposes architectures.

    A searcher is a pure function of (space, objectives, seed, history): after the same calls of
    ``tell``, in the same order, ``ask(number, attempt)`` gives the same proposal, in another
    process too. So a resumed search is one whose history has been told again.
    """

    def __init__(self, *, space: SearchSpace, objectives: tuple[Objective, ...], seed: int) -> None:
        self.space = space
        self.objectives = objectives
        self.seed = seed

    @abstractmethod
    def ask(self, number: int, attempt: int = 0) -> Proposal:
        """Propose the architecture of candidate ``number``.

        Args:
            number: The candidate's number in the study.
            attempt: 0 at first; the loop counts it up when the proposal was a duplicate, and the
                searcher then proposes something else.
        """

    @abstractmethod
    def tell(self, candidate: Candidate) -> None:
        """Take a finished candidate (complete, infeasible or failed) into the history."""
