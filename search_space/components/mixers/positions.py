"""Relative positions of the places of a map.

Shape suffixes: H rows, W columns, N tokens (H x W).
"""

from math import hypot, log

import torch
from torch import Tensor

_EXACT, _LAST, _FURTHEST = 20, 40, 160

BUCKETS = _LAST + 1
"""Number of buckets of distances."""


def offsets(height: int, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return by how many rows and columns every two places of a map differ: (N, N) each."""
    place_N = torch.arange(height * width, device=device)
    row_N, column_N = place_N // width, place_N % width
    return row_N[:, None] - row_N, column_N[:, None] - column_N


def distances(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return the number, from 0 to N - 1, of the distance in rows and columns of every two places:
    (N, N)."""
    rows_NN, columns_NN = offsets(height, width, device)
    return rows_NN.abs() * width + columns_NN.abs()


def distance_bucket(rows: int, columns: int) -> int:
    """Return the bucket of an offset: the rounded distance up to 20, then fewer and fewer.

    Wu et al., Rethinking and Improving Relative Position Encoding for Vision Transformer, 2021,
    arXiv:2107.14222, equation 18, with alpha, beta, gamma = 20, 40, 160 (as in PATNet).
    """
    distance = round(hypot(rows, columns))
    if distance <= _EXACT:
        return distance
    share = log(distance / _EXACT) / log(_FURTHEST / _EXACT)
    return min(_LAST, round(_EXACT + share * (_LAST - _EXACT)))


def distance_buckets(height: int, width: int, device: torch.device) -> Tensor:
    """Return the bucket (N, N) of every two places of a map."""
    buckets = [distance_bucket(row, column) for row in range(height) for column in range(width)]
    bucket_N = torch.tensor(buckets, device=device)
    return bucket_N[distances(height, width, device)]
