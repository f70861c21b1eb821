"""RaftMLP (Tatsunami and Taki, 2021, arXiv:2108.04384).

How Much Can Be Done Without Attention and with Less Spatial Locality? Sizes are those of the
configurations in okojoalg/raft-mlp.
"""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp, NoChannelMixer
from ..components.downsampling import MultiScaleDownsampling
from ..components.heads import PooledHead
from ..components.mixers.raft import RaftMlp
from ..components.norms import LayerNorm
from ..components.stems import MultiScaleStem
from .entry import ZooEntry, entries_of
from .pyramid import pyramid

# Name: widths, printed figures.
_SIZES = {
    "RaftMLP-S": ((64, 128, 256, 512), "9.9M 2.1G"),
    "RaftMLP-M": ((96, 192, 384, 768), "21.4M 4.3G"),
    "RaftMLP-L": ((128, 192, 512, 1024), "36.2M 6.5G"),
}


def raftmlp(widths: Sequence[int]) -> Architecture:
    """Return a RaftMLP: each of its blocks is one along columns and one along rows."""
    norm = LayerNorm(eps=1e-5)
    pair = [
        MetaFormerBlock(
            mixer=RaftMlp(axis=axis, raft_size=2), channel_mixer=channel_mixer, norm=norm
        )
        for axis, channel_mixer in (("vertical", NoChannelMixer()), ("horizontal", Mlp(ratio=4)))
    ]
    return pyramid(
        widths,
        (4, 4, 12, 4),
        [pair] * 4,
        stem=MultiScaleStem(patch_size=4, scales=2),
        downsampling=[MultiScaleDownsampling(scales=scales) for scales in (2, 2, 1)],
        head=PooledHead(norm=norm, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    source = "arXiv:2108.04384, comparison on ImageNet-1k"
    return entries_of("RaftMLP", raftmlp, _SIZES, source=source)
