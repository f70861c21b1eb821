"""LSNet (Wang et al., LSNet: See Large, Focus Small, 2025, arXiv:2503.23135)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock, NoBlock, RepVitBlock
from ..components.channel_mixers.normed import NormedMlp
from ..components.downsampling import SeparableDownsampling
from ..components.heads import PooledHead
from ..components.mixers.large_small import LsConv, RepDepthwiseConv
from ..components.mixers.levit import LevitAttention
from ..components.norms import BatchNorm, NoNorm
from ..components.stems import ConvStackStem
from .entry import ZooEntry, entries_of, rounded
from .pyramid import pyramid

_README = "jameslahm/lsnet, README.md"

# Name: widths, depths, printed figures.
_SIZES = {
    "lsnet_t": ((64, 128, 256, 384), (0, 2, 8, 10), "11.4M 0.3G"),
    "lsnet_s": ((96, 192, 320, 448), (1, 2, 8, 10), "16.1M 0.5G"),
    "lsnet_b": ((128, 256, 384, 512), (4, 6, 8, 10), "23.2M 1.3G"),
}

_NOTES = {
    "lsnet_t": rounded("0.316G"),
    "lsnet_s": rounded("0.538G"),
    "lsnet_b": "1.24G; with the norms that fvcore counts, as the repository's flops.py does, 1.25G",
}

_PERCEPTRON = NormedMlp(ratio=2, last_norm=True, folds=True)
_DOWN = SeparableDownsampling(activation="none", depthwise_first=True, folds=True)
_LOCAL = RepVitBlock(
    mixer=RepDepthwiseConv(sum_norm=False, squeeze=True), channel_mixer=_PERCEPTRON
)
_ATTENTION = LevitAttention(
    value_expansion=1, value_base="channels", query_kernel=3, activation="relu"
)


_LARGE_SMALL, _GLOBAL = (
    MetaFormerBlock(mixer=mixer, channel_mixer=_PERCEPTRON, norm=NoNorm())
    for mixer in (LsConv(), _ATTENTION)
)


def lsnet(widths: Sequence[int], depths: Sequence[int]) -> Architecture:
    """Return an LSNet: local and large-small convolution in turn, attention at the end."""
    patterns = [(_LOCAL, _LARGE_SMALL)] * 3 + [(_LOCAL, _GLOBAL)]
    return pyramid(
        widths,
        [max(1, depth) for depth in depths],
        [pattern if depth else NoBlock() for pattern, depth in zip(patterns, depths, strict=True)],
        stem=ConvStackStem(halvings=3),
        downsampling=_DOWN,
        head=PooledHead(norm=BatchNorm()),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    return entries_of("LSNet", lsnet, _SIZES, source=_README, notes=_NOTES)
