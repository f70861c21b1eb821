"""MobileNetV4 (Qin et al., 2024, arXiv:2404.10518), as in timm."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.heads import WideHead
from .entry import TIMM, ZooEntry, all_with_norms, entries_of, rounded
from .mobile import Plan, Row, mobile_network


def _universal(
    depth: int, first: int, kernel: int, ratio: float, width: int, stride: int = 1
) -> Row:
    return Row(depth, kernel, stride, ratio, width, form="universal", first=first)


def _conv(kernel: int, stride: int, width: int) -> Row:
    return Row(1, kernel, stride, 1, width, form="conv", shortcut=False)


_SMALL = (
    _conv(3, 2, 32),
    _conv(1, 1, 32),
    _conv(3, 2, 96),
    _conv(1, 1, 64),
    _universal(1, 5, 5, 3, 96, 2),
    _universal(4, 0, 3, 2, 96),
    _universal(1, 3, 0, 4, 96),
    _universal(1, 3, 3, 6, 128, 2),
    _universal(1, 5, 5, 4, 128),
    _universal(1, 0, 5, 4, 128),
    _universal(1, 0, 5, 3, 128),
    _universal(2, 0, 3, 4, 128),
    _conv(1, 1, 960),
)

_MEDIUM = (
    Row(1, 3, 2, 4, 48, form="fused"),
    _universal(1, 3, 5, 4, 80, 2),
    _universal(1, 3, 3, 2, 80),
    _universal(1, 3, 5, 6, 160, 2),
    _universal(2, 3, 3, 4, 160),
    _universal(1, 3, 5, 4, 160),
    _universal(1, 3, 3, 4, 160),
    _universal(1, 3, 0, 4, 160),
    _universal(1, 0, 0, 2, 160),
    _universal(1, 3, 0, 4, 160),
    _universal(1, 5, 5, 6, 256, 2),
    _universal(1, 5, 5, 4, 256),
    _universal(2, 3, 5, 4, 256),
    _universal(1, 0, 0, 4, 256),
    _universal(1, 3, 0, 4, 256),
    _universal(1, 3, 5, 2, 256),
    _universal(1, 5, 5, 4, 256),
    _universal(2, 0, 0, 4, 256),
    _universal(1, 5, 0, 2, 256),
    _conv(1, 1, 960),
)

_LARGE = (
    Row(1, 3, 2, 4, 48, form="fused"),
    _universal(1, 3, 5, 4, 96, 2),
    _universal(1, 3, 3, 4, 96),
    _universal(1, 3, 5, 4, 192, 2),
    _universal(3, 3, 3, 4, 192),
    _universal(1, 3, 5, 4, 192),
    _universal(5, 5, 3, 4, 192),
    _universal(1, 3, 0, 4, 192),
    _universal(4, 5, 5, 4, 512, 2),
    _universal(1, 5, 0, 4, 512),
    _universal(1, 5, 3, 4, 512),
    _universal(2, 5, 0, 4, 512),
    _universal(1, 5, 3, 4, 512),
    _universal(1, 5, 5, 4, 512),
    _universal(3, 5, 0, 4, 512),
    _conv(1, 1, 960),
)


def _attention(heads: int, head_dim: int, width: int, keys: int = 1) -> Row:
    return Row(*(1, 3, 1, 1, width), form="attention", heads=heads, head_dim=head_dim, keys=keys)


def _alternating(attention: Row, others: Sequence[Row]) -> list[Row]:
    """Return rows with attention before each of them."""
    return [row for other in others for row in (attention, other)]


_HYBRID_MEDIUM = (
    *_MEDIUM[:3],
    _universal(1, 3, 5, 6, 160, 2),
    _universal(1, 0, 0, 2, 160),
    _universal(1, 3, 3, 4, 160),
    _universal(1, 3, 5, 4, 160),
    *_alternating(
        _attention(4, 64, 160, 2), [_universal(1, 3, last, 4, 160) for last in (3, 0, 3, 0)]
    ),
    _universal(1, 5, 5, 6, 256, 2),
    _universal(1, 5, 5, 4, 256),
    _universal(2, 3, 5, 4, 256),
    _universal(1, 0, 0, 2, 256),
    _universal(1, 3, 5, 2, 256),
    _universal(1, 0, 0, 2, 256),
    _universal(1, 0, 0, 4, 256),
    *_alternating(
        _attention(4, 64, 256),
        [_universal(1, first, last, 4, 256) for first, last in ((3, 0), (5, 5), (5, 0), (5, 0))],
    ),
    _conv(1, 1, 960),
)

_HYBRID_LARGE = (
    *_LARGE[:3],
    _universal(1, 3, 5, 4, 192, 2),
    _universal(3, 3, 3, 4, 192),
    _universal(1, 3, 5, 4, 192),
    _universal(2, 5, 3, 4, 192),
    *_alternating(
        _attention(8, 48, 192, 2),
        [_universal(1, first, last, 4, 192) for first, last in ((5, 3), (5, 3), (5, 3), (3, 0))],
    ),
    *_LARGE[8:-2],
    *_alternating(_attention(8, 64, 512), [_universal(1, 5, 0, 4, 512)] * 4),
    _conv(1, 1, 960),
)

# Name: rows, channels of the stem, times the widths, resolution, printed figures.
_SIZES = {
    "mobilenetv4_conv_small_035": (_SMALL, 32, 0.35, 224, "1.91M 0.05G"),
    "mobilenetv4_conv_small_050": (_SMALL, 32, 0.5, 224, "2.24M 0.07G"),
    "mobilenetv4_conv_small": (_SMALL, 32, 1.0, 224, "3.77M 0.19G"),
    "mobilenetv4_conv_medium": (_MEDIUM, 32, 1.0, 256, "9.72M 1.10G"),
    "mobilenetv4_conv_large": (_LARGE, 24, 1.0, 384, "32.59M 6.43G"),
}

# Name: rows, channels of the stem, times the widths, resolution, activation, printed figures.
_HYBRID = {
    "mobilenetv4_hybrid_medium_075": (_HYBRID_MEDIUM, 32, 0.75, 224, "relu", "7.31M 0.66G"),
    "mobilenetv4_hybrid_medium": (_HYBRID_MEDIUM, 32, 1.0, 224, "relu", "11.07M 0.98G"),
    "mobilenetv4_hybrid_large_075": (_HYBRID_LARGE, 24, 0.75, 256, "gelu", "22.75M 2.06G"),
    "mobilenetv4_hybrid_large": (_HYBRID_LARGE, 24, 1.0, 384, "gelu", "37.76M 7.77G"),
}

_NOTES = all_with_norms(
    {
        "mobilenetv4_conv_small_050": "0.067G",
        "mobilenetv4_conv_medium": "1.095G",
        "mobilenetv4_conv_large": "6.431G",
        "mobilenetv4_hybrid_medium_075": "0.660G",
        "mobilenetv4_hybrid_medium": "0.978G",
        "mobilenetv4_hybrid_large_075": "2.056G",
        "mobilenetv4_hybrid_large": "7.769G",
    }
) | {
    "mobilenetv4_conv_small_035": rounded("0.048G"),
    "mobilenetv4_conv_small": rounded("0.186G"),
}


def mobilenet_v4(
    rows: tuple[Row, ...], stem: int, wider: float, resolution: int, activation: str = "relu"
) -> Architecture:
    """Return a MobileNetV4; narrow ones have the stem of the full width."""
    plan = Plan(
        activation=activation,
        stem=stem,
        multiplier=wider,
        fixed_stem=wider < 1,
        scaled=any(row.form == "attention" for row in rows),
    )
    head = WideHead(features=1280, activation=activation, pool_first=True)
    return mobile_network(plan, rows, head, resolution=resolution)


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    for sizes in (_SIZES, _HYBRID):
        yield from entries_of("MobileNetV4", mobilenet_v4, sizes, source=TIMM, notes=_NOTES)
