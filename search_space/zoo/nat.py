"""NAT and DiNAT: neighbourhood attention, plain and dilated (Hassani et al., 2022).

Neighborhood Attention Transformer, arXiv:2204.07143, table 1; Dilated Neighborhood Attention
Transformer, arXiv:2209.15001, table 3.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.neighbourhood import NeighbourhoodMixer
from ..components.norms import LayerNorm, NoNorm
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import TwoConvStem
from .entry import ZooEntry, entries_of
from .pyramid import doubling, pyramid

# Size: width of the first stage, depths, ratio of the perceptrons, layer scale, printed figures.
_SIZES = {
    "mini": (64, (3, 4, 6, 5), 3, False, "20M 2.7G"),
    "tiny": (64, (3, 4, 18, 5), 3, False, "28M 4.3G"),
    "small": (96, (3, 4, 18, 5), 2, True, "51M 7.8G"),
    "base": (128, (3, 4, 18, 5), 2, True, "90M 13.7G"),
}

_DILATIONS = (8, 4, 2, 1)
"""Dilation of every second block of the stages of DiNAT, for images of 224 pixels."""

_NORM = LayerNorm(eps=1e-5)


def nat(
    width: int, depths: Sequence[int], ratio: int, scaled: bool, *, dilated: bool = False
) -> Architecture:
    """Return a NAT, or a DiNAT.

    Args:
        width: Channels of the first stage; heads have 32.
        depths: Blocks of each stage.
        ratio: Ratio of hidden channels to channels.
        scaled: Whether residuals have a layer scale.
        dilated: Whether every second block is dilated.
    """
    residual = LayerScaleResidual(init=1e-5) if scaled else PlainResidual()
    patterns = [
        [
            MetaFormerBlock(
                mixer=NeighbourhoodMixer(head_dim=32, dilation=step),
                channel_mixer=Mlp(ratio=ratio),
                norm=_NORM,
                residual=residual,
            )
            for step in ((1, dilation) if dilated else (1,))
        ]
        for dilation in _DILATIONS
    ]
    return pyramid(
        doubling(width),
        depths,
        patterns,
        stem=TwoConvStem(
            hidden=width // 2, activation="none", bias=True, first_norm=False, norm=_NORM
        ),
        downsampling=ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=_NORM, bias=False),
        head=PooledHead(norm=_NORM, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    for kind, dilated in (("nat", False), ("dinat", True)):
        rows = {f"{kind}_{size}": row for size, row in _SIZES.items()}
        family = "DiNAT" if dilated else "NAT"
        make = partial(nat, dilated=dilated)
        source = "SHI-Labs/Neighborhood-Attention-Transformer, README.md"
        yield from entries_of(family, make, rows, source=source)
