"""Optuna's Gaussian process, for conditional spaces: candidates as vectors of equal length."""

import logging
import random
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import GPSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from ..results.candidate import Candidate
from ..search_space.domains import Domain, Value
from ..search_space.seeds import derive_seed
from ..search_space.walk.assembly import Walk
from ..search_space.walk.choosers import Chooser, RandomChooser
from .archive import FewChangesChooser, losses_of
from .base import Objective, Searcher, Space
from .quiet_optuna import quiet_optuna
from .surrogate.model import thinned
from .tpe import code_of, nearest

Vector = dict[str, float]
"""Codes of all decisions by path: indices in their domains."""

_STARTUP = 10
"""Number of complete candidates from which on the model is used; before, proposals are random."""
MOST = 100
"""Candidates that the model is fitted to, at most."""
EXACT = 16
"""Decisions of a space, at most, for which the sampler searches over integers."""
_NEIGHBOURS = 10
"""Neighbours of a known candidate that are tried, until one is unknown."""
_ABSENT = 0
"""Code of a decision that a candidate does not have."""


class GpSearcher(Searcher):
    """Asks ``GPSampler`` of Optuna, a Gaussian process with expected hypervolume improvement.

    The sampler models only decisions that all trials have, so in a conditional space it would
    choose most of them at random. Each candidate is therefore given to it as one vector over all
    decisions of the space that have more than one value: the indices of the values in their
    domains, and 0 for a decision that the candidate does not have. The vector that the sampler
    proposes is walked through the space: where its value is not allowed, the nearest one is taken,
    or a random one in an unordered domain. If that gives a known candidate, neighbours of it with
    one or two other decisions follow.

    A candidate that has no values of the objectives counts with the worst values seen. Pending
    candidates are running trials. A long history is thinned to 100 candidates: two thirds of
    the first fronts, the others spread evenly over the rest. In a space of more than 16 decisions,
    ordered values and pairs are intervals for the sampler, not integers: with 40 candidates of the
    space ``micro`` (109 decisions) a proposal takes 1.7 s of CPU time, with integers 8 to 10 s.
    """

    name = "gp"

    def __init__(self, *, space: Space, objectives: tuple[Objective, ...], seed: int) -> None:
        super().__init__(space=space, objectives=objectives, seed=seed)
        domains = space.decisions()
        self._domains = {path: each for path, each in domains.items() if len(each.values) > 1}
        exact = len(self._domains) <= EXACT
        self._distributions = {
            path: _distribution(each, exact) for path, each in self._domains.items()
        }
        self._vectors: list[Vector] = []
        self._digests: set[str] = set()
        self._losses_NM = np.empty((0, len(objectives)))
        self._first: tuple[tuple[int, int, tuple[str, ...]], Walk] | None = None

    def learn(self, candidate: Candidate) -> None:
        """Add the candidate to the history."""
        self._digests.add(candidate.digest)
        self._vectors.append(self._vector(candidate))
        self._losses_NM = np.vstack([self._losses_NM, losses_of(candidate, self.objectives)])

    def propose(self, number: int, attempt: int, seed: int) -> Walk:
        """Return the walk of the sampler's vector, in later attempts a neighbour of it."""
        usable = np.isfinite(self._losses_NM).all(axis=1).sum()
        if usable < _STARTUP or not self._domains:
            return super().propose(number, attempt, seed)
        asked = (number, len(self._vectors), tuple(each.digest for each in self.pending))
        if self._first is None or self._first[0] != asked:
            own = derive_seed(self.seed, self.name, number, 0)
            self._first = (asked, self.space.walk(VectorChooser(self._sample(own), own)))
        first = self._first[1]
        if attempt == 0 and first.architecture.digest not in self._known():
            return first
        walk = first
        for place in range(_NEIGHBOURS):
            neighbour = FewChangesChooser(first.decisions, derive_seed(seed, place))
            walk = self.space.walk(neighbour)
            if walk.architecture.digest not in self._known():
                break
        return walk

    def chooser(self, seed: int) -> Chooser:
        """Return the chooser of a random sample, for the first proposals."""
        return RandomChooser(seed)

    def _known(self) -> set[str]:
        return self._digests | {each.digest for each in self.pending}

    def _vector(self, candidate: Candidate) -> Vector:
        decisions = candidate.decisions
        return {
            path: code_of(domain, decisions[path]) if path in decisions else _ABSENT
            for path, domain in self._domains.items()
        }

    def _sample(self, seed: int) -> Vector:
        """Return the vector that the sampler proposes from the thinned history."""
        usable = np.flatnonzero(np.isfinite(self._losses_NM).all(axis=1))
        worst_M = self._losses_NM[usable].max(axis=0)
        losses_NM = np.where(np.isfinite(self._losses_NM), self._losses_NM, worst_M)
        places = np.sort(thinned(losses_NM, MOST))
        vectors = [self._vectors[place] for place in places]
        pending = [self._vector(each) for each in self.pending]
        return sampled(vectors, losses_NM[places], pending, self._distributions, seed)


class VectorChooser:
    """Takes the values of a vector, or the nearest allowed ones.

    A code between two indices is rounded at random, to the nearer one with more probability.
    """

    def __init__(self, vector: Mapping[str, float], seed: int) -> None:
        self._vector = vector
        self._random = random.Random(seed)

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the value of the vector, or the nearest allowed one."""
        code = self._vector.get(path, _ABSENT)
        place = int(code) + (self._random.random() < code % 1)
        return nearest(domain, place, allowed, self._random)


def sampled(
    vectors: Sequence[Vector],
    losses_NM: NDArray[np.float64],
    pending: Sequence[Vector],
    distributions: Mapping[str, BaseDistribution],
    seed: int,
) -> Vector:
    """Return the vector that ``GPSampler`` proposes.

    Args:
        vectors: Vectors of the finished candidates, at least 10.
        losses_NM: Their losses, all finite.
        pending: Vectors of the pending candidates.
        distributions: Distributions of the codes by path.
        seed: Seed of the sampler.
    """
    known = dict(distributions)
    # It warns of being experimental, and logs where its search for a vector found few.
    with quiet_optuna(logging.ERROR), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(
            directions=[StudyDirection.MINIMIZE] * losses_NM.shape[1],
            sampler=GPSampler(seed=seed, n_startup_trials=_STARTUP),
        )
        study.add_trials(
            create_trial(params=each, distributions=known, values=losses_M.tolist())
            for each, losses_M in zip(vectors, losses_NM, strict=True)
        )
        study.add_trials(
            create_trial(params=each, distributions=known, state=TrialState.RUNNING)
            for each in pending
        )
        return study.ask(known).params


def _distribution(domain: Domain, exact: bool) -> BaseDistribution:
    """Return the distribution of the index of a value in a domain.

    Args:
        domain: The domain.
        exact: Whether ordered values are integers. The sampler tries integers and categories one
            parameter at a time, and moves all intervals at once along the gradient.
    """
    count = len(domain.values)
    if exact and domain.ordered:
        return IntDistribution(0, count - 1)
    if domain.ordered or count == 2:
        return FloatDistribution(0, count - 1)
    return CategoricalDistribution(range(count))
