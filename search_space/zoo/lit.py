"""LIT (Pan et al., 2021): perceptrons in the early stages, attention in the later ones.

Less is More: Pay Less Attention in Vision Transformers, arXiv:2105.14217.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import ChannelBlock, MetaFormerBlock
from ..components.downsampling import DeformableDownsampling
from ..components.heads import PooledHead
from ..components.mixers.attention import RelativeAttention
from ..components.norms import LayerNorm
from ..components.stems import PatchStem
from ..components.wired import Block
from ..shapes import Shape
from .entry import ZooEntry

_SOURCE = "zhuang-group/LIT, README.md"

# Name: width of the first stage, depths, printed figures, what is counted with and without the
# classifier.
_SIZES = {
    "LIT-S": (96, (2, 2, 6, 2), "27M 4.1G", "27.97M, as the repository's code; 27.2M"),
    "LIT-M": (96, (2, 2, 18, 2), "48M 8.6G", "49.4M, as the repository's code; 48.6M"),
    "LIT-B": (128, (2, 2, 18, 2), "86M 15.0G", "87.3M, as the repository's code; 86.3M"),
}


def lit(width: int, depths: Sequence[int], resolution: int = 224) -> Architecture:
    """Return a LIT whose stages have 1, 2, 4 and 8 times ``width`` channels, heads of 32."""
    norm = LayerNorm(eps=1e-5)
    early = ChannelBlock(norm=norm)
    attention = RelativeAttention(head_dim=32)
    late = MetaFormerBlock(mixer=attention, norm=norm)
    blocks: Sequence[Block] = (early, early, late, late)
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=PatchStem(patch_size=4, norm=norm),
        stages=tuple(
            Stage(
                width=width * 2**index,
                depth=depth,
                blocks=(block,),
                downsampling=DeformableDownsampling() if index else None,
            )
            for index, (depth, block) in enumerate(zip(depths, blocks, strict=True))
        ),
        head=PooledHead(norm=norm, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    for name, (width, depths, printed, counted) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="LIT",
            resolution=224,
            printed=printed,
            source=_SOURCE,
            make=partial(lit, width, depths),
            note=f"{counted} without the classifier",
        )
