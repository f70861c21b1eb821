"""HorNet (Rao et al., 2022, arXiv:2207.14284)."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture import Architecture, Stage
from ..base import TokenMixer
from ..blocks import MetaFormerBlock
from ..channel_mixers.mlp import Mlp
from ..downsampling import ConvDownsampling
from ..heads import PooledHead
from ..mixers.gated import RecursiveGatedConv
from ..norms import LayerNorm
from ..residuals import LayerScaleResidual
from ..shapes import Shape
from ..stems import PatchStem
from .entry import ZooEntry

_README = "raoyongming/HorNet, README.md"

_DEPTHS = (2, 3, 18, 2)

# Classes of ImageNet-21K as it was prepared in winter 2021: what is printed of the large ones is
# that of 194.5M parameters with this head instead of 1000 classes.
_MANY = 10450

# Name: width of the first stage, classes, what is printed.
_SIZES = {
    "hornet_tiny_7x7": (64, 1000, "22M 4.0G"),
    "hornet_small_7x7": (96, 1000, "50M 8.8G"),
    "hornet_base_7x7": (128, 1000, "87M 15.6G"),
    "hornet_large_7x7": (192, _MANY, "209M 34.8G"),
}


def hornet(
    width: int,
    mixers: Sequence[TokenMixer],
    *,
    depths: Sequence[int] = _DEPTHS,
    classes: int = 1000,
    resolution: int = 224,
) -> Architecture:
    """Return a HorNet: ConvNeXt's stem, resampling and head around pre-normed blocks."""
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=classes,
        stem=PatchStem(patch_size=4),
        stages=tuple(
            Stage(
                width=width * 2**index,
                depth=depth,
                blocks=(
                    MetaFormerBlock(
                        mixer=mixer,
                        channel_mixer=Mlp(ratio=4),
                        norm=LayerNorm(),
                        residual=LayerScaleResidual(init=1e-6),
                    ),
                ),
                downsampling=ConvDownsampling(kernel_size=2) if index else None,
            )
            for index, (mixer, depth) in enumerate(zip(mixers, depths, strict=True))
        ),
        head=PooledHead(),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    convolutions = [RecursiveGatedConv(order=order) for order in (2, 3, 4, 5)]
    for name, (width, classes, printed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="HorNet",
            resolution=224,
            printed=printed,
            source=_README,
            make=partial(hornet, width, convolutions, classes=classes),
        )
