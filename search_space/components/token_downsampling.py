"""Learned tokens put before the positions of a map.

Shape suffixes: B batch, C channels, H rows, W columns, T learned tokens.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from ..domains import IntRange
from ..shapes import Shape
from .base import GRID, TOKENS, Downsampling
from .initial import small_start


class AddedTokens(nn.Module):
    """Learned tokens before all positions of a map, in one column."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"tokens_CT"})

    def __init__(self, channels: int, width: int, tokens: int) -> None:
        super().__init__()
        self.tokens_CT = nn.Parameter(torch.empty(width, tokens))
        nn.init.trunc_normal_(self.tokens_CT, std=0.02)
        self.proj: nn.Module = nn.Identity()
        if width != channels:
            self.proj = small_start(nn.Conv2d(channels, width, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to a column (B, C, T + H W, 1)."""
        tokens_BCT = self.tokens_CT.to(x_BCHW.dtype).expand(x_BCHW.shape[0], -1, -1)
        return torch.cat((tokens_BCT, self.proj(x_BCHW).flatten(2)), 2)[..., None]


@dataclass(frozen=True, kw_only=True)
class TokenDownsampling(Downsampling):
    """No downsampling: learned tokens are put before the positions, all in one column (ConViT).

    d'Ascoli et al., ConViT, 2021, arXiv:2103.10697, where a class token joins the last blocks. The
    head is ``class_tokens``, and later mixers must not look at neighbours. A linear map changes the
    channels if the stage is wider.
    """

    name = "class_tokens"
    by_name = True

    tokens: Annotated[int, IntRange(1, 16)] = 1
    """Number of learned tokens, 1 to 16."""

    def arranged(self, given: str, shape: Shape) -> str | None:
        """Return that of class tokens."""
        return TOKENS if given == GRID else None

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the number of tokens, and one column."""
        return self.tokens + height * width, 1

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        return AddedTokens(shape.channels, width, self.tokens)
