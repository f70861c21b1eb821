"""Any number of bounds: the sums that can still be reached, thinned on a grid where they are many.

Shape suffixes: G groups of choices that cost the same and lead to one step, K sums, N points, W
walks, S steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import BoundedSteps, Window
from .cost_table import Floats, Integers, Numbers
from .reachable_sums import TINY, Reach, merged


@dataclass(frozen=True, eq=False, kw_only=True)
class _Stack:
    """The sums that each group of choices of a step can lead to."""

    points_KNG: Floats
    shares_NG: Floats
    """Shares of all ways from the step."""
    there_NG: NDArray[np.bool_]
    """Which of the points there are: groups have different numbers."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Onward:
    """The sums that those choices of a step can lead to that lead to one step."""

    mine_G: Integers
    """Their groups."""
    points: Floats
    """Sums, (K, G, N)."""
    shares: Floats
    """Shares of all ways from the step, (G, N)."""
    kept: NDArray[np.bool_]
    """Which of them there are, (G, N)."""


class Thinned:
    """Sums that ways on from each step really have, and their shares of all ways."""

    def __init__(self, steps: BoundedSteps, *, cap: int) -> None:
        """Compute them by dynamic programming from the end.

        Args:
            steps: The steps and the bounds.
            cap: Sums kept at a step.
        """
        self._steps = steps
        self._window = steps.window
        self._stacks: dict[int, _Stack] = {}
        table = steps.table
        self._reaches = [Reach.end(len(steps.sums))] * (table.end + 1)
        for number in range(table.end - 1, -1, -1):
            least, most = steps.before[number]
            useful = Window(low_K=self._window.low_K - most, high_K=self._window.high_K - least)
            parts = [self._onward(number, *each) for each in steps.groups[number].afters]
            self._reaches[number] = merged(_joined(parts, table.steps[number].second), cap, useful)

    @property
    def size(self) -> int:
        """Number of sums of whole ways that keep the bounds: 0 where none was found."""
        return self._reaches[0].size

    @property
    def share(self) -> float:
        """Share of the walks that keeps the bounds; an estimate where some were left out."""
        return float(self._reaches[0].shares_N.sum())

    def sums(self, column: int) -> Floats:
        """Return sums that whole ways have that keep the bounds, (N,)."""
        return self._reaches[0].points_KN[column]

    def shares(self, number: int, spent_K: Floats) -> Floats:
        """Return the share of the ways that each group of a step leads to, (G,)."""
        stack = self._stack(number)
        return np.where(self._inside(stack, spent_K), stack.shares_NG, 0.0).sum(axis=0)

    def possible(self, number: int, spent_K: Floats) -> NDArray[np.bool_]:
        """Return which groups of a step lead to a way that keeps the bounds, (G,)."""
        return np.logical_or.reduce(self._inside(self._stack(number), spent_K), axis=0)

    def add(self, groups_WS: Numbers) -> None:
        """Keep the sums of walks that keep the bounds too.

        Args:
            groups_WS: The group that each takes at each step; -1 where it does not come by.
        """
        steps = self._steps
        sums_WK = np.zeros((len(groups_WS), len(steps.sums)))
        for number in range(steps.table.end - 1, -1, -1):
            here = np.flatnonzero(groups_WS[:, number] >= 0)
            if not len(here):
                continue
            taken = groups_WS[here, number].astype(np.int64)
            sums_WK[here] += steps.groups[number].costs_GK[taken]
            second = steps.table.steps[number].second
            self._reaches[number] = self._reaches[number].more(
                sums_WK[here].T, taken if second else np.zeros_like(taken)
            )
        self._stacks.clear()

    def _inside(self, stack: _Stack, spent_K: Floats) -> NDArray[np.bool_]:
        """Return which of the sums of a step keep the bounds, (N, G)."""
        inside = stack.there_NG
        spent = spent_K.tolist()
        for k, limit, upper in self._steps.limits:
            points_NG, left = stack.points_KNG[k], limit - spent[k]
            inside = inside & (points_NG <= left if upper else points_NG >= left)
        return inside

    def _onward(self, number: int, after: int, mine_G: Integers) -> _Onward:
        """Return the sums that the choices leading to one step can reach, group by group.

        A first mixer rules itself out as the second.
        """
        groups, reach = self._steps.groups[number], self._reaches[after]
        points = groups.costs_GK[mine_G].T[..., None] + reach.points_KN[:, None]
        weight = self._steps.table.ways[after] / self._steps.table.ways[number]
        shares = (groups.sizes_G[mine_G, None] * weight) * reach.shares_N
        kept = np.ones(shares.shape, dtype=np.bool_)
        if self._steps.table.is_second(after):
            size = groups.sizes_G[mine_G, None]
            own = reach.groups_N == mine_G[:, None]
            shares = np.where(own, shares * ((size - 1) / size), shares)
            kept = ~own | (size > 1)
        return _Onward(
            mine_G=mine_G,
            points=points,
            shares=np.where(kept, np.maximum(shares, TINY), 0.0),
            kept=kept,
        )

    def _stack(self, number: int) -> _Stack:
        """Return what the choices of a step can lead to, as one array."""
        if number not in self._stacks:
            groups = self._steps.groups[number]
            parts = [self._onward(number, *each) for each in groups.afters]
            if len(parts) == 1:
                self._stacks[number] = _Stack(
                    points_KNG=np.ascontiguousarray(parts[0].points.transpose(0, 2, 1)),
                    shares_NG=np.ascontiguousarray(parts[0].shares.T),
                    there_NG=np.ascontiguousarray(parts[0].kept.T),
                )
                return self._stacks[number]
            size = max(each.shares.shape[1] for each in parts), len(groups.sizes_G)
            points_KNG = np.zeros((len(self._steps.sums), *size))
            shares_NG, there_NG = np.zeros(size), np.zeros(size, dtype=np.bool_)
            for each in parts:
                width = each.shares.shape[1]
                points_KNG[:, :width, each.mine_G] = each.points.transpose(0, 2, 1)
                shares_NG[:width, each.mine_G] = each.shares.T
                there_NG[:width, each.mine_G] = each.kept.T
            self._stacks[number] = _Stack(
                points_KNG=points_KNG, shares_NG=shares_NG, there_NG=there_NG
            )
        return self._stacks[number]


def _joined(parts: Sequence[_Onward], grouped: bool) -> Reach:
    """Return what the choices of one step can reach; its groups are told apart if ``grouped``."""
    kept = [each.kept for each in parts]
    numbers = [
        np.broadcast_to(each.mine_G[:, None] if grouped else 0, each.shares.shape) for each in parts
    ]
    return Reach(
        points_KN=np.concatenate(
            [p.points[:, k] for p, k in zip(parts, kept, strict=True)], axis=1
        ),
        shares_N=np.concatenate([p.shares[k] for p, k in zip(parts, kept, strict=True)]),
        groups_N=np.concatenate([each[k] for each, k in zip(numbers, kept, strict=True)]),
    )
