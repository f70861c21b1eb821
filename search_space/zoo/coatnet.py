"""CoAtNet (Dai et al., 2021, arXiv:2106.04803), as in timm.

Convolutions in the first two stages, relative attention in the last two. The networks with ``rw``
in their names are timm's own. Linear maps of attention and perceptrons start with a deviation of
0.02, and shortcuts of attention that halves the map with He's by fan-out; in timm all of these
have Glorot's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ..architecture.architecture import Architecture
from ..components.base import Downsampling, Head, Norm, Stem
from ..components.blocks import ChannelBlock, MetaFormerBlock, NoBlock
from ..components.channel_mixers.mlp import Mlp, NoChannelMixer
from ..components.heads import PooledHead, TanhHead
from ..components.mixers.attention import Attention, RelativeAttention
from ..components.mixers.mb_conv import MbConv
from ..components.norms import BatchNorm, LayerNorm
from ..components.pooled_shortcut import PooledMbConvDownsampling, RelativeAttentionDownsampling
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import TwoConvStem
from ..components.wired import Block, Residual
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import pyramid


@dataclass(frozen=True, kw_only=True)
class Convs:
    """What the inverted residuals of a network have in common; hidden channels are four times."""

    activation: str = "gelu"
    """Activation."""
    eps: float = 1e-5
    """Number added to the variance in batch norms."""
    from_output: bool = True
    """Whether hidden channels are four times those of the output, else of the input."""
    squeeze: float = 0.25
    """Share of channels inside squeeze-and-excitation, of the output's or else the hidden ones; 0:
    none."""
    squeeze_activation: str = "silu"
    """Activation inside squeeze-and-excitation."""
    biased: bool = True
    """Whether projection and shortcut have a bias."""
    early: bool = False
    """Whether squeeze-and-excitation comes before the norm."""
    first_activation: bool = False
    """Whether an activation follows the first norm."""
    strided: str = "kernel"
    """What halves a branch."""
    pooling: str = "mean"
    """What halves shortcuts, and in attention branches too."""

    def knobs(self, channels: int, width: int) -> dict[str, Any]:
        """Return the knobs of an inverted residual."""
        hidden = 4 * (width if self.from_output else channels)
        squeezed = int(self.squeeze * (width if self.from_output else hidden))
        return {
            "ratio": hidden / channels,
            "activation": self.activation,
            "eps": self.eps,
            "squeeze": squeezed > 0,
            "squeeze_ratio": squeezed / channels or 0.25,
            "squeeze_activation": self.squeeze_activation,
            "after_projection": "bias" if self.biased else "none",
            "first_activation": self.first_activation,
            "squeeze_early": self.early,
        }

    def block(self, width: int) -> Block:
        """Return the block of a width."""
        return MetaFormerBlock(
            mixer=MbConv(**self.knobs(width, width)),
            channel_mixer=NoChannelMixer(),
            norm=BatchNorm(eps=self.eps),
        )

    def downsampling(self, channels: int, width: int) -> Downsampling:
        """Return the block that halves the map."""
        mapped = "biased_map" if self.biased else "map"
        return PooledMbConvDownsampling(
            pooling=self.pooling,
            shortcut="none" if channels == width else mapped,
            strided=self.strided,
            norm=BatchNorm(eps=self.eps),
            **self.knobs(channels, width),
        )

    def stem(self, hidden: int, *, biased: bool = False) -> TwoConvStem:
        """Return the stem."""
        return TwoConvStem(
            hidden=hidden,
            activation=self.activation,
            last_activation=False,
            bias=biased,
            norm=BatchNorm(eps=self.eps),
            second_stride=1,
            last_norm=False,
        )


@dataclass(frozen=True, kw_only=True)
class Attentive:
    """What the attention blocks of a CoAtNet have in common."""

    wide: bool = True
    """Whether the attention that halves the map has the channels of its output, else its input."""
    biased: bool = True
    """Whether shortcuts have a bias."""
    scaled: bool = False
    """Whether residuals have a layer scale."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm."""
    position: str = "bias"
    """What is added to the scores by the offset."""

    @property
    def residual(self) -> Residual:
        """The residual."""
        return LayerScaleResidual(init=1e-6) if self.scaled else PlainResidual()

    def blocks(self, depth: int, *, behind_convs: bool) -> list[Block]:
        """Return the blocks of a stage; the first is the perceptron behind the downsampling's
        attention, unless the stage begins with convolutions.
        """
        learned = self.position == "bias"
        mixer = (
            RelativeAttention()
            if learned
            else Attention(position=self.position, qkv_bias=True, proj_bias=True)
        )
        perceptron = Mlp(ratio=4)
        first = ChannelBlock(channel_mixer=perceptron, norm=self.norm, residual=self.residual)
        block = MetaFormerBlock(
            mixer=mixer, channel_mixer=perceptron, norm=self.norm, residual=self.residual
        )
        return [*[first] * (not behind_convs), *[block] * (depth - 1)]

    def downsampling(self, channels: int, width: int, pooling: str) -> Downsampling:
        """Return the attention that halves the map."""
        mapped = "biased_map" if self.biased else "map"
        return RelativeAttentionDownsampling(
            pooling=pooling,
            shortcut="none" if channels == width else mapped,
            heads=(width if self.wide else channels) // 32,
            position=self.position,
            norm=self.norm,
            scaled=self.scaled,
        )


_PAPER = Convs()
_MAX = Convs(activation="silu", from_output=False, biased=True)
_COAT = Convs(
    activation="silu",
    from_output=False,
    squeeze_activation="relu",
    biased=False,
    first_activation=True,
    strided="mean",
)
_EARLY = replace(_COAT, early=True)
_EARLY_KERNEL = replace(_EARLY, strided="kernel")
_KERNEL = replace(_COAT, strided="kernel")
_KERNEL_SILU = replace(_KERNEL, squeeze_activation="silu")

_OWN = Attentive(wide=False)
_PLAIN = Attentive(wide=False, biased=False)
_LOG = Attentive(wide=False, position="log_perceptron")

_NANO, _BASE, _LARGE, _HUGE = (
    tuple(width << number for number in range(4)) for width in (64, 96, 128, 192)
)
_SMALL, _MIDDLE, _DEEP = (2, 3, 7, 2), (2, 6, 14, 2), (2, 12, 28, 2)

# Name: widths, depths, channels of the stem, convolutions, attention, features of the head,
# resolution, printed figures.
_SIZES = {
    "coatnet_0_224": (_BASE, (2, 3, 5, 2), (64, 64), _PAPER, Attentive(), 768, 224, "25.04M 4.58G"),
    "coatnet_1_224": (_BASE, _MIDDLE, (64, 64), _PAPER, Attentive(), 768, 224, "42.23M 8.7G"),
    "coatnet_2_224": (_LARGE, _MIDDLE, (128,) * 2, _PAPER, Attentive(), 1024, 224, "74.68M 16.5G"),
    "coatnet_3_224": (_HUGE, _MIDDLE, (192,) * 2, _PAPER, Attentive(), 1536, 224, "166.97M 36.56G"),
    "coatnet_4_224": (_HUGE, _DEEP, (192,) * 2, _PAPER, Attentive(), 1536, 224, "275.43M 62.48G"),
    "coatnet_5_224": (
        *((256, 512, 1280, 2048), _DEEP, (192,) * 2),
        *(_PAPER, Attentive(), 2048, 224, "687.47M 145.49G"),
    ),
    "coatnet_pico_rw_224": (_NANO, (2, 3, 5, 2), (32, 64), _MAX, _OWN, 0, 224, "10.85M 2.05G"),
    "coatnet_nano_rw_224": (
        *(_NANO, (3, 4, 6, 3), (32, 64)),
        *(replace(_MAX, strided="mean"), _OWN, 0, 224, "15.14M 2.41G"),
    ),
    "coatnet_0_rw_224": (_BASE, _SMALL, (32, 64), _EARLY, _PLAIN, 0, 224, "27.44M 4.43G"),
    "coatnet_1_rw_224": (_BASE, _MIDDLE, (32, 64), _EARLY_KERNEL, _PLAIN, 0, 224, "41.72M 8.04G"),
    "coatnet_2_rw_224": (_LARGE, _MIDDLE, (64, 128), _KERNEL_SILU, _OWN, 0, 224, "73.87M 15.09G"),
    "coatnet_3_rw_224": (
        *(_HUGE, _MIDDLE, (96, 192)),
        *(_KERNEL_SILU, replace(_OWN, scaled=True), 0, 224, "- 33.44G"),
    ),
    "coatnet_bn_0_rw_224": (
        *(_BASE, _SMALL, (32, 64), _EARLY_KERNEL),
        *(replace(_PLAIN, norm=BatchNorm(eps=1e-6)), 0, 224, "27.44M 4.67G"),
    ),
    "coatnet_rmlp_0_rw_224": (_BASE, _SMALL, (32, 64), _KERNEL, _LOG, 0, 224, "27.45M 4.72G"),
    "coatnet_rmlp_1_rw2_224": (_BASE, _MIDDLE, (32, 64), _KERNEL, _LOG, 0, 224, "41.72M 8.11G"),
    "coatnet_rmlp_2_rw_224": (
        *(_LARGE, _MIDDLE, (64, 128)),
        *(_KERNEL_SILU, replace(_LOG, scaled=True), 0, 224, "73.88M 15.18G"),
    ),
    "coatnet_rmlp_2_rw_384": (
        *(_LARGE, _MIDDLE, (64, 128)),
        *(_KERNEL_SILU, replace(_LOG, scaled=True), 0, 384, "73.88M 47.69G"),
    ),
    "coatnet_rmlp_3_rw_224": (
        *(_HUGE, _MIDDLE, (96, 192)),
        *(_KERNEL_SILU, replace(_LOG, scaled=True), 0, 224, "165.15M 33.56G"),
    ),
}
_MIXED = {
    "coatnet_nano_cc_224": (
        *(_NANO, (3, 4, 6, 3), (32, 64)),
        *(_COAT, _OWN, 0, 224, "13.76M 2.24G"),
    ),
}

_NOTES = (
    all_with_norms(
        {
            "coatnet_0_224": "4.584G",
            "coatnet_1_224": "8.696G",
            "coatnet_2_224": "16.500G",
            "coatnet_3_224": "36.562G",
            "coatnet_4_224": "62.479G",
            "coatnet_5_224": "145.491G",
            "coatnet_pico_rw_224": "2.052G",
            "coatnet_nano_rw_224": "2.406G",
            "coatnet_0_rw_224": "4.431G",
            "coatnet_1_rw_224": "8.037G",
            "coatnet_2_rw_224": "15.086G",
            "coatnet_bn_0_rw_224": "4.675G",
            "coatnet_nano_cc_224": "2.237G",
        }
    )
    | {"coatnet_3_rw_224": "timm's parameters are for 11,821 classes, and its MACs hold the norms"}
    | dict.fromkeys(
        (name for name in _SIZES if "rmlp" in name),
        "the printed MACs hold the norms, and the perceptron's two maps of each offset",
    )
)


def coatnet(
    widths: Sequence[int],
    depths: Sequence[int],
    stem: tuple[int, int],
    convs: Convs,
    attentive: Attentive,
    features: int,
    resolution: int,
    *,
    mixed: bool = False,
) -> Architecture:
    """Return a CoAtNet.

    Args:
        widths: Channels of each stage.
        depths: Blocks of each stage, the downsampling counted as the first.
        stem: Channels after both convolutions of the stem.
        convs: What the inverted residuals have in common.
        attentive: What the blocks with attention have in common.
        features: Channels before the classifier; 0: no map before it.
        resolution: Side of the images in pixels.
        mixed: Whether stages with attention begin with an inverted residual.
    """
    stages: list[list[Block]] = []
    downsampling: list[Downsampling] = []
    before = (stem[1], *widths)
    for number, (channels, width, depth) in enumerate(zip(before, widths, depths, strict=False)):
        if number < 2:
            stages.append([convs.block(width)] * (depth - 1))
        else:
            stages.append(attentive.blocks(depth, behind_convs=mixed))
        downsampling.append(
            convs.downsampling(channels, width)
            if number < 2 or mixed
            else attentive.downsampling(channels, width, convs.pooling)
        )
    return halving(
        convs.stem(stem[0]),
        (stem[1], *widths),
        stages,
        downsampling,
        head(features, attentive.norm),
        resolution,
    )


def head(features: int, norm: Norm) -> Head:
    """Return the head with a hidden map to features, or without if there are none."""
    if features:
        return TanhHead(features=features, norm=norm)
    return PooledHead(norm=norm, norm_first=True)


def halving(
    stem: Stem,
    widths: Sequence[int],
    stages: Sequence[Sequence[Block]],
    downsampling: Sequence[Downsampling],
    head: Head,
    resolution: int,
) -> Architecture:
    """Return a network whose every stage begins with a downsampling, behind one without blocks.

    Args:
        stem: The stem.
        widths: Channels of the stem and of the stages.
        stages: Blocks of each stage.
        downsampling: Downsampling before each stage.
        head: The head.
        resolution: Side of the images in pixels.
    """
    blocks: list[Sequence[Block]] = [[NoBlock()], *(each or [NoBlock()] for each in stages)]
    return pyramid(
        widths,
        list(map(len, blocks)),
        blocks,
        stem=stem,
        downsampling=downsampling,
        head=head,
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    yield from entries_of("CoAtNet", coatnet, _SIZES, source=TIMM, notes=_NOTES, alias=_paper)
    mixed = partial(coatnet, mixed=True)
    yield from entries_of("CoAtNet", mixed, _MIXED, source=TIMM, notes=_NOTES)


def _paper(name: str) -> str:
    """Return the paper's name of a network, if it has one."""
    size = name.split("_")[1]
    return f"CoAtNet-{size}" if size.isdigit() and "rw" not in name else ""
