"""RaftMLP (Tatsunami and Taki, 2021, arXiv:2108.04384).

How Much Can Be Done Without Attention and with Less Spatial Locality? Sizes are those of the
configurations in okojoalg/raft-mlp.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp, NoChannelMixer
from ..components.downsampling import MultiScaleDownsampling
from ..components.heads import PooledHead
from ..components.mixers.raft import RaftMlp
from ..components.norms import LayerNorm
from ..components.stems import MultiScaleStem
from ..shapes import Shape
from .entry import ZooEntry

# Name: widths, printed figures.
_SIZES = {
    "RaftMLP-S": ((64, 128, 256, 512), "9.9M 2.1G"),
    "RaftMLP-M": ((96, 192, 384, 768), "21.4M 4.3G"),
    "RaftMLP-L": ((128, 192, 512, 1024), "36.2M 6.5G"),
}


def raftmlp(
    widths: Sequence[int],
    depths: Sequence[int] = (2, 2, 6, 2),
    scales: Sequence[int] = (2, 2, 2, 1),
    *,
    raft_size: int = 2,
    patch_size: int = 4,
) -> Architecture:
    """Return a RaftMLP: each of its blocks is one along columns and one along rows."""
    norm = LayerNorm(eps=1e-5)
    blocks = (
        MetaFormerBlock(
            mixer=RaftMlp(axis="vertical", raft_size=raft_size),
            channel_mixer=NoChannelMixer(),
            norm=norm,
        ),
        MetaFormerBlock(
            mixer=RaftMlp(axis="horizontal", raft_size=raft_size),
            channel_mixer=Mlp(ratio=4),
            norm=norm,
        ),
    )
    return Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=MultiScaleStem(patch_size=patch_size, scales=scales[0]),
        stages=tuple(
            Stage(
                width=width,
                depth=2 * depth,
                blocks=blocks,
                downsampling=MultiScaleDownsampling(scales=scale) if index else None,
            )
            for index, (width, depth, scale) in enumerate(zip(widths, depths, scales, strict=True))
        ),
        head=PooledHead(norm=norm, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    for name, (widths, printed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="RaftMLP",
            resolution=224,
            printed=printed,
            source="arXiv:2108.04384, comparison on ImageNet-1k",
            make=partial(raftmlp, widths),
        )
