"""CAS-ViT (Zhang et al., 2024, arXiv:2408.03703)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import IntegrationBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import DistilledHead
from ..components.mixers.additive import ConvAdditiveMixer, LocalIntegration
from ..components.norms import BatchNorm, NoNorm
from ..components.stems import TwoConvStem
from .entry import ZooEntry, entries_of, with_norms
from .pyramid import pyramid

# Name: widths, depths, printed figures.
_SIZES = {
    "rcvit_xs": ((48, 56, 112, 220), (2, 2, 4, 2), "3.20M 0.56G"),
    "rcvit_s": ((48, 64, 128, 256), (3, 3, 6, 3), "5.76M 0.93G"),
    "rcvit_m": ((64, 96, 192, 384), (3, 3, 6, 3), "12.42M 1.89G"),
    "rcvit_t": ((96, 128, 256, 512), (3, 3, 6, 3), "21.76M -"),
}

_NOTES = {
    "rcvit_xs": with_norms("0.560G", "norms and biases"),
    "rcvit_s": with_norms("0.931G", "norms and biases"),
    "rcvit_m": with_norms("1.886G", "norms and biases"),
    "rcvit_t": "no MACs are printed",
}


def casvit(widths: Sequence[int], depths: Sequence[int]) -> Architecture:
    """Return a CAS-ViT: batch norms everywhere, the head with a second classifier."""
    block = IntegrationBlock(
        local=LocalIntegration(),
        mixer=ConvAdditiveMixer(),
        channel_mixer=Mlp(ratio=4),
        norm=BatchNorm(),
    )
    return pyramid(
        widths,
        depths,
        block,
        stem=TwoConvStem(hidden=widths[0] // 2, bias=True),
        downsampling=ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=BatchNorm()),
        head=DistilledHead(norm=BatchNorm(), norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    return entries_of(
        "CAS-ViT",
        casvit,
        _SIZES,
        source="Tianfang-Zhang/CAS-ViT, MODEL_ZOO.md; MACs: arXiv:2408.03703",
        notes=_NOTES,
        alias=lambda name: f"CAS-ViT-{name.removeprefix('rcvit_').upper()}",
    )
