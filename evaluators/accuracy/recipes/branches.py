"""Skipped residual branches: the network is shallower in training (stochastic depth)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ....search_space.architecture.network import Network
from ....search_space.components.parts import Part
from ....search_space.components.residuals import Add

_Inputs = tuple[Tensor, ...]


def drop_path_rates(parts: Sequence[Part], rate: float) -> Mapping[str, float]:
    """Return the probability by residual sum that its branch is skipped.

    It rises linearly from 0 in the first block to ``rate`` in the last (Huang et al., 2016).
    """
    sums = [part.name for part in parts if isinstance(part.component, Add)]
    blocks = list(dict.fromkeys(name.rpartition(".residual")[0] for name in sums))
    last = max(1, len(blocks) - 1)
    return {name: rate * blocks.index(name.rpartition(".residual")[0]) / last for name in sums}


def skip_branches(model: nn.Module, rate: float) -> list[Any]:
    """Let a network skip residual branches in training; return the handles that end it.

    A model that is no ``Network``, and a network without residual sums, stays as it is.
    """
    if not rate or not isinstance(model, Network):
        return []
    from torchvision.ops import stochastic_depth

    def hook(
        probability: float,
    ) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, Tensor]]:
        def skip(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            stream, branch = inputs
            return stream, stochastic_depth(branch, probability, "row", module.training)

        return skip

    rates = drop_path_rates(model.architecture.parts(), rate)
    return [
        model.get_submodule(name).register_forward_pre_hook(hook(probability))
        for name, probability in rates.items()
        if probability
    ]
