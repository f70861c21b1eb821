"""AdamW without torch's compiler."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS = (0.9, 0.999)
EPSILON = 1e-8


def without_decay(model: nn.Module) -> set[Tensor]:
    """Return the parameters without weight decay: those in ``no_weight_decay`` and of layer norms.

    ``no_weight_decay`` names positions, spreads and multi-axis biases, whose size is not a weight.
    A name may be that of a parameter, of a list of parameters, or of an attribute that is None.
    """
    found: set[Tensor] = set()
    for module in model.modules():
        if isinstance(
            module, nn.LayerNorm
        ):  # over positions it has one scale and bias per position
            found.update(module.parameters())
        names: frozenset[str] = getattr(type(module), "no_weight_decay", frozenset())
        for name in names:
            held = getattr(module, name)
            if isinstance(held, nn.Module):
                found.update(held.parameters())
            elif held is not None:
                found.add(held)
    return found


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return the trained parameters in two lists: matrices with kernels, and vectors.

    Vectors are norms, biases and scales, also in the shape ``(C, 1, 1)``, and all parameters
    without weight decay.
    """
    named = without_decay(model)
    matrices: list[Tensor] = []
    vectors: list[Tensor] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            vector = parameter.numel() == max(parameter.shape, default=1) or parameter in named
            (vectors if vector else matrices).append(parameter)
    return matrices, vectors


class AdamW:
    """Adam with decoupled weight decay of matrices only (Loshchilov and Hutter, 2019).

    The arithmetic is torch's own function. Torch's optimiser class would load torch's compiler: 900
    modules, which cost every process more time than several epochs.
    """

    def __init__(self, model: nn.Module, weight_decay: float) -> None:
        matrices, vectors = split_parameters(model)
        self.parameters: Sequence[Tensor] = [*matrices, *vectors]
        self._groups = ((matrices, weight_decay), (vectors, 0.0))
        self._averages: Mapping[Tensor, tuple[Tensor, Tensor, Tensor]] = {
            parameter: (
                torch.zeros_like(parameter),
                torch.zeros_like(parameter),
                torch.zeros((), dtype=torch.float32, device=parameter.device),
            )
            for parameter in self.parameters
        }

    def state(self) -> dict[str, Tensor]:
        """Return the averages and steps by name, in the order of the parameters."""
        return {
            f"{place}.{kind}": each
            for place, parameter in enumerate(self.parameters)
            for kind, each in zip(
                ("first", "second", "steps"), self._averages[parameter], strict=True
            )
        }

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Update the parameters that have a gradient."""
        for parameters, weight_decay in self._groups:
            live = [each for each in parameters if each.grad is not None]
            averages = [self._averages[each] for each in live]
            adamw(
                live,
                [each.grad for each in live if each.grad is not None],
                [first for first, _, _ in averages],
                [second for _, second, _ in averages],
                [],
                [steps for _, _, steps in averages],
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=lr,
                weight_decay=weight_decay,
                eps=EPSILON,
                maximize=False,
            )
