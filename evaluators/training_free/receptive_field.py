"""The effective receptive field of an untrained network.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import NotDefinedError, Score

_SHARE = 0.95
"""Share of the gradient that the counted pixels hold."""


def spread(weights_HW: Tensor) -> float:
    """Return the smallest share of the pixels that hold 95 % of all weights.

    The last pixel counts as far as it is needed.

    Args:
        weights_HW: Weights of the pixels, at least 0.

    Raises:
        NotDefinedError: If all are zero.
    """
    ordered = weights_HW.flatten().double().sort(descending=True).values
    total = float(ordered.sum())
    if not total > 0:
        raise NotDefinedError("the central feature depends on no pixel")
    sums = ordered.cumsum(0)
    wanted = _SHARE * total
    whole = int((sums < wanted).sum())
    before = float(sums[whole - 1]) if whole else 0.0
    return (whole + (wanted - before) / float(ordered[whole])) / len(ordered)


class ReceptiveField(Score):
    """The smallest share of the pixels that hold 95 % of the gradient of the central feature.

    Luo et al., Understanding the Effective Receptive Field in Deep Convolutional Neural Networks,
    2016: the gradient of the centre of the last map, summed over its channels, with respect to the
    image. Its absolute values are averaged over images and channels. A wide field is cheap
    in a ResNet-like backbone (L13), and the field should fit the scale of the task (P12), so large
    values count as better, but the best one is not always the largest. Batch norms do not use the
    batch here, since it would join the images.
    """

    name = "receptive_field"
    metrics = (SCORES["receptive_field"].metric,)
    defaults = {"batch": 16}  # noqa: RUF012

    def score(self, architecture: Architecture) -> float:
        """Return the share.

        Raises:
            NotDefinedError: If the central feature depends on no pixel.
        """
        network = self.network(architecture).eval()
        images_BCHW = self.batch(architecture).images_BCHW.requires_grad_()
        features_BCHW = network.forward_features(images_BCHW)
        row, column = (side // 2 for side in features_BCHW.shape[2:])
        (found,) = torch.autograd.grad(features_BCHW[:, :, row, column].sum(), images_BCHW)
        return spread(found.abs().mean((0, 1)))
