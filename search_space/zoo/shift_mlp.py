"""CycleMLP and AS-MLP: linear maps of shifted channels.

Chen et al., 2021, arXiv:2107.10224, and Lian et al., 2021, arXiv:2107.08391.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling, PatchMerging
from ..components.heads import PooledHead
from ..components.mixers.shift import AxialShift, CycleMlp
from ..components.norms import GroupNorm, LayerNorm, NoNorm
from ..components.stems import ConvStem, PatchStem
from .entry import ZooEntry, entries_of, rounded, with_norms
from .pyramid import doubling, pyramid

_SMALL, _EVEN = (64, 128, 320, 512), (4, 4, 4, 4)

# Name: widths, depths, ratios of the channel mixers, printed figures.
_CYCLE = {
    "CycleMLP-B1": (_SMALL, (2, 2, 4, 2), _EVEN, "15M 2.1G"),
    "CycleMLP-B2": (_SMALL, (2, 3, 10, 3), _EVEN, "27M 3.9G"),
    "CycleMLP-B3": (_SMALL, (3, 4, 18, 3), (8, 8, 4, 4), "38M 6.9G"),
    "CycleMLP-B4": (_SMALL, (3, 8, 27, 3), (8, 8, 4, 4), "52M 10.1G"),
    "CycleMLP-B5": ((96, 192, 384, 768), (3, 4, 24, 3), _EVEN, "76M 12.3G"),
}

# Name: first width, depths, printed figures.
_AXIAL = {
    "AS-MLP-T": (96, (2, 2, 6, 2), "28M 4.4G"),
    "AS-MLP-S": (96, (2, 2, 18, 2), "50M 8.5G"),
    "AS-MLP-B": (128, (2, 2, 18, 2), "88M 15.2G"),
}

_NOTES = {
    "CycleMLP-B1": rounded("2.122G"),
    "CycleMLP-B3": with_norms("6.853G"),
    "CycleMLP-B4": with_norms("10.059G"),
    "CycleMLP-B5": with_norms("12.267G"),
    "AS-MLP-T": rounded("4.350G"),
    "AS-MLP-B": with_norms("15.194G"),
}


def cyclemlp(widths: Sequence[int], depths: Sequence[int], ratios: Sequence[float]) -> Architecture:
    """Return a CycleMLP: overlapping patches, 3x3 downsampling without norms."""
    norm = LayerNorm(eps=1e-5)
    blocks = [
        MetaFormerBlock(mixer=CycleMlp(steps=3), channel_mixer=Mlp(ratio=ratio), norm=norm)
        for ratio in ratios
    ]
    return pyramid(
        widths,
        depths,
        blocks,
        stem=ConvStem(kernel_size=7, stride=4, norm=NoNorm()),
        downsampling=ConvDownsampling(norm=NoNorm()),
        head=PooledHead(norm=norm, norm_first=True),
    )


def as_mlp(width: int, depths: Sequence[int]) -> Architecture:
    """Return an AS-MLP: the stages of Swin, group norms of one group, patch merging."""
    norm = GroupNorm(eps=1e-5)
    block = MetaFormerBlock(
        mixer=AxialShift(steps=5, inner_norm=norm), channel_mixer=Mlp(ratio=4), norm=norm
    )
    return pyramid(
        doubling(width),
        depths,
        block,
        stem=PatchStem(patch_size=4, norm=norm),
        downsampling=PatchMerging(norm=norm),
        head=PooledHead(norm=norm, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    source = "ShoufaChen/CycleMLP, README.md"
    yield from entries_of("CycleMLP", cyclemlp, _CYCLE, source=source, notes=_NOTES)
    source = "svip-lab/AS-MLP, README.md"
    yield from entries_of("AS-MLP", as_mlp, _AXIAL, source=source, notes=_NOTES)
