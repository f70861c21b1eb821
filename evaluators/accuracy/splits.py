"""Stratified splits that depend on the labels and a seed alone."""

import torch
from torch import Tensor


def stratified_cut(
    labels: Tensor, *, classes: int, share: float, keep: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Cut a part off that holds about the same share of every class.

    Of a class with n members ``round(share * n)`` are cut off, but at least one, and never so many
    that fewer than ``keep`` remain.

    Args:
        labels: ``(N,)``, int64, from 0 to ``classes - 1``.
        classes: Number of classes.
        share: Share to cut off, between 0 and 1.
        keep: Members of each class that must remain, at least.
        seed: Decides which members are cut off.

    Returns:
        Indices that remain and indices cut off, each in ascending order.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    cut = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(classes):
        members = order[labels[order] == label]
        count = min(max(1, round(share * len(members))), len(members) - keep)
        cut[members[: max(0, count)]] = True
    return torch.nonzero(~cut).flatten(), torch.nonzero(cut).flatten()
