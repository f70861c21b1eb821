"""Two branches of tokens of small and of large patches, which exchange class tokens (CrossViT).

Shape suffixes: B batch, C channels of the small branch, D channels of the large one, H rows, W
columns, N tokens of a branch, T rows of both branches in one column.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import IntRange, Positive
from ..shapes import Shape
from .base import Component, Layer
from .branch_ends import branches
from .channel_mixers.mlp import Mlp
from .class_attention import ClassAttention
from .initial import small_start
from .mixers.attention import Attention
from .mixers.transposed import divided_heads
from .norms import ChannelLayerNorm, LayerNorm
from .wired import Block

if TYPE_CHECKING:
    from .parts import PartList

WIDEN = IntRange(1, 4)
"""Channels of the large branch for one of the small branch."""


class TransformerLayer(nn.Module):
    """Attention and a perceptron, each with a norm and a residual."""

    def __init__(
        self, norms: tuple[nn.Module, nn.Module], attention: nn.Module, mlp: nn.Module
    ) -> None:
        super().__init__()
        self.norm1, self.attention = norms[0], attention
        self.norm2, self.mlp = norms[1], mlp

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BCHW = x_BCHW + self.attention(self.norm1(x_BCHW))
        return x_BCHW + self.mlp(self.norm2(x_BCHW))


class ClassFusion(nn.Module):
    """Attention of a class token to itself and the patches of the other branch, with a residual."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm = ChannelLayerNorm(channels, eps=1e-6, bias=True)
        self.attention = ClassAttention(channels, heads)

    def forward(self, token_BC11: Tensor, patches_BCN1: Tensor) -> Tensor:
        """Return the new class token."""
        normed_BCN1 = self.norm(torch.cat((token_BC11, patches_BCN1), 2))
        normed_BNC = normed_BCN1[..., 0].transpose(1, 2)
        added_B1C = self.attention(normed_BNC[:, :1], normed_BNC)
        return token_BC11 + added_B1C.transpose(1, 2)[..., None]


def _class_map(channels: int, width: int) -> nn.Sequential:
    """Return a norm, GELU and a linear map."""
    layers = OrderedDict[str, nn.Module](norm=ChannelLayerNorm(channels, eps=1e-6, bias=True))
    layers["act"] = nn.GELU()
    layers["linear"] = nn.Conv2d(channels, width, 1)
    return nn.Sequential(layers)


class BranchEncoder(nn.Module):
    """Layers of each of two branches; then each class token attends to the other's patches."""

    def __init__(self, layers: Sequence[nn.Module], widths: Sequence[int], heads: int) -> None:
        """Build the module.

        Args:
            layers: The layers of each branch, as one module.
            widths: Channels of the branches.
            heads: Heads of the attention of class tokens.
        """
        super().__init__()
        self.layers = nn.ModuleList(layers)
        others = list(reversed(widths))
        pairs = list(zip(widths, others, strict=True))
        self.to_other = nn.ModuleList(_class_map(width, other) for width, other in pairs)
        self.fusions = nn.ModuleList(ClassFusion(other, heads) for other in others)
        self.to_own = nn.ModuleList(_class_map(other, width) for width, other in pairs)

    def forward(self, small_BCN1: Tensor, large_BDN1: Tensor) -> tuple[Tensor, Tensor]:
        """Map both branches, their class tokens first, to themselves."""
        given = self.layers[0](small_BCN1), self.layers[1](large_BDN1)
        found: list[Tensor] = []
        for number, (own, other) in enumerate((given, given[::-1])):
            token = self.fusions[number](self.to_other[number](own[:, :, :1]), other[:, :, 1:])
            found.append(torch.cat((self.to_own[number](token), own[:, :, 1:]), 2))
        return found[0], found[1]


class PackedBranches(nn.Module):
    """An encoder of two branches in one column, the large one last."""

    def __init__(self, encoder: BranchEncoder, *, large: int, widen: int) -> None:
        """Build the module.

        Args:
            encoder: The encoder.
            large: Tokens of the large branch.
            widen: Rows of a token of the large branch, each with the small branch's channels.
        """
        super().__init__()
        self.encoder = encoder
        self.large, self.widen = large, widen

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BCT = x_BCHW.flatten(2)
        last = self.large * self.widen
        wide_BCNr = x_BCT[:, :, -last:].unflatten(2, (self.large, self.widen))
        large_BDN1 = wide_BCNr.permute(0, 3, 1, 2).flatten(1, 2)[..., None]
        small, large = self.encoder(x_BCT[:, :, :-last, None], large_BDN1)
        wide = large[..., 0].unflatten(1, (self.widen, -1)).permute(0, 2, 3, 1).flatten(2)
        return torch.cat((small[..., 0], wide), 2).unflatten(2, x_BCHW.shape[2:])


class CrossScales(nn.Module):
    """A map as small patches, and larger patches of it as a second branch; their encoders."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"small_C1", "large_D1"})

    def __init__(self, channels: int, *, patch: int, encoders: Sequence[BranchEncoder], width: int):
        """Build the module.

        Args:
            channels: Channels of the map.
            patch: Positions along each side of a large patch.
            encoders: The encoders, at least one.
            width: Channels of the large branch.
        """
        super().__init__()
        self.patch = patch
        self.small_C1 = nn.Parameter(torch.empty(channels, 1))
        self.large_D1 = nn.Parameter(torch.empty(width, 1))
        for each in (self.small_C1, self.large_D1):
            nn.init.trunc_normal_(each, std=0.02)
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.encoders = nn.ModuleList(encoders)
        self.merge = nn.Conv2d(width, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = (int(side) for side in x_BCHW.shape[2:])
        padded = F.pad(x_BCHW, (0, -W % self.patch, 0, -H % self.patch))
        coarse_BDHW = self.patches(padded)
        small, large = (
            torch.cat((token.to(each.dtype).expand(each.shape[0], -1, -1), each.flatten(2)), 2)
            for token, each in ((self.small_C1, x_BCHW), (self.large_D1, coarse_BDHW))
        )
        small, large = small[..., None], large[..., None]
        for encoder in self.encoders:
            small, large = encoder(small, large)
        near = (small[:, :, 1:] + small[:, :, :1]).unflatten(2, (H, W))[..., 0]
        far = (large[:, :, 1:] + large[:, :, :1]).unflatten(2, coarse_BDHW.shape[2:])[..., 0]
        far = F.interpolate(self.merge(far), scale_factor=float(self.patch))
        return near + far[:, :, :H, :W]


@dataclass(frozen=True, kw_only=True)
class BranchKnobs(Component):
    """A base: the knobs of an encoder of two branches."""

    small_layers: Annotated[int, IntRange(1, 12)] = 1
    """Layers of the small branch in an encoder, 1 to 12."""
    large_layers: Annotated[int, IntRange(1, 12)] = 2
    """Layers of the large branch in an encoder, 1 to 12."""
    heads: Annotated[int, IntRange(1, 64)] = 4
    """Heads of attention, 1 to 64; must divide the channels."""
    widen: Annotated[int, WIDEN] = 2
    """Channels of the large branch for one of the small branch, 1 to 4."""
    ratio: Annotated[int, IntRange(1, 8)] = 4
    """Ratio of hidden channels of the perceptrons to channels, 1 to 8."""

    def why_knobs_invalid(self, shape: Shape) -> str | None:
        """The heads must divide the channels."""
        return divided_heads(self.heads, shape)

    def encoder(self, channels: int) -> BranchEncoder:
        """Return an encoder for a small branch of so many channels."""
        widths = channels, self.widen * channels
        layers = [
            nn.Sequential(*(self._layer(width) for _ in range(count)))
            for width, count in zip(widths, (self.small_layers, self.large_layers), strict=True)
        ]
        return BranchEncoder(layers, widths, self.heads)

    def _layer(self, channels: int) -> TransformerLayer:
        """Return a layer of a branch of so many channels."""
        token, norm = Shape(channels, 1, 1), LayerNorm()
        attention = Attention(head_dim=channels // self.heads, qkv_bias=True, proj_bias=True)
        return TransformerLayer(
            (norm.build(token), norm.build(token)),
            attention.build(token),
            Mlp(ratio=self.ratio).build(token),
        )


@dataclass(frozen=True, kw_only=True)
class PackedKnobs(BranchKnobs):
    """A base: the knobs of an encoder of two branches in one column."""

    large: Annotated[int, Positive(whole=True)] = 2
    """Tokens of the large branch, the last ones, with its class token."""


@dataclass(frozen=True, kw_only=True)
class ScaleKnobs(BranchKnobs):
    """A base: the knobs of encoders of two branches that are made of one map."""

    patch: Annotated[int, IntRange(2, 4)] = 2
    """Positions along each side of a large patch, 2 to 4."""
    encoders: Annotated[int, IntRange(1, 3)] = 1
    """Encoders in a row, 1 to 3."""

    @classmethod
    def any_size_program(cls) -> bool:
        """An exported program takes maps of one size."""
        return False


@dataclass(frozen=True, kw_only=True)
class PackedEncoder(PackedKnobs, Layer):
    """An encoder of two branches that lie in one column of tokens."""

    name = "packed_branches"
    kind = "joint"

    def arranged(self, given: str, shape: Shape) -> str | None:
        """There must be two branches of as many tokens and rows."""
        return given if given == branches(self.large, self.widen) else None

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        encoder = self.encoder(shape.channels)
        return small_start(PackedBranches(encoder, large=self.large, widen=self.widen))


@dataclass(frozen=True, kw_only=True)
class ScaleEncoders(ScaleKnobs, Layer):
    """Encoders of two branches, both made of one map."""

    name = "cross_scales"
    kind = "joint"

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, width = shape.channels, self.widen * shape.channels
        encoders = [self.encoder(channels) for _ in range(self.encoders)]
        return small_start(CrossScales(channels, patch=self.patch, encoders=encoders, width=width))


@dataclass(frozen=True, kw_only=True)
class CrossScaleBlock(ScaleKnobs, Block):
    """A branch of the map's positions and one of larger patches, which exchange class tokens.

    Chen et al., CrossViT, 2021, arXiv:2103.14899, section 3: transformer layers in each branch,
    then the class token of each attends to the patches of the other branch, which takes a number of
    operations linear in the patches. In the paper the large patches are cut from the image, and the
    branches have positions; here they are made of the map. The output is the positions of the small
    branch with its class token and, mapped linearly, the large branch added.
    """

    name = "cross_scale"
    catalogue = ("M15",)

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add all encoders as one part."""
        return parts.add("encoders", _with_knobs(ScaleEncoders, self), stream)


@dataclass(frozen=True, kw_only=True)
class CrossBranchBlock(PackedKnobs, Block):
    """An encoder of CrossViT's two branches of tokens (Chen et al., 2021, arXiv:2103.14899).

    Section 3 and figure 3. The branches lie in one column, where the stem ``cross_patches`` puts
    them: each token of the large branch, which has ``widen`` times the channels, is ``widen`` rows.
    The head is ``cross_tokens``.
    """

    name = "cross_branches"
    catalogue = ("M15",)
    by_name = True

    def why_knobs_invalid(self, shape: Shape) -> str | None:
        """Each branch must have a class token and a patch."""
        least = max(2, self.large) * self.widen + 2
        if self.large > 1 and shape.tokens >= least:
            return super().why_knobs_invalid(shape)
        return (
            f"large must be at least 2 and the positions at least {least}, a class token and a "
            f"patch in each branch, but got large {self.large} and {shape.tokens} positions"
        )

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the encoder as one part."""
        return parts.add("encoder", _with_knobs(PackedEncoder, self), stream)


K = TypeVar("K", bound=BranchKnobs)


def _with_knobs(cls: type[K], block: BranchKnobs) -> K:
    """Return a part with the knobs of its block."""
    knobs: dict[str, Any] = block.knobs()
    return cls(**knobs)
