"""TPE: tree-structured Parzen estimators."""

import random
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from ..results.candidate import Candidate
from ..search_space.domains import Domain, Value, same
from ..search_space.walk.choosers import Chooser, RandomChooser
from .base import Objective, Searcher, Space
from .optuna_history import OptunaHistory, values_of

_STARTUP = 10
"""Number of complete candidates from which on the densities are used; before, proposals are
random."""


class TpeSearcher(Searcher):
    """Samples where good candidates are dense and others rare (Bergstra et al., 2011).

    This is Optuna's multivariate sampler; with several objectives its MOTPE (Ozaki et al., 2020).
    Each decision is encoded as its index in its domain, so that ordered domains keep their order
    and uneven steps (kernels 3, 7, 15) become even. As in the sampler's ``group`` mode, decisions
    that always occur together are sampled from their joint density, but only for groups that the
    walk needs, since most are knobs of components that were not chosen.
    """

    name = "tpe"

    def __init__(self, *, space: Space, objectives: tuple[Objective, ...], seed: int) -> None:
        super().__init__(space=space, objectives=objectives, seed=seed)
        self._domains = space.decisions()
        self._places = {path: _places(domain) for path, domain in self._domains.items()}
        self._history = OptunaHistory(objectives)
        self._met = dict.fromkeys(self._domains, 0)
        self._finished = self._complete = 0

    def learn(self, candidate: Candidate) -> None:
        """Add the candidate to the densities."""
        decisions = candidate.decisions
        self._history.add(
            candidate,
            {path: _place(self._domains[path], value) for path, value in decisions.items()},
            {path: self._places[path] for path in decisions},
        )
        for path in decisions:
            self._met[path] |= 1 << self._finished
        self._finished += 1
        self._complete += values_of(candidate, self.objectives) is not None

    def chooser(self, seed: int) -> Chooser:
        """Return the chooser that samples from the densities."""
        if self._complete < _STARTUP:
            return RandomChooser(seed)
        return TpeChooser(self._history.study(), self._groups(), seed)

    def _groups(self) -> Mapping[str, dict[str, BaseDistribution]]:
        """Return for each decision the decisions of the same candidates, itself included."""
        groups: dict[int | str, dict[str, BaseDistribution]] = {}
        for path, met in self._met.items():
            groups.setdefault(met or path, {})[path] = self._places[path]
        return {path: groups[met or path] for path, met in self._met.items()}


class TpeChooser:
    """Samples a whole group of decisions when the first one of the group is needed."""

    def __init__(
        self,
        study: optuna.Study,
        groups: Mapping[str, dict[str, BaseDistribution]],
        seed: int,
    ) -> None:
        self._study = study
        self._groups = groups
        self._sampler = TPESampler(
            n_startup_trials=0, multivariate=True, constant_liar=False, seed=seed
        )
        self._trial = create_trial(state=TrialState.RUNNING)
        self._random = random.Random(seed)
        self._drawn: dict[str, int] = {}

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the sampled value, or the nearest allowed one."""
        if path not in self._drawn:
            group = self._groups[path]
            self._drawn |= self._sampler.sample_relative(self._study, self._trial, group)
        return nearest(domain, self._drawn[path], allowed, self._random)


def nearest(domain: Domain, place: int, allowed: Sequence[Value], rng: random.Random) -> Value:
    """Return the allowed value nearest to an index in a domain; any one in an unordered domain."""
    if domain.ordered:
        return min(allowed, key=lambda value: abs(_place(domain, value) - place))
    drawn = [value for value in allowed if same(value, domain.values[place])]
    return drawn[0] if drawn else rng.choice(allowed)


def _places(domain: Domain) -> BaseDistribution:
    """Return the distribution of the indices of a domain."""
    count = len(domain.values)
    if domain.ordered:
        return IntDistribution(0, count - 1)
    return CategoricalDistribution(range(count))


def _place(domain: Domain, value: Value) -> int:
    """Return the index of a value in a domain."""
    return [same(known, value) for known in domain.values].index(True)
