"""Swin Transformer (Liu et al., 2021) and Swin Transformer V2 (Liu et al., 2021).

Hierarchical Vision Transformer using Shifted Windows, arXiv:2103.14030, section 3.3; Scaling Up
Capacity and Resolution, arXiv:2111.09883, table 1.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import PatchMerging
from ..components.heads import PooledHead
from ..components.mixers.windowed import WindowAttention
from ..components.norms import LayerNorm, NoNorm
from ..components.stems import PatchStem
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import doubling, pyramid

_TORCHVISION = "pytorch/vision, torchvision/models/swin_transformer.py"

_TINY, _SMALL = (2, 2, 6, 2), (2, 2, 18, 2)

# Name: width of the first stage, depths, side of a window, of the images, printed figures, source.
_SWIN = {
    "swin_tiny_patch4_window7_224": (96, _TINY, 7, 224, "28.288354M 4.491G", _TORCHVISION),
    "swin_small_patch4_window7_224": (96, _SMALL, 7, 224, "49.606258M 8.741G", _TORCHVISION),
    "swin_base_patch4_window7_224": (128, _SMALL, 7, 224, "87.768224M 15.431G", _TORCHVISION),
    "swin_base_patch4_window12_384": (128, _SMALL, 12, 384, "87.9M 47.19G", TIMM),
    "swin_large_patch4_window7_224": (192, _SMALL, 7, 224, "196.53M 34.53G", TIMM),
    "swin_large_patch4_window12_384": (192, _SMALL, 12, 384, "196.74M 104.08G", TIMM),
}
_SWIN2 = {
    "swinv2_tiny_window8_256": (96, _TINY, 8, 256, "28.35M 5.96G"),
    "swinv2_tiny_window16_256": (96, _TINY, 16, 256, "28.35M 6.68G"),
    "swinv2_small_window8_256": (96, _SMALL, 8, 256, "49.73M 11.58G"),
    "swinv2_small_window16_256": (96, _SMALL, 16, 256, "49.73M 12.82G"),
    "swinv2_base_window8_256": (128, _SMALL, 8, 256, "87.92M 20.37G"),
    "swinv2_base_window16_256": (128, _SMALL, 16, 256, "87.92M 22.02G"),
}

_NOTES = all_with_norms(
    {
        "swin_base_patch4_window12_384": "47.192G",
        "swin_large_patch4_window7_224": "34.531G",
        "swin_large_patch4_window12_384": "104.082G",
        "swinv2_tiny_window8_256": "5.960G",
        "swinv2_base_window8_256": "20.365G",
    }
) | dict.fromkeys(
    (
        "swinv2_tiny_window16_256",
        "swinv2_small_window8_256",
        "swinv2_small_window16_256",
        "swinv2_base_window16_256",
    ),
    "the printed MACs hold the norms, and the first map of the offsets of each pair",
)
_NORM = LayerNorm(eps=1e-5)


def swin(
    width: int, depths: Sequence[int], window: int, resolution: int, *, second: bool = False
) -> Architecture:
    """Return a Swin Transformer; the windows of every second block are shifted.

    Args:
        width: Channels of the first stage; heads have 32.
        depths: Blocks of each stage.
        window: Side of a window in pixels.
        resolution: Side of the images in pixels.
        second: Whether the network is a Swin Transformer V2.
    """
    make = partial(WindowAttention, head_dim=32, window_height=window, window_width=window)
    if second:
        make = partial(make, score="cosine", position="log_offset", key_bias=False)
    blocks = [
        MetaFormerBlock(
            mixer=make(shifted=shifted), channel_mixer=Mlp(ratio=4), norm=_NORM, post_norm=second
        )
        for shifted in (False, True)
    ]
    merging = PatchMerging(norm=_NORM)
    return pyramid(
        doubling(width),
        depths,
        [blocks] * 4,
        stem=PatchStem(patch_size=4, norm=_NORM),
        downsampling=PatchMerging(norm=NoNorm(), norm_after=_NORM) if second else merging,
        head=PooledHead(norm=_NORM, norm_first=True),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of("Swin", swin, _SWIN, notes=_NOTES, alias=_torchvision)
    second = partial(swin, second=True)
    yield from entries_of("Swin V2", second, _SWIN2, source=TIMM, notes=_NOTES, alias=_torchvision)


def _torchvision(name: str) -> str:
    """Return torchvision's name of a network, or a name of the papers."""
    kind, size, *rest = name.split("_")
    standard = rest[-2] == ("window7" if kind == "swin" else "window8") and size != "large"
    letter = size[0].upper()
    if standard:
        return f"{kind.replace('v2', '_v2')}_{letter.lower()}"
    return f"Swin-{letter} {rest[-1]}" if kind == "swin" else f"SwinV2-{letter} {rest[-2]}"
