"""The layers with weights of a network, in the order in which they run."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from .base import NotDefinedError

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)


@dataclass(frozen=True, kw_only=True)
class WeightLayer:
    """A convolution or a linear map that runs."""

    name: str
    """Name of the module."""
    inputs: int
    """Inputs of one output: channels of the group by taps of the kernel."""


def weight_layers(network: Network, images: Tensor) -> list[WeightLayer]:
    """Return the convolutions and linear maps before the head, in the order in which they run.

    A layer that runs several times is listed as often. Branches are listed one after the other.

    Args:
        network: The network.
        images: Images to run, (B, C, H, W).

    Raises:
        NotDefinedError: If the network has weights of another form, such as Fourier filters.
    """
    _check_weights(network)
    found: list[WeightLayer] = []
    handles: list[torch.utils.hooks.RemovableHandle] = []
    for name, module in network.named_modules():
        if isinstance(module, _LAYERS):
            layer = WeightLayer(name=name, inputs=module.weight[0].numel())

            def hook(_: nn.Module, __: tuple[Tensor, ...], layer: WeightLayer = layer) -> None:
                found.append(layer)

            handles.append(module.register_forward_pre_hook(hook))
    try:
        with torch.no_grad():
            network.forward_features(images)
    finally:
        for each in handles:
            each.remove()
    if not found:
        raise NotDefinedError("the network has no convolution and no linear map before its head")
    return found


def _check_weights(network: Network) -> None:
    for name, module in network.named_modules():
        if isinstance(module, _LAYERS):
            continue
        exempt: Collection[str] = getattr(module, "no_weight_decay", ())
        for part, parameter in module.named_parameters(recurse=False):
            if parameter.ndim > 1 and max(parameter.shape) < parameter.numel():
                if part in exempt:
                    continue
                raise NotDefinedError(
                    "the theory is of convolutions and linear maps, but the network has "
                    f"{name}.{part} of {type(module).__name__}"
                )
