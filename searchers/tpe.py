"""TPE: tree-structured Parzen estimators."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..results.analysis.front import front_mask
from ..results.candidate import Candidate
from ..search_space.domains import Domain, Value, same
from ..search_space.walk.choosers import Chooser, RandomChooser
from .archive import VIOLATIONS, losses_of
from .base import Objective, Searcher, Space
from .parzen import Codes, Floats, Parzen

_STARTUP = 10
"""Number of complete candidates from which on the densities are used; before, proposals are
random."""
_GOOD_SHARE = 0.1
"""Share of the candidates that are good."""
_MOST_GOOD, _MOST_GOOD_BY_ONE = 100, 25
"""Good candidates, at most, with several objectives and with one."""
_MOST_OTHERS = 400
"""Other candidates that the densities are made from, at most."""
_SAMPLES = 24
"""Samples of the good density, of which the one with the best ratio is proposed."""
_EQUAL = 25
"""The latest other candidates, which have equal weights; earlier ones weigh less and less."""
_BEYOND = 0.1
"""How far the reference point lies beyond the worst losses, relative to them."""
_LEAST = 1e-12
"""How far it lies beyond them at the least."""
_DECIMALS = 9
"""Decimals in which the ratios are compared; the machine decides the others."""
_ABSENT = -1
"""Code of a decision that a candidate does not have."""


class TpeSearcher(Searcher):
    """Samples where good candidates are dense and others rare (Bergstra et al., 2011).

    Good is a tenth of the history: by the value of one objective, or with several by rank
    (MOTPE, Ozaki et al., 2020), the last rank by the volume that it dominates. The densities are
    those of Optuna's multivariate sampler (a test compares them), computed from tables of the few
    values that decisions have. Each decision is encoded as its index in its domain, so that ordered
    domains keep their order and uneven steps (kernels 3, 7, 15) become even. As in the sampler's
    ``group`` mode, decisions that always occur together are sampled from their joint density, but
    only for groups that the walk needs, since most are knobs of components that were not chosen.

    A long history is thinned: the densities are made from at most 100 good candidates (25 with one
    objective), the best ones, and at most 400 others, spread evenly over the order of their
    numbers, the first and the last included.
    """

    name = "tpe"

    def __init__(self, *, space: Space, objectives: tuple[Objective, ...], seed: int) -> None:
        super().__init__(space=space, objectives=objectives, seed=seed)
        self._domains = space.decisions()
        self._columns = {path: place for place, path in enumerate(self._domains)}
        self._codes: list[Codes] = []
        self._losses_NM = np.empty((0, len(objectives)))
        self._unusable: dict[int, float] = {}
        self._met = dict.fromkeys(self._domains, 0)
        self._histories: Histories | None = None

    def learn(self, candidate: Candidate) -> None:
        """Add the candidate to the densities."""
        number = len(self._codes)
        codes = np.full(len(self._domains), _ABSENT)
        for path, value in candidate.decisions.items():
            codes[self._columns[path]] = code_of(self._domains[path], value)
            self._met[path] |= 1 << number
        losses_M = losses_of(candidate, self.objectives)
        if not np.isfinite(losses_M).all():
            self._unusable[number] = VIOLATIONS[candidate.status]
        self._codes.append(codes)
        self._losses_NM = np.vstack([self._losses_NM, losses_M])
        self._histories = None

    def chooser(self, seed: int) -> Chooser:
        """Return the chooser that samples from the densities."""
        if len(self._codes) - len(self._unusable) < _STARTUP:
            return RandomChooser(seed)
        return TpeChooser(self.histories(), seed)

    def histories(self) -> "Histories":
        """Return the good candidates and the others, thinned, both by number."""
        if self._histories is None:
            self._histories = self._split()
        return self._histories

    def _split(self) -> "Histories":
        count = len(self._codes)
        most = _MOST_GOOD if len(self.objectives) > 1 else _MOST_GOOD_BY_ONE
        wanted = min(math.ceil(_GOOD_SHARE * count), most)
        usable = np.flatnonzero(np.isfinite(self._losses_NM).all(axis=1))
        good = usable[best(self._losses_NM[usable], wanted)]
        if len(good) < wanted:
            rest = sorted(self._unusable, key=lambda each: (self._unusable[each], each))
            good = np.append(good, rest[: wanted - len(good)])
        others = np.delete(np.arange(count), good)
        if len(others) > _MOST_OTHERS:
            places = np.linspace(0, len(others) - 1, _MOST_OTHERS).round().astype(np.int64)
            others = others[places]
        return Histories(
            good_ND=np.stack([self._codes[each] for each in np.sort(good)]),
            others_ND=np.stack([self._codes[each] for each in others]),
            domains=self._domains,
            columns=self._columns,
            groups=self._groups(),
        )

    def _groups(self) -> Mapping[str, Sequence[str]]:
        """Return for each decision the decisions of the same candidates, itself included."""
        groups: dict[int | str, list[str]] = {}
        for path, met in self._met.items():
            groups.setdefault(met or path, []).append(path)
        return {path: groups[met or path] for path, met in self._met.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Histories:
    """The candidates that the densities are made from."""

    good_ND: Codes
    """Codes of the good candidates, by number; -1 where a decision does not apply."""
    others_ND: Codes
    """Codes of the others."""
    domains: Mapping[str, Domain]
    """Domains of the decisions by path."""
    columns: Mapping[str, int]
    """Columns of the decisions by path."""
    groups: Mapping[str, Sequence[str]]
    """For each decision, those that always occur together with it."""

    def densities(self, paths: Sequence[str]) -> tuple[Parzen, Parzen]:
        """Return the densities of a group of decisions: of the good candidates and the others."""
        columns = [self.columns[path] for path in paths]
        domains = [self.domains[path] for path in paths]
        good, others = (
            each[each[:, columns[0]] != _ABSENT][:, columns]
            for each in (self.good_ND, self.others_ND)
        )
        return (
            Parzen.of(good, domains, np.ones(len(good))),
            Parzen.of(others, domains, age_weights(len(others))),
        )


class TpeChooser:
    """Samples a whole group of decisions when the first one of the group is needed."""

    def __init__(self, histories: Histories, seed: int) -> None:
        self._histories = histories
        self._rng = np.random.default_rng(seed)
        self._random = random.Random(seed)
        self._drawn: dict[str, int] = {}

    def choose(self, path: str, domain: Domain, allowed: Sequence[Value]) -> Value:
        """Return the sampled value, or the nearest allowed one."""
        if path not in self._drawn:
            self._sample(self._histories.groups[path])
        return nearest(domain, self._drawn[path], allowed, self._random)

    def _sample(self, paths: Sequence[str]) -> None:
        good, others = self._histories.densities(paths)
        codes_SD = good.sample(self._rng, _SAMPLES)
        ratio_S = good.log_density(codes_SD) - others.log_density(codes_SD)
        chosen = codes_SD[np.argmax(ratio_S.round(_DECIMALS))]
        self._drawn |= dict(zip(paths, chosen.tolist(), strict=True))


def best(losses_NM: Floats, count: int) -> NDArray[np.int64]:
    """Return the places of the ``count`` best rows by rank, the last rank by volume."""
    left = np.arange(len(losses_NM))
    found = np.empty(0, dtype=np.int64)
    while len(left) and len(found) < count:
        mask = front_mask(losses_NM[left])
        front, left = left[mask], left[~mask]
        if len(front) > count - len(found):
            front = front[largest(losses_NM[front], count - len(found))]
        found = np.append(found, front)
    return found


def largest(losses_NM: Floats, count: int) -> NDArray[np.int64]:
    """Return the places of ``count`` rows of a front that together dominate a large volume.

    The rows are chosen one by one: next is the row that adds the largest volume to the chosen rows
    (Guerreiro et al., 2016). With more than two objectives this volume is replaced by an upper
    bound that is quick to compute: the least volume that the row adds to one chosen row. The
    reference point lies beyond the worst losses by a tenth of them.
    """
    worst_M = losses_NM.max(axis=0)
    reference_M = worst_M + _BEYOND * np.abs(worst_M) + _LEAST
    corners_NM = np.repeat(reference_M[None], len(losses_NM), axis=0)
    own_N = np.prod(corners_NM - losses_NM, axis=1)
    whole_N = own_N.copy()
    chosen: list[int] = []
    for _ in range(count):
        place = int(own_N.argmax())
        chosen.append(place)
        row_M = losses_NM[place]
        if len(row_M) == 2:  # what a row adds is a box up to the nearest chosen ones on both sides
            for one in (0, 1):
                before = losses_NM[:, one] <= row_M[one]
                corners_NM[before, one] = np.minimum(corners_NM[before, one], row_M[one])
            own_N = np.prod(corners_NM - losses_NM, axis=1)
        else:
            shared_NM = reference_M - np.maximum(losses_NM, row_M)
            own_N = np.minimum(own_N, whole_N - np.prod(shared_NM, axis=1))
        own_N[chosen] = -np.inf
    return np.array(chosen)


def age_weights(count: int) -> Floats:
    """Return the weights of candidates by age, the oldest first: rising, then the latest equal."""
    if count <= _EQUAL:
        return np.ones(count)
    return np.append(np.linspace(1 / count, 1.0, count - _EQUAL), np.ones(_EQUAL))


def nearest(domain: Domain, place: int, allowed: Sequence[Value], rng: random.Random) -> Value:
    """Return the allowed value nearest to an index in a domain; any one in an unordered domain."""
    if domain.ordered:
        return min(allowed, key=lambda value: abs(code_of(domain, value) - place))
    drawn = [value for value in allowed if same(value, domain.values[place])]
    return drawn[0] if drawn else rng.choice(allowed)


def code_of(domain: Domain, value: Value) -> int:
    """Return the index of a value in a domain."""
    return [same(known, value) for known in domain.values].index(True)
