"""Coresets of batches: the images whose gradients stand for those of the others.

Legend: B images of a batch, M chosen ones, K classes.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .base import Batch, RecipeOption, Training, kept_buffers


def medoids(points_BK: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return chosen points and the number of points that each stands for, both (M,).

    Greedy facility location (Nemhauser et al., 1978): the next point is the one that reduces the
    sum of the distances to the nearest chosen point most.

    Args:
        points_BK: The points.
        count: Number to choose, M.
    """
    distances_BB = torch.cdist(points_BK, points_BK)
    nearest_B = distances_BB.max().expand(len(points_BK)).clone()
    chosen: list[Tensor] = []
    taken_B = torch.zeros(len(points_BK), dtype=torch.bool, device=points_BK.device)
    for _ in range(count):
        gains_B = (nearest_B - distances_BB).clamp(min=0).sum(1)
        best = gains_B.masked_fill(taken_B, -1).argmax()
        taken_B[best] = True
        chosen.append(best)
        nearest_B = torch.minimum(nearest_B, distances_BB[best])
    chosen_M = torch.stack(chosen)
    owners_B = distances_BB[:, chosen_M].argmin(1)
    return chosen_M, torch.bincount(owners_B, minlength=count)


class Coreset(RecipeOption):
    """Trains, at each step, on the images of the batch that stand for the others.

    Yang et al., Towards Sustainable Learning: Coresets for Data-efficient Deep Learning, 2023
    (T24): images are points whose coordinates are the gradient of the loss by the class scores, and
    the weight of a chosen one is the number that it stands for. There a coreset serves several
    steps, as long as a quadratic model of the loss holds, and learned images are dropped; here each
    batch is its own pool. The choice costs one forward pass of the whole batch.
    """

    name = "coreset"

    def batch(self, training: Training, batch: Batch) -> Batch:
        """Return the chosen images of a batch, at least two, which batch norms need."""
        count = min(len(batch.labels), max(2, round(self.amount * len(batch.labels))))
        with torch.no_grad(), kept_buffers(training.model):
            logits = training.logits(training.model, batch.images)
        classes = logits.shape[1]
        points_BK = logits.softmax(1) - F.one_hot(batch.labels, classes)
        chosen, sizes = medoids(points_BK, count)
        return replace(
            batch,
            places=batch.places[chosen],
            images=batch.images[chosen],
            labels=batch.labels[chosen],
            weights=sizes * (count / len(batch.labels)),
        )
