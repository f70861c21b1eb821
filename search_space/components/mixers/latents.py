"""Attention inside blocks, and between blocks by way of a few latents (FIT).

Shape suffixes: B batch, C channels, H rows, W columns, G blocks, N positions of a block, L latents
of a block, X batch x blocks.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..attention.supports import Blocks, longest_side
from ..base import TokenMixer, Traits
from ..initial import small_start
from .headed import WIDTH, whole_heads
from .windowed import SIDE


class TokenAttention(nn.Module):
    """Attention of some tokens to others, with norms before."""

    def __init__(self, channels: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.query_norm, self.key_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, asking_XNC: Tensor, asked_XMC: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what the first tokens take from the others, of their shape."""
        q = self.query(self.query_norm(asking_XNC))
        k, v = self.key_value(self.key_norm(asked_XMC)).chunk(2, 2)
        q, k, v = (each.unflatten(2, (-1, self.head_dim)).transpose(1, 2) for each in (q, k, v))
        mixed_XhNd = F.scaled_dot_product_attention(q, k, v, mask)
        return self.proj(mixed_XhNd.transpose(1, 2).flatten(2))


class InterleavedLatents(nn.Module):
    """Attention inside blocks; latents read their block, attend to all latents, and write back."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"latents_LC"})

    def __init__(
        self, channels: int, *, head_dim: int, block: int, latents: int, layers: int, local: bool
    ) -> None:
        """Build the module.

        Args:
            channels: Channels of the map.
            head_dim: Channels of a head, which divide the channels.
            block: Side of a block in pixels.
            latents: Latents of each block.
            layers: Times that latents attend to all latents.
            local: Whether positions of a block attend to each other before.
        """
        super().__init__()
        self.blocks = Blocks(block, block)
        self.latents_LC = nn.Parameter(torch.empty(latents, channels))
        nn.init.trunc_normal_(self.latents_LC, std=0.02)
        self.inside = TokenAttention(channels, head_dim) if local else None
        self.read = TokenAttention(channels, head_dim)
        self.between = nn.ModuleList(TokenAttention(channels, head_dim) for _ in range(layers))
        self.write = TokenAttention(channels, head_dim)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = (int(side) for side in x_BCHW.shape[2:])
        cut_BGNC = self.blocks.queries(x_BCHW.permute(0, 2, 3, 1), 1)[:, :, 0]
        groups = int(cut_BGNC.shape[1])
        tokens_XNC = cut_BGNC.flatten(0, 1)
        hidden_GNN = self.blocks.hidden(H, W, x_BCHW.device)
        mask: Tensor | None = None
        if hidden_GNN is not None:  # padding takes no part
            shown_BGN = (~hidden_GNN[:, 0]).expand(x_BCHW.shape[0], -1, -1)
            mask = shown_BGN.flatten(0, 1)[:, None, None]
        own_XNC = tokens_XNC
        if self.inside is not None:
            own_XNC = own_XNC + self.inside(own_XNC, own_XNC, mask)
        latents_XLC = self.latents_LC.repeat(tokens_XNC.shape[0], 1, 1)
        latents_XLC = latents_XLC + self.read(latents_XLC, own_XNC, mask)
        all_BSC = latents_XLC.unflatten(0, (-1, groups)).flatten(1, 2)
        for each in self.between:
            all_BSC = all_BSC + each(all_BSC, all_BSC)
        latents_XLC = all_BSC.unflatten(1, (groups, -1)).flatten(0, 1)
        own_XNC = own_XNC + self.write(own_XNC, latents_XLC)
        change_BGNC = (own_XNC - tokens_XNC).unflatten(0, (-1, groups))
        change_BHWC = self.blocks.merge(change_BGNC[:, :, None], H, W)
        return change_BHWC.contiguous().permute(0, 3, 1, 2)  # without padding


@dataclass(frozen=True, kw_only=True)
class LatentAttention(TokenMixer):
    """Attention inside blocks, then between blocks by way of a few latents of each (FIT).

    Chen and Li, FIT, 2023, section 3: local layers inside groups of tokens, and global layers on
    latents that read their group and write back. With groups of N^(1/3) positions it takes a number
    of operations that grows with N^(4/3). The paper keeps the latents from block to block and has
    perceptrons between; here each mixer starts from learned latents, so it is a mixer like others,
    and the block has the perceptron. A map that the blocks do not fill is padded, and padding takes
    no part.
    """

    name = "latent_attention"
    traits = Traits(
        catalogue=("M25",),
        paper="Chen and Li, FIT: Far-reaching Interleaved Transformers, 2023, arXiv:2305.12689",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        any_size_program=False,
    )

    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    block_size: Annotated[int, SIDE] = 4
    """Side of a block in pixels, 1 to 64."""
    latents: Annotated[int, IntRange(1, 16)] = 2
    """Latents of each block, 1 to 16."""
    latent_layers: Annotated[int, IntRange(1, 4)] = 1
    """Times that the latents attend to all latents, 1 to 4."""
    inside: Annotated[bool, YES_NO] = True
    """Whether the positions of a block attend to each other first."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def canonical(self, shape: Shape) -> Self:
        """Clip the blocks to the map."""
        return replace(self, block_size=longest_side(self.block_size, shape))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = InterleavedLatents(
            shape.channels,
            head_dim=self.head_dim,
            block=self.block_size,
            latents=self.latents,
            layers=self.latent_layers,
            local=self.inside,
        )
        return small_start(module)
