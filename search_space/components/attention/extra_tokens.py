"""Tokens made from the map itself, whose keys and values all queries of attention also see.

Shape suffixes: B batch, C channels, H rows, W columns, N places (H x W), T tokens, h heads, d
channels of all keys, e channels of all values.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .projections import LinearProjection, MemoryProjection, Projected, RememberedProjection


class SlotTokens(nn.Module):
    """Means of the map as slots, each with learned weights of places, which a softmax makes."""

    def __init__(self, channels: int, slots: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, slots)

    def forward(self, x_BNC: Tensor) -> Tensor:
        """Return the slots of a map (B, N, C), (B, T, C)."""
        weights_BNT = self.score(x_BNC).softmax(1).to(x_BNC.dtype)
        return weights_BNT.transpose(1, 2) @ x_BNC


class HeadTokens(nn.Module):
    """A token for each head: its share of the map's mean, mapped to all channels, and normed.

    Lu et al., Bridging the Gap Between Vision Transformers and Convolutional Neural Networks on
    Small Datasets, 2022, arXiv:2210.05958, section 3.4 (head tokens).
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"place_hC"})

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels // heads, channels)
        self.norm = nn.LayerNorm(channels // heads)
        self.place_hC = nn.Parameter(torch.empty(heads, channels))
        nn.init.trunc_normal_(self.place_hC, std=0.02)

    def forward(self, x_BNC: Tensor) -> Tensor:
        """Return the tokens of a map (B, N, C), (B, h, C)."""
        share = int(self.norm.normalized_shape[0])
        tokens = self.expand(x_BNC.mean(1).unflatten(1, (-1, share)))
        return F.gelu(self.norm(tokens.unflatten(2, (-1, share)))).flatten(2) + self.place_hC


class ExtendedProjection(nn.Module):
    """A linear projection, which also maps tokens made from the map to keys and values."""

    def __init__(self, plain: LinearProjection, tokens: Sequence[nn.Module]) -> None:
        super().__init__()
        self.plain: nn.Module = plain
        self.tokens = nn.ModuleList(tokens)

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        return self.plain(x_BCHW)._replace(extra=self.extra(x_BCHW))

    def extra(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys (B, T, d) and the values (B, T, e) of the tokens."""
        plain = self.plain
        assert isinstance(plain, LinearProjection | RememberedProjection)
        x_BNC = x_BCHW.flatten(2).transpose(1, 2)
        tokens_BTC = torch.cat([each(x_BNC) for each in self.tokens], 1)
        keys, _, values = plain.sizes
        biases: dict[str, Tensor] = dict(plain.qkv.named_parameters())
        bias = biases["bias"][keys:] if "bias" in biases else None
        both = F.linear(tokens_BTC, plain.qkv.weight[keys:], bias)
        of_keys, of_values = both.split((keys, values), 2)
        if isinstance(plain, MemoryProjection | RememberedProjection):
            memory = (
                each.expand(x_BNC.shape[0], -1, -1).to(of_keys.dtype) for each in plain.remembered()
            )
            of_keys, of_values = (
                torch.cat(pair, 1) for pair in zip(memory, (of_keys, of_values), strict=True)
            )
        return of_keys, of_values
