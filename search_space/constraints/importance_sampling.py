"""Walks drawn so that their sums lie near given bounds: to count, draw and find the rare ones.

Choices are drawn with chances that fall exponentially with what they cost: of all ways of drawing
with given mean sums, the one nearest to uniform (exponential tilting: Cramer, 1938). The chance of
each walk is known exactly. So the share of the walks that keep the bounds is estimated without bias
however small it is, and a walk that keeps them can be kept with just the chance that makes all such
walks equally likely. The same numbers bound the share from above (Chernoff, 1952): where that is
less than one walk, there is none.

Shape suffixes: G groups of choices that cost the same and lead to one step, K sums, W walks, S
steps.
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
"""Rounds of Newton's method at the most; about ten are usual."""

_STEPS = (1, 1 / 4, 1 / 16, 1 / 64)
"""Parts of a step of Newton's method that are tried."""

_ROUNDING = 1e-12
"""Sums of logarithms are not further off than by this part."""

_NO_HIT = 3.0
"""Expected hits at which one time in twenty there is none."""

_PAIRS = 1_000_000
"""Beginnings and ends of walks that are tried together at a step."""

_JOINTS = 64
"""Steps at which walks are joined: those that most come by."""

_MATCHES = 8
"""Walks that are joined at a step: those of different steps differ more."""


class Moments(NamedTuple):
    """What a tilt does."""

    log_total: float
    """The logarithm of the sum over all walks of exp(-tilt sums)."""
    mean_K: Floats
    """Mean sums."""
    covariance_KK: Floats
    """Their covariance."""
    chances: list[Floats]
    """The chance of each group at each step, (G,) each."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Walks:
    """Walks, as the groups that they take."""

    groups_WS: Numbers
    """The group that each takes at each step; -1 where it does not come by."""
    sums_WK: Floats
    """Their sums."""
    logs_W: Floats
    """The logarithm of the number of walks that each stands for, over its chance."""


class Tilted:
    """Chances of choices that bring the mean of the sums to a window."""

    def __init__(self, steps: BoundedSteps) -> None:
        """Find the chances."""
        self._table, self._groups, self._window = steps.table, steps.groups, steps.window
        self._logs = [np.log(each.sizes_G) for each in steps.groups]
        self._tilt_K = np.zeros(len(steps.sums))
        self._moments = self._of(self._tilt_K)
        self.log_most = self._moments.log_total
        """The logarithm of a number of walks that those that keep the bounds do not exceed."""
        self._find()

    @property
    def none(self) -> bool:
        """Whether it is proved that no walk keeps the bounds."""
        return self.log_most < -1e-6

    # Finding the chances --------------------------------------------------------------------

    def _find(self) -> None:
        """Minimise ``log total + tilt target`` over the tilts by Newton's method."""
        low_K, high_K = self._window.low_K, self._window.high_K
        from_low, from_high = np.isfinite(low_K), np.isfinite(high_K)
        bounded = from_low | from_high
        ends_K = np.where(from_low, low_K, 0.0), np.where(from_high, high_K, 0.0)
        target_K = (ends_K[0] + ends_K[1]) / np.maximum(from_low + from_high.astype(int), 1)
        side_K = from_high.astype(int) - from_low  # a bound from above is not met by tilting up
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
            scaled += 1e-9 * np.eye(len(free))  # sums may be multiples of each other
            move_K = np.zeros(len(target_K))
            move_K[free] = -np.linalg.solve(scaled, slope_K[free] / scale_K[free]) / scale_K[free]
            move_K *= min(1.0, 2 / np.abs(move_K * scale_K).max())
            if not self._moved(move_K, target_K, side_K):
                return

    def _moved(self, move_K: Floats, target_K: Floats, side_K: Integers) -> bool:
        """Tilt by a step or part of it, if that is better."""
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
        """The greatest ``tilt sums`` of sums within the bounds."""
        ends = zip(self._tilt_K.tolist(), self._window.low_K, self._window.high_K, strict=True)
        return float(sum(tilt * (high if tilt > 0 else low) for tilt, low, high in ends if tilt))

    def _of(self, tilt_K: Floats) -> Moments:
        """Return what a tilt does, by dynamic programming from the end."""
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

    def sample(self, count: int, seed: int, *, ways: bool = True) -> Walks:
        """Return so many walks.

        Args:
            count: How many.
            seed: Of the random numbers.
            ways: Whether to tell the groups that they take, which is much.
        """
        generator = np.random.default_rng(seed)
        end = self._table.end
        taken = np.full((count, end) if ways else (0, end), -1, dtype=np.int32)
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
            if ways:
                taken[here, number] = drawn
            sums[here] += groups.costs_GK[drawn]
            at[here] = groups.nexts_G[drawn]
        return Walks(groups_WS=taken, sums_WK=sums, logs_W=logs)

    def spliced(self, walks: Walks, most: int) -> Numbers:
        """Return walks that keep the bounds, from the beginnings of some and the ends of others.

        Args:
            walks: Their pieces: two are joined where both come by a step.
            most: So many are enough.

        Returns:
            The group that each takes at each step, (W, S); see ``Walks``.
        """
        inside = self._window.holds(walks.sums_WK.T)
        found = [walks.groups_WS[inside][:most]]
        spent_WK = np.zeros_like(walks.sums_WK)
        come = (walks.groups_WS >= 0).sum(axis=0)
        busiest = set(np.argsort(-come, kind="stable")[:_JOINTS].tolist())
        for number, groups in enumerate(self._groups):
            here = np.flatnonzero(walks.groups_WS[:, number] >= 0)
            if sum(map(len, found)) >= most:
                break
            if number in busiest:
                ends_WK = walks.sums_WK[here] - spent_WK[here]
                first, last = self._matches(spent_WK[here], ends_WK)
                taken = walks.groups_WS[here[last]]
                taken[:, :number] = walks.groups_WS[here[first], :number]
                found.append(taken)
            spent_WK[here] += groups.costs_GK[walks.groups_WS[here, number]]
        return np.concatenate(found)[:most]

    def _matches(self, begun_WK: Floats, ends_WK: Floats) -> tuple[Integers, Integers]:
        """Return pairs of a beginning and an end that keep the bounds together."""
        low_K, high_K = self._window.low_K, self._window.high_K
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
        kept = np.flatnonzero(self._window.holds((begun_WK[first] + ends_WK[last]).T))[:_MATCHES]
        return first[kept], last[kept]

    def kept_chance(self, count: int, seed: int) -> float:
        """Return the chance, estimated from so many walks, that ``draw`` keeps one."""
        return float(self._kept(count, seed).sum() / count)

    def share(self, count: int, seed: int) -> tuple[int, float, float, float]:
        """Estimate the share of all walks that keep the bounds.

        Args:
            count: Walks that are drawn for this.
            seed: Of the random numbers.

        Returns:
            How many of these keep the bounds, the share, and its 95 % interval: that of a Poisson
            distributed number, the number of hits being that which would be as precise if all
            counted alike.
        """
        chances = self._kept(count, seed)
        unit = self._moments.log_total + self._support - math.log(self._table.ways[0])
        most = math.exp(min(self.log_most - math.log(self._table.ways[0]), 0))
        if not len(chances):
            return 0, 0.0, 0.0, min(most, math.exp(unit + math.log(_NO_HIT / count)))
        mean = math.exp(unit + math.log(chances.sum() / count))
        hits = float(chances.sum() ** 2 / np.square(chances).sum())
        low, high = (end / hits for end in count_interval(hits))
        return len(chances), min(mean, 1.0), mean * low, min(mean * high, 1.0)

    def _kept(self, count: int, seed: int) -> Floats:
        """Return the chances to be kept of those of so many walks that keep the bounds."""
        walks = self.sample(count, seed, ways=False)
        inside = self._window.holds(walks.sums_WK.T)
        return np.exp(walks.logs_W[inside] - self._moments.log_total - self._support)

    def draw(self, generator: random.Random) -> dict[int, int]:
        """Return a walk that keeps the bounds, each as likely as any other: step to group.

        It takes about as many tries as one over ``kept_chance``.
        """
        low, high = self._window.low_K.tolist(), self._window.high_K.tolist()
        tilt, support = self._tilt_K.tolist(), self._support
        while True:
            way, sums = self._tried(generator)
            if all(a <= s <= b for a, s, b in zip(low, sums, high, strict=True)):
                log = sum(t * s for t, s in zip(tilt, sums, strict=True)) - support
                if generator.random() < math.exp(log):
                    return way

    def _tried(self, generator: random.Random) -> tuple[dict[int, int], list[float]]:
        """Return a walk and its sums."""
        way: dict[int, int] = {}
        sums, number = [0.0] * len(self._tilt_K), 0
        while number != self._table.end:
            upto, nexts, costs = self._lists[number]
            group = bisect_right(upto, generator.random())
            way[number] = group
            sums = [have + more for have, more in zip(sums, costs[group], strict=True)]
            number = nexts[group]
        return way, sums

    @cached_property
    def _lists(self) -> list[tuple[list[float], list[int], list[list[float]]]]:
        """The chances of each step added up but for the last, the steps after, and the costs."""
        return [
            (chance_G.cumsum()[:-1].tolist(), groups.nexts_G.tolist(), groups.costs_GK.tolist())
            for chance_G, groups in zip(self._moments.chances, self._groups, strict=True)
        ]
