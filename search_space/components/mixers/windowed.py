"""Attention inside windows, grids and stripes of the map, and in a halo around blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import YES_NO, Choice, IntRange
from ...shapes import Shape
from ..attention.supports import Blocks, Halo, Support, longest_side
from ..base import Traits
from ..initial import fan_in_start
from .headed import ALIKE, LOCAL, WIDTH, ProductAttention

SIDE = IntRange(1, 64)
"""Sides of groups in pixels."""


@dataclass(frozen=True, kw_only=True)
class WindowAttention(ProductAttention):
    """Attention inside windows, regular or shifted by half a window, with a bias per offset.

    Liu et al., Swin Transformer, 2021 (windows of 7 x 7, in every second block shifted), and Swin
    Transformer V2, 2021, with cosines and positions of their own, and keys without bias. Twins'
    local attention (Chu et al., 2021) has no position. CRAFT (Li et al., 2023) has windows that
    half of the heads see turned by a right angle, the dynamic bias of CrossFormer, whose
    short-distance attention has square windows (Wang et al., 2021), and a convolution of the values
    on the whole map. HAT (Chen et al., 2023) adds channel attention beside the window: a block of
    two mixers. Windows that the map does not fill are padded, and no place attends to padding,
    which Swin's code for detection also masks but Twins' code does not; a map smaller than a window
    is one window.
    """

    name = "window_attention"
    traits = Traits(
        catalogue=("M14", "M23", "M59"),
        paper="Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted "
        "Windows, 2021, arXiv:2103.14030; Chu et al., Twins: Revisiting the Design of Spatial "
        "Attention in Vision Transformers, 2021, arXiv:2104.13840; Li et al., Feature Modulation "
        "Transformer: Cross-Refinement of Global Representation via High-Frequency Prior for Image "
        "Super-Resolution, 2023, arXiv:2308.05022",
        code="microsoft/Swin-Transformer",
        reach="regional",
        weights="input-dependent",
        cost="N w^2",
        any_size_program=False,
    )

    window_height: Annotated[int, SIDE] = 8
    """Rows of a window, 1 to 64."""
    window_width: Annotated[int, SIDE] = 8
    """Columns of a window, 1 to 64."""
    shifted: Annotated[bool, YES_NO] = False
    """Whether windows are shifted by half of their sides."""
    turned: Annotated[bool, YES_NO] = False
    """Whether the windows of half of the heads have height and width exchanged."""
    position: Annotated[
        str, Choice(("none", "bias", "dynamic", "log_offset", "log_perceptron"))
    ] = "bias"
    """What is added to the scores by the offset: nothing; a learned number for each head and
    offset; the output of a perceptron of the offset; that of a perceptron of the offset's
    logarithm, between 0 and 16 (``log_offset``, Swin V2) or without limits (``log_perceptron``,
    timm's MaxViT)."""

    def furthest(self) -> Sequence[tuple[int, int]]:
        """Return the sides of the windows."""
        height, width = self.window_height, self.window_width
        return [(height, width), (width, height)] if self.turned else [(height, width)]

    def supports(self) -> Sequence[Support]:
        """Return the windows."""
        return [Blocks(*size, shifted=self.shifted) for size in self.furthest()]

    def canonical(self, shape: Shape) -> Self:
        """Clip windows to the map; a single window is not shifted."""
        sides = [shape.height, shape.width]
        most = [max(sides), max(sides)] if self.turned else sides
        height, width = min(self.window_height, most[0]), min(self.window_width, most[1])
        sizes = [(height, width), (width, height)] if self.turned else [(height, width)]
        moves = any(
            min(side, length) < side and min(side, length) > 1
            for size in sizes
            for side, length in zip(sides, size, strict=True)
        )
        plain = self.position == self.local == "none" and self.score in ALIKE
        return replace(
            super().canonical(shape),
            window_height=height,
            window_width=width,
            shifted=self.shifted and moves,
            turned=self.turned and not (plain and height == width),
        )


@dataclass(frozen=True, kw_only=True)
class GridAttention(ProductAttention):
    """Attention between places at equal distances all over the map, a fixed number per group.

    Tu et al., MaxViT, 2022, section 3.1 (grid attention, 7 x 7 places, after block attention). A
    map that the grid does not divide is padded, and no place attends to padding.
    """

    name = "grid_attention"
    traits = Traits(
        paper="Tu et al., MaxViT: Multi-Axis Vision Transformer, 2022, arXiv:2204.01697",
        code="google-research/maxvit",
        reach="regional",
        weights="input-dependent",
        cost="N g^2",
        any_size_program=False,
    )

    grid_size: Annotated[int, SIDE] = 8
    """Places of a group along each side, 1 to 64."""
    position: Annotated[str, Choice(("none", "bias", "dynamic", "log_perceptron"))] = "bias"
    """What is added to the scores by the offset in steps of the grid: nothing; a learned number for
    each head and offset; a perceptron's output; that of a perceptron on the logarithm of one plus
    it (timm's MaxViT)."""

    def furthest(self) -> Sequence[tuple[int, int]]:
        """Return the sides of the grid."""
        return [(self.grid_size, self.grid_size)]

    def supports(self) -> Sequence[Support]:
        """Return the grid."""
        return [Blocks(self.grid_size, self.grid_size, spread=True)]

    def canonical(self, shape: Shape) -> Self:
        """Clip the grid to the map."""
        return replace(super().canonical(shape), grid_size=longest_side(self.grid_size, shape))


@dataclass(frozen=True, kw_only=True)
class IntervalAttention(ProductAttention):
    """Attention between all places that lie at multiples of a distance (CrossFormer's long one).

    Wang et al., CrossFormer, 2021, section 3.2: long-distance attention with an interval; the
    short-distance attention before it is ``window_attention`` with dynamic position. Newer versions
    of the reference code cut large maps first; groups here always span the map.
    """

    name = "interval_attention"
    traits = Traits(
        catalogue=("M14",),
        paper="Wang et al., CrossFormer: A Versatile Vision Transformer Hinging on Cross-scale "
        "Attention, 2021, arXiv:2108.00154",
        code="cheerss/CrossFormer",
        reach="regional",
        weights="input-dependent",
        cost="N^2",
        any_size_program=False,
    )

    interval: Annotated[int, SIDE] = 2
    """Distance of neighbours of a group in pixels, 1 to 64."""
    position: Annotated[str, Choice(("none", "dynamic"))] = "dynamic"
    """What is added to the scores by the offset in intervals: nothing, or a perceptron's output."""

    def furthest(self) -> Sequence[tuple[int, int]]:
        """Return no sizes: the perceptron takes all offsets."""
        return [(0, 0)]

    def supports(self) -> Sequence[Support]:
        """Return the lattice of each place."""
        return [Blocks(self.interval, self.interval, spread=True, interval=True)]

    def canonical(self, shape: Shape) -> Self:
        """Clip the interval to the map."""
        return replace(super().canonical(shape), interval=longest_side(self.interval, shape))


@dataclass(frozen=True, kw_only=True)
class StripeAttention(ProductAttention):
    """Attention in a cross: half of the heads in vertical stripes, the others in horizontal ones.

    Stripes of one pixel are the factorised attention of Sparse Transformers (Child et al., 2019,
    arXiv:1904.10509, section 4.2, strided) on an image, without the causal mask: some heads attend
    to the row, the others to the column. Dong et al., CSWin Transformer, 2021, equations 2 to 4,
    with the locally-enhanced position (equation 7): a depthwise convolution of the values inside
    each stripe. A map that the stripes do not divide is padded, and no place attends to padding.
    Where a stripe is as wide as the map the reference code has one convolution for all channels;
    two for half of them are the same function.
    """

    name = "stripe_attention"
    traits = Traits(
        catalogue=("M16", "Q07"),
        paper="Dong et al., CSWin Transformer: A General Vision Transformer Backbone with "
        "Cross-Shaped Windows, 2021, arXiv:2107.00652",
        code="microsoft/CSWin-Transformer",
        reach="regional",
        weights="input-dependent",
        cost="N (H + W)",
        any_size_program=False,
    )

    head_dim: Annotated[int, WIDTH] = 16
    """Channels of one head; must divide the channels where ``heads`` is 0; heads must be even."""
    stripe: Annotated[int, SIDE] = 2
    """Width of the stripes in pixels, 1 to 64."""
    position: Annotated[str, Choice(("none", "dynamic"))] = "none"
    """What is added to the scores by the offset: nothing, or a perceptron's output."""
    local: Annotated[str, LOCAL] = "group"
    """Depthwise 3x3 convolution of the values added to the output: none; inside each stripe; on the
    whole map."""

    def supports(self) -> Sequence[Support]:
        """Return vertical and horizontal stripes."""
        return [Blocks(0, self.stripe), Blocks(self.stripe, 0)]

    def canonical(self, shape: Shape) -> Self:
        """Clip the stripes to the map."""
        return replace(super().canonical(shape), stripe=longest_side(self.stripe, shape))


@dataclass(frozen=True, kw_only=True)
class HaloAttention(ProductAttention):
    """Attention of blocks of queries to the block and a halo around it, with relative positions.

    Vaswani et al., Scaling Local Self-Attention, 2021, section 2.1: the positions are products of
    queries with learned vectors, not scaled. HAT's overlapping attention (Chen et al., 2023) has
    ``bias`` positions. As in both codes, places outside the map are keys and values of zeros that
    take part. timm's module has no output projection, and vectors for offsets that do not occur.
    """

    name = "halo_attention"
    traits = Traits(
        catalogue=("M27", "M49"),
        paper="Vaswani et al., Scaling Local Self-Attention for Parameter Efficient Visual "
        "Backbones, 2021, arXiv:2103.12731; Chen et al., HAT: Hybrid Attention Transformer for "
        "Image Restoration, 2023, arXiv:2309.05239",
        code="XPixelGroup/HAT",
        reach="regional",
        weights="input-dependent",
        cost="N w^2",
        any_size_program=False,
    )

    block_size: Annotated[int, SIDE] = 8
    """Side of a block of queries in pixels, 1 to 64."""
    halo: Annotated[int, IntRange(0, 32)] = 3
    """Width of the halo in pixels, 0 to 32."""
    position: Annotated[str, Choice(("none", "bias", "dynamic", "relative"))] = "relative"
    """What is added to the scores by the offset: nothing; a learned number for each head and
    offset; a perceptron's output; products of the query with learned vectors."""
    local: Annotated[str, Choice(("none", "map"))] = "none"
    """Depthwise 3x3 convolution of the values added to the output: none; on the whole map."""

    def furthest(self) -> Sequence[tuple[int, int]]:
        """Return the reach of the halo."""
        side = self.block_size + self.halo
        return [(side, side)]

    def supports(self) -> Sequence[Support]:
        """Return the blocks with their halo."""
        return [Halo(self.block_size, self.halo)]

    def canonical(self, shape: Shape) -> Self:
        """Clip the blocks to the map."""
        return replace(super().canonical(shape), block_size=longest_side(self.block_size, shape))

    def start(self, attention: nn.Module) -> None:
        """Draw the initial weights of linear maps and convolutions."""
        fan_in_start(attention)
