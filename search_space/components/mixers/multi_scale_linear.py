"""Linear attention at two scales.

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), h heads of both scales,
d channels of a head.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn

from ...domains import Choice, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.conv_norm import conv_norm
from ..layers.kernel_clipping import depthwise, reaching_wide
from .headed import HEADS, WIDTH, too_wide, whole_heads
from .simplified_linear import rectified_mix


class TwoScaleAttention(nn.Module):
    """Linear attention of heads on the map, and of as many on means of windows."""

    def __init__(
        self, channels: int, *, heads: int, head_dim: int, kernel: int, eps: float
    ) -> None:
        super().__init__()
        inner = 3 * heads * head_dim
        self.head_dim = head_dim
        self.qkv = nn.Conv2d(channels, inner, 1, bias=False)
        self.wider = None
        if kernel:
            self.wider = nn.Sequential(
                OrderedDict(
                    dwconv=depthwise(inner, (kernel, kernel), bias=False),
                    map=nn.Conv2d(inner, inner, 1, groups=3 * heads, bias=False),
                )
            )
        scales = 2 if kernel else 1
        self.proj = conv_norm(scales * heads * head_dim, channels, eps=eps, zero=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        qkv = self.qkv(x_BCHW)
        if self.wider is not None:
            qkv = torch.cat((qkv, self.wider(qkv)), 1)
        q, k, v = qkv.flatten(2).unflatten(1, (-1, 3, self.head_dim)).unbind(2)
        mixed_BhdN = rectified_mix(x_BCHW, q, k, v, eps=1e-5)
        return self.proj(mixed_BhdN.flatten(1, 2).unflatten(2, x_BCHW.shape[2:]))


@dataclass(frozen=True, kw_only=True)
class MultiScaleLinearAttention(TokenMixer):
    """Linear attention whose kernel is a ReLU, at two scales (EfficientViT of MIT).

    Cai et al., EfficientViT, 2022, section 3.1: queries, keys and values of a second scale come
    from those of the first by a depthwise convolution and a linear map of each head; a batch norm
    follows the last map, its scale at the start zero. The sums over all positions are taken in full
    precision. To the sums of weights 1e-5 is added, as in timm; the reference code adds 1e-15, and
    multiplies queries by keys first where the positions are no more than a head's channels; here
    the order is always linear in the positions.
    """

    name = "multi_scale_linear_attention"
    traits = Traits(
        paper="Cai et al., EfficientViT: Multi-Scale Linear Attention for High-Resolution Dense "
        "Prediction, 2022, arXiv:2205.14756",
        code="mit-han-lab/efficientvit",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    head_dim: Annotated[int, WIDTH] = 16
    """Channels of one head; must divide the channels where ``heads`` is 0."""
    heads: Annotated[int, HEADS] = 0
    """Number of heads of each scale, up to 64; 0: channels of the map / ``head_dim``."""
    kernel_size: Annotated[int, Choice((0, 3, 5, 7))] = 5
    """Side of the depthwise kernel of the second scale in pixels; 0: one scale."""
    eps: Annotated[float, Positive()] = 1e-5
    """Added to the variance in the batch norm; 1e-7 in the large networks."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels, or all heads must have a legal number."""
        if self.heads:
            return too_wide("heads", self.heads * self.head_dim, shape)
        return whole_heads(self.head_dim, shape)

    def canonical(self, shape: Shape) -> Self:
        """Leave out the number of heads if it follows from the channels; clip the kernel."""
        follows = self.heads * self.head_dim == shape.channels
        return replace(
            self,
            heads=0 if follows else self.heads,
            kernel_size=reaching_wide(self.kernel_size, shape),
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = TwoScaleAttention(
            shape.channels,
            heads=self.heads or shape.channels // self.head_dim,
            head_dim=self.head_dim,
            kernel=self.kernel_size,
            eps=self.eps,
        )
        return small_start(module)
