"""Attention by content and by position, weighed by a gate of each head (ConViT).

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), h heads, d channels of
a head.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape
from ..attention.module import MapAttention
from ..attention.projections import LinearProjection, Projected
from ..base import TokenMixer, Traits
from ..initial import small_start


class GatedPositional(MapAttention):
    """Attention whose weights are a mean of those by content and those by position."""

    def __init__(
        self, channels: int, *, heads: int, qkv_bias: bool, strength: float, local: bool
    ) -> None:
        """Build the module.

        Args:
            channels: Channels of the map.
            heads: Number of heads, which divide the channels.
            qkv_bias: Whether queries, keys and values have a bias.
            strength: Factor of the initial positional scores.
            local: Whether the module starts as a convolution.
        """
        projection = LinearProjection(channels, channels, channels, bias=qkv_bias)
        super().__init__(projection=projection, channels=channels, values=channels, proj_bias=True)
        self.heads = heads
        self.place = nn.Linear(3, heads)
        self.gate_h = nn.Parameter(torch.ones(heads))
        small_start(self)
        if local:
            self._start_local(strength)

    def _start_local(self, strength: float) -> None:
        """Give each head a neighbour that it attends to, and values that are the input."""
        channels = self.proj.out_features
        side = int(self.heads**0.5)
        centre = (side - 1) / 2 if side % 2 == 0 else side // 2
        with torch.no_grad():
            self.projection.qkv.weight[-channels:] = torch.eye(channels)  # pyright: ignore
            for column in range(side):
                for row in range(side):
                    offset = [2 * (column - centre), 2 * (row - centre), -1]
                    self.place.weight[row + side * column] = torch.tensor(offset)
            self.place.weight *= strength

    def place_weights(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return the weights by position of all pairs of rows, (h, H, H), and columns, (h, W, W).

        The score of a pair is a map of its offsets and squared distance: a term of the rows and a
        term of the columns. So the softmax over positions is a product of two.
        """
        of_column_h, of_row_h, of_square_h = self.place.weight[..., None, None].unbind(1)
        found: list[Tensor] = []
        for side, weight_h in ((height, of_row_h), (width, of_column_h)):
            place = torch.arange(side, device=weight_h.device, dtype=weight_h.dtype)
            offset = place - place[:, None]
            found.append(weight_h * offset + of_square_h * offset.square())
        rows_hHH = found[0] + self.place.bias[:, None, None]  # a constant, without effect
        return rows_hHH.softmax(2), found[1].softmax(2)

    def mix(self, projected: Projected) -> Tensor:
        """Return the mixed values, channels last."""
        H, W = int(projected.q_BHWd.shape[1]), int(projected.q_BHWd.shape[2])
        q_BhNd, k_BhNd, v_BhNd = (
            each.flatten(1, 2).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in projected[:3]
        )
        by_content_BhNd = F.scaled_dot_product_attention(q_BhNd, k_BhNd, v_BhNd)
        rows_hHH, columns_hWW = (each.to(v_BhNd.dtype) for each in self.place_weights(H, W))
        v_BhHWd = v_BhNd.unflatten(2, (H, W))
        by_row_BhHWd = (rows_hHH @ v_BhHWd.flatten(3)).unflatten(3, (W, -1))
        by_place_BhNd = (columns_hWW[:, None] @ by_row_BhHWd).flatten(2, 3)
        share_h11 = self.gate_h.sigmoid()[:, None, None]
        mixed_BhNd = torch.lerp(by_content_BhNd, by_place_BhNd, share_h11.to(v_BhNd.dtype))
        return mixed_BhNd.transpose(1, 2).flatten(2).unflatten(1, (H, W))


@dataclass(frozen=True, kw_only=True)
class GatedPositionalAttention(TokenMixer):
    """Attention that starts as a convolution: a gate per head weighs content against position.

    d'Ascoli et al., ConViT, 2021, equations 6 and 7. Each head starts at one position of a square
    of neighbours; heads beyond the largest square start without a place. The reference code fixes
    the map at its first size; here the positions follow the map. Attention by position is applied
    along rows, then along columns: the same function, in less time than one matrix.
    """

    name = "gated_positional_attention"
    traits = Traits(
        catalogue=("M12",),
        paper="d'Ascoli et al., ConViT: Improving Vision Transformers with Soft Convolutional "
        "Inductive Biases, 2021, arXiv:2103.10697",
        code="facebookresearch/convit",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        any_size_program=False,
    )

    heads: Annotated[int, IntRange(1, 64)] = 4
    """Number of heads, 1 to 64; must divide the channels."""
    qkv_bias: Annotated[bool, YES_NO] = False
    """Whether queries, keys and values have a bias."""
    strength: Annotated[float, Positive()] = 1.0
    """Factor of the initial positional scores: the larger, the closer a head to one neighbour."""
    local_start: Annotated[bool, YES_NO] = True
    """Whether the mixer starts as a convolution."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the channels."""
        if shape.channels % self.heads:
            return (
                f"heads must divide the channels, but got heads {self.heads} "
                f"and {shape.channels} channels"
            )
        return None

    def canonical(self, shape: Shape) -> Self:
        """The strength has an effect only on a local start."""
        return self if self.local_start else replace(self, strength=1.0)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return GatedPositional(
            shape.channels,
            heads=self.heads,
            qkv_bias=self.qkv_bias,
            strength=self.strength,
            local=self.local_start,
        )
