"""Attention whose heads share one set of keys and values.

Shape suffixes: B batch, C channels, H rows, W columns, M keys, h heads, d channels of a head, Q
queries of all heads.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import IntRange
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..initial import glorot_start
from ..layers.conv_norm import conv_norm
from .headed import WIDTH, too_wide


def _reduced(channels: int, width: int, stride: int) -> nn.Sequential:
    """Return a 1x1 convolution, behind a depthwise one with a stride if there is one."""
    before = [conv_norm(channels, channels, 3, stride=stride, groups=channels)] * (stride > 1)
    return nn.Sequential(*before, nn.Conv2d(channels, width, 1, bias=False))


class SharedKeysAttention(nn.Module):
    """Attention of several queries of each position to keys that all heads share."""

    def __init__(self, *, channels: int, heads: int, head_dim: int, stride: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Conv2d(channels, heads * head_dim, 1, bias=False)
        self.key = _reduced(channels, head_dim, stride)
        self.value = _reduced(channels, head_dim, stride)
        self.proj = nn.Conv2d(heads * head_dim, channels, 1, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        q_BhdHW = self.query(x_BCHW).unflatten(1, (self.heads, -1))
        # With shared keys, the queries of all heads are queries of one head.
        q_B1Qd = q_BhdHW.flatten(3).transpose(2, 3).flatten(1, 2)[:, None]
        k_B1Md, v_B1Md = (
            each(x_BCHW).flatten(2).transpose(1, 2)[:, None] for each in (self.key, self.value)
        )
        mixed_BQd = F.scaled_dot_product_attention(q_B1Qd, k_B1Md, v_B1Md)[:, 0]
        mixed_BhdN = mixed_BQd.unflatten(1, (self.heads, -1)).transpose(2, 3)
        return self.proj(mixed_BhdN.flatten(1, 2).unflatten(2, x_BCHW.shape[2:]))


@dataclass(frozen=True, kw_only=True)
class MultiQueryAttention(TokenMixer):
    """Attention whose heads share keys and values, of fewer positions if asked for (MobileNetV4).

    Shazeer, Fast Transformer Decoding: One Write-Head Is All You Need, 2019, arXiv:1911.02150; Qin
    et al., MobileNetV4, 2024, section 5 (Mobile MQA): a depthwise 3x3 convolution with a stride and
    a batch norm comes before the map to keys, and another one before that to values. No map has a
    bias. The reference code can also shrink the map of the queries, which no published size does.
    """

    name = "multi_query_attention"
    traits = Traits(
        paper="Qin et al., MobileNetV4: Universal Models for the Mobile Ecosystem, 2024, "
        "arXiv:2404.10518; Shazeer, Fast Transformer Decoding, 2019, arXiv:1911.02150",
        code="tensorflow/models",
        reach="global",
        weights="input-dependent",
        cost="N^2",
    )

    heads: Annotated[int, IntRange(1, 64)] = 4
    """Number of heads, 1 to 64."""
    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head's query, and of the shared keys and values."""
    stride: Annotated[int, IntRange(1, 8)] = 1
    """Distance of the positions of keys and values in pixels, 1 to 8."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The queries must not exceed the largest legal number of channels."""
        return too_wide("queries", self.heads * self.head_dim, shape)

    def canonical(self, shape: Shape) -> Self:
        """Strides that reach only the first position are alike."""
        most = max(2, *shape[1:])
        return replace(self, stride=min(self.stride, most))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = SharedKeysAttention(
            channels=shape.channels,
            heads=self.heads,
            head_dim=self.head_dim,
            stride=self.stride,
        )
        return glorot_start(module, bias=0)
