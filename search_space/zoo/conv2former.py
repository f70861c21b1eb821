"""Conv2Former (Hou et al., 2022, arXiv:2211.11943)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import ShortcutConvMlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import WideHead
from ..components.mixers.modulation import ConvModulation
from ..components.norms import LayerNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import ThreeConvStem
from .entry import ZooEntry, entries_of
from .pyramid import doubling, pyramid

_BASE, _LARGE = (96, (4, 4, 34, 4), 11), (128, (4, 4, 48, 4), 11)

# Name: width of the first stage, depths, kernel, resolution, printed figures. The smallest, of
# widths from 64, is left out: its printed 2.2G are 6 % less than its code has.
_SIZES = {
    "conv2former_t": (72, (3, 3, 12, 3), 11, 224, "27M 4.4G"),
    "conv2former_s": (72, (4, 4, 32, 4), 11, 224, "50M 8.7G"),
    "conv2former_b": (*_BASE, 224, "90M 15.9G"),
    "conv2former_b_384": (*_BASE, 384, "90M 46.7G"),
    "conv2former_l": (*_LARGE, 224, "199M 36.0G"),
    "conv2former_l_384": (*_LARGE, 384, "199M 106G"),
}


def conv2former(
    width: int, depths: Sequence[int], kernel_size: int, resolution: int
) -> Architecture:
    """Return a Conv2Former: pre-normed blocks, a stem of three convolutions, a wide head."""
    block = MetaFormerBlock(
        mixer=ConvModulation(kernel_size=kernel_size),
        channel_mixer=ShortcutConvMlp(ratio=4),
        norm=LayerNorm(),
        residual=LayerScaleResidual(init=1e-6),
    )
    return pyramid(
        doubling(width),
        depths,
        block,
        stem=ThreeConvStem(hidden=width // 2),
        downsampling=ConvDownsampling(kernel_size=2),
        head=WideHead(activation="gelu", norm=LayerNorm(), norm_last=True, bias=True),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    source = "HVision-NKU/Conv2Former, README.md"
    return entries_of("Conv2Former", conv2former, _SIZES, source=source)
