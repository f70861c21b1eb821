"""HaloNet (Vaswani et al., Scaling Local Self-Attention, 2021, arXiv:2103.12731), as in timm.

Only H1 is the paper's; the others are timm's residual networks with HaloNet's attention.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..architecture.architecture import Architecture
from ..components.base import Downsampling, Head, Stem, TokenMixer
from ..components.blocks import NoBlock, ResidualBlock
from ..components.heads import PooledHead, WideHead
from ..components.layers.conv_norm import divisible
from ..components.mixers.bottleneck import BottleneckConv
from ..components.mixers.halo_bottleneck import HaloBottleneck, HaloDownsampling
from ..components.norms import BatchNorm, NoNorm
from ..components.residual_downsampling import BottleneckDownsampling
from ..components.residuals import ActivatedResidual
from ..components.stems import ConvStem, TieredStem
from ..components.wired import Block
from .entry import TIMM, ZooEntry, all_with_norms, entries_of, rounded
from .pyramid import pyramid

_PAPER = ("aaa", "aaa", "aaaaaaaaaa", "aaa")
_SHORT = ("cc", "cc", "ca", "aa")
_MIDDLE = ("cc", "cca", "cca", "aa")
_LONG = ("ccc", "ccca", "cacaca", "cac")
"""Blocks of the stages: ``c`` with a convolution, ``a`` with attention."""

_WIDE = (256, 512, 1024, 2048)
"""Channels of the stages of timm's networks."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the blocks of a network have in common."""

    shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    """Ratios of inner channels to those of the output, before rounding to multiples of 8."""
    halo: int = 3
    """Width of the halo in pixels."""
    heads: tuple[int, ...] = (8, 8, 8, 8)
    """Heads of each stage."""
    activation: str = "relu"
    """Activation."""
    squeeze: bool = False
    """Whether blocks with a convolution have squeeze-and-excitation."""
    pool: bool = True
    """Whether the stem ends with a maximum of stride 2, else with a strided convolution."""
    features: int = 0
    """Channels before the classifier; 0: no map before it."""

    def inner(self, width: int, stage: int) -> int:
        """Return the inner channels of a block of a width."""
        return divisible(width * self.shares[stage])

    def block(self, letter: str, width: int, stage: int) -> Block:
        """Return the block of a letter that keeps the shape."""
        share, act = self.inner(width, stage) / width, self.activation
        mixer: TokenMixer = HaloBottleneck(
            expansion=share, heads=self.heads[stage], halo=self.halo, activation=act
        )
        if letter == "c":
            mixer = BottleneckConv(
                expansion=share,
                activation=act,
                squeeze=self.squeeze,
                squeeze_ratio=self.squeezed(width, stage) / width,
                squeeze_activation="relu",
            )
        return ResidualBlock(mixer=mixer, residual=ActivatedResidual(activation=act))

    def downsampling(self, letter: str, channels: int, width: int, stage: int) -> Downsampling:
        """Return the first block of a stage, which halves the map in all stages but the first."""
        share, act, stride = self.inner(width, stage) / channels, self.activation, 2 if stage else 1
        if letter == "a":
            return HaloDownsampling(
                expansion=share,
                heads=self.heads[stage],
                halo=self.halo,
                activation=act,
                stride=stride,
            )
        return BottleneckDownsampling(
            expansion=share,
            activation=act,
            stride=stride,
            squeeze=self.squeeze,
            squeeze_ratio=self.squeezed(width, stage) / channels,
            squeeze_activation="relu",
        )

    def squeezed(self, width: int, stage: int) -> int:
        """Return the channels inside squeeze-and-excitation."""
        return divisible(self.inner(width, stage) / 16, least=0)

    def head(self) -> Head:
        """Return the head."""
        if self.features:
            return WideHead(features=self.features, activation=self.activation)
        return PooledHead(norm=NoNorm())


# Name: kind, blocks, widths, printed figures.
_SIZES = {
    "halonet_h1": (Kind(shares=(1, 1, 1, 1)), _PAPER, (64, 128, 256, 512), "8.1M 3.0G"),
    "halonet26t": (Kind(halo=2), _SHORT, _WIDE, "12.48M 3.19G"),
    "halonet50ts": (Kind(heads=(8, 4, 8, 8), activation="silu"), _LONG, _WIDE, "22.73M 5.3G"),
    "sehalonet33ts": (
        Kind(
            shares=(0.25, 0.25, 0.25, 0.333),
            activation="silu",
            squeeze=True,
            pool=False,
            features=1280,
        ),
        *(_MIDDLE, (256, 512, 1024, 1536), "13.69M 3.55G"),
    ),
}

_NOTES = all_with_norms({"halonet26t": "3.193G", "sehalonet33ts": "3.549G"}) | {
    "halonet_h1": rounded("2.965G")
}


def halonet(kind: Kind, letters: Sequence[str], widths: Sequence[int]) -> Architecture:
    """Return a HaloNet.

    Args:
        kind: What the blocks have in common.
        letters: Blocks of each stage: ``c`` with a convolution, ``a`` with attention.
        widths: Channels of each stage.
    """
    stem: Stem = TieredStem(activation=kind.activation, pool=kind.pool)
    if kind.shares[0] == 1:
        stem = ConvStem(
            kernel_size=7, stride=2, bias=False, norm=BatchNorm(), activation="relu", pool=True
        )
    stages: list[list[Block]] = [[NoBlock()]]
    downsampling: list[Downsampling] = []
    before = (64, *widths)
    for stage, each in enumerate(letters):
        channels, width = before[stage : stage + 2]
        blocks = [kind.block(letter, width, stage) for letter in each]
        if stage or channels != width:
            downsampling.append(kind.downsampling(each[0], channels, width, stage))
            stages.append(blocks[1:])
        else:
            stages[0] = blocks
    return pyramid(
        before if len(stages) > len(widths) else widths,
        list(map(len, stages)),
        stages,
        stem=stem,
        downsampling=downsampling,
        head=kind.head(),
        resolution=256,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    return entries_of("HaloNet", halonet, _SIZES, source=TIMM, notes=_NOTES)
