"""HorNet (Rao et al., 2022, arXiv:2207.14284)."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.base import TokenMixer
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.recursive_gate import RecursiveGatedConv, RecursiveGatedFilter
from ..components.norms import LayerNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import PatchStem
from ..shapes import Shape
from .entry import ZooEntry, with_norms

_README = "raoyongming/HorNet, README.md"
_MMPRETRAIN = "open-mmlab/mmpretrain, configs/hornet/README.md"

_DEPTHS = (2, 3, 18, 2)

# Name: width of the first stage, resolution, printed figures, where. The repository prints the
# large ones with a head of more than 10 000 classes.
_SIZES = {
    "hornet_tiny_7x7": (64, 224, "22M 4.0G", _README),
    "hornet_tiny_gf": (64, 224, "23M 3.9G", _README),
    "hornet_small_7x7": (96, 224, "50M 8.8G", _README),
    "hornet_small_gf": (96, 224, "50M 8.7G", _README),
    "hornet_base_7x7": (128, 224, "87M 15.6G", _README),
    "hornet_base_gf": (128, 224, "88M 15.5G", _README),
    "hornet_large_7x7": (192, 224, "194.54M 34.83G", _MMPRETRAIN),
    "hornet_large_gf": (192, 224, "196.29M 34.58G", _MMPRETRAIN),
    "hornet_large_gf_img384": (192, 384, "201.23M 101.63G", _MMPRETRAIN),
}

_BIASES = "with the biases of the convolutions, but not of the linear maps"
_NO_TRANSFORMS = f"{_BIASES}, nor with Fourier transforms, as printed"
_NOTES = {
    "hornet_base_gf": with_norms("15.516G"),
    "hornet_large_7x7": f"34.829G {_BIASES}, as printed",
    "hornet_large_gf": f"34.584G {_NO_TRANSFORMS}",
    "hornet_large_gf_img384": "printed for filters of 24x12 and 13x7 instead of 24x13 "
    f"and 12x7; 101.632G {_NO_TRANSFORMS}",
}


def hornet(
    width: int,
    mixers: Sequence[TokenMixer],
    *,
    depths: Sequence[int] = _DEPTHS,
    resolution: int = 224,
) -> Architecture:
    """Return a HorNet: ConvNeXt's stem, resampling and head around pre-normed blocks."""
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=PatchStem(patch_size=4),
        stages=tuple(
            Stage(
                width=width * 2**index,
                depth=depth,
                blocks=(
                    MetaFormerBlock(
                        mixer=mixer,
                        channel_mixer=Mlp(ratio=4),
                        norm=LayerNorm(),
                        residual=LayerScaleResidual(init=1e-6),
                    ),
                ),
                downsampling=ConvDownsampling(kernel_size=2) if index else None,
            )
            for index, (mixer, depth) in enumerate(zip(mixers, depths, strict=True))
        ),
        head=PooledHead(),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    convolutions = [RecursiveGatedConv(order=order) for order in (2, 3, 4, 5)]
    filters = [*convolutions[:2], RecursiveGatedFilter(order=4), RecursiveGatedFilter(order=5)]
    for name, (width, resolution, printed, source) in _SIZES.items():
        mixers = filters if "_gf" in name else convolutions
        yield ZooEntry(
            name=name,
            family="HorNet",
            resolution=resolution,
            printed=printed,
            source=source,
            make=partial(hornet, width, mixers, resolution=resolution),
            note=_NOTES.get(name, ""),
        )
