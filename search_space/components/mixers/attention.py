"""Attention mixers.

Shape suffixes: B batch, C channels, H rows, W columns, N tokens (H x W), h heads, d head channels,
R offsets between two positions.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..initial import small_start
from .positions import offsets


class SelfAttention(nn.Module):
    """Scaled dot-product attention between all positions."""

    def __init__(self, *, channels: int, head_dim: int, qkv_bias: bool, proj_bias: bool) -> None:
        super().__init__()
        self.heads = channels // head_dim
        self.head_dim = head_dim
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.proj = nn.Linear(channels, channels, bias=proj_bias)

    def place_bias(self, height: int, width: int) -> Tensor | None:
        """Return the bias added to the scores of all pairs of positions of a map, or None."""
        return None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        B, C, H, W = x_BCHW.shape
        tokens_BNC = x_BCHW.flatten(2).transpose(1, 2)
        qkv_BNThd = self.qkv(tokens_BNC).view(B, H * W, 3, self.heads, self.head_dim)
        q_BhNd, k_BhNd, v_BhNd = qkv_BNThd.permute(2, 0, 3, 1, 4).unbind(0)
        bias_hNN = self.place_bias(H, W)
        if bias_hNN is not None:
            bias_hNN = bias_hNN.to(q_BhNd.dtype)
        mixed_BhNd = F.scaled_dot_product_attention(q_BhNd, k_BhNd, v_BhNd, attn_mask=bias_hNN)
        mixed_BNC = mixed_BhNd.transpose(1, 2).reshape(B, H * W, C)
        return self.proj(mixed_BNC).transpose(1, 2).view(B, C, H, W)


class RelativeSelfAttention(SelfAttention):
    """Attention with a learned bias for each head and offset between two positions."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"table_hR"})

    def __init__(
        self,
        *,
        height: int,
        width: int,
        channels: int,
        head_dim: int,
        qkv_bias: bool,
        proj_bias: bool,
    ) -> None:
        super().__init__(
            channels=channels, head_dim=head_dim, qkv_bias=qkv_bias, proj_bias=proj_bias
        )
        self.size = height, width
        self.table_hR = nn.Parameter(torch.empty(self.heads, (2 * height - 1) * (2 * width - 1)))
        nn.init.trunc_normal_(self.table_hR, std=0.02)

    def place_bias(self, height: int, width: int) -> Tensor:
        """Return the bias of all pairs of positions; the map must have the constructor's size."""
        rows, columns = self.size
        rows_NN, columns_NN = offsets(rows, columns, self.table_hR.device)
        return self.table_hR[:, (rows_NN + rows - 1) * (2 * columns - 1) + columns_NN + columns - 1]


@dataclass(frozen=True, kw_only=True)
class Attention(TokenMixer):
    """Multi-head self-attention between all positions, without position (Vaswani et al., 2017).

    The attention of CAFormer (Yu et al., MetaFormer Baselines, 2022), which uses no biases and
    heads of 32 channels.
    """

    name = "attention"
    traits = Traits(
        paper="Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762",
        reach="global",
        weights="input-dependent",
        cost="N^2",
    )

    head_dim: Annotated[int, Positive(whole=True)] = 32
    """Channels of one head; must divide the channels."""
    qkv_bias: Annotated[bool, YES_NO] = False
    """Whether queries, keys and values have a bias."""
    proj_bias: Annotated[bool, YES_NO] = False
    """Whether the output projection has a bias."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        if shape.channels % self.head_dim:
            return (
                f"head_dim must divide the channels, but got head_dim {self.head_dim} "
                f"and {shape.channels} channels"
            )
        return None

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        attention = SelfAttention(
            channels=shape.channels,
            head_dim=self.head_dim,
            qkv_bias=self.qkv_bias,
            proj_bias=self.proj_bias,
        )
        return small_start(attention)


@dataclass(frozen=True, kw_only=True)
class RelativeAttention(Attention):
    """Attention between all positions with a learned bias for each offset between two positions.

    The bias is that of Swin Transformer (Liu et al., 2021, equation 4), over the whole map. LIT
    (Pan et al., 2021) has this attention, with biases in all linear maps.
    """

    name = "relative_attention"
    traits = Traits(
        catalogue=("M34",),
        paper="Pan et al., Less is More: Pay Less Attention in Vision Transformers, 2021, "
        "arXiv:2105.14217",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        resolution_bound=True,
        code="zhuang-group/LIT",
    )
    revision = 2

    qkv_bias: Annotated[bool, YES_NO] = True
    """Whether queries, keys and values have a bias."""
    proj_bias: Annotated[bool, YES_NO] = True
    """Whether the output projection has a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        attention = RelativeSelfAttention(
            height=shape.height,
            width=shape.width,
            channels=shape.channels,
            head_dim=self.head_dim,
            qkv_bias=self.qkv_bias,
            proj_bias=self.proj_bias,
        )
        return small_start(attention)
