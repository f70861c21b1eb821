"""StarNet (Ma et al., Rewrite the Stars, 2024, arXiv:2403.19967)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import ResidualBlock
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.star import StarMixer
from ..components.norms import BatchNorm, NoNorm
from ..components.residuals import PlainResidual
from ..components.stems import TwoConvStem
from .entry import ZooEntry, entries_of, rounded, with_norms
from .pyramid import doubling, pyramid

_STARS = "ma-xu/Rewrite-the-Stars, imagenet/README.md"
_TIMM = "huggingface/pytorch-image-models, results/benchmark-infer-amp-nchw-pt291-cu128-4090.csv"

# Name: width of the first stage, depths, ratio, printed figures, where. Of S4 its authors print
# 1075M, more than timm and we count.
_SIZES = {
    "starnet_s1": (24, (2, 2, 8, 3), 4, "2.9M 425M", _STARS),
    "starnet_s2": (32, (1, 2, 6, 2), 4, "3.7M 547M", _STARS),
    "starnet_s3": (32, (2, 2, 8, 4), 4, "5.8M 757M", _STARS),
    "starnet_s4": (32, (3, 3, 12, 5), 4, "7.48M 1.05G", _TIMM),
    "starnet_s100": (20, (1, 2, 4, 1), 4, "1.04M 0.19G", _TIMM),
    "starnet_s150": (24, (1, 2, 4, 2), 3, "1.56M 0.23G", _TIMM),
}

_NOTES = {
    "starnet_s1": with_norms("424.6M"),
    "starnet_s2": with_norms("546.8M"),
    "starnet_s3": with_norms("757.4M"),
    "starnet_s100": rounded("0.186G"),
    "starnet_s150": rounded("0.227G"),
}


def starnet(width: int, depths: Sequence[int], ratio: float) -> Architecture:
    """Return a StarNet: star blocks, batch norms, plain strided convolutions."""
    return pyramid(
        doubling(width),
        depths,
        ResidualBlock(mixer=StarMixer(ratio=ratio), residual=PlainResidual()),
        stem=TwoConvStem(hidden=32, activation="relu6", last_activation=False, bias=True),
        downsampling=ConvDownsampling(norm=NoNorm(), norm_after=BatchNorm()),
        head=PooledHead(norm=BatchNorm(), norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    return entries_of("StarNet", starnet, _SIZES, notes=_NOTES)
