"""Downsampling by the residual blocks of CoAtNet and MaxViT, whose shortcut is pooled.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ..domains import YES_NO, Choice, IntRange, Positive
from ..shapes import Shape
from .activations import activation
from .attention.module import GroupedAttention
from .attention.positions import LogPerceptronBias, OffsetBias
from .attention.projections import LinearProjection
from .attention.scores import DotProduct
from .attention.supports import Blocks
from .base import Downsampling, Norm
from .initial import fan_out_start, small_start
from .mixers.headed import WIDTH
from .mixers.mb_conv import AFTER, MobileConvKnobs
from .norms import BatchNorm, LayerNorm
from .residuals import ChannelScale

POOLING = Choice(("mean", "max"))
"""What halves a map: the mean over 2x2 positions, or the maximum over 3x3 ones."""

SHORTCUT = Choice(("biased_map", "map", "none"))
"""Linear maps of a pooled shortcut."""


def pool(kind: str) -> nn.Module:
    """Return the module that halves a map, rounded up."""
    if kind == "max":
        return nn.MaxPool2d(3, 2, 1)
    return nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)


class PooledResidual(nn.Module):
    """The sum of a pooled and mapped shortcut and a branch."""

    def __init__(self, shortcut: nn.Module, branch: nn.Module) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.branch = branch

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / 2, W / 2), rounded up."""
        return self.shortcut(x_BCHW) + self.branch(x_BCHW)


@dataclass(frozen=True, kw_only=True)
class PooledShortcut(Downsampling):
    """Base of residual blocks that halve the map, whose shortcut is pooled and mapped linearly."""

    pooling: Annotated[str, POOLING] = "mean"
    """What halves the shortcut: the mean over 2x2 positions, or the maximum over 3x3 ones."""
    shortcut: Annotated[str, SHORTCUT] = "biased_map"
    """Linear map of the shortcut: with a bias, without, or none, if the width stays the same."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Without a map of the shortcut the width must stay the same."""
        if self.shortcut == "none" and width not in (None, shape.channels):
            return f"width must stay {shape.channels} without a map, but got {width}"
        return super().why_invalid(shape, width)

    def canonical(self, shape: Shape) -> Self:
        """With one position, the pooling has no effect."""
        pooling = self.pooling if shape.tokens > 1 else "mean"
        return replace(super().canonical(shape), pooling=pooling)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // 2), -(-width // 2)

    def residual(self, channels: int, width: int, branch: nn.Module) -> nn.Module:
        """Build the sum of the shortcut and a branch."""
        layers = OrderedDict(pool=pool(self.pooling))
        if self.shortcut != "none":
            layers["map"] = nn.Conv2d(channels, width, 1, bias=self.shortcut == "biased_map")
        return PooledResidual(fan_out_start(nn.Sequential(layers)), branch)


@dataclass(frozen=True, kw_only=True)
class PooledMbConvDownsampling(MobileConvKnobs, PooledShortcut):
    """A norm and EfficientNet's inverted residual, beside a pooled shortcut (CoAtNet, MaxViT).

    Dai et al., CoAtNet, 2021, arXiv:2106.04803, equation 5; Tu et al., MaxViT, 2022,
    arXiv:2204.01697. CoAtNet has the stride in the first map, MaxViT and this class in the kernel;
    some of timm's CoAtNets take the mean over 2x2 positions before the first map. Zero padding is
    equal on both sides; TensorFlow pads the right alone where the map's side is even.
    """

    name = "pooled_mb_conv"

    ratio: Annotated[float, Positive()] = 8.0
    """Ratio of hidden to input channels; at 1 there is no expansion."""
    after_projection: Annotated[str, AFTER] = "bias"
    """What follows the projection: a batch norm, a bias, or nothing."""
    kernel_size: Annotated[int, Choice((3, 5, 7))] = 3
    """Side of the kernel in pixels: 3, 5 or 7."""
    strided: Annotated[str, Choice(("kernel", "mean"))] = "kernel"
    """What halves the branch: the kernel's stride, or the mean over 2x2 positions before."""
    norm: Norm = field(default_factory=BatchNorm)
    """Norm before the branch."""

    def canonical(self, shape: Shape) -> Self:
        """With one position, what halves the branch has no effect."""
        strided = self.strided if shape.tokens > 1 else "kernel"
        return replace(super().canonical(shape), strided=strided)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        layers = OrderedDict[str, nn.Module](norm=self.norm.build(shape))
        conv: MobileConvKnobs = self
        if self.strided == "mean":
            if self.first_activation:  # comes before the mean
                layers["act"] = activation(self.activation)
                conv = replace(self, first_activation=False)
            layers["pool"] = pool("mean")
        stride = 2 if self.strided == "kernel" else 1
        layers["conv"] = conv.conv(shape, width, self.kernel_size, stride)
        return self.residual(shape.channels, width, nn.Sequential(layers))


@dataclass(frozen=True, kw_only=True)
class RelativeAttentionDownsampling(PooledShortcut):
    """A norm, pooling and relative attention, beside a pooled shortcut (Dai et al., CoAtNet, 2021).

    arXiv:2106.04803, equation 4; with a bias for each offset, as in ``relative_attention``. A
    perceptron follows in the network, as in its other blocks.
    """

    name = "relative_attention"
    one_size = True

    heads: Annotated[int, IntRange(1, 64)] = 4
    """Number of heads, 1 to 64; in CoAtNet as many as give all heads the channels of the output, in
    timm's networks those of the input."""
    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head."""
    position: Annotated[str, Choice(("bias", "log_perceptron"))] = "bias"
    """What is added to the scores by the offset: a learned number for each head and offset; the
    output of a perceptron on the offset's logarithm (timm's CoAtNets)."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before the branch."""
    scaled: Annotated[bool, YES_NO] = False
    """Whether a learned factor per channel, at the start 1e-6, scales the branch."""

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        heads, inner = self.heads, self.heads * self.head_dim
        sides = self.out_size(shape.height, shape.width)
        learned = self.position == "bias"
        place = OffsetBias(heads, *sides) if learned else LogPerceptronBias(heads)
        attention = GroupedAttention(
            projection=LinearProjection(shape.channels, inner, inner, bias=True),
            channels=width,
            values=inner,
            proj_bias=True,
            heads=heads,
            supports=[Blocks()],
            score=DotProduct(),
            positions=[place],
        )
        layers = OrderedDict[str, nn.Module](
            norm=self.norm.build(shape), pool=pool(self.pooling), attention=small_start(attention)
        )
        if self.scaled:
            layers["scale"] = ChannelScale(width, 1e-6, False)
        return self.residual(shape.channels, width, nn.Sequential(layers))
