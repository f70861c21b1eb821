"""Criss-cross attention: each position attends to its row and column, several times (CCNet).

Shape suffixes: B batch, C channels, H rows, W columns, d channels of a query, K positions of a
cross (H + W).
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn

from ...domains import IntRange, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..layers.portable import exporting

_NEVER = -1e30
"""Score of a pair that does not attend, in exported graphs."""


class CrissCross(nn.Module):
    """Attention to the positions of the row and of the column, with the input added."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"gate_1"})

    def __init__(self, channels: int, *, keys: int, recurrences: int) -> None:
        super().__init__()
        self.recurrences = recurrences
        self.query = nn.Conv2d(channels, keys, 1)
        self.key = nn.Conv2d(channels, keys, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gate_1 = nn.Parameter(torch.zeros(1))

    def attend(self, x_BCHW: Tensor) -> Tensor:
        """Return the mean of the values of each position's cross: (B, C, H, W)."""
        H = int(x_BCHW.shape[2])
        q_BdHW, k_BdHW = self.query(x_BCHW), self.key(x_BCHW)
        if exporting():
            q_BWHd, k_BWdH = q_BdHW.permute(0, 3, 2, 1), k_BdHW.permute(0, 3, 1, 2)
            column_BHWH = (q_BWHd @ k_BWdH).transpose(1, 2)
            row_BHWW = q_BdHW.permute(0, 2, 3, 1) @ k_BdHW.transpose(1, 2)
        else:
            column_BHWH = torch.einsum("bdhw,bdiw->bhwi", q_BdHW, k_BdHW)
            row_BHWW = torch.einsum("bdhw,bdhj->bhwj", q_BdHW, k_BdHW)
        # The position itself is in both, and counts once.
        itself_H1H = torch.eye(H, dtype=torch.bool, device=x_BCHW.device)[:, None]
        if exporting():
            column_BHWH = column_BHWH + itself_H1H.to(column_BHWH.dtype) * _NEVER
        else:
            column_BHWH = column_BHWH.masked_fill(itself_H1H, float("-inf"))
        weights_BHWK = torch.cat((column_BHWH, row_BHWW), 3).softmax(3)
        v_BCHW = self.value(x_BCHW)
        of_column, of_row = weights_BHWK.to(v_BCHW.dtype).tensor_split((H,), 3)
        if exporting():
            of_row, v_BHWC = weights_BHWK[..., H:], v_BCHW.permute(0, 2, 3, 1)
            of_column = weights_BHWK[..., :H].transpose(1, 2)
            mixed_BHWC = (of_column @ v_BHWC.transpose(1, 2)).transpose(1, 2) + of_row @ v_BHWC
            return mixed_BHWC.permute(0, 3, 1, 2)
        mixed_BCHW = torch.einsum("bhwi,bciw->bchw", of_column, v_BCHW)
        return mixed_BCHW + torch.einsum("bhwj,bchj->bchw", of_row, v_BCHW)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        for _ in range(self.recurrences):
            x_BCHW = self.gate_1 * self.attend(x_BCHW) + x_BCHW
        return x_BCHW


@dataclass(frozen=True, kw_only=True)
class CrissCrossAttention(TokenMixer):
    """Attention of each position to its row and column, repeated with the same weights (CCNet).

    Huang et al., CCNet, 2019, section 3.2: after two recurrences every position has seen all
    others. Scores are not scaled; a factor that starts at zero weighs what is added to the input.
    The reference code has convolutions and norms before and after, which are blocks here.
    """

    name = "criss_cross_attention"
    traits = Traits(
        catalogue=("M09",),
        paper="Huang et al., CCNet: Criss-Cross Attention for Semantic Segmentation, 2019, "
        "arXiv:1811.11721",
        code="speedinghzl/CCNet",
        reach="global",
        weights="input-dependent",
        cost="N (H + W)",
        any_size_program=False,
    )

    recurrences: Annotated[int, IntRange(1, 4)] = 2
    """Number of times that the attention is applied, 1 to 4."""
    reduction: Annotated[int, Positive(whole=True)] = 8
    """Channels of the map for one of queries and keys, which have at least one."""

    def keys(self, shape: Shape) -> int:
        """Return the channels of queries and keys."""
        return max(1, shape.channels // self.reduction)

    def canonical(self, shape: Shape) -> Self:
        """Take the largest reduction with as many keys."""
        return replace(self, reduction=shape.channels // self.keys(shape))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return CrissCross(shape.channels, keys=self.keys(shape), recurrences=self.recurrences)
