"""Perceptrons over all positions and channels at once.

Shape suffixes: B batch, C channels, H rows, W columns, N tokens (H x W), X = N x C.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn

from ...domains import YES_NO, Positive
from ...shapes import Shape, scaled
from ..base import TokenMixer, Traits


def flat_perceptron(inputs: int, hidden: int, outputs: int) -> nn.Module:
    """Return norm, linear map, activation, norm, linear map."""
    return nn.Sequential(
        OrderedDict(
            norm1=nn.LayerNorm(inputs),
            fc1=nn.Linear(inputs, hidden),
            act=nn.LeakyReLU(),
            norm2=nn.LayerNorm(hidden),
            fc2=nn.Linear(hidden, outputs),
        )
    )


class FlatMixing(nn.Module):
    """One perceptron from the whole map to the whole map."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.perceptron = flat_perceptron(inputs, hidden, inputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.perceptron(x_BCHW.flatten(1)).view(x_BCHW.shape)


class HeadMixing(nn.Module):
    """One perceptron per head, from the whole map to the head's channels; then a linear map."""

    def __init__(self, shape: Shape, hidden: int, head_dim: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            flat_perceptron(shape.channels * shape.tokens, hidden, head_dim * shape.tokens)
            for _ in range(shape.channels // head_dim)
        )
        self.proj = nn.Conv2d(shape.channels, shape.channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BX = x_BCHW.flatten(1)
        heads_BX = torch.cat([head(x_BX) for head in self.heads], dim=1)
        return self.proj(heads_BX.view(x_BCHW.shape))


@dataclass(frozen=True, kw_only=True)
class FeedForwardMixer(TokenMixer):
    """A shallow perceptron over all positions and channels in place of attention.

    Bozic et al., Rethinking Attention, 2023, arXiv:2311.10642, figure 1: instead of the attention
    layer (the paper's ALR), or of each of its heads (ALSR). The paper's other two replacements are
    blocks with this mixer, without a residual (ALRR), and also without a channel mixer (ELR).
    Hidden units over inputs are 1/256 to 1/2 there, 1/32 to 1/4 for heads.
    """

    name = "feed_forward"
    traits = Traits(
        catalogue=("Q12",),
        paper="Bozic et al., Rethinking Attention: Exploring Shallow Feed-Forward Neural Networks "
        "as an Alternative to Attention Layers in Transformers, 2023, arXiv:2311.10642",
        reach="global",
        weights="static",
        cost="N^2",
        resolution_bound=True,
        code="vulus98/Rethinking-attention",
    )
    renamed = (("hidden_share", "ratio"),)

    hidden_share: Annotated[float, Positive(most=1)] = 1 / 128
    """Ratio of hidden units to inputs (positions x channels), up to 1. Weights and multiply-adds
    are 2 x share x inputs^2: 1417 million on 96x56x56 with the default."""
    separate_heads: Annotated[bool, YES_NO] = False
    """Whether each head has its own perceptron, followed by a linear map of the channels."""
    head_dim: Annotated[int, Positive(whole=True)] = 32
    """Channels of one head, where heads are separate; must divide the channels."""

    def hidden(self, shape: Shape) -> int:
        """Return the hidden units, at least 1."""
        return scaled(shape.channels * shape.tokens, self.hidden_share)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of separate heads must divide the channels."""
        if self.separate_heads and shape.channels % self.head_dim:
            return (
                f"head_dim must divide the channels, but got head_dim {self.head_dim} "
                f"and {shape.channels} channels"
            )
        return None

    def canonical(self, shape: Shape) -> Self:
        """Round the ratio to whole hidden units; reset ``head_dim`` without separate heads."""
        return replace(
            self,
            hidden_share=self.hidden(shape) / (shape.channels * shape.tokens),
            head_dim=self.head_dim if self.separate_heads else 32,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        if self.separate_heads:
            return HeadMixing(shape, self.hidden(shape), self.head_dim)
        return FlatMixing(shape.channels * shape.tokens, self.hidden(shape))
