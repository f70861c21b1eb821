"""Attention to the own window and to summaries of all other windows.

Shape suffixes: B batch, C channels, H rows, W columns, R windows, T positions of a window, h heads,
d channels of a head.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn

from ...domains import IntRange
from ...shapes import Shape
from ..base import Traits
from ..initial import small_start
from ..sequence.lifting import to_map, to_sequences
from .headed import WIDTH, HeadedAttention


class CombinedAttention(nn.Module):
    """Attention whose weights of other windows are products: of a window, and inside it."""

    def __init__(self, projection: nn.Module, proj: nn.Module, *, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv, self.proj = projection, proj

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        B, _, H, W = x_BCHW.shape
        qkv_STC = to_sequences(self.qkv(x_BCHW), "windows", False, self.window)
        q, k, v = (
            qkv_STC.unflatten(0, (B, -1))
            .unflatten(3, (3, self.heads, -1))
            .permute(3, 0, 4, 1, 2, 5)
        )
        q = q * q.shape[-1] ** -0.5
        inside_RT = to_sequences(
            x_BCHW.new_ones(1, 1, H, W), "windows", False, self.window
        ).squeeze(2)
        none_RT = torch.zeros_like(inside_RT).masked_fill(inside_RT == 0, -torch.inf)

        share_R1T = (inside_RT / inside_RT.sum(1, keepdim=True))[:, None]
        asking_BhR1d, named_BhR1d = share_R1T @ q, share_R1T @ k
        within_BhR1T = (asking_BhR1d @ k.transpose(3, 4) + none_RT[:, None]).softmax(-1)
        summary_BhRd = (within_BhR1T.to(v.dtype) @ v).squeeze(3)

        near_BhRTT = q @ k.transpose(3, 4) + none_RT[:, None]
        far_BhRTR = q @ named_BhR1d.squeeze(3).transpose(2, 3)[:, :, None]
        own_RR = torch.eye(len(inside_RT), dtype=torch.bool, device=q.device)
        far_BhRTR = far_BhRTR.masked_fill(own_RR[:, None], -torch.inf)
        weights = torch.cat([near_BhRTT, far_BhRTR], dim=-1).softmax(-1).to(v.dtype)
        near, far = weights.split([q.shape[3], len(inside_RT)], dim=-1)
        y_BhRTd = near @ v + far @ summary_BhRd[:, :, None]
        y_STC = y_BhRTd.permute(0, 2, 3, 1, 4).flatten(3).flatten(0, 1)
        y_BHWC = to_map(y_STC, (H, W), "windows", False, self.window)
        return self.proj(y_BHWC.permute(0, 3, 1, 2))


@dataclass(frozen=True, kw_only=True)
class Combiner(HeadedAttention):
    """Full attention as an expectation: direct in the own window, by summaries of the others.

    Ren et al., Combiner, 2021, section 4: the probability of a position outside the window is that
    of its window, times that of the position inside the window, which all queries share. Regions
    are windows of the map (Combiner-Fixed, without the causal mask); the query and the key of a
    region are means of its positions, where the reference code takes maxima through a linear map.
    """

    name = "combiner"
    traits = Traits(
        catalogue=("Q01",),
        paper="Ren et al., Combiner: Full Attention Transformer with Sparse Computation Cost, "
        "2021, arXiv:2107.05768",
        code="google-research/google-research",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        any_size_program=False,
    )

    head_dim: Annotated[int, WIDTH] = 16
    """Channels of one head; must divide the channels where ``heads`` is 0."""
    window: Annotated[int, IntRange(1, 32)] = 8
    """Side of a window in pixels, 1 to 32."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the window to the map."""
        window = min(self.window, max(shape.height, shape.width))
        return replace(super().canonical(shape), window=window)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        inner = self.inner(shape)
        module = CombinedAttention(
            nn.Conv2d(shape.channels, 3 * inner, 1, bias=self.qkv_bias),
            nn.Conv2d(inner, shape.channels, 1, bias=self.proj_bias),
            heads=self.heads_on(shape),
            window=self.window,
        )
        return small_start(module)
