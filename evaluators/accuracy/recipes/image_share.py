"""A training on a part of the images."""

import torch
from torch import Tensor

from .base import RecipeOption, Training

_SEED = 0
"""Seed of the choice, the same for all trainings: a larger share holds a smaller one."""


class ImageShare(RecipeOption):
    """Trains on the same share of the training images in every epoch, for as many steps.

    Sun et al., Revisiting Unreasonable Effectiveness of Data in Deep Learning Era, 2017 (L10):
    scores grow with the logarithm of the number of images. An epoch passes the chosen images so
    often that it has as many steps as one of all images.
    """

    name = "image_share"

    def order(self, training: Training, order_N: Tensor) -> Tensor:
        """Return the chosen images in place of all others."""
        count = len(training.data.train_labels)
        generator = torch.Generator().manual_seed(_SEED)
        kept = torch.randperm(count, generator=generator)[: max(2, round(self.amount * count))]
        return kept.to(order_N.device)[order_N % len(kept)]
