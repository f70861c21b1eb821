"""The images that the ranges of a quantised network come from."""

import numpy as np
import torch
from numpy.typing import NDArray

from ...search_space.seeds import derive_seed
from ...search_space.shapes import Shape
from ..accuracy.data.dataset import SearchData
from ..accuracy.training.scoring import Normalise

CALIBRATION_IMAGES = 128
"""Images of a calibration, or all of a smaller training split."""

Array = NDArray[np.float32]


def training_images(data: SearchData, *, seed: int, count: int = CALIBRATION_IMAGES) -> Array:
    """Return images of the training split, normalised and not augmented, (N, C, R, R).

    Args:
        data: The data; the validation split is not read.
        seed: Seed of the choice.
        count: Number of images, if the split has as many.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "int8 calibration"))
    chosen = torch.randperm(len(data.train_labels), generator=generator)[:count]
    return normalised(data, data.train_images[chosen].cpu())


def normalised(data: SearchData, images: torch.Tensor) -> Array:
    """Return images, uint8, as a network sees them."""
    return Normalise(data, torch.device("cpu"))(images.cpu()).contiguous().numpy()


def noise_images(shape: Shape, *, seed: int, count: int = CALIBRATION_IMAGES) -> Array:
    """Return normally distributed images, (N, C, H, W), for a latency, which needs no others."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *shape, generator=generator).numpy()
