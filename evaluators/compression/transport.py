"""Optimal transport between the channels of a network and those that are kept.

Theus et al., Towards Meta-Pruning via Optimal Transport, 2024 (Intra-Fusion): channels that are
left out are fused into the kept ones, with the importance of channels as the measure.

Legend: N channels, K kept channels.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_LEAST = 1e-3
"""Least importance of a channel, as a share of the mean, so that each has a partner."""
_SHARE = 1e-6
"""Least share of a channel that a partner takes over."""
_RIDGE = 1e-4
"""Strength of the ridge in the fit of shares."""


def most_important(importance_N: Floats, count: int) -> Places:
    """Return the places of the most important channels, in ascending order."""
    order = np.argsort(-importance_N, kind="stable")
    return np.sort(order[:count])


def chosen(channels: int, kept_K: Places) -> Floats:
    """Return the map, (K, N), that leaves out all other channels, as plain pruning does."""
    chosen_KN = np.zeros((len(kept_K), channels))
    chosen_KN[np.arange(len(kept_K)), kept_K] = 1.0
    return chosen_KN


def distances(moments_NN: Floats) -> Floats:
    """Return the sine of the angle between the values of channels, which is a metric, (N, N).

    It is 0 where one channel is a multiple of the other, and 1 where they have nothing in common.

    Args:
        moments_NN: Second moments of the values: the mean of the product of two channels.
    """
    size_N = np.sqrt(np.maximum(np.diag(moments_NN), 1e-30))
    cosine_NN = moments_NN / size_N[:, None] / size_N
    return np.sqrt(np.clip(1 - cosine_NN**2, 0.0, 1.0))


def read_instead(moments_NN: Floats, plan_NK: Floats, kept_K: Places) -> Floats:
    """Return the map, (K, N), from weights that read all channels to weights that read kept ones.

    What reads a channel that is left out reads its partners in the plan instead, in the shares with
    which they come closest to its values (least squares).

    Args:
        moments_NN: Second moments of the values of the channels.
        plan_NK: Transport plan.
        kept_K: Places of the kept channels.
    """
    found_KN = chosen(len(moments_NN), kept_K)
    for place in np.setdiff1d(np.arange(len(moments_NN)), kept_K):
        partners = np.flatnonzero(plan_NK[place] > _SHARE * plan_NK[place].sum())
        among = kept_K[partners]
        own = moments_NN[np.ix_(among, among)]
        own = own + np.eye(len(among)) * (_RIDGE * np.trace(own) / len(among) + 1e-30)
        found_KN[partners, place] = np.linalg.solve(own, moments_NN[among, place])
    return found_KN


def transport_plan(distances_NN: Floats, importance_N: Floats, kept_K: Places) -> Floats:
    """Return an optimal plan, (N, K), from all channels to the kept ones.

    Both measures are the importance, divided by its sum. A kept channel has a larger share of the
    second measure than of the first. The costs are distances, so there is an optimal plan in which
    what both measures share does not move (Villani, Topics in Optimal Transportation, 2003, theorem
    1.14): the other channels are the sources, and the differences of shares the sinks.

    Args:
        distances_NN: Costs of transport, a metric.
        importance_N: Importance of each channel, 0 or more.
        kept_K: Places of the kept channels, in ascending order.
    """
    floor = _LEAST * importance_N.mean() or 1.0
    source_N = np.maximum(importance_N, floor)
    source_N = source_N / source_N.sum()
    target_K = source_N[kept_K] / source_N[kept_K].sum()
    left_out = np.setdiff1d(np.arange(len(source_N)), kept_K)
    plan_NK = np.zeros((len(source_N), len(kept_K)))
    plan_NK[kept_K, np.arange(len(kept_K))] = source_N[kept_K]
    if len(left_out):
        costs = distances_NN[np.ix_(left_out, kept_K)]
        plan_NK[left_out] = _cheapest(costs, source_N[left_out], target_K - source_N[kept_K])
    return plan_NK


def _cheapest(costs_NK: Floats, source_N: Floats, target_K: Floats) -> Floats:
    """Return the plan of least cost with given sums of rows and columns, which have one total."""
    rows, columns = costs_NK.shape
    places = np.arange(rows * columns)
    which = np.concatenate((places // columns, rows + places % columns))
    sums = coo_array((np.ones(2 * len(places)), (which, np.tile(places, 2))))
    scale = source_N.sum()
    wanted = np.concatenate((source_N / scale, target_K / target_K.sum()))
    found = linprog(costs_NK.ravel(), A_eq=sums.tocsr()[:-1], b_eq=wanted[:-1], method="highs")
    assert found.status == 0, found.message
    plan_NK = np.maximum(found.x, 0.0).reshape(rows, columns)
    # Solvers keep sums to a tolerance; the maps need the rows' sums exactly.
    return plan_NK * (source_N / plan_NK.sum(1))[:, None]
