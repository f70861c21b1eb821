"""CAS-ViT (Zhang et al., 2024, arXiv:2408.03703)."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import IntegrationBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import DistilledHead
from ..components.mixers.additive import ConvAdditiveMixer, LocalIntegration
from ..components.norms import BatchNorm, NoNorm
from ..components.stems import TwoConvStem
from ..shapes import Shape
from .entry import ZooEntry, with_norms

# Name: widths, depths, printed figures, multiply-adds with norms and biases.
_SIZES = {
    "rcvit_xs": ((48, 56, 112, 220), (2, 2, 4, 2), "3.20M 0.56G", "0.560G"),
    "rcvit_s": ((48, 64, 128, 256), (3, 3, 6, 3), "5.76M 0.93G", "0.931G"),
    "rcvit_m": ((64, 96, 192, 384), (3, 3, 6, 3), "12.42M 1.89G", "1.886G"),
    "rcvit_t": ((96, 128, 256, 512), (3, 3, 6, 3), "21.76M -", ""),
}


def casvit(widths: Sequence[int], depths: Sequence[int], *, resolution: int = 224) -> Architecture:
    """Return a CAS-ViT: batch norms everywhere, the head with a second classifier."""
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=TwoConvStem(hidden=widths[0] // 2, bias=True),
        stages=tuple(
            Stage(
                width=width,
                depth=depth,
                blocks=(
                    IntegrationBlock(
                        local=LocalIntegration(),
                        mixer=ConvAdditiveMixer(),
                        channel_mixer=Mlp(ratio=4),
                        norm=BatchNorm(),
                    ),
                ),
                downsampling=ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=BatchNorm())
                if index
                else None,
            )
            for index, (width, depth) in enumerate(zip(widths, depths, strict=True))
        ),
        head=DistilledHead(norm=BatchNorm(), norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    for name, (widths, depths, printed, normed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            aliases=(f"CAS-ViT-{name.removeprefix('rcvit_').upper()}",),
            family="CAS-ViT",
            resolution=224,
            printed=printed,
            source="Tianfang-Zhang/CAS-ViT, MODEL_ZOO.md; MACs: arXiv:2408.03703",
            make=partial(casvit, widths, depths),
            note=with_norms(normed, "norms and biases") if normed else "no MACs are printed",
        )
