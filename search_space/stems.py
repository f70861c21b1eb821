"""Stems: from image to the first feature map."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from torch import nn

from .base import Norm, Stem, table_of
from .domains import Choice
from .norms import LayerNorm
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


STEMS = table_of(ConvStem, PatchStem)
