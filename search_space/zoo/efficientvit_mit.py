"""EfficientViT of MIT (Cai et al., Multi-Scale Linear Attention for Dense Prediction, 2022).

arXiv:2205.14756, tables of its reference code, mit-han-lab/efficientvit, as in timm.
The reference code starts all weights with a deviation of 0.02, biases and the last norm's scale of
residual branches at zero; here attention and the head do so. Other convolutions start
with He's deviation by fan-out, as in EfficientNet, and scales of their norms with one.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ..architecture.architecture import Architecture
from ..components.base import Downsampling, TokenMixer
from ..components.blocks import ResidualBlock
from ..components.heads import WideMlpHead
from ..components.mixers.bottleneck import BasicConv
from ..components.mixers.mb_conv import MbConv, MbConvDownsampling
from ..components.mixers.multi_scale_linear import MultiScaleLinearAttention
from ..components.norms import BatchNorm
from ..components.residuals import PlainResidual
from ..components.stems import ConvStem
from ..components.wired import Block
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import pyramid

# Name: width of the first stage, depths, channels of a head, widths of the head, printed figures.
_BASE = {
    "efficientvit_b0": (8, (1, 2, 2, 2, 2), 16, (1024, 1280), "3.41M 0.1G"),
    "efficientvit_b1": (16, (1, 2, 3, 3, 4), 16, (1536, 1600), "9.1M 0.53G"),
    "efficientvit_b2": (24, (1, 3, 4, 4, 6), 32, (2304, 2560), "24.33M 1.6G"),
    "efficientvit_b3": (32, (1, 4, 6, 6, 9), 32, (2304, 2560), "48.65M 3.99G"),
}
_LARGE = {
    "efficientvit_l1": (32, (1, 1, 1, 6, 6), (3072, 3200), "52.65M 5.27G"),
    "efficientvit_l2": (32, (1, 2, 2, 8, 8), (3072, 3200), "63.71M 6.97G"),
    "efficientvit_l3": (64, (1, 2, 2, 8, 8), (6144, 6400), "246.04M 27.62G"),
}

_NOTES = all_with_norms(
    {
        "efficientvit_b1": "0.528G",
        "efficientvit_l1": "5.271G",
        "efficientvit_l2": "6.965G",
        "efficientvit_l3": "27.618G",
    }
) | {"efficientvit_b3": "the printed MACs hold the norms, and sums of keys: 3.99G"}


def _added(mixer: TokenMixer) -> Block:
    return ResidualBlock(mixer=mixer, residual=PlainResidual())


def _network(
    width: int,
    stages: Sequence[Sequence[Block]],
    downsampling: Sequence[Downsampling],
    features: Sequence[int],
    activation: str,
    eps: float,
) -> Architecture:
    return pyramid(
        [width << number for number in range(len(stages))],
        list(map(len, stages)),
        stages,
        stem=ConvStem(kernel_size=3, bias=False, norm=BatchNorm(eps=eps), activation=activation),
        downsampling=downsampling,
        head=WideMlpHead(features=features[0], hidden=features[1], activation=activation, eps=eps),
    )


def base(width: int, depths: Sequence[int], head_dim: int, features: Sequence[int]) -> Architecture:
    """Return an EfficientViT-B: inverted residuals, with attention in the last two stages."""
    knobs: dict[str, Any] = {"squeeze": False, "activation": "hard_swish"}
    attention = MultiScaleLinearAttention(head_dim=head_dim)
    stages: list[list[Block]] = [[_added(MbConv(ratio=1, **knobs))] * depths[0]]
    stages += [[_added(MbConv(ratio=4, **knobs))] * (depth - 1) for depth in depths[1:3]]
    local = MbConv(ratio=4, inner_norms=False, **knobs)
    stages += [[_added(attention), _added(local)] * depth for depth in depths[3:]]
    downsampling = [
        MbConvDownsampling(ratio=4, inner_norms=number < 2, **knobs) for number in range(4)
    ]
    return _network(width, stages, downsampling, features, "hard_swish", 1e-5)


def large(width: int, depths: Sequence[int], features: Sequence[int]) -> Architecture:
    """Return an EfficientViT-L: dense convolutions first, attention in the last stage."""
    knobs: dict[str, Any] = {"squeeze": False, "activation": "gelu_tanh", "eps": 1e-7}
    first = BasicConv(activation="gelu_tanh", eps=1e-7)
    stages: list[list[Block]] = [[_added(first)] * depths[0]]
    stages += [[_added(MbConv(ratio=4, fused=True, **knobs))] * depth for depth in depths[1:3]]
    stages.append([_added(MbConv(ratio=4, inner_norms=False, **knobs))] * depths[3])
    attention = MultiScaleLinearAttention(head_dim=32, eps=1e-7)
    local = MbConv(ratio=6, inner_norms=False, **knobs)
    stages.append([_added(attention), _added(local)] * depths[4])
    downsampling = [
        MbConvDownsampling(ratio=ratio, fused=number < 2, inner_norms=number < 2, **knobs)
        for number, ratio in enumerate((16, 16, 16, 24))
    ]
    return _network(width, stages, downsampling, features, "gelu_tanh", 1e-7)


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    family = "EfficientViT-MIT"
    yield from entries_of(family, base, _BASE, source=TIMM, notes=_NOTES)
    yield from entries_of(family, large, _LARGE, source=TIMM, notes=_NOTES)
