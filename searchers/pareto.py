"""Expected hypervolume improvement of a Gaussian process over a pool of candidates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results.candidate import Candidate
from ..search_space.architecture.architecture import Architecture
from ..search_space.seeds import derive_seed
from ..search_space.statistics import Z
from ..search_space.walk.assembly import Walk
from ..search_space.walk.choosers import Chooser, RandomChooser
from .base import Objective, Searcher, Space
from .surrogate.features import Encoder, Features, Scaler
from .surrogate.model import FEWEST, MOST_FITTED, Training, fit_point, thinned
from .surrogate.pool import Member, Pool, decisions_key
from .surrogate.promise import Known, Promise

Floats = NDArray[np.float64]

_SAMPLE = 128
"""Random samples by which features are standardised."""
_RANKED = 32
"""Best members of a pool that are kept in order."""


@dataclass(eq=False)
class _Ranking:
    """The best members of a pool, in order; digests are found when they are needed."""

    members: Sequence[Member]
    taken: set[str]
    fresh: list[Walk] = field(default_factory=list[Walk])
    looked: int = 0

    def at(self, attempt: int) -> Walk | None:
        """Return the member with rank ``attempt`` among those that are not in the history."""
        while len(self.fresh) <= attempt and self.looked < len(self.members):
            walk = self.members[self.looked].walk
            self.looked += 1
            if walk.architecture.digest not in self.taken:
                self.taken.add(walk.architecture.digest)
                self.fresh.append(walk)
        return self.fresh[attempt] if attempt < len(self.fresh) else None


class ParetoSearcher(Searcher):
    """Proposes the candidate with the largest expected hypervolume improvement.

    A Gaussian process learns each metric that is not known in advance, as a loss (the logarithm of
    the error or of the cost), from the decisions and known costs of the candidates. The expected
    hypervolume improvement (Emmerich et al., 2006) of every member of a pool is then computed in
    closed form, times the probability that it satisfies the measured constraints and does not fail.
    A constraint on an objective is the reference point there. Without one, gains are averaged over
    the bounds that a user may have in mind (see ``bound_weights``).

    Candidates without an outcome yet count with their predicted values. With intervals,
    the front is that of the predicted values of its candidates. The first 8 proposals are random.
    """

    name = "pareto"

    def __init__(self, *, space: Space, objectives: tuple[Objective, ...], seed: int) -> None:
        super().__init__(space=space, objectives=objectives, seed=seed)
        # The objective that a user is likely to bound comes last: see ``expected_improvement``.
        last = next((each for each in objectives if each.share), objectives[0])
        self._ordered = (*(each for each in objectives if each is not last), last)
        self._encoder = Encoder(space.decisions())
        self._pool = Pool(space, derive_seed(seed, self.name, "pool"))
        self._history: list[Known] = []
        self._features: dict[str, tuple[Features, Mapping[str, float]]] = {}
        self._scaler: Scaler | None = None
        self._thetas: dict[tuple[str, int], Floats] = {}
        self._ranked: tuple[tuple[int, int, tuple[str, ...]], _Ranking] | None = None

    def chooser(self, seed: int) -> Chooser:
        """Return the chooser of a random sample, for the first proposals."""
        return RandomChooser(seed)

    def learn(self, candidate: Candidate) -> None:
        """Add the candidate to the history."""
        self._history.append(self._known(candidate))

    def propose(self, number: int, attempt: int, seed: int) -> Walk:
        """Return the member of the pool with rank ``attempt`` by expected improvement."""
        if sum(self._usable(each) for each in self._history) < FEWEST:
            return super().propose(number, attempt, seed)
        pending = tuple(each.digest for each in self.pending)
        asked = (len(self._history), number, pending)
        if self._ranked is None or self._ranked[0] != asked:
            self._ranked = (asked, self._rank(number))
        walk = self._ranked[1].at(attempt)
        return super().propose(number, attempt, seed) if walk is None else walk

    # Features of candidates -----------------------------------------------------------------

    def _known(self, candidate: Candidate) -> Known:
        values: dict[str, float] = {}
        deviations: dict[str, float] = {}
        for name, each in candidate.measurements.items():
            if math.isfinite(each.value):
                values[name] = float(each.value)
                if each.low is not None and each.high is not None:
                    deviations[name] = max(0.0, (each.high - each.low) / (2 * Z))
        key = decisions_key(candidate.decisions)
        features, costs = self._featured(
            key, candidate.decisions, candidate if self.knowledge.costs else None
        )
        return Known(
            key=key,
            decisions=candidate.decisions,
            digest=candidate.digest,
            features=features,
            costs=costs,
            status=candidate.status,
            values=values,
            deviations=deviations,
        )

    def _featured(
        self, key: str, decisions: Mapping[str, Any], of: Candidate | Walk | None
    ) -> tuple[Features, Mapping[str, float]]:
        found = self._features.get(key)
        if found is None:
            costs: Mapping[str, float] = {}
            if self.knowledge.costs is not None and of is not None:
                architecture: Architecture = of.architecture
                costs = self.knowledge.costs(architecture)
            found = self._encoder.encode(decisions, tuple(costs.values())), costs
            self._features[key] = found
        return found

    def _usable(self, known: Known) -> bool:
        """Whether a candidate has a value of every objective, even if it breaks a constraint."""
        return known.status != "failed" and all(
            each.metric in known.values for each in self.objectives
        )

    # The proposal ---------------------------------------------------------------------------

    def _rank(self, number: int) -> _Ranking:
        """Order the best of the pool by expected improvement."""
        pending = [self._known(each) for each in self.pending]
        taken = {each.key for each in (*self._history, *pending)}
        usable = [each for each in self._history if self._usable(each)]
        state = Promise(self, usable, pending)
        members = [
            each for each in self._pool.members(number, state.parents()) if each.key not in taken
        ]
        digests = {each.digest for each in (*self._history, *pending)}
        if not members:
            return _Ranking([], digests)
        featured = [self._featured(each.key, each.walk.decisions, each.walk) for each in members]
        self._forget([*(each.key for each in members), *taken])
        gains = state.gains(featured)
        order = np.argsort(-gains, kind="stable")[:_RANKED]
        return _Ranking([members[place] for place in order], digests)

    def _forget(self, keys: Sequence[str]) -> None:
        """Drop the features of candidates that no pool needs any more."""
        if len(self._features) > 4 * len(keys):
            kept = set(keys)
            self._features = {k: v for k, v in self._features.items() if k in kept}

    def scaler(self) -> Scaler:
        """Return the scaler of features, from random samples that depend on the seed alone."""
        if self._scaler is None:
            sample: list[Features] = []
            for index in range(_SAMPLE):
                walk = self.space.walk(RandomChooser(derive_seed(self.seed, "scale", index)))
                key = decisions_key(walk.decisions)
                sample.append(self._featured(key, walk.decisions, walk)[0])
            self._scaler = Scaler.of(sample)
        return self._scaler

    def theta(self, name: str, training: Training, losses_NM: Floats) -> Floats:
        """Return the parameters of a metric's model, fitted at the last fit point."""
        point = fit_point(training.count)
        if (name, point) not in self._thetas:
            places = thinned(losses_NM[:point], MOST_FITTED)
            self._thetas[name, point] = training.part(places).fitted(self.scaler().lengths)
        return self._thetas[name, point]

    def ordered(self) -> tuple[Objective, ...]:
        """Return the objectives, the one that users bound last."""
        return self._ordered

    def history(self) -> Sequence[Known]:
        """Return the history."""
        return self._history
