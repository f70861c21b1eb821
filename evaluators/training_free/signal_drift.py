"""How features and gradients grow or shrink through an untrained network.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

import math

import torch
from torch import Tensor, nn

from ...search_space.architecture.architecture import Architecture
from ...search_space.seeds import derive_seed
from ..scores import SCORES
from .base import NotDefinedError, Score


def drift(before: Tensor, after: Tensor) -> float:
    """Return abs(log10) of the ratio of two root mean squares.

    Raises:
        NotDefinedError: If one is zero or not finite.
    """
    sizes = [float(each.detach().double().square().mean().sqrt()) for each in (before, after)]
    ratio = sizes[1] / sizes[0] if sizes[0] else math.nan
    if not 0 < ratio < math.inf:
        raise NotDefinedError(f"the size of features or gradients changes by the factor {ratio:g}")
    return abs(math.log10(ratio))


class SignalDrift(Score):
    """The log10 change of the size of features forwards, plus that of gradients backwards.

    Signal propagation theory tunes a network so that both keep their size at any depth:
    Kedia et al., Transformers Get Stable, 2024 (L15); Roberts et al., The Principles of Deep
    Learning Theory, 2022 (criticality; L14). Their formulas hold for given layers and
    initial weights. Here the root mean square per value is measured between the input of the first
    stage and the last map, for any network; the gradient at the last map is standard normal.
    """

    name = "signal_drift"
    metrics = (SCORES["signal_drift"].metric,)

    def score(self, architecture: Architecture) -> float:
        """Return the sum of both changes.

        Raises:
            NotDefinedError: If the network has no part in a stage, or a size is zero or not finite.
        """
        network = self.network(architecture)
        first = next((p for p in architecture.parts() if p.name.startswith("stages.")), None)
        if first is None:
            raise NotDefinedError("the network has no part in a stage")
        entered: list[Tensor] = []

        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            entered.append(inputs[0])

        handle = network.get_submodule(first.name).register_forward_pre_hook(hook)
        features_BCHW = network.forward_features(self.batch(architecture).images_BCHW)
        handle.remove()
        generator = torch.Generator().manual_seed(
            derive_seed(self.seed, architecture.digest, "signal")
        )
        sent_BCHW = torch.randn(features_BCHW.shape, generator=generator).to(features_BCHW)
        (found,) = torch.autograd.grad(features_BCHW, entered[0], sent_BCHW)
        return drift(entered[0], features_BCHW) + drift(sent_BCHW, found)
