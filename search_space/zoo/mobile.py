"""Networks of inverted residuals, from a table of their blocks: what most mobile networks share."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.base import Downsampling, Head
from ..components.blocks import MetaFormerBlock, NoBlock, ResidualBlock
from ..components.channel_mixers.mlp import NoChannelMixer
from ..components.heads import PooledHead, WideHead
from ..components.layers.conv_norm import divisible
from ..components.mixers.mb_conv import MbConv, MbConvDownsampling
from ..components.mixers.multi_query import MultiQueryAttention
from ..components.mixers.universal_inverted import UniversalDownsampling, UniversalInverted
from ..components.norms import BatchNorm, NoNorm
from ..components.residuals import LayerScaleResidual, NoResidual, PlainResidual
from ..components.stems import ConvStem
from ..components.wired import Block, Residual
from ..shapes import Shape


class Row(NamedTuple):
    """Consecutive blocks that differ at most in the first one's stride and input channels."""

    depth: int
    """Number of blocks."""
    kernel: int
    """Side of the kernel in pixels."""
    stride: int
    """Stride of the first block."""
    ratio: float
    """Ratio of hidden to input channels, before the hidden ones are rounded to multiples of 8."""
    width: int
    """Channels, before they are multiplied and rounded."""
    squeeze: float = 0.0
    """Share of channels inside squeeze-and-excitation; 0: none."""
    form: str = "inverted"
    """``inverted``: without expansion at ratio 1; ``whole``: with it; ``fused``: a dense
    convolution and a projection; ``conv``: one convolution; ``separable``: with an activation after
    the projection too, and no shortcut; ``universal``: MobileNetV4's; ``attention``: its
    multi-query attention."""
    activation: str = ""
    """Activation, if not that of the network."""
    shortcut: bool = True
    """Whether the input is added to an output of the same shape."""
    first: int = 0
    """Side of the depthwise kernel before the expansion of the universal form; 0: none."""
    kernels: int = 1
    """Kernels of growing size, from ``kernel``."""
    expand_parts: int = 1
    """Parts of the channels that the expansion maps apart."""
    project_parts: int = 1
    """Parts of the channels that the projection maps apart."""
    heads: int = 4
    """Heads of attention."""
    head_dim: int = 64
    """Channels of a head."""
    keys: int = 1
    """Distance of the positions of keys in pixels."""


def deepened(
    rows: Sequence[Row], times: float, rounded: Callable[[float], int] = ceil, *, ends: bool = True
) -> tuple[Row, ...]:
    """Return rows with their depths multiplied and rounded.

    Args:
        rows: The rows.
        times: Factor of the depths.
        rounded: The function that rounds them; the least depth is 1.
        ends: Whether the first and the last row are multiplied too.
    """
    kept = () if ends else (0, len(rows) - 1)
    return tuple(
        row if number in kept else row._replace(depth=max(1, rounded(row.depth * times)))
        for number, row in enumerate(rows)
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a family of mobile networks has in common."""

    activation: str
    """Activation of all blocks that do not name another one."""
    stem: int = 32
    """Channels of the stem, before they are multiplied and rounded."""
    stem_kernel: int = 3
    """Side of the stem's kernel in pixels."""
    fixed_stem: bool = False
    """Whether the stem's channels are not multiplied."""
    multiplier: float = 1.0
    """Factor of all widths."""
    least: float = 0.9
    """Smallest share of a width that rounding leaves of it."""
    from_hidden: bool = False
    """Whether the share of squeeze-and-excitation is one of the hidden channels, else of the
    input's."""
    squeeze_step: int = 1
    """Divisor of the channels inside squeeze-and-excitation."""
    squeeze_activation: str = "same"
    """Activation inside squeeze-and-excitation."""
    gate: str = "sigmoid"
    """Gate of squeeze-and-excitation."""
    eps: float = 1e-5
    """Number added to the variance in batch norms."""
    scaled: bool = False
    """Whether universal blocks and attention have a layer scale."""

    def channels(self, width: int) -> int:
        """Return a width, multiplied and rounded to a multiple of 8."""
        return divisible(width * self.multiplier, least=self.least)

    def squeezed(self, row: Row, hidden: int) -> int:
        """Return the channels inside squeeze-and-excitation; 0 if there is none."""
        if not row.squeeze:
            return 0
        share = row.squeeze if self.from_hidden else row.squeeze / row.ratio
        if self.squeeze_step == 1:
            return round(hidden * share)
        return divisible(hidden * share, self.squeeze_step, self.least)

    def knobs(self, row: Row, channels: int) -> dict[str, Any]:
        """Return the knobs of a row's blocks with a number of input channels."""
        hidden = divisible(channels * row.ratio)
        squeezed = self.squeezed(row, hidden)
        return {
            "kernel_size": row.kernel,
            "ratio": hidden / channels,
            "activation": row.activation or self.activation,
            "eps": self.eps,
            "squeeze": squeezed > 0,
            "squeeze_ratio": squeezed / channels or 0.25,
            "squeeze_activation": self.squeeze_activation,
            "gate": self.gate,
            "fused": row.form in ("fused", "conv"),
            "whole": row.form in ("fused", "whole"),
            "last_activation": row.form == "separable",
            "mixed_kernels": row.kernels,
            "expand_parts": row.expand_parts,
            "project_parts": row.project_parts,
        }

    def universal_knobs(self, row: Row, channels: int) -> dict[str, Any]:
        """Return the knobs of MobileNetV4's blocks with a number of input channels."""
        return {
            "first_kernel": row.first,
            "kernel_size": row.kernel,
            "ratio": divisible(channels * row.ratio) / channels,
            "activation": self.activation,
        }

    def block(self, row: Row, channels: int) -> Block:
        """Return the block of a row that keeps the channels."""
        shortcut = row.shortcut and row.form != "separable"
        residual: Residual = PlainResidual() if shortcut else NoResidual()
        if self.scaled and row.form in ("universal", "attention"):
            residual = LayerScaleResidual(init=1e-5)
        if row.form == "attention":
            attention = MultiQueryAttention(heads=row.heads, head_dim=row.head_dim, stride=row.keys)
            return MetaFormerBlock(
                mixer=attention,
                channel_mixer=NoChannelMixer(),
                norm=BatchNorm(eps=self.eps),
                residual=residual,
            )
        if row.form == "universal":
            mixer = UniversalInverted(**self.universal_knobs(row, channels))
        else:
            mixer = MbConv(**self.knobs(row, channels))
        return ResidualBlock(mixer=mixer, residual=residual)

    def downsampling(self, row: Row, channels: int) -> Downsampling:
        """Return the block of a row that changes the shape."""
        if row.form == "universal":
            knobs = self.universal_knobs(row, channels)
            return UniversalDownsampling(stride=row.stride, scaled=self.scaled, **knobs)
        return MbConvDownsampling(stride=row.stride, **self.knobs(row, channels))


def wide(features: int, plan: Plan) -> WideHead:
    """Return EfficientNet's head: 1x1 convolution, norm, activation, mean, classifier."""
    return WideHead(features=features, activation=plan.activation, norm=BatchNorm(eps=plan.eps))


def pooled_first(features: int, activation: str, *, bias: bool = True) -> WideHead:
    """Return MobileNetV3's head: mean, linear map, activation, classifier."""
    return WideHead(
        features=features, activation=activation, norm=NoNorm(), bias=bias, pool_first=True
    )


NO_FEATURES = PooledHead(norm=NoNorm())
"""The head of MobileNetV1: mean and classifier."""


def _stages(plan: Plan, rows: Sequence[Row], stem: int) -> Iterator[Stage]:
    """Yield the stages: a block with other channels or a stride starts one."""
    width, before = stem, None
    blocks: list[Block] = []
    for row in rows:
        for repetition in range(row.depth):
            each = row._replace(stride=1) if repetition else row
            channels = plan.channels(row.width)
            if each.stride == 1 and channels == width:
                blocks.append(plan.block(each, width))
                continue
            yield stage_of(width, blocks, before)
            width, before, blocks = channels, plan.downsampling(each, width), []
    yield stage_of(width, blocks, before)


def stage_of(width: int, blocks: Sequence[Block], before: Downsampling | None) -> Stage:
    """Return a stage of blocks, or of its downsampling alone if there are none."""
    return Stage(
        width=width,
        depth=max(1, len(blocks)),
        blocks=tuple(blocks) or (NoBlock(),),
        downsampling=before,
    )


def mobile_network(
    plan: Plan, rows: Sequence[Row], head: Head, *, resolution: int = 224
) -> Architecture:
    """Return the network of a plan.

    Args:
        plan: What the family has in common.
        rows: The blocks.
        head: Module after the last block.
        resolution: Side of the images in pixels.
    """
    stem = plan.stem if plan.fixed_stem else plan.channels(plan.stem)
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=ConvStem(
            kernel_size=plan.stem_kernel,
            stride=2,
            bias=False,
            norm=BatchNorm(eps=plan.eps),
            activation=plan.activation,
        ),
        stages=tuple(_stages(plan, rows, stem)),
        head=head,
    )
