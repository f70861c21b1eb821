"""LSNet (Wang et al., LSNet: See Large, Focus Small, 2025, arXiv:2503.23135)."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.base import TokenMixer
from ..components.blocks import MetaFormerBlock, NoBlock, RepVitBlock
from ..components.channel_mixers.normed import NormedMlp
from ..components.downsampling import SeparableDownsampling
from ..components.heads import PooledHead
from ..components.mixers.large_small import LsConv, RepDepthwiseConv
from ..components.mixers.levit import LevitAttention
from ..components.norms import BatchNorm, NoNorm
from ..components.stems import ConvStackStem
from ..components.wired import Block
from ..shapes import Shape
from .entry import ZooEntry, rounded

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


def _block(mixer: TokenMixer) -> Block:
    return MetaFormerBlock(mixer=mixer, channel_mixer=_PERCEPTRON, norm=NoNorm())


def lsnet(widths: Sequence[int], depths: Sequence[int], *, resolution: int = 224) -> Architecture:
    """Return an LSNet: local and large-small convolution in turn, attention at the end."""
    mixers: list[TokenMixer] = [LsConv()] * (len(widths) - 1)
    mixers.append(_ATTENTION)
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=ConvStackStem(halvings=3),
        stages=tuple(
            Stage(
                width=width,
                depth=max(1, depth),
                blocks=(_LOCAL, _block(mixer)) if depth else (NoBlock(),),
                downsampling=_DOWN if index else None,
            )
            for index, (width, depth, mixer) in enumerate(zip(widths, depths, mixers, strict=True))
        ),
        head=PooledHead(norm=BatchNorm()),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    for name, (widths, depths, printed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="LSNet",
            resolution=224,
            printed=printed,
            source=_README,
            note=_NOTES.get(name, ""),
            make=partial(lsnet, widths, depths),
        )
