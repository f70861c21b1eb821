"""HaloNet's bottleneck: attention with halos between two 1x1 convolutions.

Shape suffixes: B batch, C channels, H rows, W columns, h and w rows and columns of keys and values,
d channels of all queries, e channels of all values.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ...domains import Choice, IntRange, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..attention.module import GroupedAttention
from ..attention.positions import RelativeLogits
from ..attention.projections import Projected
from ..attention.scores import DotProduct
from ..attention.supports import Halo, longest_side
from ..base import Component, Downsampling, TokenMixer, Traits
from ..initial import fan_in_start, fan_out_start
from ..layers.conv_norm import conv_norm
from ..layers.gate_and_shortcut import StridedResidual


class SparseQueries(nn.Module):
    """Linear maps to keys and values of all positions, and to queries of every ``stride``-th row
    and column.
    """

    def __init__(self, channels: int, inner: int, *, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.q = nn.Linear(channels, inner, bias=False)
        self.kv = nn.Linear(channels, 2 * inner, bias=False)

    def forward(self, x_BCHW: Tensor) -> Projected:
        """Return queries, keys and values of a map."""
        x_BhwC = x_BCHW.permute(0, 2, 3, 1)
        q_BHWd = self.q(x_BhwC[:, :: self.stride, :: self.stride])
        return Projected(q_BHWd, *self.kv(x_BhwC).chunk(2, 3))


@dataclass(frozen=True, kw_only=True)
class HaloKnobs(Component):
    """Base of HaloNet's bottleneck as a mixer and as downsampling."""

    expansion: Annotated[float, Positive()] = 0.25
    """Ratio of inner to input channels."""
    heads: Annotated[int, IntRange(1, 64)] = 8
    """Number of heads, 1 to 64; must divide the inner channels."""
    halo: Annotated[int, IntRange(0, 32)] = 3
    """Width of the halo in pixels, 0 to 32."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the first convolution, and after the norm of the attention."""

    block_size: int

    def inner(self, shape: Shape) -> int:
        """Return the inner channels, at least 1."""
        return scaled(shape.channels, self.expansion)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the inner channels."""
        inner = self.inner(shape)
        if inner % self.heads:
            return (
                f"heads must divide the inner channels, but got heads {self.heads} and "
                f"{inner} channels"
            )
        return super().why_invalid(shape, width)

    def canonical(self, shape: Shape) -> Self:
        """Round the expansion to whole channels."""
        return replace(super().canonical(shape), expansion=self.inner(shape) / shape.channels)

    def branch(self, shape: Shape, width: int, *, stride: int) -> nn.Sequential:
        """Build the module."""
        inner, reach = self.inner(shape), self.block_size + self.halo
        attention = GroupedAttention(
            projection=SparseQueries(inner, inner, stride=stride),
            channels=0,
            values=inner,
            proj_bias=False,
            heads=self.heads,
            supports=[Halo(self.block_size, self.halo, stride)],
            score=DotProduct(),
            positions=[RelativeLogits(inner // self.heads, reach, reach)],
        )
        layers = OrderedDict[str, nn.Module](
            conv1=fan_out_start(conv_norm(shape.channels, inner, act=self.activation)),
            attention=fan_in_start(attention),
            norm=nn.BatchNorm2d(inner),
            act=activation(self.activation),
            conv2=fan_out_start(conv_norm(inner, width)),
        )
        return nn.Sequential(layers)


@dataclass(frozen=True, kw_only=True)
class HaloBottleneck(HaloKnobs, TokenMixer):
    """A bottleneck whose middle operation is attention of blocks to their surroundings (HaloNet).

    Vaswani et al., Scaling Local Self-Attention, 2021, section 3: 1x1 convolution, attention with a
    halo and relative positions, a batch norm, 1x1 convolution. It is ``halo_attention`` without
    biases and output projection; as in timm, queries start from the deviation of their inputs.
    """

    name = "halo_bottleneck"
    traits = Traits(
        catalogue=("M49",),
        paper="Vaswani et al., Scaling Local Self-Attention for Parameter Efficient Visual "
        "Backbones, 2021, arXiv:2103.12731",
        reach="regional",
        weights="input-dependent",
        cost="N w^2",
        any_size_program=False,
    )

    block_size: Annotated[int, IntRange(1, 64)] = 8
    """Side of a block of queries in pixels, 1 to 64."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the blocks to the map; round the expansion to whole channels."""
        return replace(super().canonical(shape), block_size=longest_side(self.block_size, shape))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return self.branch(shape, shape.channels, stride=1)


@dataclass(frozen=True, kw_only=True)
class HaloDownsampling(HaloKnobs, Downsampling):
    """HaloNet's bottleneck with queries from every second row and column, beside a shortcut.

    Vaswani et al., Scaling Local Self-Attention, 2021, arXiv:2103.12731, section 3 (attention
    downsampling), as in timm: the shortcut is a 1x1 convolution with the same stride and a batch
    norm, and an activation follows the sum. Offsets count the places of the smaller map.
    """

    name = "halo_bottleneck"

    expansion: Annotated[float, Positive()] = 0.5
    """Ratio of inner to input channels."""
    block_size: Annotated[int, IntRange(2, 64, 2)] = 8
    """Side of a block of keys in pixels, even, 2 to 64; a block of queries has half of it."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes only the channels."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the blocks to the map, but to even sides; round the expansion to whole channels."""
        longest = longest_side(self.block_size, shape)
        return replace(super().canonical(shape), block_size=longest + longest % 2)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // self.stride), -(-width // self.stride)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        branch = self.branch(shape, width, stride=self.stride)
        shortcut = fan_out_start(conv_norm(shape.channels, width, stride=self.stride))
        return StridedResidual(branch, shortcut, self.activation)
