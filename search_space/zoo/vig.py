"""ViG (Liao et al., ViG: Linear-complexity Visual Sequence Learning, 2024, arXiv:2405.18425)."""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.glu import Glu
from ..components.heads import PooledHead
from ..components.mixers.gated_linear_attention import GatedLinearAttention
from ..components.norms import LayerNorm, RMSNorm
from ..components.stems import OverlappingStem
from .entry import ZooEntry, entries_of
from .pyramid import pyramid

# Name: channels, whether SiLUs follow the convolution and the scan, printed figures.
_SIZES = {
    "vig_tiny": (192, True, "6M -"),
    "vig_small": (384, False, "23M -"),
    "vig_base": (768, False, "89M -"),
}

_NOTES = dict.fromkeys(_SIZES, "multiply-adds are not printed there")


def vig(width: int, activated: bool) -> Architecture:
    """Return a ViG of twelve blocks; the gated perceptron is rounded up to multiples of 256."""
    hidden = -(-int(8 * width / 3) // 256) * 256
    mixer = GatedLinearAttention(
        head_dim=64,
        key_dim=32,
        locality="silu" if activated else "conv",
        out_activation=activated,
    )
    block = MetaFormerBlock(
        mixer=mixer, channel_mixer=Glu(ratio=1.5 * hidden / width, bias=False), norm=RMSNorm()
    )
    return pyramid(
        (width,),
        (12,),
        block,
        stem=OverlappingStem(patch_size=16, norm=LayerNorm(eps=1e-5)),
        head=PooledHead(norm=RMSNorm(), norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    return entries_of("ViG", vig, _SIZES, source="hustvl/ViG, README.md", notes=_NOTES)
