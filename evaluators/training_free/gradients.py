"""Gradients of the loss of an untrained network.

Shape suffixes: B batch, K classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...search_space.architecture.network import Network
from .base import Batch, NotDefinedError

Gradients = dict[str, tuple[Tensor, Tensor]]
"""Parameter and gradient by name, in float64."""


def gradients(
    output: Tensor, parameters: Sequence[Tensor], *, again: bool = False
) -> Sequence[Tensor | None]:
    """Return the gradient of a number for each parameter; None where it does not depend on one.

    Args:
        output: The number.
        parameters: The parameters.
        again: Whether other gradients of the same run follow.
    """
    return torch.autograd.grad(output, parameters, retain_graph=again, allow_unused=True)


def loss_gradients(network: Network, batch: Batch) -> Gradients:
    """Return the gradients of the training loss of a batch, of the parameters that it depends on.

    Raises:
        NotDefinedError: If the loss or a gradient is not finite.
    """
    named = dict(network.named_parameters())
    loss = batch.loss(network(batch.images_BCHW))
    found = gradients(loss, list(named.values()))
    pairs = {
        name: (parameter.detach().double(), gradient.double())
        for (name, parameter), gradient in zip(named.items(), found, strict=True)
        if gradient is not None
    }
    if not torch.isfinite(loss) or not all(bool(g.isfinite().all()) for _, g in pairs.values()):
        raise NotDefinedError("the untrained network's loss or gradients are not finite")
    return pairs
