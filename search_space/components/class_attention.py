"""A head whose class token attends to the last feature map.

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), h heads, d channels of
a head.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import Choice, IntRange, Positive
from ..shapes import Shape
from .base import Head, Norm
from .classifier import Classifier
from .initial import small_start
from .layers.canonical_forms import RoundedRatio
from .mixers.transposed import divided_heads
from .norms import LayerNorm


class ClassAttention(nn.Module):
    """Attention of the class token to itself and all positions."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.proj = (nn.Linear(channels, channels) for _ in range(4))

    def forward(self, token_B1C: Tensor, all_BNC: Tensor) -> Tensor:
        """Return what is added to the token (B, 1, C), the first of all tokens."""
        q_Bh1d, k_BhNd, v_BhNd = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in (self.q(token_B1C), self.k(all_BNC), self.v(all_BNC))
        )
        mixed_Bh1d = F.scaled_dot_product_attention(q_Bh1d, k_BhNd, v_BhNd)
        return self.proj(mixed_Bh1d.transpose(1, 2).flatten(2))


class ClassBlock(nn.Module):
    """Attention and a perceptron of the class token, each with a norm and a scaled residual."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"scale1", "scale2"})

    def __init__(
        self,
        channels: int,
        norms: tuple[nn.Module, nn.Module],
        *,
        heads: int,
        hidden: int,
        scale: float,
        positions: str,
    ) -> None:
        super().__init__()
        self.positions = positions
        self.norm1, self.attention = norms[0], ClassAttention(channels, heads)
        self.scale1 = nn.Parameter(torch.full((channels,), scale))
        self.norm2 = norms[1]
        layers = OrderedDict[str, nn.Module](
            fc1=nn.Linear(channels, hidden), act=nn.GELU(), fc2=nn.Linear(hidden, channels)
        )
        self.mlp = nn.Sequential(layers)
        self.scale2 = nn.Parameter(torch.full((channels,), scale))

    def forward(self, token_BC11: Tensor, map_BCN1: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new token (B, C, 1, 1) and the positions (B, C, N, 1) for the next block."""
        normed_BCN1 = self.norm1(torch.cat((token_BC11, map_BCN1), 2))
        normed_BNC = normed_BCN1[..., 0].transpose(1, 2)
        added = self.attention(normed_BNC[:, :1], normed_BNC).transpose(1, 2)[..., None]
        token = token_BC11 + self.scale1[:, None, None] * added
        normed = self.norm2(token)
        added = self.mlp(normed[..., 0].transpose(1, 2)).transpose(1, 2)[..., None]
        if self.positions == "kept":
            return token + self.scale2[:, None, None] * added, map_BCN1
        map_BCN1 = map_BCN1 + self.scale1[:, None, None] * normed_BCN1[:, :, 1:]
        if self.positions == "normed":
            map_BCN1 = self.norm2(map_BCN1)
        return normed + self.scale2[:, None, None] * added, 2 * map_BCN1


class AttendingClassifier(Classifier):
    """Blocks that update a learned class token, a norm, and the classifier."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"token_C11"})

    def __init__(self, blocks: list[ClassBlock], norm: nn.Module, classifier: nn.Linear) -> None:
        super().__init__()
        self.token_C11 = nn.Parameter(torch.empty(classifier.in_features, 1, 1))
        nn.init.trunc_normal_(self.token_C11, std=0.02)
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm
        self.classifier = classifier

    def pooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the token (B, C)."""
        map_BCN1 = x_BCHW.flatten(2)[..., None]
        # Not expanded: torch's counter of operations rejects a view of a parameter.
        token = self.token_C11.to(x_BCHW.dtype) + x_BCHW.new_zeros(x_BCHW.shape[0], 1, 1, 1)
        for block in self.blocks:
            token, map_BCN1 = block(token, map_BCN1)
        return self.norm(token).flatten(1)

    def unpooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the token of each position alone (B, C, H, W)."""
        alone_NC11 = x_BCHW.permute(0, 2, 3, 1).flatten(0, 2)[..., None, None]
        tokens_NC = self.pooled(alone_NC11)
        return tokens_NC.unflatten(0, (-1, *x_BCHW.shape[2:])).permute(0, 3, 1, 2)


@dataclass(frozen=True, kw_only=True)
class ClassAttentionHead(RoundedRatio, Head):
    """Blocks in which a learned class token attends to all positions, a norm, one linear map.

    Touvron et al., CaiT, 2021, arXiv:2103.17239, section 3 (class attention); with other
    ``positions`` the head of XCiT (El-Nouby et al., 2021, arXiv:2106.09681), whose code also
    changes the positions between the blocks and normalises the residual of the token.
    """

    name = "class_attention"
    catalogue = ("M20",)

    layers: Annotated[int, IntRange(1, 8)] = 2
    """Number of blocks, 1 to 8."""
    heads: Annotated[int, IntRange(1, 64)] = 4
    """Heads of the attention, 1 to 64; must divide the channels."""
    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of hidden channels of the perceptron to channels."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before attention, perceptron and classifier."""
    init: Annotated[float, Positive()] = 1e-5
    """Initial factor of what is added to the token."""
    positions: Annotated[str, Choice(("kept", "summed", "normed"))] = "kept"
    """What becomes of the positions between blocks: nothing (CaiT); the scaled norm is added and
    the sum doubled (XCiT-N12); the same with a norm before doubling (other XCiTs)."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the channels."""
        return divided_heads(self.heads, shape)

    def canonical(self, shape: Shape) -> Self:
        """Round the ratio; no block reads the positions behind the last one.

        Without a norm, positions are ``normed`` as if ``summed``, and the token is as if ``kept``.
        """
        positions, none = self.positions, self.norm.is_identity
        if positions == "normed" and (self.layers == 1 or none):
            positions = "summed"
        if self.layers == 1 and none:
            positions = "kept"
        return replace(super().canonical(shape), positions=positions)

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        column = Shape(shape.channels, 1, 1)
        blocks = [
            ClassBlock(
                shape.channels,
                (self.norm.build(column), self.norm.build(column)),
                heads=self.heads,
                hidden=self.hidden(shape),
                scale=self.init,
                positions=self.positions,
            )
            for _ in range(self.layers)
        ]
        norm = self.norm.build(column)
        classifier = nn.Linear(shape.channels, classes)
        return small_start(AttendingClassifier(blocks, norm, classifier))
