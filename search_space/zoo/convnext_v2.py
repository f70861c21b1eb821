"""ConvNeXt V2 (Woo et al., 2023): global response normalisation in place of layer scale.

Co-designing and Scaling ConvNets with Masked Autoencoders, arXiv:2301.00808.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.channel_mixers.response import GrnMlp
from ..components.heads import PooledHead
from ..components.mixers.convolution import LargeKernelConv
from ..components.norms import LayerNorm
from ..components.residuals import PlainResidual
from .convnext import hierarchical
from .entry import ZooEntry, with_norms
from .pyramid import doubling

_SOURCE = "facebookresearch/ConvNeXt-V2, README.md"

# Size: width of the first stage, depths, parameters, multiply-adds by resolution, as printed.
_SIZES: dict[str, tuple[int, Sequence[int], str, dict[int, str]]] = {
    "atto": (40, (2, 2, 6, 2), "3.7M", {224: "0.55G"}),
    "femto": (48, (2, 2, 6, 2), "5.2M", {224: "0.78G"}),
    "pico": (64, (2, 2, 6, 2), "9.1M", {224: "1.37G"}),
    "nano": (80, (2, 2, 8, 2), "15.6M", {224: "2.45G", 384: "7.21G"}),
    "tiny": (96, (3, 3, 9, 3), "28.6M", {224: "4.47G", 384: "13.1G"}),
    "base": (128, (3, 3, 27, 3), "89M", {224: "15.4G", 384: "45.2G"}),
    "large": (192, (3, 3, 27, 3), "198M", {224: "34.4G", 384: "101.1G"}),
    "huge": (352, (3, 3, 27, 3), "660M", {224: "115G", 384: "337.9G", 512: "600.8G"}),
}

_NOTES = {
    "convnextv2_nano_384": with_norms("7.215G") + ", truncated in print",
    "convnextv2_tiny": with_norms("4.470G"),
    "convnextv2_base_384": with_norms("45.207G"),
    "convnextv2_large_384": with_norms("101.105G"),
    "convnextv2_huge_384": with_norms("337.958G") + ", truncated in print",
    "convnextv2_huge_512": with_norms("600.812G"),
}


def convnext_v2(width: int, depths: Sequence[int], resolution: int) -> Architecture:
    """Return a ConvNeXt V2 whose stages have 1, 2, 4 and 8 times ``width`` channels."""
    return hierarchical(
        doubling(width),
        depths,
        LargeKernelConv(kernel_size=7),
        norm=LayerNorm(),
        head=PooledHead(),
        channel_mixers=4 * (GrnMlp(),),
        residual=PlainResidual(),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    for size, (width, depths, params, rows) in _SIZES.items():
        for resolution, macs in rows.items():
            suffix = "" if resolution == 224 else f"_{resolution}"
            name = f"convnextv2_{size}{suffix}"
            yield ZooEntry(
                name=name,
                aliases=() if suffix else (f"ConvNeXt V2-{size[0].upper()}",),
                family="ConvNeXt V2",
                printed=f"{params} {macs}",
                source=_SOURCE,
                make=partial(convnext_v2, width, depths, resolution),
                note=_NOTES.get(name, ""),
            )
