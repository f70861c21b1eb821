"""Attention mixers.

Shape suffixes: B batch, C channels, H rows, W columns, N tokens (H x W), h heads, d head channels,
R offsets between two positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice
from ...shapes import Shape
from ..attention.supports import Blocks, Support
from ..base import TOKENS, Traits
from ..initial import small_start
from .headed import HeadedAttention, ProductAttention
from .positions import offsets


class SelfAttention(nn.Module):
    """Scaled dot-product attention between all positions."""

    def __init__(
        self, *, channels: int, heads: int, head_dim: int, qkv_bias: bool, proj_bias: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.head_dim = head_dim
        self.qkv = nn.Linear(channels, 3 * heads * head_dim, bias=qkv_bias)
        self.proj = nn.Linear(heads * head_dim, channels, bias=proj_bias)

    def place_bias(self, height: int, width: int) -> Tensor | None:
        """Return the bias added to the scores of all pairs of positions of a map, or None."""
        return None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        B, C, H, W = x_BCHW.shape
        tokens_BNC = x_BCHW.flatten(2).transpose(1, 2)
        q_BhNd, k_BhNd, v_BhNd = (
            each.unflatten(2, (self.heads, self.head_dim)).transpose(1, 2)
            for each in self.qkv(tokens_BNC).chunk(3, 2)
        )
        bias_hNN = self.place_bias(H, W)
        if bias_hNN is not None:
            bias_hNN = bias_hNN.to(q_BhNd.dtype)
        mixed_BhNd = F.scaled_dot_product_attention(q_BhNd, k_BhNd, v_BhNd, attn_mask=bias_hNN)
        mixed_BNC = mixed_BhNd.transpose(1, 2).reshape(B, H * W, self.heads * self.head_dim)
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
        heads: int,
        head_dim: int,
        qkv_bias: bool,
        proj_bias: bool,
    ) -> None:
        super().__init__(
            channels=channels,
            heads=heads,
            head_dim=head_dim,
            qkv_bias=qkv_bias,
            proj_bias=proj_bias,
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
class Attention(ProductAttention):
    """Multi-head self-attention between all positions, without position (Vaswani et al., 2017).

    By default the attention of CAFormer (Yu et al., MetaFormer Baselines, 2022), which uses no
    biases and heads of 32 channels. Learned tokens (``memory``) are those of Sandler et al., 2022:
    every layer has its own, which pass through its keys and values, and their outputs are dropped.
    Tokens made of the map are slots, weighted means as in GLMix (Zhu et al., 2024,
    arXiv:2411.14429), or head tokens (Lu et al., DHVT, 2022, arXiv:2210.05958), whose outputs DHVT
    adds to its class token. Neural Attention (DiGiugno and Mahmood, 2025) is ``score``
    feed_forward, whose code maps query and key to a width of its own choice, here a quarter of the
    head. Zhou et al., 2023, without published code, is ``normaliser`` relu.
    """

    name = "attention"
    traits = Traits(
        catalogue=("M24", "M31", "M39", "M43"),
        paper="Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762; Sandler et al., "
        "Fine-tuning Image Transformers using Learnable Memory, 2022, arXiv:2203.15243; Zhou et "
        "al., Interpret Vision Transformers as ConvNets with Dynamic Convolutions, 2023, "
        "arXiv:2309.10713; DiGiugno and Mahmood, Neural Attention, 2025, arXiv:2502.17206",
        reach="global",
        weights="input-dependent",
        cost="N^2",
    )
    added = (
        "heads",
        "score",
        "normaliser",
        "projection",
        "local",
        "memory",
        "position",
        "key_bias",
        "slots",
        "head_tokens",
    )

    qkv_bias: Annotated[bool, YES_NO] = False
    """Whether queries, keys and values have a bias."""
    proj_bias: Annotated[bool, YES_NO] = False
    """Whether the output projection has a bias."""
    local: Annotated[str, Choice(("none", "map"))] = "none"
    """Depthwise 3x3 convolution of the values added to the output: none; on the whole map."""
    position: Annotated[str, Choice(("none", "dynamic", "log_perceptron"))] = "none"
    """What is added to the scores by the offset: nothing; a perceptron's output; that of a
    perceptron on the logarithm of one plus it (timm's CoAtNets)."""

    def _chooses(self) -> bool:
        """Whether there is a choice that ``SelfAttention`` does not have."""
        usual = Attention()
        return any(getattr(self, name) != getattr(usual, name) for name in _CHOICES)

    def arranged(self, given: str, shape: Shape) -> str | None:
        """Positions are treated alike without a convolution and without offsets."""
        alike = self.local == "none" and self.projection == "linear" and self.position == "none"
        return given if given == TOKENS and alike else super().arranged(given, shape)

    def one_size_program(self) -> bool:
        """The product of choices is traced for maps of one size."""
        return super().one_size_program() or self._chooses()

    def supports(self) -> Sequence[Support]:
        """Return the whole map."""
        return [Blocks()]

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        if self.canonical(shape)._chooses():
            return super().build(shape)
        attention = SelfAttention(
            channels=shape.channels,
            heads=self.heads_on(shape),
            head_dim=self.head_dim,
            qkv_bias=self.qkv_bias,
            proj_bias=self.proj_bias,
        )
        return small_start(attention)


_CHOICES = (
    *("score", "normaliser", "projection", "local", "memory", "position", "key_bias"),
    *("slots", "head_tokens"),
)
"""Choices that ``SelfAttention`` does not have."""


@dataclass(frozen=True, kw_only=True)
class RelativeAttention(HeadedAttention):
    """Attention between all positions with a learned bias for each offset between two positions.

    The bias is that of Swin Transformer (Liu et al., 2021, equation 4), over the whole map. LIT
    (Pan et al., 2021) has this attention, with biases in all linear maps, and so has CoAtNet (Dai
    et al., 2021, equation 3, relative attention).
    """

    name = "relative_attention"
    traits = Traits(
        catalogue=("M07", "M10", "M34"),
        paper="Pan et al., Less is More: Pay Less Attention in Vision Transformers, 2021, "
        "arXiv:2105.14217; Dai et al., CoAtNet: Marrying Convolution and Attention for All Data "
        "Sizes, 2021, arXiv:2106.04803; Li et al., Can Vision Transformers Perform Convolution?, "
        "2021, arXiv:2111.01353",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        resolution_bound=True,
        code="zhuang-group/LIT",
    )
    revision = 2
    added = ("heads",)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        attention = RelativeSelfAttention(
            height=shape.height,
            width=shape.width,
            channels=shape.channels,
            heads=self.heads_on(shape),
            head_dim=self.head_dim,
            qkv_bias=self.qkv_bias,
            proj_bias=self.proj_bias,
        )
        return small_start(attention)
