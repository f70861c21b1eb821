"""FocalNet (Yang et al., Focal Modulation Networks, 2022, arXiv:2203.11926)."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.focal import FocalModulation
from ..components.norms import LayerNorm, NoNorm
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import ConvStem, PatchStem
from ..shapes import Shape
from .entry import ZooEntry, with_norms

_NORM = LayerNorm(eps=1e-5)
_TINY, _DEEP = (2, 2, 6, 2), (2, 2, 18, 2)

# Name: width of the first stage, depths, focal levels, printed figures.
_SIZES = {
    "focalnet_tiny_srf": (96, _TINY, 2, "28.4M 4.4G"),
    "focalnet_tiny_lrf": (96, _TINY, 3, "28.6M 4.5G"),
    "focalnet_small_srf": (96, _DEEP, 2, "49.9M 8.6G"),
    "focalnet_small_lrf": (96, _DEEP, 3, "50.3M 8.7G"),
    "focalnet_base_srf": (128, _DEEP, 2, "88.1M 15.3G"),
    "focalnet_base_lrf": (128, _DEEP, 3, "88.7M 15.4G"),
}

# Name: width of the first stage, mixer, resolution, printed figures with 21842 classes,
# multiply-adds with the norms.
_LARGE = {
    "focalnet_large_fl3": (
        192,
        FocalModulation(levels=3, kernel_size=5),
        384,
        "239.13M 105.06G",
        "105.060G",
    ),
    "focalnet_large_fl4": (192, FocalModulation(levels=4), 384, "239.32M 105.20G", "105.197G"),
    "focalnet_xlarge_fl3": (
        256,
        FocalModulation(levels=3, kernel_size=5),
        384,
        "408.79M 185.61G",
        "185.605G",
    ),
    "focalnet_xlarge_fl4": (256, FocalModulation(levels=4), 384, "409.03M 185.79G", "185.788G"),
    "focalnet_huge_fl3": (
        352,
        FocalModulation(levels=3, normed=True),
        224,
        "745.28M 118.26G",
        "118.259G",
    ),
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
    *,
    large: bool = False,
    classes: int = 1000,
    resolution: int = 224,
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
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=classes,
        stem=patches,
        stages=tuple(
            Stage(
                width=width * 2**index,
                depth=depth,
                blocks=(block,),
                downsampling=between if index else None,
            )
            for index, depth in enumerate(depths)
        ),
        head=PooledHead(norm=_NORM, norm_first=True),
    )


def isotropic(width: int) -> Architecture:
    """Return a FocalNet of one stage of twelve blocks behind patches of 16 x 16."""
    block = MetaFormerBlock(mixer=FocalModulation(levels=3), norm=_NORM)
    return Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=PatchStem(patch_size=16, norm=_NORM),
        stages=(Stage(width=width, depth=12, blocks=(block,)),),
        head=PooledHead(norm=_NORM, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    for name, (width, depths, levels, printed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="FocalNet",
            resolution=224,
            printed=printed,
            source=_README,
            make=partial(focalnet, width, depths, FocalModulation(levels=levels)),
            note=with_norms("15.276G") if name == "focalnet_base_srf" else "",
        )
    for name, (width, mixer, resolution, printed, normed) in _LARGE.items():
        described = {"classes": 21842, "resolution": resolution}
        yield ZooEntry(
            name=name,
            family="FocalNet",
            resolution=resolution,
            printed=printed,
            source=_TIMM,
            make=partial(focalnet, width, _DEEP, mixer, large=True, **described),
            note=with_norms(normed),
        )
    for name, (width, printed) in _ISOTROPIC.items():
        yield ZooEntry(
            name=name,
            family="FocalNet (isotropic)",
            resolution=224,
            printed=printed,
            source=_README,
            make=partial(isotropic, width),
        )
