"""Folding: modules that are trained in one form and run in another."""

import pytest
import torch
from nas_explorer.search_space.components.layers.folding import (
    Foldable,
    fold,
    foldable,
    normed_kernel,
    with_kernel,
)
from torch import Tensor, nn

from .tensors import randomised


class Normed(Foldable):
    """A convolution and a batch norm that fold into one convolution."""

    def __init__(self, *, bias: bool = False, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, (3, 5), stride, (1, 2), groups=2, bias=bias)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))

    def folded(self) -> nn.Module:
        return with_kernel(self.conv, *normed_kernel(self.conv, self.norm))


class Nested(Foldable):
    """A module that folds into another foldable module."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Normed()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)

    def folded(self) -> nn.Module:
        return nn.Sequential(self.inner)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_norm_folds_into_its_convolution(bias: bool, stride: int) -> None:
    torch.manual_seed(0)
    module = randomised(Normed(bias=bias, stride=stride)).train()
    folded = fold(module)
    assert isinstance(folded, nn.Conv2d) and not folded.training and module.training
    x = torch.randn(2, 4, 7, 6)
    assert torch.allclose(folded(x), module.eval()(x), rtol=1e-4, atol=1e-5)
    assert all(each.requires_grad for each in folded.parameters())


def test_a_wider_kernel_keeps_the_size_of_the_map() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    wide = with_kernel(conv, torch.zeros(3, 3, 7, 5), None)
    assert wide.padding == (3, 2) and wide.bias is None
    assert wide(torch.ones(1, 3, 4, 4)).shape == (1, 3, 4, 4)


def test_what_is_nested_or_shared_folds_once() -> None:
    shared = Nested()
    module = randomised(nn.Sequential(nn.ReLU(), shared, nn.Conv2d(6, 4, 1), shared))
    folded = fold(module)
    assert not foldable(folded) and foldable(module)
    assert folded.get_submodule("1") is folded.get_submodule("3")
    x = torch.randn(2, 4, 5, 5)
    assert torch.allclose(folded(x), module.eval()(x), rtol=1e-4, atol=1e-5)
    kernels = 6 * 2 * 15 + 6 + 6 * 4 + 4
    assert sum(each.numel() for each in folded.parameters()) == kernels
