"""The recipe of a full training, sized by the data."""

from dataclasses import replace

from ..targets import Target
from .recipe import Recipe

_SEEN = 400_000
"""Images seen in a full training, where that gives a usual number of epochs."""
_EPOCHS = (30, 200)
"""Fewest and most epochs."""
_LR = 4e-3
WARM = 0.25
"""Factor of the learning rate where the training begins with trained weights."""


def full_recipe(
    short: Recipe,
    count: int,
    *,
    epochs: int | None = None,
    class_weights: bool = False,
    warm: bool = False,
    target: Target = "classes",
    augmentation: str = "auto",
) -> Recipe:
    """Return the recipe of a full training.

    Args:
        short: The data set's recipe of the short training, whose batches and augmentation are kept.
        count: Number of training images.
        epochs: Passes over the training images; None: 30 to 200, so that about 400,000 images are
            seen.
        class_weights: Whether every class counts the same.
        warm: Whether the training begins with trained weights.
        target: Kind of target. Images are neither changed nor mixed for numbers to predict, which
            a turned, moved or mixed image may not keep.
        augmentation: One of ``AUGMENTATIONS``; ``none`` leaves out RandAugment too.
    """
    fewest, most = _EPOCHS
    length = epochs or min(most, max(fewest, round(_SEEN / count)))
    found = replace(
        short,
        augmentation=augmentation,
        epochs=length,
        lr=_LR * WARM if warm else _LR,
        warmup=0.05,
        class_weights=class_weights,
        rand_augment=0 if augmentation == "none" else 6,
        mixup=0.2,
        cutmix=1.0,
        drop_path=0.05,
        average=0.03,
        patience=max(10, length // 4),
    )
    if target == "regression":
        return replace(found, rand_augment=0, mixup=0.0, cutmix=0.0)
    return found
