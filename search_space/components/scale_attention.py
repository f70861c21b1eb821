"""A group of layers of attention between several scales of each patch (DuoFormer).

Shape suffixes: B batch, C channels, H rows, W columns, G patches, K tokens of all scales in a
patch, X batch x patches.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import IntRange
from ..shapes import Shape
from .attention.supports import Blocks
from .base import Component, Layer
from .initial import small_start
from .mixers.headed import WIDTH, whole_heads
from .mixers.latents import TokenAttention
from .wired import Block

if TYPE_CHECKING:
    from .parts import PartList


def _perceptron(channels: int, hidden: int) -> nn.Sequential:
    """Return a norm and a perceptron with one hidden layer."""
    layers = OrderedDict[str, nn.Module](norm=nn.LayerNorm(channels))
    layers["fc1"] = nn.Linear(channels, hidden)
    layers["act"] = nn.GELU()
    layers["fc2"] = nn.Linear(hidden, channels)
    return nn.Sequential(layers)


class ScaleLayer(nn.Module):
    """Attention among tokens and a perceptron, each with norms and a residual."""

    def __init__(self, channels: int, *, head_dim: int, hidden: int) -> None:
        super().__init__()
        self.attention = TokenAttention(channels, head_dim)
        self.mlp = _perceptron(channels, hidden)

    def forward(self, x_XKC: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map tokens (X, K, C) to themselves; ``mask`` is true for tokens that are seen."""
        x_XKC = x_XKC + self.attention(x_XKC, x_XKC, mask)
        return x_XKC + self.mlp(x_XKC)


class DuoScales(nn.Module):
    """A pyramid of a map, attention between scales in each patch, and between patches."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"place_KC"})

    def __init__(
        self,
        channels: int,
        *,
        scales: int,
        layers: Sequence[ScaleLayer],
        patch_layers: Sequence[TokenAttention],
    ) -> None:
        """Build the module.

        Args:
            channels: Channels of the map.
            scales: Scales; each halves the sides of the one before.
            layers: Layers of the tokens of each patch.
            patch_layers: Layers of one token of each patch.
        """
        super().__init__()
        self.sides = [2**level for level in reversed(range(scales))]
        self.reduce = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(scales - 1)
        )
        self.token = nn.Linear(scales * channels, channels)
        self.place_KC = nn.Parameter(torch.empty(1 + sum(side**2 for side in self.sides), channels))
        nn.init.trunc_normal_(self.place_KC, std=0.036)
        self.layers = nn.ModuleList(layers)
        self.patch_layers = nn.ModuleList(patch_layers)

    def seen(self, height: int, width: int, device: torch.device) -> Tensor | None:
        """Return which tokens of each patch begin inside the map, (G, K); None if all do."""
        patch = self.sides[0]
        if not (height % patch or width % patch):
            return None
        found: list[Tensor] = []
        for side in self.sides:
            step = patch // side
            row = torch.arange(0, height + -height % patch, step, device=device)[:, None] < height
            column = torch.arange(0, width + -width % patch, step, device=device) < width
            cut = Blocks(side, side).queries((row & column)[None, :, :, None], 1)
            found.append(cut[0, :, 0, :, 0])
        one = torch.ones_like(found[0][:, :1])
        return torch.cat((one, *found), 1)

    def _known(self, cuts: list[Tensor], seen_GK: Tensor | None) -> list[Tensor]:
        """Return the tokens of each scale, (B, G, side side, C), without numbers of the padding."""
        if seen_GK is None:
            return cuts
        seen = seen_GK[:, 1:].split([side**2 for side in self.sides], 1)
        pairs = zip(cuts, seen, strict=True)
        return [cut.masked_fill(~each[None, :, :, None], float("-inf")) for cut, each in pairs]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = (int(side) for side in x_BCHW.shape[2:])
        patch = self.sides[0]
        level = F.pad(x_BCHW, (0, -W % patch, 0, -H % patch))
        padded = level.shape[2:]
        cuts: list[Tensor] = []
        for number, side in enumerate(self.sides):
            level = self.reduce[number - 1](level) if number else level
            cuts.append(Blocks(side, side).queries(level.permute(0, 2, 3, 1), 1)[:, :, 0])
        seen_GK = self.seen(H, W, x_BCHW.device)
        largest_BGC = [each.amax(2) for each in self._known(cuts, seen_GK)]
        token_BG1C = self.token(torch.cat(largest_BGC, 2))[:, :, None]
        x_BGKC = torch.cat((token_BG1C, *cuts), 2) + self.place_KC
        groups = int(x_BGKC.shape[1])

        mask: Tensor | None = None
        if seen_GK is not None:
            mask = seen_GK.expand(x_BCHW.shape[0], -1, -1).flatten(0, 1)[:, None, None]
        x_XKC = x_BGKC.flatten(0, 1)
        for layer in self.layers:
            x_XKC = layer(x_XKC, mask)
        patches_BGC = x_XKC[:, 0].unflatten(0, (-1, groups))
        for layer in self.patch_layers:
            patches_BGC = patches_BGC + layer(patches_BGC, patches_BGC)

        finest_BGKC = x_XKC[:, 1 : 1 + patch**2].unflatten(0, (-1, groups))
        y_BGKC = finest_BGKC + patches_BGC[:, :, None]
        y_BHWC = Blocks(patch, patch).merge(y_BGKC[:, :, None], int(padded[0]), int(padded[1]))
        return y_BHWC[:, :H, :W].permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True, kw_only=True)
class DuoKnobs(Component):
    """A base: the knobs of attention between scales."""

    scales: Annotated[int, IntRange(2, 4)] = 2
    """Scales; each halves the sides of the one before, the map is the first, 2 to 4."""
    layers: Annotated[int, IntRange(1, 12)] = 1
    """Layers of the tokens of all scales in each patch, 1 to 12."""
    patch_layers: Annotated[int, IntRange(1, 12)] = 1
    """Layers of attention between patches, 1 to 12."""
    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    ratio: Annotated[int, IntRange(1, 8)] = 4
    """Ratio of hidden channels of the perceptrons to channels, 1 to 8."""

    @classmethod
    def any_size_program(cls) -> bool:
        """An exported program takes maps of one size."""
        return False

    def why_knobs_invalid(self, shape: Shape) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)


@dataclass(frozen=True, kw_only=True)
class DuoLayers(DuoKnobs, Layer):
    """Attention between scales in each patch, then between patches."""

    name = "duo_layers"
    kind = "joint"

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, self.ratio * shape.channels
        module = DuoScales(
            channels,
            scales=self.scales,
            layers=[
                ScaleLayer(channels, head_dim=self.head_dim, hidden=hidden)
                for _ in range(self.layers)
            ],
            patch_layers=[
                TokenAttention(channels, self.head_dim) for _ in range(self.patch_layers)
            ],
        )
        return small_start(module)


@dataclass(frozen=True, kw_only=True)
class DuoBlock(DuoKnobs, Block):
    """Attention between the tokens of several scales in each patch, then between the patches.

    Tang et al., DuoFormer: Leveraging Hierarchical Representations by Local and Global Attention
    Vision Transformer, 2025, arXiv:2506.12982. A patch has one position of the coarsest map, four
    of the next, and so on, and a token mapped from all scales. All these attend to each other, and
    afterwards the tokens of all patches do. In the paper the maps are those of the stages of a
    ResNet; here strided convolutions make them of the block's input. The output is the finest map
    with each patch's token added, and the attention between patches has norms and residuals, which
    the reference code lacks. A map that the patches do not fill is padded, and positions in the
    padding take no part.
    """

    name = "duo"
    catalogue = ("M19",)

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add all layers as one part."""
        knobs: dict[str, Any] = self.knobs()
        return parts.add("layers", DuoLayers(**knobs), stream)
