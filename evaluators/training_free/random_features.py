"""A linear readout of an untrained network.

Shape suffixes: B images, F features, K classes.
"""

import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import NotDefinedError, Score

_RIDGES = tuple(10.0**exponent for exponent in range(-6, 3))
"""Ridges tried, as multiples of the kernel's mean diagonal."""


def explained(features_BF: Tensor, targets_BK: Tensor) -> float:
    """Return 1 - leave-one-out error / variance of ridge regression, with the best ridge.

    Each prediction is of an image that is left out, in closed form: the residual divided by the
    diagonal of the inverse (Golub, Heath and Wahba, Generalized Cross-Validation, 1979).

    Args:
        features_BF: Features, float64.
        targets_BK: Targets, float64.

    Raises:
        NotDefinedError: If all images have the same features.
    """
    kernel_BB = _kernel(features_BF)
    size = float(kernel_BB.diagonal().mean())
    if not size > 0:
        raise NotDefinedError("the untrained features are the same for all images")
    centred_BK = targets_BK - targets_BK.mean(0)
    mean = torch.ones_like(kernel_BB) * size  # the constant is one more feature
    errors: list[float] = []
    for ridge in _RIDGES:
        identity = torch.eye(len(kernel_BB)).to(kernel_BB)
        inverse_BB = torch.linalg.inv(kernel_BB + mean + ridge * size * identity)
        left_out_BK = (inverse_BB @ centred_BK) / inverse_BB.diagonal()[:, None]
        errors.append(float(left_out_BK.square().mean()))
    return 1 - min(errors) / float(centred_BK.square().mean())


def _kernel(features_BF: Tensor) -> Tensor:
    centred_BF = features_BF - features_BF.mean(0)
    return centred_BF @ centred_BF.T


class RandomFeatures(Score):
    """The variance of the labels explained by ridge regression on the untrained network's features.

    Simon et al., More is Better in Modern Machine Learning, 2024 (P08): with a tuned ridge the risk
    of random-feature regression falls with more features and more images. The features are the
    pooled last map of the network, and the images are training images, each predicted from the
    others. The score needs labels, so noise has none. It is defined for every network.
    """

    name = "random_features"
    metrics = (SCORES["random_features"].metric,)
    needs_labels = True
    defaults = {"batch": 256}  # noqa: RUF012

    @torch.no_grad()
    def score(self, architecture: Architecture) -> float:
        """Return the share of the variance; it may be below 0.

        Raises:
            NotDefinedError: If all images have the same features.
        """
        network, batch = self.network(architecture), self.batch(architecture)
        maps_BCHW = network.forward_features(batch.images_BCHW)
        features_BF = network.forward_head(maps_BCHW, pre_logits=True).double()
        return explained(features_BF, batch.targets(architecture.classes))
