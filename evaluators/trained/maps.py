"""The maps after each block of a network, and what its sums add.

Shape suffixes: B images, C channels, H rows, W columns.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from ...search_space.components.residuals import Add
from ..training_free.base import NotDefinedError

_MOST = 64
"""Images of one forward pass."""


def block_ends(network: Network) -> dict[str, str]:
    """Return the last part of each block by the block's name, in the order of the network.

    Raises:
        NotDefinedError: If the network has no blocks.
    """
    found: dict[str, str] = {}
    for part in network.architecture.parts():
        head, inside, rest = part.name.rpartition(".blocks.")
        if inside:
            found[f"{head}.blocks.{rest.partition('.')[0]}"] = part.name
    if not found:
        raise NotDefinedError("the network has no blocks")
    return found


@contextmanager
def _hooked(network: Network, hooks: dict[str, Callable[..., None]]) -> Generator[None]:
    handles = [
        network.get_submodule(name).register_forward_hook(hook) for name, hook in hooks.items()
    ]
    try:
        yield
    finally:
        for each in handles:
            each.remove()


@torch.no_grad()
def block_maps(
    network: Network, images_BCHW: Tensor, taken: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return a value of the map after each block, by the block's name.

    Args:
        network: The network, in eval mode.
        images_BCHW: The images.
        taken: Function from maps (B, C, H, W) to what is kept of them, with B as first axis.

    Raises:
        NotDefinedError: If the network has no blocks.
    """
    kept: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            kept.setdefault(name, []).append(taken(output))

        return hook

    hooks = {part: keep(block) for block, part in block_ends(network).items()}
    with _hooked(network, hooks):
        for part in images_BCHW.split(_MOST):
            network(part)
    return {name: torch.cat(each) for name, each in kept.items()}


def pooled(maps_BCHW: Tensor) -> Tensor:
    """Return the means of maps over their pixels, (B, C), float64."""
    return maps_BCHW.double().mean((2, 3))


@torch.no_grad()
def sums(network: Network, images_BCHW: Tensor) -> dict[str, tuple[float, float]]:
    """Return the mean sizes of stream and branch at each residual sum, by the sum's name.

    The size of a map is its Euclidean norm for one image.

    Raises:
        NotDefinedError: If the network has no residual sums.
    """
    sizes: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], __: Any) -> None:
            both = [each.double().flatten(1).norm(dim=1) for each in inputs]
            sizes.setdefault(name, []).append(torch.stack(both, 1))

        return hook

    names = [p.name for p in network.architecture.parts() if isinstance(p.component, Add)]
    if not names:
        raise NotDefinedError("the network has no residual sums")
    with _hooked(network, {name: keep(name) for name in names}):
        for part in images_BCHW.split(_MOST):
            network(part)
    means = {name: torch.cat(each).mean(0) for name, each in sizes.items()}
    return {name: (float(each[0]), float(each[1])) for name, each in means.items()}
