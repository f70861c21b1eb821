"""How near the features of two views lie, and how evenly those of all images.

Shape suffixes: B images, F features.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ...search_space.seeds import derive_seed
from ..diagnostics import DIAGNOSTICS
from ..training_free.base import NotDefinedError
from .base import Diagnostic, Found, Trained
from .features import last, view
from .maps import block_maps, pooled


def on_sphere(features_BF: Tensor) -> Tensor:
    """Return the features, each divided by its length.

    Raises:
        NotDefinedError: If the features of an image are all zero.
    """
    if not bool((features_BF.norm(dim=1) > 0).all()):
        raise NotDefinedError("the features of an image are zero")
    return F.normalize(features_BF, dim=1, eps=0)


def distance_of_views(one_BF: Tensor, other_BF: Tensor) -> float:
    """Return the mean squared distance of the features of two views, both on the unit sphere."""
    return float((on_sphere(one_BF) - on_sphere(other_BF)).square().sum(1).mean())


def uniformity(features_BF: Tensor) -> float:
    """Return the logarithm of the mean Gaussian potential exp(-2 d^2) of pairs of images.

    It is 0 if all features are equal, and smaller the more evenly they lie on the unit sphere.
    """
    squares = torch.pdist(on_sphere(features_BF)).square()
    return float((-2 * squares).exp().mean().log())


def _found(trained: Trained, of: Diagnostic, value: Callable[[Tensor, Tensor], float]) -> Found:
    network, images_BCHW = of.network(trained), of.validation(trained).images_BCHW
    if len(images_BCHW) < 2:
        raise NotDefinedError(f"{of.name} needs two images")
    seeds = [derive_seed(trained.seed, "views of diagnostics", place) for place in (0, 1)]
    one, other = (block_maps(network, view(images_BCHW, seed), pooled) for seed in seeds)
    return last({name: value(one[name], other[name]) for name in one}, "no block")


class FeatureAlignment(Diagnostic):
    """The mean squared distance of the features of two views of an image, after the last block.

    Wang and Isola, Understanding Contrastive Representation Learning through Alignment and
    Uniformity on the Hypersphere, 2020, arXiv:2005.10242, equation 1 with exponent 2; P03 compares
    both numbers with the quality of dense features. Features are means over the pixels of a map,
    where P03 takes single positions. Views are those of ``feature_invariance``. Needs no labels;
    the parts are all blocks.
    """

    name = "feature_alignment"
    metrics = (DIAGNOSTICS["feature_alignment"].metric,)

    def find(self, trained: Trained) -> Found:
        """Return the distance, from 0 to 4.

        Raises:
            NotDefinedError: If there is one image alone, or the features of an image are zero.
        """
        return _found(trained, self, distance_of_views)


class FeatureUniformity(Diagnostic):
    """The logarithm of the mean potential of the features of two images, after the last block.

    Wang and Isola, 2020, arXiv:2005.10242, equation 2 with t = 2 (P03): of one view of each image.
    Needs no labels; the parts are all blocks.
    """

    name = "feature_uniformity"
    metrics = (DIAGNOSTICS["feature_uniformity"].metric,)

    def find(self, trained: Trained) -> Found:
        """Return the logarithm, at most 0.

        Raises:
            NotDefinedError: If there is one image alone, or the features of an image are zero.
        """
        return _found(trained, self, lambda one_BF, _: uniformity(one_BF))
