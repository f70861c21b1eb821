"""The main score of predictions that do not depend on the image."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ...targets import Target

CONSTANTS: Mapping[Target, str] = {
    "classes": "the most frequent class",
    "regression": "the mean of the training numbers",
    "labels": "a random order",
}
"""What the score is that of, by kind of target."""


def constant_score(target: Target, train_labels: Tensor, labels: Tensor) -> float:
    """Return the main score that a constant prediction reaches on a split.

    For classes: the accuracy of the most frequent class of the split. For numbers: R2 of the mean
    of the training images. For labels: the mean over the labels of the share of images with it,
    which is the average precision of a random order.

    Args:
        target: Kind of target.
        train_labels: Targets of the training images.
        labels: Targets of the split.
    """
    if target == "classes":
        return torch.bincount(labels).max().item() / len(labels)
    if target == "labels":
        shares_K = labels.mean(0)
        return shares_K[shares_K > 0].mean().item() if bool((shares_K > 0).any()) else 0.0
    mean_K, own_K = train_labels.mean(0), labels.mean(0)
    spread_K = labels.var(0, correction=0).clamp(min=torch.finfo(torch.float64).tiny)
    return -((mean_K - own_K) ** 2 / spread_K).mean().item()
