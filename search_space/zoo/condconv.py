"""CondConv-EfficientNet (Yang et al., CondConv, 2019, arXiv:1904.04971, section 4.1).

EfficientNet (Tan and Le, 2019, arXiv:1905.11946) with kernels for each image in its last stages.
"""

from collections.abc import Iterator
from functools import partial
from math import ceil

from ..architecture.architecture import Architecture
from ..architecture.stages import Stage
from ..components.blocks import NoBlock, ResidualBlock
from ..components.heads import WideHead
from ..components.mixers.mb_conv import MbConv, MbConvDownsampling
from ..components.norms import BatchNorm
from ..components.residuals import PlainResidual
from ..components.stems import ConvStem
from ..shapes import Shape
from .entry import ZooEntry, rounded

# Width, depth, kernel, stride, ratio of each stage; the last three have experts.
_STAGES = (
    (16, 1, 3, 1, 1),
    (24, 2, 3, 2, 6),
    (40, 2, 5, 2, 6),
    (80, 3, 3, 2, 6),
    (112, 3, 5, 1, 6),
    (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
)

# Name: experts, times the depth, resolution, printed figures.
_SIZES = {
    "tf_efficientnet_cc_b0_4e": (4, 1.0, 224, "13.3M 0.4G"),
    "tf_efficientnet_cc_b0_8e": (8, 1.0, 224, "24.0M 0.4G"),
    "tf_efficientnet_cc_b1_8e": (8, 1.1, 240, "39.7M 0.7G"),
}

_NOTES = {
    "tf_efficientnet_cc_b0_8e": rounded("0.407G"),
    "tf_efficientnet_cc_b1_8e": rounded("0.723G"),
}


def efficientnet(experts: int, deeper: float, *, resolution: int = 224) -> Architecture:
    """Return an EfficientNet of width 1, with ``experts`` in the last three stages."""
    eps = 1e-3
    stages = [Stage(width=32, depth=1, blocks=(NoBlock(),))]
    for index, (width, depth, kernel, stride, ratio) in enumerate(_STAGES):
        routed = experts if index >= 4 else 0
        mixer = MbConv(kernel_size=kernel, ratio=ratio, experts=routed, eps=eps)
        block = ResidualBlock(mixer=mixer, residual=PlainResidual())
        more = ceil(depth * deeper) - 1
        down = MbConvDownsampling(
            kernel_size=kernel, stride=stride, ratio=ratio, experts=routed, eps=eps
        )
        blocks = (block,) if more else (NoBlock(),)
        stages.append(Stage(width=width, depth=max(1, more), blocks=blocks, downsampling=down))
    return Architecture(
        input=Shape(3, resolution, resolution),
        classes=1000,
        stem=ConvStem(
            kernel_size=3, stride=2, bias=False, norm=BatchNorm(eps=eps), activation="silu"
        ),
        stages=tuple(stages),
        head=WideHead(features=1280, activation="silu", norm=BatchNorm(eps=eps)),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    for name, (experts, deeper, resolution, printed) in _SIZES.items():
        yield ZooEntry(
            name=name,
            family="CondConv",
            printed=printed,
            source=f"timm/{name}.in1k, README.md",
            note=_NOTES.get(name, ""),
            make=partial(efficientnet, experts, deeper, resolution=resolution),
        )
