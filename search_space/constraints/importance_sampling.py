"""Importance sampling of walks with sums near given bounds: to count and sample rare walks.

The probability of a choice falls exponentially with its cost. Of all distributions with given mean
sums, this one is nearest to uniform (exponential tilting: Cramer, 1938). The probability of each
walk is known exactly, so the feasible share is estimated without bias, however small it is, and
rejection sampling makes all feasible walks equally likely. The same numbers bound the share from
above (Chernoff, 1952): if the bound is below one walk, none is feasible.

Shape suffixes: G merged choices (of equal cost, leading to one node), K sums, W walks, S decision
nodes.
"""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..statistics import count_interval
from .bounded_steps import BoundedSteps
from .cost_table import Floats, Integers, Numbers

_ROUNDS = 20
"""Maximal iterations of Newton's method; about ten are usual."""

_STEPS = (1, 1 / 4, 1 / 16, 1 / 64)
"""Step sizes of Newton's method that are tried."""

_ROUNDING = 1e-12
"""Bound on the relative rounding error of sums of logarithms."""

_NO_HIT = 3.0
"""Expected number of hits at which the chance of no hit is 5 %."""

_WALKS = 32768
"""Walks sampled to estimate a share, or to be recombined. With one walk in eight accepted, a usual
figure, the interval of a share is about 3 % wide on each side."""

_PAIRS = 1_000_000
"""Pairs of a beginning and an end of walks that are tried at a node; those of three metrics take
about 100 MB."""

_JOINTS = 64
"""Nodes at which walks are recombined: those that most walks visit."""

_MATCHES = 8
"""Walks recombined at one node; walks from different nodes differ more."""


class Estimate(NamedTuple):
    """The feasible share of all walks, estimated from a sample."""

    hits: int
    """Number of feasible samples."""
    accepted: float
    """Acceptance probability of ``ImportanceSampler.draw``."""
    share: float
    """Feasible share of all walks."""
    low: float
    """Lower end of the 95 % interval of the share."""
    high: float
    """Upper end of the interval."""


class Moments(NamedTuple):
    """The distribution of sums under a tilt (one weight for each sum)."""

    log_total: float
    """The logarithm of the sum over all walks of exp(-tilt sums)."""
    mean_K: Floats
    """Means of the sums."""
    covariance_KK: Floats
    """Covariance of the sums."""
    chances: list[Floats]
    """The probabilities of the merged choices of each node, (G,) each."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Walks:
    """Sampled walks, as their merged choices."""

    groups_WS: Numbers
    """The merged choice of each walk at each node; -1 where the walk does not visit it."""
    sums_WK: Floats
    """The sums of each walk."""
    logs_W: Floats
    """The logarithm of the number of walks that each sample represents, over its probability."""


class ImportanceSampler:
    """Samples walks by probabilities that bring the mean sums near the bounds."""

    def __init__(self, steps: BoundedSteps) -> None:
        """Find the tilt."""
        self._table, self._groups, self._bounds = steps.table, steps.groups, steps.bounds
        self._logs = [np.log(each.sizes_G) for each in steps.groups]
        self._tilt_K = np.zeros(len(steps.sums))
        self._moments = self._of(self._tilt_K)
        self.log_most = self._moments.log_total
        """The logarithm of an upper bound on the number of feasible walks."""
        self._find()

    @property
    def chances(self) -> list[Floats]:
        """The probabilities of the merged choices of each node, (G,) each."""
        return self._moments.chances

    @property
    def none(self) -> bool:
        """Whether it is proved that no walk is feasible."""
        return self.log_most < -1e-6

    # Finding the tilt -----------------------------------------------------------------------

    def _find(self) -> None:
        """Minimise ``log total + tilt target`` over the tilts by Newton's method."""
        low_K, high_K = self._bounds.low_K, self._bounds.high_K
        from_low, from_high = np.isfinite(low_K), np.isfinite(high_K)
        bounded = from_low | from_high
        ends_K = np.where(from_low, low_K, 0.0), np.where(from_high, high_K, 0.0)
        target_K = (ends_K[0] + ends_K[1]) / np.maximum(from_low + from_high.astype(int), 1)
        # an upper bound never needs a tilt towards larger sums
        side_K = from_high.astype(int) - from_low
        for _ in range(_ROUNDS):
            log_total, mean_K, covariance_KK, _ = self._moments
            rounding = _ROUNDING * (abs(log_total) + abs(self._support))
            self.log_most = min(self.log_most, log_total + self._support + rounding)
            scale_K = np.sqrt(np.diag(covariance_KK))
            slope_K = target_K - mean_K
            kept = (self._tilt_K == 0) & (slope_K * side_K >= 0) & (side_K != 0)
            free = np.flatnonzero(bounded & (scale_K > 0) & ~kept)
            if self.none or not (np.abs(slope_K[free]) > 0.01 * scale_K[free]).any():
                return
            scaled = covariance_KK[np.ix_(free, free)] / np.outer(scale_K[free], scale_K[free])
            scaled += 1e-9 * np.eye(len(free))  # sums may be proportional to each other
            move_K = np.zeros(len(target_K))
            move_K[free] = -np.linalg.solve(scaled, slope_K[free] / scale_K[free]) / scale_K[free]
            move_K *= min(1.0, 2 / np.abs(move_K * scale_K).max())
            if not self._moved(move_K, target_K, side_K):
                return

    def _moved(self, move_K: Floats, target_K: Floats, side_K: Integers) -> bool:
        """Apply the step, or a part of it, if that lowers the objective."""
        before = self._moments.log_total + self._tilt_K @ target_K
        for part in _STEPS:
            tilt_K = self._tilt_K + part * move_K
            tilt_K = np.where(tilt_K * side_K < 0, 0.0, tilt_K)
            moments = self._of(tilt_K)
            if moments.log_total + tilt_K @ target_K < before:
                self._tilt_K, self._moments = tilt_K, moments
                return True
        return False

    @property
    def _support(self) -> float:
        """The greatest product of the tilt and sums within the bounds."""
        ends = zip(self._tilt_K.tolist(), self._bounds.low_K, self._bounds.high_K, strict=True)
        return float(sum(tilt * (high if tilt > 0 else low) for tilt, low, high in ends if tilt))

    def _of(self, tilt_K: Floats) -> Moments:
        """Return the moments under a tilt, by dynamic programming from the end."""
        end, sums = self._table.end, len(tilt_K)
        logs, means = np.zeros(end + 1), np.zeros((end + 1, sums))
        covariances = np.zeros((end + 1, sums * sums))
        chances = [np.zeros(0)] * end
        for number in range(end - 1, -1, -1):
            groups = self._groups[number]
            log_G = self._logs[number] - groups.costs_GK @ tilt_K + logs[groups.nexts_G]
            most = log_G.max()
            chance_G = np.exp(log_G - most)
            total = chance_G.sum()
            chance_G /= total
            mean_GK = groups.costs_GK + means[groups.nexts_G]
            logs[number], means[number] = most + math.log(total), chance_G @ mean_GK
            away_GK = mean_GK - means[number]
            covariances[number] = ((away_GK.T * chance_G) @ away_GK).ravel()
            covariances[number] += chance_G @ covariances[groups.nexts_G]
            chances[number] = chance_G
        return Moments(float(logs[0]), means[0], covariances[0].reshape(sums, sums), chances)

    # Walks ----------------------------------------------------------------------------------

    def sample(self, count: int, seed: int, *, with_groups: bool = True) -> Walks:
        """Return sampled walks.

        Args:
            count: Number of walks.
            seed: Seed of the random numbers.
            with_groups: Whether to return the merged choices of the walks, which need much memory.
        """
        generator = np.random.default_rng(seed)
        end = self._table.end
        taken = np.full((count, end) if with_groups else (0, end), -1, dtype=np.int32)
        sums, logs = np.zeros((count, len(self._tilt_K))), np.zeros(count)
        at = np.zeros(count, dtype=np.int64)
        for number, groups in enumerate(self._groups):
            here = np.flatnonzero(at == number)
            if not len(here):
                continue
            chance_G = self._moments.chances[number]
            upto_G = chance_G.cumsum()[:-1]
            drawn = upto_G.searchsorted(generator.random(len(here)), side="right")
            logs[here] += self._logs[number][drawn] - np.log(chance_G[drawn])
            if with_groups:
                taken[here, number] = drawn
            sums[here] += groups.costs_GK[drawn]
            at[here] = groups.nexts_G[drawn]
        return Walks(groups_WS=taken, sums_WK=sums, logs_W=logs)

    def recombined(self, count: int = _WALKS) -> Numbers:
        """Return feasible walks made of the beginnings of some walks and the ends of others.

        Two walks are cut at a node that both visit.

        Args:
            count: Number of walks to sample and recombine.

        Returns:
            The merged choice of each walk at each node, (W, S); see ``Walks``.
        """
        walks = self.sample(count, seed=0)
        found = [walks.groups_WS[self._bounds.holds(walks.sums_WK.T)]]
        spent_WK = np.zeros_like(walks.sums_WK)
        arrived = (walks.groups_WS >= 0).sum(axis=0)
        busiest = np.argsort(-arrived, kind="stable")[:_JOINTS]
        for number, groups in enumerate(self._groups):
            here = np.flatnonzero(walks.groups_WS[:, number] >= 0)
            if number in busiest and len(here):
                ends_WK = walks.sums_WK[here] - spent_WK[here]
                first, last = self._matches(spent_WK[here], ends_WK)
                taken = walks.groups_WS[here[last]]
                taken[:, :number] = walks.groups_WS[here[first], :number]
                found.append(taken)
            spent_WK[here] += groups.costs_GK[walks.groups_WS[here, number]]
        return np.concatenate(found)

    def _matches(self, begun_WK: Floats, ends_WK: Floats) -> tuple[Integers, Integers]:
        """Return pairs of a beginning and an end that together satisfy the bounds."""
        low_K, high_K = self._bounds.low_K, self._bounds.high_K
        spread_K = np.ptp(ends_WK, axis=0) + np.ptp(begun_WK, axis=0)
        narrow = int(np.argmin((high_K - low_K) / np.maximum(spread_K, 1)))
        order = np.argsort(ends_WK[:, narrow])
        rising = ends_WK[order, narrow]
        start = rising.searchsorted(low_K[narrow] - begun_WK[:, narrow], side="left")
        counts = rising.searchsorted(high_K[narrow] - begun_WK[:, narrow], side="right") - start
        counts = np.maximum(counts, 0)
        counts[counts.cumsum() > _PAIRS] = 0
        first = np.repeat(np.arange(len(counts)), counts)
        places = np.arange(len(first)) - np.repeat(counts.cumsum() - counts, counts)
        last = order[start[first] + places]
        kept = np.flatnonzero(self._bounds.holds((begun_WK[first] + ends_WK[last]).T))[:_MATCHES]
        return first[kept], last[kept]

    def estimate(self, count: int = _WALKS) -> Estimate:
        """Estimate the feasible share of all walks.

        The interval is that of a Poisson count of the effective sample size (Kish, 1965).

        Args:
            count: Number of walks to sample.
        """
        walks = self.sample(count, seed=0, with_groups=False)
        inside = self._bounds.holds(walks.sums_WK.T)
        chances = np.exp(walks.logs_W[inside] - self._moments.log_total - self._support)
        log_walks = math.log(self._table.path_counts[0])
        unit = self._moments.log_total + self._support - log_walks
        most = math.exp(min(self.log_most - log_walks, 0))
        if not len(chances):
            return Estimate(0, 0.0, 0.0, 0.0, min(most, math.exp(unit) * _NO_HIT / count))
        accepted = float(chances.sum()) / count
        mean = math.exp(unit + math.log(accepted))
        hits = float(chances.sum() ** 2 / np.square(chances).sum())
        low, high = (end / hits for end in count_interval(hits))
        return Estimate(len(chances), accepted, min(mean, 1.0), mean * low, min(mean * high, 1.0))

    def draw(self, generator: random.Random) -> dict[int, int]:
        """Return a uniformly sampled feasible walk: from node to merged choice.

        The expected number of tries is 1 / ``Estimate.accepted``.
        """
        low, high = self._bounds.low_K.tolist(), self._bounds.high_K.tolist()
        tilt, support = self._tilt_K.tolist(), self._support
        while True:
            walk, sums = self._proposed(generator)
            if all(a <= s <= b for a, s, b in zip(low, sums, high, strict=True)):
                log = sum(t * s for t, s in zip(tilt, sums, strict=True)) - support
                if generator.random() < math.exp(log):
                    return walk

    def _proposed(self, generator: random.Random) -> tuple[dict[int, int], list[float]]:
        """Return a sampled walk and its sums."""
        walk: dict[int, int] = {}
        sums, number = [0.0] * len(self._tilt_K), 0
        while number != self._table.end:
            upto, nexts, costs = self._lists[number]
            group = bisect_right(upto, generator.random())
            walk[number] = group
            sums = [have + more for have, more in zip(sums, costs[group], strict=True)]
            number = nexts[group]
        return walk, sums

    @cached_property
    def _lists(self) -> list[tuple[list[float], list[int], list[list[float]]]]:
        """For each node: cumulative probabilities without the last, next nodes, and costs."""
        return [
            (chance_G.cumsum()[:-1].tolist(), groups.nexts_G.tolist(), groups.costs_GK.tolist())
            for chance_G, groups in zip(self._moments.chances, self._groups, strict=True)
        ]
