"""Searchers (base class), which propose the next architecture to measure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..results.candidate import Candidate
from ..search_space.architecture.architecture import Architecture
from ..search_space.constraints.constraint import Constraint
from ..search_space.seeds import derive_seed
from ..search_space.walk.assembly import Walk
from ..search_space.walk.choosers import Chooser, MutationChooser
from .remaining import Remaining
from .space_protocol import Space as Space

_OWN = 10
"""Number of attempts that the searcher proposes itself; later attempts mutate the first one."""
_MUTATED = 10
"""Number of attempts with growing mutations; later attempts enumerate the space."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """An objective: a metric to optimise."""

    metric: str
    """Name of the metric."""
    direction: str
    """``minimize`` or ``maximize``."""
    share: bool = False
    """Whether values lie between 0 and 1, so that 1 - value is an error."""

    @property
    def sign(self) -> float:
        """The factor that makes values losses: 1 to minimise, -1 to maximise."""
        return 1.0 if self.direction == "minimize" else -1.0


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """The searcher's knowledge before the first candidate is measured."""

    constraints: tuple[Constraint, ...] = ()
    """Bounds that candidates must satisfy; the space itself ensures those on exact metrics."""
    costs: Callable[[Architecture], Mapping[str, float]] | None = None
    """Function from a network to its exact metrics by name, without measuring; None: unknown."""
    scores: Callable[[Architecture], Mapping[str, float]] | None = None
    """Function from a network to the study's training-free scores by name, as far as it has them:
    features, not objectives, and each takes up to a second. None: the study records no scores."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A searcher's proposal of the next candidate."""

    architecture: Architecture
    """The architecture."""
    decisions: Mapping[str, Any]
    """Values of the decisions by path."""


class Searcher(ABC):
    """Proposes architectures.

    A searcher is a pure function of (space, objectives, seed, history): after the same calls of
    ``tell`` in the same order, ``ask(number, attempt)`` returns the same proposal, also in another
    process, and independent of earlier calls of ``ask``. A search resumes by calling ``tell`` with
    the stored history.
    """

    name: ClassVar[str]
    """The name on the command line."""
    knowledge: Knowledge = Knowledge()
    """The knowledge in advance; ``make_searcher`` sets it before the first candidate."""

    def __init__(self, *, space: Space, objectives: tuple[Objective, ...], seed: int) -> None:
        """Start with an empty history.

        Args:
            space: The search space.
            objectives: Metrics to optimise, at least one.
            seed: Seed of all random numbers.
        """
        assert objectives
        self.space = space
        self.objectives = objectives
        self.seed = seed
        self.pending: tuple[Candidate, ...] = ()
        """Candidates proposed before the next one, without an outcome yet."""
        self._remaining = Remaining(space)

    @abstractmethod
    def chooser(self, seed: int) -> Chooser:
        """Return the chooser of the next proposal's decisions, based on the history.

        Args:
            seed: Seed of the proposal's random numbers.
        """

    def propose(self, number: int, attempt: int, seed: int) -> Walk:
        """Return the walk of ``chooser``; a searcher may override this to choose among walks.

        Args:
            number: The candidate's number.
            attempt: From 0 to 9; see ``ask``.
            seed: Seed of the proposal's random numbers.
        """
        return self.space.walk(self.chooser(seed))

    @abstractmethod
    def learn(self, candidate: Candidate) -> None:
        """Add a finished candidate to the model.

        The candidate is complete, infeasible, failed or stopped early. A stopped one has no value
        of a trained objective, but values of lower fidelity under names like ``accuracy@4epochs``.
        """

    def expect(self, pending: tuple[Candidate, ...]) -> None:
        """Set the pending candidates: proposed before the next one, without an outcome yet.

        The next proposal depends on them as on the history.
        """
        self.pending = pending

    def tell(self, candidate: Candidate) -> None:
        """Add a finished candidate to the history; candidates come in order of number."""
        self._remaining.remove(candidate.digest)
        self.learn(candidate)

    def ask(self, number: int, attempt: int = 0) -> Proposal | None:
        """Return a proposal for candidate ``number``; None if the space is exhausted.

        Args:
            number: The candidate's number in the study.
            attempt: 0 at first, then incremented while the proposal is a duplicate. The searcher
                makes the first 10 attempts itself; the next 10 are growing mutations of the first;
                all later ones enumerate the remaining architectures in a fixed order, so that every
                architecture is found.
        """
        if attempt >= _OWN + _MUTATED:
            walk = self._remaining.at(attempt - _OWN - _MUTATED)
        else:
            walk = self._propose_or_mutate(number, attempt)
        if walk is None:
            return None
        return Proposal(architecture=walk.architecture, decisions=walk.decisions)

    def _propose_or_mutate(self, number: int, attempt: int) -> Walk:
        seed = derive_seed(self.seed, self.name, number, attempt)
        if attempt < _OWN:
            return self.propose(number, attempt, seed)
        rate = (attempt - _OWN + 1) / _MUTATED
        first = self._propose_or_mutate(number, 0)
        return self.space.walk(MutationChooser(first.decisions, seed, rate))
