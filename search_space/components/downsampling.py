"""Downsampling: from the map of one stage to that of the next."""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from ..domains import YES_NO, Choice, IntRange
from ..shapes import Shape, conv_size
from .activations import ACTIVATION, NONE_OR_ACTIVATION, STEADY_ACTIVATION, activation
from .base import Downsampling, Norm, table_of
from .cross_scale_downsampling import CrossScaleDownsampling
from .initial import small_start
from .layers.conv_norm import conv_norm
from .layers.deformable_conv import DeformableConv2d
from .layers.depthwise_branches import DepthwiseBranches, NormedShortcut
from .layers.inverted_bottleneck import InvertedResidualDownsampling
from .layers.multi_scale_patches import MultiScalePatches
from .layers.recursive_conv import RecursiveConvs
from .learned_pooling import LearnedPoolDownsampling
from .mixers.ghost import GhostDownsampling
from .mixers.halo_bottleneck import HaloDownsampling
from .mixers.levit import LevitDownsampling
from .mixers.mb_conv import MbConvDownsampling
from .mixers.rep_conv import RepConvDownsampling
from .mixers.stride_attention import StrideAttentionDownsampling
from .mixers.universal_inverted import UniversalDownsampling
from .norms import BatchNorm, LayerNorm, NoNorm
from .overview_parts import GuidedDownsampling
from .placed_convs import PlacedConvDownsampling
from .pooled_shortcut import PooledMbConvDownsampling, RelativeAttentionDownsampling
from .residual_downsampling import BasicDownsampling, BottleneckDownsampling
from .token_downsampling import TokenDownsampling


@dataclass(frozen=True, kw_only=True)
class ConvDownsampling(Downsampling):
    """A norm and a strided convolution: 2x2 in ConvNeXt (2022), 3x3 in MetaFormer (2022).

    In FocalNet (Yang et al., 2022) the norm comes after, in VAN (Guo et al., 2022) on both sides.
    Initial weights are as in these papers; VAN's are those of ``conv_mlp``, StarNet's biases
    torch's.
    """

    name = "conv"
    added = ("norm_after", "bias", "activation")

    kernel_size: Annotated[int, Choice((1, 2, 3, 5, 7))] = 3
    """Side of the kernel in pixels, odd for stride 1; padding is (kernel - stride + 1) // 2."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes only the channels."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before the convolution."""
    norm_after: Norm = field(default_factory=NoNorm)
    """Norm after the convolution."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the convolution has a bias."""
    activation: Annotated[str, NONE_OR_ACTIVATION] = "none"
    """Activation after the last norm."""

    @property
    def padding(self) -> int:
        """Zeros added at each end."""
        return (self.kernel_size - self.stride + 1) // 2

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """A kernel of stride 1 must be odd: an even one would enlarge the map."""
        if self.stride == 1 and self.kernel_size % 2 == 0:
            return f"kernel_size must be odd for stride 1, but got {self.kernel_size}"
        return super().why_invalid(shape, width)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        geometry = (self.kernel_size, self.stride, self.padding)
        return conv_size(height, *geometry), conv_size(width, *geometry)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        geometry = (self.kernel_size, self.stride, self.padding)
        conv = small_start(nn.Conv2d(shape.channels, width, *geometry, bias=self.bias))
        layers = OrderedDict(norm=self.norm.build(shape), conv=conv)
        if not self.norm_after.is_identity:
            layers["norm_after"] = self.norm_after.build(self.out_shape(shape, width))
        if self.activation != "none":
            layers["act"] = activation(self.activation)
        return nn.Sequential(layers)


@dataclass(frozen=True, kw_only=True)
class PoolDownsampling(Downsampling):
    """Mean or maximum over 2x2, then a norm and a 1x1 convolution (ResNet-D, He et al., 2019)."""

    name = "pool"

    pooling: Annotated[str, Choice(("mean", "max"))] = "mean"
    """Value taken of each 2x2 window."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before the convolution."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // 2, width // 2

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        pool = nn.AvgPool2d(2) if self.pooling == "mean" else nn.MaxPool2d(2)
        pooled = Shape(shape.channels, *self.out_size(shape.height, shape.width))
        conv = nn.Conv2d(shape.channels, width, 1)
        return nn.Sequential(OrderedDict(pool=pool, norm=self.norm.build(pooled), conv=conv))


@dataclass(frozen=True, kw_only=True)
class DeformableDownsampling(Downsampling):
    """Deformable token merging: a deformable convolution in steps of two, a norm, an activation.

    Pan et al., Less is More: Pay Less Attention in Vision Transformers (LIT), 2021,
    arXiv:2105.14217, section 3.3. The offsets start near zero, in the reference code at zero.
    """

    name = "deformable"
    catalogue = ("M34",)

    kernel_size: Annotated[int, Choice((2, 3))] = 2
    """Side of both kernels in pixels; padding is (kernel - 1) // 2."""
    norm: Norm = field(default_factory=BatchNorm)
    """Norm after the convolution."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the norm."""

    @property
    def padding(self) -> int:
        """Zeros added at each end."""
        return (self.kernel_size - 1) // 2

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        geometry = (self.kernel_size, 2, self.padding)
        return conv_size(height, *geometry), conv_size(width, *geometry)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        conv = DeformableConv2d(
            channels=shape.channels,
            width=width,
            kernel_size=self.kernel_size,
            offset_kernel_size=self.kernel_size,
            stride=2,
            padding=self.padding,
            offset_padding=self.padding,
        )
        norm = self.norm.build(self.out_shape(shape, width))
        return nn.Sequential(OrderedDict(conv=conv, norm=norm, act=activation(self.activation)))


@dataclass(frozen=True, kw_only=True)
class RecursiveDownsampling(Downsampling):
    """A norm, a 1x1 convolution, then convolutions and a 2x2 maximum, repeated with shared weights.

    The recursive encoder of Zhang and LeCun, 2018, arXiv:1802.01817, and Malik et al., Efficient
    Purely Convolutional Text Encoding, 2018, arXiv:1808.01160, in two dimensions. The papers have
    several convolutions before it, this class one of 1x1 that changes the channels.
    """

    name = "recursive"
    catalogue = ("Q03",)

    kernel_size: Annotated[int, Choice((3, 5, 7))] = 3
    """Side of the kernels in pixels, odd, 3 to 7."""
    layers: Annotated[int, IntRange(1, 8)] = 2
    """Convolutions before each maximum, 1 to 8; the group's input is added to the last one."""
    recursions: Annotated[int, IntRange(1, 5)] = 1
    """How often the map is halved, 1 to 5."""
    activation: Annotated[str, STEADY_ACTIVATION] = "relu"
    """Activation after each convolution."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before everything."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // 2**self.recursions, width // 2**self.recursions

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        convs = RecursiveConvs(
            channels=width,
            kernel_size=self.kernel_size,
            layers=self.layers,
            recursions=self.recursions,
            groups=1,
            act=self.activation,
            bias=True,
            residual=True,
            halve=True,
        )
        conv = nn.Conv2d(shape.channels, width, 1)
        return nn.Sequential(OrderedDict(norm=self.norm.build(shape), conv=conv, convs=convs))


class MergedPatches(nn.Module):
    """The four positions of each 2x2 window concatenated as channels, a linear map and norms."""

    def __init__(self, norm: nn.Module, channels: int, width: int, norm_after: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.reduction = nn.Conv2d(4 * channels, width, 1, bias=False)
        self.norm_after = norm_after

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, width, H / 2, W / 2)."""
        H, W = (size // 2 * 2 for size in x_BCHW.shape[2:])
        corners = [x_BCHW[:, :, row:H:2, column:W:2] for column in (0, 1) for row in (0, 1)]
        return self.norm_after(self.reduction(self.norm(torch.cat(corners, dim=1))))


@dataclass(frozen=True, kw_only=True)
class PatchMerging(Downsampling):
    """A norm and a linear map of each 2x2 window (Liu et al., Swin Transformer, 2021).

    In Swin V2 (Liu et al., 2021, arXiv:2111.09883) the norm comes after the map.
    """

    name = "patch_merging"
    added = ("norm_after",)

    norm: Norm = field(default_factory=LayerNorm)
    """Norm of the four positions' concatenated channels."""
    norm_after: Norm = field(default_factory=NoNorm)
    """Norm after the linear map."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output; an odd last row or column is dropped."""
        return height // 2, width // 2

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        merged = Shape(4 * shape.channels, *self.out_size(shape.height, shape.width))
        after = self.norm_after.build(self.out_shape(shape, width))
        norm = self.norm.build(merged)
        return small_start(MergedPatches(norm, shape.channels, width, after))


@dataclass(frozen=True, kw_only=True)
class MultiScaleDownsampling(Downsampling):
    """Linear map of 2x2 patches and larger windows around them (Tatsunami, Taki, RaftMLP, 2021).

    arXiv:2108.04384, section 3.3.
    """

    name = "multi_scale"

    scales: Annotated[int, IntRange(1, 4)] = 2
    """Number of windows, each twice as wide as the one before; the first is the patch."""
    norm: Norm = field(default_factory=NoNorm)
    """Norm before the linear map."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // 2, width // 2

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        patches = MultiScalePatches(shape.channels, width, 2, self.scales)
        return nn.Sequential(OrderedDict(norm=self.norm.build(shape), patches=patches))


@dataclass(frozen=True, kw_only=True)
class DepthwiseDownsampling(Downsampling):
    """A strided depthwise kernel, trained with a small one in parallel; a 1x1 map with shortcut.

    Yun et al., MetaMixer Is All You Need, 2024, arXiv:2406.02021 (as in FFNet's code): 7x7 with a
    3x3 kernel, each with a batch norm; all fold into two convolutions. Where the new channels are
    no multiple of the old ones, the kernels have as many groups as divide both.
    """

    name = "depthwise"

    kernel_size: Annotated[int, Choice((3, 5, 7, 9))] = 7
    """Side of the kernel in pixels, odd, 3 to 9; the stride is 2."""
    small_kernel: Annotated[int, Choice((0, 1, 3))] = 3
    """Side of the small kernel trained in parallel; 0: none."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // 2), -(-width // 2)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        branches = [(side, 1) for side in (self.kernel_size, self.small_kernel) if side]
        dwconv = DepthwiseBranches(shape.channels, branches, width=width, stride=2)
        layers = OrderedDict[str, nn.Module](dwconv=dwconv, pwconv=NormedShortcut(width))
        return small_start(nn.Sequential(layers))


@dataclass(frozen=True, kw_only=True)
class SeparableDownsampling(Downsampling):
    """A 1x1 convolution and a depthwise 3x3 one of stride 2, each with batch norm.

    Ding et al., Scaling Up Your Kernels to 31x31, 2022, arXiv:2203.06717, section 4.1: with
    activations. In LSNet (Wang et al., 2025, arXiv:2503.23135) the depthwise one comes first,
    there are no activations, and the norms fold.
    """

    name = "separable"

    activation: Annotated[str, NONE_OR_ACTIVATION] = "relu"
    """Activation after each norm."""
    depthwise_first: Annotated[bool, YES_NO] = False
    """Whether the depthwise convolution comes first."""
    folds: Annotated[bool, YES_NO] = False
    """Whether the norms fold into the convolutions, for inference."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // 2), -(-width // 2)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        inner = shape.channels if self.depthwise_first else width
        each = partial(conv_norm, act=self.activation, folds=self.folds)
        layers = [
            ("pwconv", each(shape.channels, width)),
            ("dwconv", each(inner, inner, 3, stride=2, groups=inner)),
        ]
        return nn.Sequential(OrderedDict(layers[::-1] if self.depthwise_first else layers))


@dataclass(frozen=True, kw_only=True)
class NoDownsampling(Downsampling):
    """No downsampling: the stage has the map and the width of the one before."""

    name = "none"
    is_identity = True

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The width must not change."""
        if width is None or width == shape.channels:
            return None
        return f"width must stay {shape.channels} without downsampling, but got {width}"

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width as they are."""
        return height, width

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build a module that does nothing."""
        return nn.Identity()


DOWNSAMPLINGS = table_of(
    ConvDownsampling,
    PoolDownsampling,
    LearnedPoolDownsampling,
    DeformableDownsampling,
    RecursiveDownsampling,
    PatchMerging,
    MultiScaleDownsampling,
    InvertedResidualDownsampling,
    DepthwiseDownsampling,
    SeparableDownsampling,
    BasicDownsampling,
    BottleneckDownsampling,
    GuidedDownsampling,
    MbConvDownsampling,
    RepConvDownsampling,
    UniversalDownsampling,
    GhostDownsampling,
    LevitDownsampling,
    TokenDownsampling,
    StrideAttentionDownsampling,
    PooledMbConvDownsampling,
    RelativeAttentionDownsampling,
    CrossScaleDownsampling,
    PlacedConvDownsampling,
    HaloDownsampling,
    NoDownsampling,
)
