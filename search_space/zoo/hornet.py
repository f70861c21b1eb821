"""HorNet (Rao et al., 2022, arXiv:2207.14284)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.base import TokenMixer
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.recursive_gate import RecursiveGatedConv, RecursiveGatedFilter
from ..components.norms import LayerNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import PatchStem
from .entry import ZooEntry, entries_of, with_norms
from .pyramid import doubling, pyramid

_README = "raoyongming/HorNet, README.md"
_MMPRETRAIN = "open-mmlab/mmpretrain, configs/hornet/README.md"

_CONVOLUTIONS = [RecursiveGatedConv(order=order) for order in (2, 3, 4, 5)]
_FILTERS = [*_CONVOLUTIONS[:2], RecursiveGatedFilter(order=4), RecursiveGatedFilter(order=5)]

# Name: width of the first stage, mixers, resolution, printed figures, where. The repository prints
# the large ones with a head of more than 10 000 classes.
_SIZES = {
    "hornet_tiny_7x7": (64, _CONVOLUTIONS, 224, "22M 4.0G", _README),
    "hornet_tiny_gf": (64, _FILTERS, 224, "23M 3.9G", _README),
    "hornet_small_7x7": (96, _CONVOLUTIONS, 224, "50M 8.8G", _README),
    "hornet_small_gf": (96, _FILTERS, 224, "50M 8.7G", _README),
    "hornet_base_7x7": (128, _CONVOLUTIONS, 224, "87M 15.6G", _README),
    "hornet_base_gf": (128, _FILTERS, 224, "88M 15.5G", _README),
    "hornet_large_7x7": (192, _CONVOLUTIONS, 224, "194.54M 34.83G", _MMPRETRAIN),
    "hornet_large_gf": (192, _FILTERS, 224, "196.29M 34.58G", _MMPRETRAIN),
    "hornet_large_gf_img384": (192, _FILTERS, 384, "201.23M 101.63G", _MMPRETRAIN),
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


def hornet(width: int, mixers: Sequence[TokenMixer], resolution: int) -> Architecture:
    """Return a HorNet: ConvNeXt's stem, resampling and head around pre-normed blocks."""
    blocks = [
        MetaFormerBlock(
            mixer=mixer,
            channel_mixer=Mlp(ratio=4),
            norm=LayerNorm(),
            residual=LayerScaleResidual(init=1e-6),
        )
        for mixer in mixers
    ]
    return pyramid(
        doubling(width),
        (2, 3, 18, 2),
        blocks,
        stem=PatchStem(patch_size=4),
        downsampling=ConvDownsampling(kernel_size=2),
        head=PooledHead(),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    return entries_of("HorNet", hornet, _SIZES, notes=_NOTES)
