"""How alike the blocks of a trained network are, and what passes them by.

Shape suffixes: B images, F features.
"""

import math
from itertools import combinations

import torch
from torch import Tensor

from ..diagnostics import DIAGNOSTICS
from ..training_free.base import NotDefinedError
from .base import Diagnostic, Found, Trained
from .maps import block_maps, sums

_FEWEST = 4
"""Fewest images for which the similarity is defined."""


def independence(one_BB: Tensor, other_BB: Tensor) -> float:
    """Return the unbiased Hilbert-Schmidt independence criterion of two kernels, float64.

    Song et al., Feature Selection via Dependence Maximization, 2012, equation 5.
    """
    count = len(one_BB)
    keep_BB = 1 - torch.eye(count, dtype=torch.float64)
    one_BB, other_BB = one_BB * keep_BB, other_BB * keep_BB
    product_BB = one_BB @ other_BB
    both = one_BB.sum() * other_BB.sum() / ((count - 1) * (count - 2))
    mixed = 2 * product_BB.sum() / (count - 2)
    return float(product_BB.diagonal().sum() + both - mixed) / (count * (count - 3))


def alignment(one_BB: Tensor, other_BB: Tensor) -> float | None:
    """Return the centred kernel alignment (CKA) of two kernels; None if one does not vary."""
    own, others = independence(one_BB, one_BB), independence(other_BB, other_BB)
    if not (own > 0 and others > 0):
        return None
    return independence(one_BB, other_BB) / math.sqrt(own * others)


def linear_kernel(features_BF: Tensor) -> Tensor:
    """Return the products of the images' features, (B, B), float64, scaled to a mean square of 1.

    The features are centred first, which changes no alignment, and keeps the digits.
    """
    centred_BF = (features_BF - features_BF.mean(0)).double()
    kernel_BB = centred_BF @ centred_BF.T
    return kernel_BB / kernel_BB.diagonal().mean().clamp(min=1e-300)


class LayerSimilarity(Diagnostic):
    """The mean similarity of the maps of two blocks, over all pairs of blocks.

    Raghu et al., Do Vision Transformers See Like Convolutional Neural Networks?, 2021 (P06): the
    similarity is the centred kernel alignment of the maps of the same images, estimated without
    bias. Transformers have a large mean, that is uniform maps; convolutional networks have a small
    one. Neither side is better. The parts are each block's mean with the others.
    """

    name = "layer_similarity"
    metrics = (DIAGNOSTICS["layer_similarity"].metric,)
    defaults = {"batch": 128}  # noqa: RUF012

    def find(self, trained: Trained) -> Found:
        """Return the mean.

        Raises:
            NotDefinedError: If there are fewer than two blocks or four images, or the maps of a
                block are the same for all images.
        """
        network, sample = self.network(trained), self.validation(trained)
        if len(sample.labels) < _FEWEST:
            raise NotDefinedError(f"similarity needs {_FEWEST} images, and there are fewer")
        maps = block_maps(network, sample.images_BCHW, lambda each: each.flatten(1))
        kernels = {name: linear_kernel(each) for name, each in maps.items()}
        if len(kernels) < 2:
            raise NotDefinedError("the network has one block alone")
        values: dict[str, list[float]] = {name: [] for name in kernels}
        for one, other in combinations(kernels, 2):
            found = alignment(kernels[one], kernels[other])
            if found is None:
                raise NotDefinedError(f"the maps of {one} or {other} do not vary with the image")
            values[one].append(found)
            values[other].append(found)
        parts = {name: sum(each) / len(each) for name, each in values.items()}
        return Found(value=sum(parts.values()) / len(parts), parts=parts)


class SkipRatio(Diagnostic):
    """The logarithm of the size of the stream by that of the branch, as a mean over all sums.

    Raghu et al., 2021 (P06): a large ratio means that features pass the blocks by; transformers
    have a larger one than residual networks. Neither side is better. The paper has the ratio of
    norms for each token; here the norm is that of a map, so that all mixers have one.
    """

    name = "skip_ratio"
    metrics = (DIAGNOSTICS["skip_ratio"].metric,)

    def find(self, trained: Trained) -> Found:
        """Return the mean of log10.

        Raises:
            NotDefinedError: If the network has no residual sums, or a stream or branch is zero.
        """
        found = sums(self.network(trained), self.validation(trained).images_BCHW)
        parts: dict[str, float] = {}
        for name, (stream, branch) in found.items():
            if not (stream > 0 and branch > 0):
                raise NotDefinedError(f"the stream or the branch is zero at {name}")
            parts[name] = math.log10(stream / branch)
        return Found(value=sum(parts.values()) / len(parts), parts=parts)
