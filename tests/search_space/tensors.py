"""Functions for tests of modules: random tensors, non-trivial weights, receptive fields."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def random(*sizes: int) -> Tensor:
    """Return normal random numbers, the same for the same sizes."""
    generator = torch.Generator().manual_seed(sum(sizes))
    return torch.randn(sizes, dtype=torch.float64, generator=generator)


def randomised(module: nn.Module) -> nn.Module:
    """Return the module in eval mode, with scales, biases and statistics changed from their initial
    values.
    """
    draw = torch.Generator().manual_seed(1)
    for name, value in module.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=draw)
        elif name.endswith("gate.proj.weight"):  # starts near zero
            value.normal_(0.0, 0.1, generator=draw)
        elif value.squeeze().dim() <= 1 and value.is_floating_point():
            around = 0.0 if name.endswith(("bias", "running_mean")) else 0.7
            value.normal_(around, 0.2, generator=draw)
    return module.eval()


def awake(module: nn.Module) -> nn.Module:
    """Return the module with scales and gates that start at zero, or almost, set to one, and with
    convolutions that do drawn.
    """
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d) and each.affine and not each.weight.any():
            nn.init.ones_(each.weight)
        if isinstance(each, nn.Conv2d) and not each.weight.any():
            nn.init.trunc_normal_(each.weight, std=0.02)
        for name in ("gate_1", "scale_C11"):
            scale = getattr(each, name, None)
            if isinstance(scale, nn.Parameter) and scale.abs().max() < 1e-5:
                nn.init.ones_(scale)
    return module


def seen(module: nn.Module, shape: tuple[int, ...], channel: int, row: int, column: int) -> Tensor:
    """Return the inputs that one output of a double-precision module depends on: a boolean (C, H,
    W).
    """
    x = random(2, *shape).requires_grad_()
    module(x)[0, channel, row, column].backward()
    assert x.grad is not None
    return x.grad[0] != 0


class Undrawn(TorchFunctionMode):
    """Initialise weights to zero, since random ones, replaced anyway, take longer than a run.

    Numbers from a generator of one's own are drawn.
    """

    DRAWS = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func in self.DRAWS and given.get("generator") is None:
            return args[0].zero_()
        return func(*args, **given)
