"""SOFT (Lu et al., Softmax-free Transformer with Linear Complexity, 2021, arXiv:2110.11945).

The networks with ``norm`` in their names are those of Softmax-free Linear Transformers, 2022,
arXiv:2207.03341.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock, NoBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.heads import TokenHead
from ..components.mixers.attention import Attention
from ..components.mixers.softmax_free import SoftmaxFreeAttention
from ..components.norms import NoNorm
from ..components.placed_convs import PlacedConvDownsampling, PlacedConvStem
from ..components.residuals import NormedResidual
from ..components.token_downsampling import TokenDownsampling
from ..components.wired import Block
from .entry import ZooEntry, entries_of
from .pyramid import pyramid

# Size: channels of the third stage, depths, printed figures.
_SIZES = {
    "tiny": (320, (1, 2, 3, 2), "13M -"),
    "small": (320, (1, 3, 20, 4), ""),
    "medium": (288, (1, 3, 29, 5), "45M -"),
    "large": (320, (1, 3, 40, 5), "64M -"),
    "huge": (352, (1, 5, 49, 5), "87M -"),
}

_LEFT_OUT = "printed without the steps that invert matrices, and"
_NOTES = {
    "tiny": f"1.9G {_LEFT_OUT} 2.116G here",
    "small": "24M and 3.3G printed, but the repository's code has 38.9M parameters",
    "medium": f"7.2G {_LEFT_OUT} 8.681G here; 45.8M parameters, printed truncated",
    "large": f"11.0G {_LEFT_OUT} 13.180G here; 64.7M parameters, printed truncated",
    "huge": f"16.3G {_LEFT_OUT} 18.655G here",
}


def soft(third: int, depths: Sequence[int], *, normalised: bool = False) -> Architecture:
    """Return a SOFT; a class token joins the last stage, which has plain attention.

    Args:
        third: Channels of the third stage; heads have 32.
        depths: Blocks of each stage.
        normalised: Whether inverses are normalised symmetrically.
    """
    blocks: list[Block] = [
        MetaFormerBlock(
            mixer=SoftmaxFreeAttention(
                landmarks="conv", ratio=ratio, kernel_size=side, normalised=normalised
            ),
            channel_mixer=Mlp(ratio=4, activation="gelu_tanh"),
            norm=NoNorm(),
            residual=NormedResidual(),
        )
        for ratio, side in ((8, 9), (4, 5), (2, 3))
    ]
    attention = MetaFormerBlock(
        mixer=Attention(qkv_bias=True, proj_bias=True), channel_mixer=Mlp(ratio=4)
    )
    patches = PlacedConvDownsampling()
    return pyramid(
        (64, 128, third, 512, 512),
        (*depths[:-1], 1, depths[-1]),
        [*blocks, NoBlock(), attention],
        stem=PlacedConvStem(),
        downsampling=[patches, patches, patches, TokenDownsampling()],
        head=TokenHead(),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "fudan-zvg/SOFT, README.md"
    for kind, normalised in (("soft", False), ("soft_norm", True)):
        rows = {f"{kind}_{size}": row for size, row in _SIZES.items()}
        make = partial(soft, normalised=normalised)
        notes = {f"{kind}_{size}": note for size, note in _NOTES.items()}
        yield from entries_of("SOFT", make, rows, source=source, notes=notes)
