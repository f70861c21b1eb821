"""Lightweight and dynamic convolution: few normalised kernels, each shared by many channels.

Shape suffixes: B batch, C channels, H rows, W columns, h heads, k and l sides of a kernel,
p elements of kernels.
"""

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..layers.kernel_clipping import reaching_kernel
from .dynamic_kernels import mix_windows


class SharedKernels(nn.Module):
    """One learned kernel per head, applied to each channel of the head."""

    def __init__(self, *, channels: int, heads: int, side: int, softmax: bool, bias: bool) -> None:
        super().__init__()
        self.weight_h1kl = nn.Parameter(torch.empty(heads, 1, side, side))
        nn.init.xavier_uniform_(self.weight_h1kl)
        self.bias_C = nn.Parameter(torch.zeros(channels)) if bias else None
        self.channels, self.heads, self.side = channels, heads, side
        self.softmax = softmax

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        kernel_h1kl = self.weight_h1kl
        if self.softmax:
            kernel_h1kl = kernel_h1kl.flatten(1).softmax(1).reshape(kernel_h1kl.shape)
        kernel_C1kl = kernel_h1kl.repeat_interleave(self.channels // self.heads, 0)
        padding = self.side // 2
        return F.conv2d(x_BCHW, kernel_C1kl, self.bias_C, padding=padding, groups=self.channels)


class PredictedKernels(nn.Module):
    """One kernel per head and position, a linear map of the features there."""

    def __init__(self, *, channels: int, heads: int, side: int, softmax: bool, bias: bool) -> None:
        super().__init__()
        weight_pC = nn.init.xavier_uniform_(torch.empty(heads * side**2, channels))
        self.weight_hklC = nn.Parameter(weight_pC.view(heads, side, side, channels))
        self.bias_C = nn.Parameter(torch.zeros(channels)) if bias else None
        self.softmax = softmax

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        B, C, H, W = x_BCHW.shape
        heads, side = self.weight_hklC.shape[:2]
        kernels_BpHW = F.conv2d(x_BCHW, self.weight_hklC.reshape(-1, C, 1, 1))
        kernels_BhpHW = kernels_BpHW.view(B, heads, side**2, H, W)
        if self.softmax:
            kernels_BhpHW = kernels_BhpHW.softmax(2)
        kernels_BhklHW = kernels_BhpHW.view(B, heads, side, side, H, W)
        y_BCHW = mix_windows(x_BCHW, kernels_BhklHW)
        return y_BCHW if self.bias_C is None else y_BCHW + self.bias_C[:, None, None]


@dataclass(frozen=True, kw_only=True)
class _HeadedConv(TokenMixer):
    """Base of both mixers: projections before and after, heads, normalised kernels."""

    traits = Traits(
        catalogue=("Q10",),
        paper="Wu et al., Pay Less Attention with Lightweight and Dynamic Convolutions, 2019, "
        "arXiv:1901.10430",
        code="facebookresearch/fairseq",
        reach="local",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, IntRange(3, 31, 2)] = 3
    """Side of the kernel in pixels, odd, 3 to 31."""
    heads: Annotated[int, Positive(whole=True)] = 8
    """Number of kernels, each shared by consecutive channels; must divide the channels."""
    softmax: Annotated[bool, YES_NO] = True
    """Whether a softmax over the elements normalises each kernel."""
    glu: Annotated[bool, YES_NO] = True
    """Whether the projection before is gated by the sigmoid of another one."""
    bias: Annotated[bool, YES_NO] = False
    """Whether the convolution has a bias."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the channels."""
        if shape.channels % self.heads:
            return (
                f"heads must divide the channels, but got heads {self.heads} "
                f"and {shape.channels} channels"
            )
        return None

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can reach the map, unless a softmax normalises all taps."""
        if self.softmax:
            return self
        return replace(self, kernel_size=max(3, reaching_kernel(self.kernel_size, shape)))

    @abstractmethod
    def kernels(self, channels: int) -> nn.Module:
        """Build the convolution."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels = shape.channels
        return nn.Sequential(
            OrderedDict(
                proj_in=nn.Conv2d(channels, (1 + self.glu) * channels, 1),
                gate=nn.GLU(dim=1) if self.glu else nn.Identity(),
                conv=self.kernels(channels),
                proj_out=nn.Conv2d(channels, channels, 1),
            )
        )


@dataclass(frozen=True, kw_only=True)
class LightConv(_HeadedConv):
    """Depthwise convolution with softmax-normalised kernels shared by channels, between
    projections.

    Wu et al., Pay Less Attention, 2019, equation 5 and figure 2b, with k x k windows instead of k
    steps of a sequence, without DropConnect on the kernels. The kernels are static; the gate before
    them depends on the input.
    """

    name = "light_conv"

    def kernels(self, channels: int) -> nn.Module:
        """Build the convolution with one kernel per head."""
        return SharedKernels(
            channels=channels,
            heads=self.heads,
            side=self.kernel_size,
            softmax=self.softmax,
            bias=self.bias,
        )


@dataclass(frozen=True, kw_only=True)
class DynamicConv(_HeadedConv):
    """Lightweight convolution whose kernel at each position is predicted from that position alone.

    Wu et al., Pay Less Attention, 2019, equation 6 and figure 2c, with k x k windows instead of k
    steps of a sequence, without DropConnect on the kernels.
    """

    name = "dynamic_conv"

    def kernels(self, channels: int) -> nn.Module:
        """Build the convolution with one kernel per head and position."""
        return PredictedKernels(
            channels=channels,
            heads=self.heads,
            side=self.kernel_size,
            softmax=self.softmax,
            bias=self.bias,
        )
