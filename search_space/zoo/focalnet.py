"""FocalNet (Yang et al., Focal Modulation Networks, 2022, arXiv:2203.11926)."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.focal import FocalModulation
from ..components.norms import LayerNorm, NoNorm
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import ConvStem, PatchStem
from .entry import ZooEntry, entries_of, with_norms
from .pyramid import doubling, pyramid

_NORM = LayerNorm(eps=1e-5)
_TINY, _DEEP = (2, 2, 6, 2), (2, 2, 18, 2)

_SRF, _LRF = FocalModulation(levels=2), FocalModulation(levels=3)
_FL3, _FL4 = FocalModulation(levels=3, kernel_size=5), FocalModulation(levels=4)

# Name: width of the first stage, depths, mixer, printed figures.
_SIZES = {
    "focalnet_tiny_srf": (96, _TINY, _SRF, "28.4M 4.4G"),
    "focalnet_tiny_lrf": (96, _TINY, _LRF, "28.6M 4.5G"),
    "focalnet_small_srf": (96, _DEEP, _SRF, "49.9M 8.6G"),
    "focalnet_small_lrf": (96, _DEEP, _LRF, "50.3M 8.7G"),
    "focalnet_base_srf": (128, _DEEP, _SRF, "88.1M 15.3G"),
    "focalnet_base_lrf": (128, _DEEP, _LRF, "88.7M 15.4G"),
}

# Name: width of the first stage, depths, mixer, resolution, printed figures with 21842 classes.
_LARGE = {
    "focalnet_large_fl3": (192, _DEEP, _FL3, 384, "239.13M 105.06G"),
    "focalnet_large_fl4": (192, _DEEP, _FL4, 384, "239.32M 105.20G"),
    "focalnet_xlarge_fl3": (256, _DEEP, _FL3, 384, "408.79M 185.61G"),
    "focalnet_xlarge_fl4": (256, _DEEP, _FL4, 384, "409.03M 185.79G"),
    "focalnet_huge_fl3": (
        352,
        _DEEP,
        FocalModulation(levels=3, normed=True),
        224,
        "745.28M 118.26G",
    ),
}

_NOTES = {
    "focalnet_base_srf": with_norms("15.276G"),
    "focalnet_large_fl3": with_norms("105.060G"),
    "focalnet_large_fl4": with_norms("105.197G"),
    "focalnet_xlarge_fl3": with_norms("185.605G"),
    "focalnet_xlarge_fl4": with_norms("185.788G"),
    "focalnet_huge_fl3": with_norms("118.259G"),
}

# Name: width, printed figures.
_ISOTROPIC = {
    "focalnet_tiny_iso": (192, "5.9M 1.1G"),
    "focalnet_small_iso": (384, "22.4M 4.3G"),
    "focalnet_base_iso": (768, "87.2M 16.9G"),
}

_README = "microsoft/FocalNet, README.md"
_TIMM = "huggingface/pytorch-image-models, results/benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv"


def focalnet(
    width: int,
    depths: Sequence[int],
    mixer: FocalModulation,
    resolution: int = 224,
    *,
    large: bool = False,
    classes: int = 1000,
) -> Architecture:
    """Return a FocalNet; the large ones have overlapping patches, post-norms and layer scale."""
    patches = ConvStem(kernel_size=7, stride=4, norm=_NORM) if large else PatchStem(norm=_NORM)
    between = ConvDownsampling(kernel_size=3 if large else 2, norm=NoNorm(), norm_after=_NORM)
    block = MetaFormerBlock(
        mixer=mixer,
        channel_mixer=Mlp(ratio=4),
        norm=_NORM,
        post_norm=large,
        residual=LayerScaleResidual(init=1e-4) if large else PlainResidual(),
    )
    return pyramid(
        doubling(width),
        depths,
        block,
        stem=patches,
        downsampling=between,
        head=PooledHead(norm=_NORM, norm_first=True),
        resolution=resolution,
        classes=classes,
    )


def isotropic(width: int) -> Architecture:
    """Return a FocalNet of one stage of twelve blocks behind patches of 16 x 16."""
    block = MetaFormerBlock(mixer=FocalModulation(levels=3), norm=_NORM)
    stem = PatchStem(patch_size=16, norm=_NORM)
    return pyramid([width], [12], block, stem=stem, head=PooledHead(norm=_NORM, norm_first=True))


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    yield from entries_of("FocalNet", focalnet, _SIZES, source=_README, notes=_NOTES)
    large = partial(focalnet, large=True, classes=21842)
    yield from entries_of("FocalNet", large, _LARGE, source=_TIMM, notes=_NOTES)
    yield from entries_of("FocalNet (isotropic)", isotropic, _ISOTROPIC, source=_README)
