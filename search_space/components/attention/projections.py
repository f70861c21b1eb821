"""Projections of attention: from a map to the maps of queries, keys and values.

Shape suffixes: B batch, C channels, H rows, W columns, h and w rows and columns of keys and values,
N places, d channels of all queries, e channels of all values.
"""

from typing import NamedTuple

from torch import Tensor, nn

from ..layers.conv_norm import conv_norm


class Projected(NamedTuple):
    """The maps of queries, keys and values, channels last."""

    q_BHWd: Tensor
    """Queries."""
    k_Bhwd: Tensor
    """Keys."""
    v_Bhwe: Tensor
    """Values."""


class LinearProjection(nn.Module):
    """One linear map to queries, keys and values."""

    def __init__(self, channels: int, keys: int, values: int, *, bias: bool) -> None:
        super().__init__()
        self.sizes = keys, keys, values
        self.qkv = nn.Linear(channels, 2 * keys + values, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        return Projected(*self.qkv(x_BCHW.permute(0, 2, 3, 1)).split(self.sizes, 3))


class ConvProjection(nn.Module):
    """A depthwise convolution, a batch norm and a linear map for each of queries, keys and values.

    Wu et al., CvT, 2021, section 3.2 (convolutional projection).
    """

    def __init__(
        self, channels: int, keys: int, values: int, *, kernel: int, stride: int, bias: bool
    ) -> None:
        super().__init__()
        self.q_conv, self.k_conv, self.v_conv = (
            conv_norm(channels, channels, kernel, stride=step, groups=channels, folds=True)
            for step in (1, stride, stride)
        )
        self.q, self.k, self.v = (
            nn.Linear(channels, out, bias=bias) for out in (keys, keys, values)
        )

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        return Projected(
            self.q(self.q_conv(x_BCHW).permute(0, 2, 3, 1)),
            self.k(self.k_conv(x_BCHW).permute(0, 2, 3, 1)),
            self.v(self.v_conv(x_BCHW).permute(0, 2, 3, 1)),
        )


class StridedProjection(nn.Module):
    """Linear maps to queries, and from patches of the map to keys and values.

    A convolution makes one token of each patch, then a layer norm follows (Wang et al., Pyramid
    Vision Transformer, 2021, arXiv:2102.12122, equation 4; Twins' global attention).
    """

    def __init__(self, channels: int, keys: int, values: int, *, stride: int, bias: bool) -> None:
        super().__init__()
        self.sizes = keys, values
        self.q = nn.Linear(channels, keys, bias=bias)
        self.reduce = nn.Conv2d(channels, channels, stride, stride)
        self.norm = nn.LayerNorm(channels)
        self.kv = nn.Linear(channels, keys + values, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        q_BHWd = self.q(x_BCHW.permute(0, 2, 3, 1))
        fewer_BhwC = self.norm(self.reduce(x_BCHW).permute(0, 2, 3, 1))
        return Projected(q_BHWd, *self.kv(fewer_BhwC).split(self.sizes, 3))
