"""Offsets and distances between the positions of a map.

Shape suffixes: H rows, W columns, N tokens (H x W).
"""

from math import hypot, log

import torch
from torch import Tensor

_EXACT, _LAST, _FURTHEST = 20, 40, 160

BUCKETS = _LAST + 1
"""Number of buckets of distances."""


def offsets(height: int, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the row and column offsets of all pairs of positions of a map, (N, N) each."""
    place_N = torch.arange(height * width, device=device)
    row_N, column_N = place_N // width, place_N % width
    return row_N[:, None] - row_N, column_N[:, None] - column_N


def distances(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return the index, 0 to N - 1, of the absolute offset of all pairs of positions, (N, N)."""
    rows_NN, columns_NN = offsets(height, width, device)
    return rows_NN.abs() * width + columns_NN.abs()


def distance_bucket(rows: int, columns: int) -> int:
    """Return the bucket of an offset: its rounded distance up to 20, wider buckets beyond.

    Wu et al., Rethinking and Improving Relative Position Encoding for Vision Transformer, 2021,
    arXiv:2107.14222, equation 18, with alpha, beta, gamma = 20, 40, 160 (as in PATNet).
    """
    distance = round(hypot(rows, columns))
    if distance <= _EXACT:
        return distance
    share = log(distance / _EXACT) / log(_FURTHEST / _EXACT)
    return min(_LAST, round(_EXACT + share * (_LAST - _EXACT)))


def distance_buckets(height: int, width: int, device: torch.device) -> Tensor:
    """Return the buckets of all pairs of positions of a map, (N, N)."""
    buckets = [distance_bucket(row, column) for row in range(height) for column in range(width)]
    bucket_N = torch.tensor(buckets, device=device)
    return bucket_N[distances(height, width, device)]
