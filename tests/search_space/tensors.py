"""What tests of modules share: drawn tensors, weights that count, and what a place sees."""

import torch
from torch import Tensor, nn


def random(*sizes: int) -> Tensor:
    """Normal numbers, the same for the same sizes."""
    generator = torch.Generator().manual_seed(sum(sizes))
    return torch.randn(sizes, dtype=torch.float64, generator=generator)


def randomised(module: nn.Module) -> nn.Module:
    """Return it in eval mode, scales, biases and statistics away from where they start."""
    draw = torch.Generator().manual_seed(1)
    for name, value in module.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=draw)
        elif name.endswith("gate.proj.weight"):  # starts at all but zero
            value.normal_(0.0, 0.1, generator=draw)
        elif value.squeeze().dim() <= 1 and value.is_floating_point():
            around = 0.0 if name.endswith(("bias", "running_mean")) else 0.7
            value.normal_(around, 0.2, generator=draw)
    return module.eval()


def awake(module: nn.Module) -> nn.Module:
    """Return it with norms that start at zero, so that a branch starts as nothing, at one."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d) and each.affine and not each.weight.any():
            nn.init.ones_(each.weight)
    return module


def seen(module: nn.Module, shape: tuple[int, ...], channel: int, row: int, column: int) -> Tensor:
    """Which inputs one output of a module in double precision depends on: a boolean (C, H, W)."""
    x = random(2, *shape).requires_grad_()
    module(x)[0, channel, row, column].backward()
    assert x.grad is not None
    return x.grad[0] != 0
