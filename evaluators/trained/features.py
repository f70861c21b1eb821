"""The quality of a trained network's features, block by block.

Shape suffixes: B images, C channels, F features, H rows, W columns, K targets.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ...search_space.seeds import derive_seed
from ..diagnostics import DIAGNOSTICS
from ..training_free.base import NotDefinedError
from ..training_free.random_features import explained
from .base import Diagnostic, Found, Trained
from .maps import block_maps, pooled

_TEMPERATURE = 0.1
_NOISE = 0.1
"""Deviation of the noise of a view, as a share of that of the training images."""


def entropy(features_BF: Tensor) -> float:
    """Return the entropy of the eigenvalues of the images' centred kernel, by the largest possible.

    Raises:
        NotDefinedError: If all images have the same features, or there is one direction alone.
    """
    most = min(len(features_BF) - 1, features_BF.shape[1])
    if most < 2:
        raise NotDefinedError("the features have one direction alone")
    centred_BF = features_BF - features_BF.mean(0)
    values = torch.linalg.svdvals(centred_BF).square()
    total = values.sum()
    if not total > torch.finfo(torch.float64).eps * features_BF.square().sum():
        raise NotDefinedError("the features are the same for all images")
    shares = (values / total).clamp(min=1e-300)
    return float(-(shares * shares.log()).sum()) / math.log(most)


def agreement(one_BF: Tensor, other_BF: Tensor) -> float:
    """Return the information on an image's number in its second view, as a share of the largest.

    It is the lower bound of InfoNCE: the logarithm of the number of images minus the cross-entropy
    of choosing the view of the same image by the cosine of centred features.

    Args:
        one_BF: Features of the first views.
        other_BF: Features of the second views.
    """
    mean_F = torch.cat([one_BF, other_BF]).mean(0)
    both = [F.normalize(each - mean_F, dim=1) for each in (one_BF, other_BF)]
    cosines_BB = both[0] @ both[1].T / _TEMPERATURE
    right_B = torch.arange(len(one_BF))
    return 1 - float(F.cross_entropy(cosines_BB, right_B)) / math.log(len(one_BF))


def view(images_BCHW: Tensor, seed: int) -> Tensor:
    """Return images that are shifted by up to an eighth of their side, with noise."""
    generator = torch.Generator().manual_seed(seed)
    count, _, height, width = images_BCHW.shape
    most = max(1, min(height, width) // 8)
    wide = F.pad(images_BCHW, (most, most, most, most), mode="replicate")
    starts = torch.randint(2 * most + 1, (count, 2), generator=generator)
    cut = [
        each[:, row : row + height, column : column + width]
        for each, (row, column) in zip(wide, starts.tolist(), strict=True)
    ]
    noise = torch.randn(images_BCHW.shape, generator=generator).to(images_BCHW)
    return torch.stack(cut) + _NOISE * noise


def last(parts: dict[str, float], missing: str) -> Found:
    """Return the value of the last block, with those of all blocks that have one."""
    if not parts:
        raise NotDefinedError(missing)
    return Found(value=next(reversed(parts.values())), parts=parts)


class FeatureEntropy(Diagnostic):
    """The entropy of the features of images after the last block, as a share of the largest.

    Skean et al., Layer by Layer: Uncovering Hidden Representations in Language Models, 2025 (P07):
    the matrix-based entropy of the kernel of a layer's features says how many directions they use.
    Features are means over the pixels of a map, centred. Needs no labels. A network that has
    separated K classes alone uses K - 1 directions, so neither side is better. The parts are all
    blocks.
    """

    name = "feature_entropy"
    metrics = (DIAGNOSTICS["feature_entropy"].metric,)

    def find(self, trained: Trained) -> Found:
        """Return the share.

        Raises:
            NotDefinedError: If a block's features are the same for all images.
        """
        images_BCHW = self.validation(trained).images_BCHW
        maps = block_maps(self.network(trained), images_BCHW, pooled)
        return last({name: entropy(each) for name, each in maps.items()}, "no block")


class FeatureInvariance(Diagnostic):
    """How well the features after the last block recognise an image in another view of it.

    Skean et al., 2025 (P07): invariance to perturbations, as the lower bound of InfoNCE (van den
    Oord et al., 2018) on the information that one view of an image has on the other. A view is the
    image shifted by up to an eighth of its side, with noise of a tenth of the deviation. Needs no
    labels. The parts are all blocks.
    """

    name = "feature_invariance"
    metrics = (DIAGNOSTICS["feature_invariance"].metric,)

    def find(self, trained: Trained) -> Found:
        """Return the share; it may be below 0.

        Raises:
            NotDefinedError: If there is one image alone.
        """
        network, images_BCHW = self.network(trained), self.validation(trained).images_BCHW
        if len(images_BCHW) < 2:
            raise NotDefinedError("invariance needs two images")
        seeds = [derive_seed(trained.seed, "views of diagnostics", place) for place in (0, 1)]
        one, other = (block_maps(network, view(images_BCHW, seed), pooled) for seed in seeds)
        return last({name: agreement(one[name], other[name]) for name in one}, "no block")


class LinearProbe(Diagnostic):
    """The variance of the labels explained by ridge regression on the features of the last block.

    Skean et al., 2025 (P07): a probe of each layer shows whether a layer in the middle has better
    features than the last one. Validation images, each predicted from the others, as
    ``random_features`` does for untrained networks. The parts are all blocks.
    """

    name = "linear_probe"
    metrics = (DIAGNOSTICS["linear_probe"].metric,)
    versions = {"regression": 2}  # noqa: RUF012

    def find(self, trained: Trained) -> Found:
        """Return the share of the variance; it may be below 0.

        Raises:
            NotDefinedError: If all images have the same features or the same label.
        """
        sample = self.validation(trained)
        targets_BK = targets(sample.labels, trained.architecture.classes)
        maps = block_maps(self.network(trained), sample.images_BCHW, pooled)
        return last({name: explained(each, targets_BK) for name, each in maps.items()}, "no block")


def targets(labels: Tensor, classes: int) -> Tensor:
    """Return labels as targets of a regression, (B, K), float64.

    Raises:
        NotDefinedError: If all images have the same label.
    """
    given = (
        F.one_hot(labels, classes)
        if labels.ndim == 1 and not labels.is_floating_point()
        else labels
    )
    found_BK = given.double().reshape(len(labels), -1)
    if not (found_BK - found_BK.mean(0)).square().sum() > 0:
        raise NotDefinedError("all images have the same label")
    return found_BK
