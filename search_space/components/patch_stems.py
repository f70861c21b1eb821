"""Stems that cut the image into patches, with learned positions and tokens.

Shape suffixes: B batch, C channels, H rows, W columns, N patches, T learned tokens, P places with a
learned vector.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from ..domains import YES_NO, Choice, IntRange
from ..shapes import Shape
from .base import GRID, TOKENS, Norm, Stem
from .initial import small_start
from .layers.cross_scale import CrossScalePatches, why_narrow
from .norms import LayerNorm, NoNorm


@dataclass(frozen=True, kw_only=True)
class PatchStem(Stem):
    """Non-overlapping patches, each a linear map (Dosovitskiy et al., ViT, 2020), and a norm.

    Initial weights are as in ConvNeXt; those of timm's MLP-Mixer, ResMLP and gMLP have a variance
    of 1 / inputs.
    """

    name = "patch"
    added = ("bias",)

    patch_size: Annotated[int, Choice((1, 2, 4, 7, 8, 14, 16, 32))] = 4
    """Side of a patch in pixels; pixels left over at the right and bottom are dropped."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the linear map has a bias."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm after the map."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // self.patch_size, width // self.patch_size

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        return self.linear(shape, self.out_shape(shape, width))

    def linear(self, shape: Shape, out: Shape) -> nn.Sequential:
        """Return the linear map of patches and the norm, to a map of shape ``out``."""
        side = self.patch_size
        conv = small_start(nn.Conv2d(shape.channels, out.channels, side, side, bias=self.bias))
        return nn.Sequential(OrderedDict(conv=conv, norm=self.norm.build(out)))


class Positions(nn.Module):
    """Adds a learned vector at each position."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"position_CHW"})

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.position_CHW = nn.Parameter(torch.empty(shape))
        nn.init.trunc_normal_(self.position_CHW, std=0.02)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return x_BCHW + self.position_CHW


@dataclass(frozen=True, kw_only=True)
class PositionStem(PatchStem):
    """Linear map of patches, a norm, and a learned vector added at each position.

    Dosovitskiy et al., ViT, 2020, arXiv:2010.11929, equation 1, without the class token; bound to
    one resolution. Also the stem of GFNet (Rao et al., 2021), whose initial linear map is torch's.
    """

    name = "position"
    one_size = True

    def build(self, shape: Shape, width: int) -> nn.Sequential:
        """Build the module."""
        layers = self.linear(shape, self.out_shape(shape, width))
        layers.add_module("positions", Positions(self.out_shape(shape, width)))
        return layers


class TokenPatches(nn.Module):
    """Patches as a column of tokens behind learned tokens; each place has a learned vector."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"tokens_TC", "position_PC"})

    def __init__(self, shape: Shape, width: int, *, patches: nn.Module, tokens: int, placed: int):
        """Build the module.

        Args:
            shape: Shape of the output: all tokens in one column.
            width: Channels of a token.
            patches: Module from the image to a map of patches.
            tokens: Number of learned tokens.
            placed: Number of the last tokens that get a vector.
        """
        super().__init__()
        self.tokens_TC = nn.Parameter(torch.empty(tokens, width))
        self.position_PC = nn.Parameter(torch.empty(placed, width))
        self.patches = patches
        self.rest = shape.height - placed
        for each in (self.tokens_TC, self.position_PC):
            nn.init.trunc_normal_(each, std=0.02)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map an image (B, C, H, W) to a column (B, C, T + N, 1)."""
        patches_BCN = self.patches(x_BCHW).flatten(2)
        tokens_BCT = self.tokens_TC.T.expand(x_BCHW.shape[0], -1, -1).to(patches_BCN.dtype)
        place_CN = self.position_PC.T
        if self.rest:
            place_CN = nn.functional.pad(place_CN, (self.rest, 0))
        return (torch.cat((tokens_BCT, patches_BCN), 2) + place_CN)[..., None]


@dataclass(frozen=True, kw_only=True)
class TokenStem(PatchStem):
    """Linear map of patches in one column behind learned tokens: a class token, and others.

    Dosovitskiy et al., ViT, 2020, arXiv:2010.11929, equation 1; with a second token for a teacher's
    labels DeiT (Touvron et al., 2020, arXiv:2012.12877, section 4). The map has a row for each
    token, the learned ones first, and one column, so mixers must not look at neighbours. The head
    is ``class_tokens``. Initial linear maps are ConvNeXt's.
    """

    name = "class_tokens"
    one_size = True
    by_name = True

    tokens: Annotated[int, IntRange(1, 16)] = 1
    """Number of learned tokens, 1 to 16."""
    placed: Annotated[bool, YES_NO] = True
    """Whether the learned tokens have positions too; not in DeiT III."""
    norm: Norm = field(default_factory=NoNorm)
    """Norm after the map."""

    def arranged(self, given: str, shape: Shape) -> str | None:
        """Return that of class tokens."""
        return TOKENS if given == GRID else None

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the number of tokens, and one column."""
        rows, columns = super().out_size(height, width)
        return self.tokens + rows * columns if rows * columns else 0, 1

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        out = self.out_shape(shape, width)
        sides = [side // self.patch_size for side in shape[1:]]
        patches = self.linear(shape, Shape(width, *sides))
        tokens = out.height - (0 if self.placed else self.tokens)
        return TokenPatches(out, width, patches=patches, tokens=self.tokens, placed=tokens)


@dataclass(frozen=True, kw_only=True)
class CrossScaleStem(Stem):
    """Patches of several sizes around the same places, the larger with fewer channels, and a norm.

    Wang et al., CrossFormer, 2021, arXiv:2108.00154, section 3.1: four sizes from 4 to 32 pixels.
    Initial weights are torch's, as in the reference code.
    """

    name = "cross_scale"

    patch_size: Annotated[int, Choice((2, 4, 8))] = 4
    """Side of the smallest patches in pixels, and their distance; pixels left over at the right and
    bottom are dropped."""
    scales: Annotated[int, IntRange(1, 5)] = 4
    """Number of sizes, each twice the one before, 1 to 5."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm of all channels."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Each size must have a channel."""
        return super().why_invalid(shape, width) or why_narrow(width, self.scales)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // self.patch_size, width // self.patch_size

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        patches = CrossScalePatches(
            shape.channels, width, patch_size=self.patch_size, scales=self.scales
        )
        norm = self.norm.build(self.out_shape(shape, width))
        return nn.Sequential(OrderedDict(patches=patches, norm=norm))
