"""The kernels of a trained network's convolutions.

Shape suffixes: N kernels, K taps of a kernel.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from ..diagnostics import DIAGNOSTICS
from ..training_free.base import NotDefinedError
from .base import Diagnostic, Found, Trained

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
_SMALL = 0.01
"""A kernel is near zero below this share of the layer's largest weight."""


def sparsity(kernels_NK: Tensor) -> float:
    """Return the share of the kernels without a weight of 1 % of the layer's largest."""
    sizes_N = kernels_NK.abs().amax(1)
    largest = sizes_N.max()
    return 1.0 if largest == 0 else float((sizes_N < _SMALL * largest).double().mean())


def variety(kernels_NK: Tensor) -> float:
    """Return the entropy of the variance along the principal axes of the kernels, as a share.

    1: the kernels vary alike in all directions, as random ones do; 0: in one direction, or not at
    all. The largest entropy is that of as many axes as there can be: the taps of a kernel, or the
    kernels but one.

    Args:
        kernels_NK: At least three kernels of at least two taps, float64.
    """
    variances = torch.linalg.svdvals(kernels_NK - kernels_NK.mean(0)).square()
    total = variances.sum()
    if total <= torch.finfo(torch.float64).eps * kernels_NK.square().sum():
        return 0.0
    shares = (variances / total).clamp(min=1e-300)
    axes = min(kernels_NK.shape[1], len(kernels_NK) - 1)
    return float(-(shares * shares.log()).sum()) / math.log(axes)


def spatial_kernels(network: Network) -> dict[str, Tensor]:
    """Return the kernels (N, K) of each convolution of more than one pixel, float64, by name.

    A kernel joins one channel in to one channel out. Layers of fewer than three kernels are left
    out, and a layer whose weights are shared counts once.

    Raises:
        NotDefinedError: If there is none.
    """
    found: dict[str, Tensor] = {}
    known: set[int] = set()
    for name, module in network.named_modules():
        if isinstance(module, _CONVOLUTIONS) and id(module.weight) not in known:
            known.add(id(module.weight))
            kernels_NK = module.weight.detach().double().flatten(2).flatten(0, 1)
            if kernels_NK.shape[1] > 1 and len(kernels_NK) > 2:
                found[name] = kernels_NK
    if not found:
        raise NotDefinedError("the network has no convolution of more than one pixel")
    return found


def _mean(network: Network, of_layer: Callable[[Tensor], float]) -> Found:
    """Return the mean over all kernels, each with the value of its layer."""
    kernels = spatial_kernels(network)
    values = {name: of_layer(each) for name, each in kernels.items()}
    counts = {name: len(each) for name, each in kernels.items()}
    total = sum(values[name] * counts[name] for name in kernels)
    return Found(value=total / sum(counts.values()), parts=values)


class FilterSparsity(Diagnostic):
    """The share of the kernels that are near zero, over all convolutions of more than one pixel.

    Gavrikov and Keuper, CNN Filter DB: An Empirical Investigation of Trained Convolutional Filters,
    2022 (P01): kernels whose largest weight is under 1 % of the layer's largest do nothing. The
    paper reads kernels of 3x3; here all sizes above one pixel are read. It needs no images.
    """

    name = "filter_sparsity"
    metrics = (DIAGNOSTICS["filter_sparsity"].metric,)
    dtype = torch.float64
    defaults = {"batch": 0}  # noqa: RUF012

    def find(self, trained: Trained) -> Found:
        """Return the share.

        Raises:
            NotDefinedError: If the network has no convolution of more than one pixel.
        """
        return _mean(trained.network, sparsity)


class FilterEntropy(Diagnostic):
    """The variety of the kernels of a layer, as a mean over all kernels.

    Gavrikov and Keuper, 2022 (P01): the entropy of the explained variance of the kernels' principal
    axes. Small values mean that a layer repeats the same few kernels; values near 1 mean that its
    kernels are random, so that the layer has learned little. The best value is below 1, about 0.9
    of the largest. The paper has the entropy of 3x3 kernels; here it is divided by its largest
    value, so that kernels of all sizes can be compared. It needs no images.
    """

    name = "filter_entropy"
    metrics = (DIAGNOSTICS["filter_entropy"].metric,)
    dtype = torch.float64
    defaults = {"batch": 0}  # noqa: RUF012

    def find(self, trained: Trained) -> Found:
        """Return the mean variety.

        Raises:
            NotDefinedError: If the network has no convolution of more than one pixel.
        """
        return _mean(trained.network, variety)
