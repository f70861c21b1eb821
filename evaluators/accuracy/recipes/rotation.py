"""Prediction of rotations in place of classes."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..data.dataset import SearchData
from ..data.image_rows import ImageRows, Images
from .base import Batch, RecipeOption, Training, network_of

TURNS = ("0", "90", "180", "270")
"""The classes: degrees, counter-clockwise."""


def turned(images_BCHW: Tensor, turns_B: Tensor) -> Tensor:
    """Return square images, each turned by its number of quarter turns, counter-clockwise."""
    found = images_BCHW.clone()
    for turns in (1, 2, 3):
        found[turns_B == turns] = images_BCHW[turns_B == turns].rot90(turns, (2, 3))
    return found


class TurnedImages(ImageRows):
    """Images of which the n-th is turned by n modulo 4 quarter turns when it is read."""

    def __init__(self, images: Images) -> None:
        self._images = images

    @property
    def shape(self) -> torch.Size:
        """``(M, C, R, R)``."""
        return self._images.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, places: Tensor | Sequence[int] | slice | int) -> Tensor:
        """Read the images at the places."""
        images = self._images[places]
        own = places.cpu() if isinstance(places, Tensor) else places
        return turned(images, torch.arange(len(self))[own].to(images.device) % 4)

    def to(self, device: torch.device) -> "TurnedImages":
        """Return the images on a device."""
        return TurnedImages(self._images.to(device))


class Rotation(RecipeOption):
    """Trains the network to tell how an image is turned, which needs no labels.

    Gidaris et al., Unsupervised Representation Learning by Predicting Image Rotations, 2018 (T32).
    There each batch holds every image in all four rotations; here each image is turned at random,
    so that an epoch costs the same as with labels. The score is the share of validation images
    whose rotation is found. With ``linear_probe`` it is the accuracy of classes instead.
    """

    name = "rotation"

    def changed_data(self, data: SearchData) -> SearchData:
        """Return the data with rotations as classes."""
        device = data.train_labels.device
        self._classes = len(data.classes)
        return replace(
            data,
            train_labels=torch.arange(len(data.train_labels), device=device) % 4,
            validation_images=TurnedImages(data.validation_images),
            validation_labels=torch.arange(len(data.validation_labels), device=device) % 4,
            classes=TURNS,
        )

    def begin(self, training: Training) -> None:
        """Give the network a classifier of four classes."""
        network_of(training, self.name).reset_classifier(len(TURNS))

    def batch(self, training: Training, batch: Batch) -> Batch:
        """Return the images of a step, each turned at random."""
        turns = torch.randint(4, (len(batch.labels),), device=batch.images.device)
        return replace(batch, images=turned(batch.images, turns), labels=turns)

    def finish(self, training: Training) -> bool:
        """Give the network an untrained classifier of the data's classes again."""
        network_of(training, self.name).reset_classifier(self._classes)
        return False
