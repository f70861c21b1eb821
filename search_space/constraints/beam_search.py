"""Walks that keep many bounds at once, found by what all ways on from a step must cost.

For a weighted sum of the metrics the least that the ways on from a step can have is known exactly
(dynamic programming). Bounds on the metrics bound every weighted sum (Lagrangian relaxation), so
for many weights together this tells how far within the bounds a walk that has come so far can end
at the best. At each step the walks go on that can end best.

Shape suffixes: D directions (weights), G groups of choices that cost the same and lead to one
step, K sums, W walks, S steps.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import BoundedSteps
from .cost_table import Floats, Integers, Numbers

_DIRECTIONS = 96
"""Weighted sums, besides the metrics themselves."""

_WIDTH = 24
"""Walks that go on from each step."""

_ROUNDING = 1e-9
"""Weighted sums, as parts of the ranges of the metrics, are not further off than this."""


class _Walks(NamedTuple):
    """Walks that have come to a step."""

    room_W: Floats
    """How well they can end; negative: not at all."""
    spent_WK: Floats
    groups_WS: Numbers


class Beam:
    """What the ways on from each step must cost."""

    def __init__(self, steps: BoundedSteps, *, aim: int | None = None, up: bool = False) -> None:
        """Prepare it.

        Args:
            steps: The steps and the bounds.
            aim: The sum that is to be as small as possible, or as large if ``up``, whatever its
                bound on that side; none: all bounds are to be kept with as much room as possible.
            up: See ``aim``.
        """
        self._steps = steps
        low_K, high_K = steps.window.low_K.copy(), steps.window.high_K.copy()
        if aim is not None:
            (low_K if up else high_K)[aim] = 0.0  # any: what is spent of it is what counts
        least_K, most_K = steps.before[-1]
        scale_K = np.where(most_K > least_K, most_K - least_K, 1)
        self._weights_DK = _weights(np.isfinite(low_K), np.isfinite(high_K)) / scale_K
        ends_DK = np.where(self._weights_DK > 0, high_K, low_K)
        ends_DK = np.where(self._weights_DK == 0, 0.0, ends_DK)
        self._most_D = (self._weights_DK * ends_DK).sum(axis=1)
        self._unit_D = np.ones(len(self._most_D))
        self._aimed_D = np.zeros(len(self._most_D), dtype=np.bool_)
        if aim is not None:
            along_D = self._weights_DK[:, aim]
            self._aimed_D = along_D < 0 if up else along_D > 0
            self._unit_D = np.where(self._aimed_D, np.abs(along_D), 1)
        self._least_SD = self._least()

    def _least(self) -> Floats:
        """Return the least weighted sums from each step to the end, (S + 1, D)."""
        end = self._steps.table.end
        found = np.zeros((end + 1, len(self._most_D)))
        for number in range(end - 1, -1, -1):
            groups = self._steps.groups[number]
            costs_GD = groups.costs_GK @ self._weights_DK.T
            found[number] = (costs_GD + found[groups.nexts_G]).min(axis=0)
        return found

    def walks(self) -> Numbers:
        """Return walks that keep the bounds, the best first, (W, S).

        Of each the group that it takes at each step; -1 where it does not come by. None may be
        found though there are some.
        """
        steps, table = self._steps, self._steps.table
        nothing, nowhere = np.zeros((1, len(steps.sums))), np.full((1, table.end), -1)
        come: list[list[_Walks]] = [[] for _ in range(table.end + 1)]
        come[0].append(_Walks(np.zeros(1), nothing, nowhere))
        for number, groups in enumerate(steps.groups):
            if not come[number]:
                continue
            here, come[number] = _best(come[number]), []
            count, size = len(here.room_W), len(groups.nexts_G)
            spent = (here.spent_WK[:, None] + groups.costs_GK).reshape(count * size, -1)
            after = np.tile(groups.nexts_G, count)
            room = self._room(spent, after)
            for each, _ in groups.afters:
                mine = np.flatnonzero((after == each) & (room > -np.inf))
                mine = mine[np.argsort(-room[mine], kind="stable")[:_WIDTH]]
                taken = here.groups_WS[mine // size]
                taken[:, number] = mine % size
                if len(mine):
                    come[each].append(_Walks(room[mine], spent[mine], taken))
        if not come[-1]:
            return nowhere[:0]
        there = _best(come[-1])
        return there.groups_WS[steps.window.holds(there.spent_WK.T)]

    def _room(self, spent_WK: Floats, after_W: Integers) -> Floats:
        """Return how well walks can end that have come to a step; -inf: not within the bounds."""
        left_WD = self._most_D - spent_WK @ self._weights_DK.T - self._least_SD[after_W]
        aimed = self._aimed_D
        if not aimed.any():
            room_W = left_WD.min(axis=1)
            return np.where(room_W < -_ROUNDING, -np.inf, room_W)
        kept_W = (left_WD[:, ~aimed] >= -_ROUNDING).all(axis=1)
        return np.where(kept_W, (left_WD / self._unit_D)[:, aimed].min(axis=1), -np.inf)


def _weights(low_K: NDArray[np.bool_], high_K: NDArray[np.bool_]) -> Floats:
    """Return directions in which sums are bounded, (D, K): each metric's, and mixtures of them."""
    generator = np.random.default_rng(0)
    sums = len(low_K)
    axes = np.concatenate((np.eye(sums)[high_K], -np.eye(sums)[low_K]))
    sizes = generator.dirichlet(np.full(sums, 0.7), size=_DIRECTIONS)
    either = generator.choice((-1, 1), sizes.shape)
    signs = np.where(high_K & low_K, either, high_K.astype(int) - low_K)
    mixed = sizes * signs
    return np.concatenate((axes, mixed[np.abs(mixed).sum(axis=1) > 0.05]))


def _best(come: list[_Walks]) -> _Walks:
    """Return the walks of several steps before that can end best."""
    room_W = np.concatenate([each.room_W for each in come])
    order = np.argsort(-room_W, kind="stable")[:_WIDTH]
    return _Walks(
        room_W=room_W[order],
        spent_WK=np.concatenate([each.spent_WK for each in come])[order],
        groups_WS=np.concatenate([each.groups_WS for each in come])[order],
    )
