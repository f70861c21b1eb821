"""AdamW without torch's compiler."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

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

    The arithmetic is torch's own fused kernel. Torch's optimiser class would load torch's compiler:
    900 modules, which cost every process more time than several epochs.
    """

    def __init__(self, model: nn.Module, weight_decay: float) -> None:
        matrices, vectors = split_parameters(model)
        self.parameters: Sequence[Tensor] = [*matrices, *vectors]
        # The fused kernel takes tensors of one type.
        self._groups = [
            ([each for each in parameters if each.dtype == dtype], decay)
            for parameters, decay in ((matrices, weight_decay), (vectors, 0.0))
            for dtype in dict.fromkeys(each.dtype for each in parameters)
        ]
        device = self.parameters[0].device if self.parameters else None
        # One tensor for all numbers of steps, so that one operation counts a step.
        self._steps = torch.zeros(len(self.parameters), dtype=torch.float32, device=device)
        self._averages: Mapping[Tensor, tuple[Tensor, Tensor, Tensor]] = {
            parameter: (torch.zeros_like(parameter), torch.zeros_like(parameter), steps)
            for parameter, steps in zip(self.parameters, self._steps.unbind(), strict=True)
        }
        self._divisor: Tensor | None = None

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
    def clip(self, limit: float) -> None:
        """Let the next step divide the gradients so that their common norm is at most ``limit``.

        The same as torch's ``clip_grad_norm_``; on a CPU, the step itself divides.
        """
        if self._steps.device.type != "cpu":
            nn.utils.clip_grad_norm_(self.parameters, limit)
            return
        grads = [each.grad.reshape(-1) for each in self.parameters if each.grad is not None]
        if grads:
            ratio = (torch.cat(grads).norm().float() + 1e-6) / limit
            self._divisor = ratio if float(ratio) > 1 else None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Update the parameters that have a gradient."""
        divisor, self._divisor = self._divisor, None
        absent = [place for place, each in enumerate(self.parameters) if each.grad is None]
        self._steps += 1
        if absent:
            self._steps[absent] -= 1
        for parameters, weight_decay in self._groups:
            live = [each for each in parameters if each.grad is not None]
            averages = [self._averages[each] for each in live]
            if live:
                torch._fused_adamw_(  # pyright: ignore[reportPrivateUsage]
                    live,
                    [each.grad for each in live if each.grad is not None],
                    [first for first, _, _ in averages],
                    [second for _, second, _ in averages],
                    [],
                    [steps for _, _, steps in averages],
                    amsgrad=False,
                    beta1=BETAS[0],
                    beta2=BETAS[1],
                    lr=lr,
                    weight_decay=weight_decay,
                    eps=EPSILON,
                    maximize=False,
                    grad_scale=divisor,
                    found_inf=None,
                )
