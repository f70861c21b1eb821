"""Scoring: the number of images that a network classifies correctly."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...targets import Target
from ..data.dataset import SearchData
from ..data.image_rows import Images

_PIXELS = 2**16
"""Pixels that are scored at once, or more."""


class Normalise:
    """Normalises images by mean and deviation of the training images."""

    def __init__(self, data: SearchData, device: torch.device) -> None:
        shape = (1, data.channels, 1, 1)
        self.mean = torch.tensor(data.mean, device=device).view(shape)
        self.scale = torch.tensor([1 / value for value in data.std], device=device).view(shape)

    def __call__(self, images: Tensor) -> Tensor:
        """Map images (B, C, R, R), uint8, to float32 of the same shape, channels last."""
        normalised = (images.float() - self.mean) * self.scale
        return normalised.contiguous(memory_format=torch.channels_last)


def images_at_once(data: SearchData, batch_size: int) -> int:
    """Return the images of one forward pass: twice a training batch, more where they are small.

    Small maps cost less time than the calls of their operations.
    """
    return max(2 * batch_size, _PIXELS // data.resolution**2)


@torch.no_grad()  # not inference_mode, whose tensors cached by a module could not be trained
def score(
    model: nn.Module, logits: Callable[[Tensor], Tensor], data: SearchData, batch_size: int
) -> tuple[float, int]:
    """Return mean loss and number of correct predictions on the validation split.

    Args:
        model: The model, which is put in eval mode.
        logits: Function from images, uint8, to the model's float32 class scores.
        data: The data, on the device of the model.
        batch_size: Images per forward pass.
    """
    model.eval()
    images, labels = data.validation_images, data.validation_labels
    loss = torch.zeros((), device=labels.device)
    right = torch.zeros((), device=labels.device, dtype=torch.int64)
    for part, truth in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        scores = logits(part)
        loss += F.cross_entropy(scores, truth, reduction="sum")
        right += (scores.argmax(1) == truth).sum()
    return loss.item() / len(labels), int(right.item())


@torch.no_grad()
def outputs_of(
    model: nn.Module, outputs: Callable[[Tensor], Tensor], images: Images, batch_size: int
) -> Tensor:
    """Return the outputs for images, (N, K).

    Args:
        model: The model, which is put in eval mode.
        outputs: Function from images, uint8, to the model's outputs.
        images: (N, C, R, R), uint8, on the device of the model.
        batch_size: Images per forward pass.
    """
    model.eval()
    return torch.cat([outputs(each) for each in images.split(batch_size)])


def class_logits(
    model: nn.Module,
    images: Images,
    normalise: Normalise,
    batch_size: int,
    target: Target = "classes",
) -> Tensor:
    """Return the outputs of a trained model, (N, K), float32, as the training computes them.

    Args:
        model: The model, which is put in eval mode.
        images: (N, C, R, R), uint8, on the device of the model.
        normalise: The preparation of the training.
        batch_size: Images per forward pass.
        target: Kind of target. Numbers in their unit need more than the digits of bfloat16.
    """
    device = normalise.mean.device.type
    reduced = device == "cuda" and target != "regression"

    def outputs(part: Tensor) -> Tensor:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=reduced):
            return model(normalise(part)).float()

    return outputs_of(model, outputs, images, batch_size)
