"""Context-mixing dynamic convolution: kernels computed from affinities to regions of a map.

Shape suffixes: B batch, C channels, X channels of the context, H rows, W columns, N positions
(H x W), R regions, h heads, D channels of a head, k and l sides of a kernel, p elements of kernels.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..channel_mixers.response import GlobalResponseNorm
from ..initial import small_start
from ..layers.conv_norm import SqueezeExcite, conv_norm
from ..layers.kernel_clipping import depthwise
from .dynamic_kernels import mix_windows
from .reparam import DepthwiseBranches

# Kernel side: sides and dilations of the parallel branches.
_BRANCHES = {
    5: ((3, 1), (3, 2)),
    7: ((5, 1), (3, 1), (3, 2), (3, 3)),
    9: ((5, 1), (7, 1), (5, 2), (3, 3), (3, 4)),
    11: ((5, 1), (7, 1), (5, 2), (3, 3), (3, 4), (3, 5)),
    13: ((5, 1), (7, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
    15: ((5, 1), (7, 1), (7, 2), (3, 3), (3, 5), (3, 7)),
    17: ((5, 1), (7, 1), (9, 2), (3, 4), (3, 5), (3, 7)),
    19: ((5, 1), (7, 1), (9, 1), (9, 2), (3, 4), (3, 5), (3, 7)),
}

LARGE = IntRange(5, 19, 2)
"""Legal sides of the large kernels."""


def dilated_branches(channels: int, kernel_size: int) -> DepthwiseBranches:
    """Return OverLoCK's large depthwise kernel with dilated branches and a batch norm."""
    branches = [(kernel_size, 1), *_BRANCHES[kernel_size]]
    return DepthwiseBranches(channels, branches, normed=True)


def relative_bias(bias_hkl: Tensor, height: int, width: int, kernel_size: int) -> Tensor:
    """Return the bias of the elements of all windows, by offset: (h, H, W, k, k).

    Args:
        bias_hkl: One bias for every offset, 2 x kernel_size - 1 per side.
        height: Rows of the map.
        width: Columns of the map.
        kernel_size: Side of the windows, which lie within the map.
    """
    offsets: list[Tensor] = []
    for side in (height, width):
        place = torch.arange(side, device=bias_hkl.device)
        start = (place - kernel_size // 2).clamp(0, side - kernel_size)
        tap = torch.arange(kernel_size, device=bias_hkl.device)
        offsets.append((start - place)[:, None] + tap + kernel_size - 1)
    rows_Hk, columns_Wl = offsets
    return bias_hkl[:, rows_Hk[:, None, :, None], columns_Wl[None, :, None, :]]


class RegionKernels(nn.Module):
    """Kernels for every position, from the position's affinities to regions of a context."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias"})

    def __init__(
        self, channels: int, context: int, *, heads: int, sides: tuple[int, int], regions: int
    ) -> None:
        super().__init__()
        half = channels // 2
        self.query = conv_norm(channels, half)
        self.key = conv_norm(context, half)
        self.mix = nn.Linear(regions**2, sum(side**2 for side in sides))
        self.bias = nn.ParameterList(
            torch.zeros(heads, 2 * side - 1, 2 * side - 1) for side in sides
        )
        self.heads, self.sides, self.regions = heads, sides, regions
        self.scale = (channels // heads) ** -0.5

    def forward(self, query_BCHW: Tensor, context_BXHW: Tensor) -> list[Tensor]:
        """Return kernels (B, h, k, k, H, W) for each kernel side; each kernel sums to one."""
        H, W = (int(side) for side in query_BCHW.shape[2:])
        regions_BXkl = F.adaptive_avg_pool2d(context_BXHW, self.regions)
        query_BhDN = self.query(query_BCHW).unflatten(1, (self.heads, -1)).flatten(3) * self.scale
        key_BhDR = self.key(regions_BXkl).unflatten(1, (self.heads, -1)).flatten(3)
        affinity_BhNR = query_BhDN.transpose(2, 3) @ key_BhDR
        found_BhNp = self.mix(affinity_BhNR).split([side**2 for side in self.sides], 3)
        kernels: list[Tensor] = []
        for logits_BhNp, bias_hkl, side in zip(found_BhNp, self.bias, self.sides, strict=True):
            bias_hNp = relative_bias(bias_hkl, H, W, side).reshape(self.heads, H * W, side**2)
            weights_BhNp = (logits_BhNp + bias_hNp).softmax(3)
            weights_BhHWkl = weights_BhNp.unflatten(3, (side, side)).unflatten(2, (H, W))
            kernels.append(weights_BhHWkl.permute(0, 1, 4, 5, 2, 3))
        return kernels


class ContextMixing(nn.Module):
    """Convolution with kernels of every position: half of the channels small, half large ones."""

    def __init__(
        self, channels: int, context: int, *, heads: int, sides: tuple[int, int], regions: int
    ) -> None:
        super().__init__()
        self.kernels = RegionKernels(channels, context, heads=heads, sides=sides, regions=regions)
        self.sides = sides

    def forward(self, value_BCHW: Tensor, query_BCHW: Tensor, context_BXHW: Tensor) -> Tensor:
        """Map three maps of one size to (B, C, H, W), the shape of the first.

        A map with a side shorter than the large kernel is enlarged to the kernel's side.
        """
        H, W = (int(side) for side in value_BCHW.shape[2:])
        least, shorter = max(self.sides), min(H, W)
        maps = [value_BCHW, query_BCHW, context_BXHW]
        if shorter < least:
            size = (H * least // shorter, W * least // shorter)
            maps = [F.interpolate(each, size=size, mode="bilinear") for each in maps]
        kernels = self.kernels(*maps[1:])
        mixed = [
            mix_windows(half, kernel, inner=True)
            for half, kernel in zip(maps[0].chunk(2, 1), kernels, strict=True)
        ]
        mixed_BCHW = torch.cat(mixed, 1)
        return F.adaptive_avg_pool2d(mixed_BCHW, (H, W)) if shorter < least else mixed_BCHW


class GatedContextMixing(nn.Module):
    """Context mixing and a large static kernel in parallel, squeezed, gated and mapped."""

    def __init__(
        self,
        channels: int,
        context: int,
        width: int,
        *,
        heads: int,
        sides: tuple[int, int],
        regions: int,
    ) -> None:
        super().__init__()
        self.mixing = ContextMixing(channels, context, heads=heads, sides=sides, regions=regions)
        self.fusion = conv_norm(channels, channels)
        self.static = dilated_branches(channels, max(sides))
        self.squeeze = SqueezeExcite(channels, max(16, channels // 8), act="gelu")
        self.gate = conv_norm(channels, channels, act="silu")
        proj = OrderedDict[str, nn.Module](norm=nn.BatchNorm2d(channels))
        proj["conv"] = nn.Conv2d(channels, width, 1)
        self.proj = nn.Sequential(proj)

    def forward(
        self, x_BCHW: Tensor, value_BCHW: Tensor, query_BCHW: Tensor, context_BXHW: Tensor
    ) -> Tensor:
        """Map four maps of one size to one of ``width`` channels."""
        mixed_BCHW = self.fusion(self.mixing(value_BCHW, query_BCHW, context_BXHW))
        return self.proj(self.gate(x_BCHW) * self.squeeze(mixed_BCHW + self.static(x_BCHW)))


class SelfContextMixing(nn.Module):
    """Context mixing of a map that is its own context.

    A convolution makes the values, as in the paper's plug-in module; OverLoCK's blocks have none.
    """

    def __init__(
        self, channels: int, *, gated: bool, heads: int, sides: tuple[int, int], regions: int
    ) -> None:
        super().__init__()
        self.value = conv_norm(channels, channels)
        self.gated = gated
        if gated:
            self.mixing = GatedContextMixing(
                channels, channels, channels, heads=heads, sides=sides, regions=regions
            )
        else:
            mixing = ContextMixing(channels, channels, heads=heads, sides=sides, regions=regions)
            self.mixing, self.fusion = mixing, conv_norm(channels, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        value_BCHW = self.value(x_BCHW)
        if self.gated:
            return self.mixing(x_BCHW, value_BCHW, x_BCHW, x_BCHW)
        return self.fusion(self.mixing(value_BCHW, x_BCHW, x_BCHW))


def _refused(small: int, large: int, heads: int, channels: int) -> str | None:
    if small > large:
        return (
            f"small_kernel must be at most kernel_size, but got small_kernel {small} "
            f"and kernel_size {large}"
        )
    if channels < 1 or channels % (2 * heads):
        return (
            f"twice heads must divide the channels that are mixed, but got heads {heads} "
            f"and {channels} such channels"
        )
    return None


class GuidedContextMixing(nn.Module):
    """Context mixing of a map whose last channels are the context; these are mixed too."""

    def __init__(
        self, channels: int, context: int, *, heads: int, sides: tuple[int, int], regions: int
    ) -> None:
        super().__init__()
        inner = channels - context
        self.sizes = [inner, context]
        self.fusion = nn.Sequential(
            depthwise(channels, (3, 3)),
            nn.BatchNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, inner, 1),
            GlobalResponseNorm(inner),
        )
        self.mixing = GatedContextMixing(
            inner, context, channels, heads=heads, sides=sides, regions=regions
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        fused = self.fusion(x_BCHW)
        return self.mixing(fused, fused, *x_BCHW.split(self.sizes, 1))


@dataclass(frozen=True, kw_only=True)
class ContMix(TokenMixer):
    """A small and a large kernel per position, from affinities to regions of the map.

    Lou and Yu, OverLoCK, 2025, section 3.3 and figure 4; the gated form is the middle of the
    paper's dynamic block. Windows at the edge lie within the map, as in neighborhood attention.
    """

    name = "contmix"
    traits = Traits(
        catalogue=("M45",),
        paper="Lou and Yu, OverLoCK: An Overview-first-Look-Closely-next ConvNet with "
        "Context-Mixing Dynamic Kernels, 2025, arXiv:2502.20087",
        code="LMMMEng/OverLoCK",
        reach="global",
        weights="input-dependent",
        cost="N (k^2 + R^2)",
        any_size_program=False,
    )

    kernel_size: Annotated[int, LARGE] = 7
    """Side of the large kernels in pixels, odd, 5 to 19."""
    small_kernel: Annotated[int, IntRange(3, 19, 2)] = 5
    """Side of the small kernels in pixels, odd, 3 to ``kernel_size``."""
    heads: Annotated[int, Positive(whole=True)] = 4
    """Kernels of each side; twice this number must divide the channels."""
    regions: Annotated[int, IntRange(1, 14)] = 7
    """Regions along each side of the map, 1 to 14."""
    gated: Annotated[bool, YES_NO] = True
    """Whether to add a static large kernel, squeeze-and-excitation, a gate and a linear map."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide half of the channels; the small kernel must not be the larger."""
        return _refused(self.small_kernel, self.kernel_size, self.heads, shape.channels)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        mixing = SelfContextMixing(
            shape.channels,
            gated=self.gated,
            heads=self.heads,
            sides=(self.small_kernel, self.kernel_size),
            regions=self.regions,
        )
        return small_start(mixing)


@dataclass(frozen=True, kw_only=True)
class GuidedContMix(TokenMixer):
    """Context mixing whose regions come from the map's last channels, a guide from an overview.

    Lou and Yu, OverLoCK, 2025, section 3.3 and figure 4: the middle of the Focus-Net's block, with
    the map that fuses both groups of channels.
    """

    name = "guided_contmix"
    traits = ContMix.traits

    kernel_size: Annotated[int, LARGE] = 7
    """Side of the large kernels in pixels, odd, 5 to 19."""
    small_kernel: Annotated[int, IntRange(3, 19, 2)] = 5
    """Side of the small kernels in pixels, odd, 3 to ``kernel_size``."""
    heads: Annotated[int, Positive(whole=True)] = 4
    """Kernels of each side; twice this number must divide the channels minus the guide's."""
    regions: Annotated[int, IntRange(1, 14)] = 7
    """Regions along each side of the map, 1 to 14."""
    guide: Annotated[int, Positive(whole=True)] = 8
    """Channels of the guide: the last ones of the map."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Twice the heads must divide the channels minus the guide's."""
        if self.guide >= shape.channels:
            return (
                f"guide must leave channels that are mixed, but got guide {self.guide} "
                f"and {shape.channels} channels"
            )
        mixed = shape.channels - self.guide
        return _refused(self.small_kernel, self.kernel_size, self.heads, mixed)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        mixing = GuidedContextMixing(
            shape.channels,
            self.guide,
            heads=self.heads,
            sides=(self.small_kernel, self.kernel_size),
            regions=self.regions,
        )
        return small_start(mixing)


@dataclass(frozen=True, kw_only=True)
class DilatedSqueezeConv(TokenMixer):
    """A large depthwise kernel trained in parallel with dilated ones, then squeeze-and-excitation.

    Lou and Yu, OverLoCK, 2025, section 3.2: the Dilated RepConv layer. It has more branches than
    UniRepLKNet's (``dilated_reparam_conv``); all fold. Squeeze-and-excitation has an eighth of the
    channels, at least 16.
    """

    name = "dilated_squeeze_conv"
    traits = Traits(
        catalogue=("M45",),
        paper="Lou and Yu, OverLoCK: An Overview-first-Look-Closely-next ConvNet with "
        "Context-Mixing Dynamic Kernels, 2025, arXiv:2502.20087",
        code="LMMMEng/OverLoCK",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, LARGE] = 7
    """Side of the kernel in pixels, odd, 5 to 19; it determines the branches."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        squeeze = SqueezeExcite(shape.channels, max(16, shape.channels // 8), act="gelu")
        conv = dilated_branches(shape.channels, self.kernel_size)
        layers = OrderedDict[str, nn.Module](conv=conv, squeeze=squeeze)
        return small_start(nn.Sequential(layers))
