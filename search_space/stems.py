"""Stems: from image to the first feature map."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from torch import nn

from .activations import ACTIVATION, activation
from .base import Norm, Stem, table_of
from .domains import YES_NO, Choice, IntRange, Positive
from .norms import BatchNorm, LayerNorm, NoNorm
from .patches import MultiScalePatches
from .shapes import Shape, conv_size


@dataclass(frozen=True, kw_only=True)
class ConvStem(Stem):
    """One overlapping convolution and a norm, as in PoolFormer (Yu et al., MetaFormer, 2022).

    There it is 7x7 of stride 4, padded by 2; in VAN (Guo et al., 2022) padded by 3.
    """

    name = "conv"

    kernel_size: Annotated[int, Choice((3, 5, 7, 9))] = 3
    """Side of the kernel in pixels, odd, 3 to 9."""
    stride: Annotated[int, Choice((1, 2, 4))] = 2
    """Step in pixels: 1, 2 or 4."""
    padding: Annotated[str, Choice(("fit", "half"))] = "fit"
    """Zeros at each end: ``fit`` is (kernel - stride + 1) // 2, ``half`` is kernel // 2."""
    norm: Norm = field(default_factory=LayerNorm)
    """After the convolution."""

    @property
    def geometry(self) -> tuple[int, int, int]:
        """Side of the kernel, step, and zeros at each end."""
        fit = max(0, self.kernel_size - self.stride + 1) // 2
        padding = self.kernel_size // 2 if self.padding == "half" else fit
        return self.kernel_size, self.stride, padding

    def canonical(self, shape: Shape) -> Self:
        """Name the padding ``fit`` where both rules agree."""
        same = replace(self, padding="fit")
        return same if same.geometry == self.geometry else self

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        geometry = self.geometry
        return conv_size(height, *geometry), conv_size(width, *geometry)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        conv = nn.Conv2d(shape.channels, width, *self.geometry)
        return nn.Sequential(
            OrderedDict(conv=conv, norm=self.norm.build(self.out_shape(shape, width)))
        )


@dataclass(frozen=True, kw_only=True)
class TwoConvStem(Stem):
    """Two 3x3 convolutions of stride 2, each with a norm (Xiao et al., Early Convolutions, 2021).

    arXiv:2106.14881; that of CAS-ViT (Zhang et al., 2024) and FFNet (Yun et al., 2024).
    """

    name = "two_convs"

    hidden: Annotated[int, Positive(whole=True)] = 32
    """Channels between the two."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """After the first norm."""
    last_activation: Annotated[bool, YES_NO] = True
    """Whether an activation follows the second norm too."""
    bias: Annotated[bool, YES_NO] = False
    """Whether the convolutions have a bias."""
    norm: Norm = field(default_factory=BatchNorm)
    """After each convolution."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: quarters, rounded up."""
        return -(-height // 4), -(-width // 4)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        half = Shape(self.hidden, -(-shape.height // 2), -(-shape.width // 2))
        layers = OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(shape.channels, self.hidden, 3, 2, 1, bias=self.bias),
            norm1=self.norm.build(half),
            act1=activation(self.activation),
            conv2=nn.Conv2d(self.hidden, width, 3, 2, 1, bias=self.bias),
            norm2=self.norm.build(self.out_shape(shape, width)),
        )
        if self.last_activation:
            layers["act2"] = activation(self.activation)
        return nn.Sequential(layers)


@dataclass(frozen=True, kw_only=True)
class PatchStem(Stem):
    """Non-overlapping patches, each a linear map (Dosovitskiy et al., ViT, 2020), and a norm."""

    name = "patch"

    patch_size: Annotated[int, Choice((1, 2, 4, 7, 8, 14, 16, 32))] = 4
    """Side of a patch in pixels; pixels left over at the right and bottom are dropped."""
    norm: Norm = field(default_factory=LayerNorm)
    """After the map."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // self.patch_size, width // self.patch_size

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        conv = nn.Conv2d(shape.channels, width, self.patch_size, self.patch_size)
        return nn.Sequential(
            OrderedDict(conv=conv, norm=self.norm.build(self.out_shape(shape, width)))
        )


@dataclass(frozen=True, kw_only=True)
class MultiScaleStem(Stem):
    """Patches with what lies around them, at several scales (Tatsunami and Taki, RaftMLP, 2021).

    arXiv:2108.04384, section 3.3.
    """

    name = "multi_scale"

    patch_size: Annotated[int, Choice((2, 4, 8, 16))] = 4
    """Side of a patch in pixels; pixels left over at the right and bottom are dropped."""
    scales: Annotated[int, IntRange(1, 4)] = 2
    """Number of windows, each twice as wide as the one before; the first is the patch."""
    norm: Norm = field(default_factory=NoNorm)
    """After the map."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // self.patch_size, width // self.patch_size

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        patches = MultiScalePatches(shape.channels, width, self.patch_size, self.scales)
        return nn.Sequential(
            OrderedDict(patches=patches, norm=self.norm.build(self.out_shape(shape, width)))
        )


STEMS = table_of(ConvStem, TwoConvStem, PatchStem, MultiScaleStem)
