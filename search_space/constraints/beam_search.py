"""Beam search for walks that satisfy many bounds at once.

For a weighted sum of the metrics, dynamic programming finds the least value over the paths from
each decision node exactly. Bounds on the metrics bound every weighted sum (Lagrangian relaxation),
so many weights together bound the slack with which a partial walk can end. The beam keeps the
partial walks with the largest such slack at each node.

Shape suffixes: D directions (weights), G merged choices, K sums, W walks, S decision nodes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bounded_steps import BoundedSteps
from .cost_table import Floats, Integers, Numbers

_DIRECTIONS = 96
"""Number of weighted sums, besides the metrics themselves."""

_WIDTH = 24
"""Width of the beam: partial walks kept at each node."""

_ROUNDING = 1e-9
"""Bound on the rounding error of weighted sums, relative to the ranges of the metrics."""


class _Walks(NamedTuple):
    """Partial walks on arrival at a node."""

    room_W: Floats
    """Bound on the slack with which each walk can end; negative: it must violate a bound."""
    spent_WK: Floats
    groups_WS: Numbers


class Beam:
    """A beam search with the least weighted sums from each node as its bound."""

    def __init__(self, steps: BoundedSteps, *, aim: int | None = None, up: bool = False) -> None:
        """Compute the least weighted sums.

        Args:
            steps: The decision nodes and the bounds.
            aim: Index of the sum to minimise, without its bound on that side; None: the slack to
                all bounds is maximised.
            up: Whether to maximise the sum ``aim`` instead.
        """
        self._steps = steps
        low_K, high_K = steps.bounds.low_K.copy(), steps.bounds.high_K.copy()
        if aim is not None:
            (low_K if up else high_K)[aim] = 0.0  # any finite value: only the differences matter
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
        """Return the least weighted sums from each node to the end, (S + 1, D)."""
        end = self._steps.table.end
        found = np.zeros((end + 1, len(self._most_D)))
        for number in range(end - 1, -1, -1):
            groups = self._steps.groups[number]
            costs_GD = groups.costs_GK @ self._weights_DK.T
            found[number] = (costs_GD + found[groups.nexts_G]).min(axis=0)
        return found

    def walks(self) -> Numbers:
        """Return feasible walks, the best first, (W, S); the search may miss all of them.

        A walk is the merged choice at each node; -1 where the walk does not visit it.
        """
        steps, table = self._steps, self._steps.table
        nothing, nowhere = np.zeros((1, len(steps.sums))), np.full((1, table.end), -1)
        arrived: list[list[_Walks]] = [[] for _ in range(table.end + 1)]
        arrived[0].append(_Walks(np.zeros(1), nothing, nowhere))
        for number, groups in enumerate(steps.groups):
            if not arrived[number]:
                continue
            here, arrived[number] = _best(arrived[number]), []
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
                    arrived[each].append(_Walks(room[mine], spent[mine], taken))
        if not arrived[-1]:
            return nowhere[:0]
        there = _best(arrived[-1])
        return there.groups_WS[steps.bounds.holds(there.spent_WK.T)]

    def _room(self, spent_WK: Floats, after_W: Integers) -> Floats:
        """Return a bound on the slack of partial walks at their end; -inf: outside the bounds."""
        left_WD = self._most_D - spent_WK @ self._weights_DK.T - self._least_SD[after_W]
        aimed = self._aimed_D
        if not aimed.any():
            room_W = left_WD.min(axis=1)
            return np.where(room_W < -_ROUNDING, -np.inf, room_W)
        kept_W = (left_WD[:, ~aimed] >= -_ROUNDING).all(axis=1)
        return np.where(kept_W, (left_WD / self._unit_D)[:, aimed].min(axis=1), -np.inf)


def _weights(low_K: NDArray[np.bool_], high_K: NDArray[np.bool_]) -> Floats:
    """Return the weights of bounded sums, (D, K): those of single metrics, then random mixtures."""
    generator = np.random.default_rng(0)
    sums = len(low_K)
    axes = np.concatenate((np.eye(sums)[high_K], -np.eye(sums)[low_K]))
    sizes = generator.dirichlet(np.full(sums, 0.7), size=_DIRECTIONS)
    either = generator.choice((-1, 1), sizes.shape)
    signs = np.where(high_K & low_K, either, high_K.astype(int) - low_K)
    mixed = sizes * signs
    return np.concatenate((axes, mixed[np.abs(mixed).sum(axis=1) > 0.05]))


def _best(arrived: list[_Walks]) -> _Walks:
    """Return the walks with the largest slack among those from several previous nodes."""
    room_W = np.concatenate([each.room_W for each in arrived])
    order = np.argsort(-room_W, kind="stable")[:_WIDTH]
    return _Walks(
        room_W=room_W[order],
        spent_WK=np.concatenate([each.spent_WK for each in arrived])[order],
        groups_WS=np.concatenate([each.groups_WS for each in arrived])[order],
    )
