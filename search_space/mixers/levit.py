"""LeViT's attention: convolutions with batch norms, and a learned bias for every distance.

Shape suffixes: B batch, C channels, H rows, W columns, N tokens (H x W), h heads, d channels of a
query, e channels of a value, D distances.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..conv_norm import conv_norm
from ..domains import IntRange, Positive
from ..kernels import reaching_kernel
from ..shapes import Shape, scaled
from .positions import distances


class DistanceAttention(nn.Module):
    """Attention with a bias a head and a distance."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias_hD"})

    distance_NN: Tensor

    def __init__(
        self, shape: Shape, *, heads: int, key_dim: int, value_dim: int, kernel: int, act: str
    ) -> None:
        super().__init__()
        keys, values = heads * key_dim, heads * value_dim
        self.sizes = [keys, keys, values]
        self.heads = heads
        self.qkv = conv_norm(shape.channels, 2 * keys + values, folds=True)
        self.query = (
            conv_norm(keys, keys, kernel, groups=keys, folds=True) if kernel > 1 else nn.Identity()
        )
        self.bias_hD = nn.Parameter(torch.zeros(heads, shape.tokens))
        self.register_buffer("distance_NN", distances(*shape[1:]), persistent=False)
        proj = OrderedDict(act=activation(act))
        proj["conv"] = conv_norm(values, shape.channels, folds=True)
        self.proj = nn.Sequential(proj)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = x_BCHW.shape[2:]
        query, key, value = self.qkv(x_BCHW).split(self.sizes, 1)
        q_BhNd, k_BhNd, v_BhNe = (
            each.unflatten(1, (self.heads, -1)).flatten(3).transpose(2, 3)
            for each in (self.query(query), key, value)
        )
        bias_hNN = self.bias_hD[:, self.distance_NN]
        mixed_BhNe = F.scaled_dot_product_attention(q_BhNd, k_BhNd, v_BhNe, bias_hNN)
        return self.proj(mixed_BhNe.transpose(2, 3).flatten(1, 2).unflatten(2, (H, W)))


@dataclass(frozen=True, kw_only=True)
class LevitAttention(TokenMixer):
    """Attention with a bias for every distance, batch norms, and an activation before the last map.

    Graham et al., LeViT, 2021, section 4.2. LSNet (Wang et al., 2025) has a depthwise convolution
    on the queries. The norms fold into the convolutions; the reference code starts the last one's
    scale at zero.
    """

    name = "levit_attention"
    traits = Traits(
        paper="Graham et al., LeViT: a Vision Transformer in ConvNet's Clothing for Faster "
        "Inference, 2021, arXiv:2104.01136",
        code="facebookresearch/LeViT",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        resolution_bound=True,
    )

    heads: Annotated[int, IntRange(1, 64)] = 4
    """Number of heads, 1 to 64."""
    key_dim: Annotated[int, IntRange(1, 256)] = 16
    """Channels of a query and a key of one head, 1 to 256."""
    value_ratio: Annotated[float, Positive()] = 2.0
    """Channels of the values of all heads over channels: 2 in LeViT, 1 in LSNet."""
    query_kernel: Annotated[int, IntRange(1, 7, 2)] = 1
    """Side of the depthwise kernel on the queries in pixels, odd, 1 to 7; 1: there is none."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Before the last map: hard swish in LeViT, ReLU in LSNet."""

    def value_dim(self, shape: Shape) -> int:
        """Return the channels of a value of one head, at least 1."""
        return scaled(shape.channels, self.value_ratio / self.heads)

    def canonical(self, shape: Shape) -> Self:
        """Make the ratio that of whole channels, and clip the kernel to what the map can fill."""
        return replace(
            self,
            value_ratio=self.value_dim(shape) * self.heads / shape.channels,
            query_kernel=max(min(self.query_kernel, 3), reaching_kernel(self.query_kernel, shape)),
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return DistanceAttention(
            shape,
            heads=self.heads,
            key_dim=self.key_dim,
            value_dim=self.value_dim(shape),
            kernel=self.query_kernel,
            act=self.activation,
        )
