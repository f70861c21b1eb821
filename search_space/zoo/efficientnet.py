"""EfficientNet and its relatives: EfficientNet-Lite, EfficientNet-EdgeTPU, EfficientNetV2, TinyNet.

Tan and Le, EfficientNet, 2019, arXiv:1905.11946; Tan and Le, EfficientNetV2, 2021,
arXiv:2104.00298; Han et al., Model Rubik's Cube (TinyNet), 2020, arXiv:2010.14819. Padding and
norms are timm's, not TensorFlow's.
"""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from .entry import TIMM, ZooEntry, all_with_norms, entries_of, rounded
from .mobile import Plan, Row, deepened, mobile_network, wide

_ROWS = (
    Row(1, 3, 1, 1, 16, 0.25),
    Row(2, 3, 2, 6, 24, 0.25),
    Row(2, 5, 2, 6, 40, 0.25),
    Row(3, 3, 2, 6, 80, 0.25),
    Row(3, 5, 1, 6, 112, 0.25),
    Row(4, 5, 2, 6, 192, 0.25),
    Row(1, 3, 1, 6, 320, 0.25),
)

_EDGE_ROWS = (
    Row(2, 3, 2, 8, 32, form="fused"),
    Row(4, 3, 2, 8, 48, form="fused"),
    Row(5, 5, 2, 8, 96),
    Row(4, 5, 1, 8, 144),
    Row(2, 5, 2, 8, 192),
)

_SMALL = (
    Row(2, 3, 1, 1, 24, form="conv"),
    Row(4, 3, 2, 4, 48, form="fused"),
    Row(4, 3, 2, 4, 64, form="fused"),
    Row(6, 3, 2, 4, 128, 0.25),
    Row(9, 3, 1, 6, 160, 0.25),
    Row(15, 3, 2, 6, 256, 0.25),
)

_SMALL_RW = (Row(2, 3, 1, 1, 24, form="fused"), *_SMALL[1:-1], Row(15, 3, 2, 6, 272, 0.25))

_MEDIUM_RW = (*deepened(_SMALL_RW[:4], 1.2), *deepened(_SMALL_RW[4:], 1.6))

_MEDIUM = (
    Row(3, 3, 1, 1, 24, form="conv"),
    Row(5, 3, 2, 4, 48, form="fused"),
    Row(5, 3, 2, 4, 80, form="fused"),
    Row(7, 3, 2, 4, 160, 0.25),
    Row(14, 3, 1, 6, 176, 0.25),
    Row(18, 3, 2, 6, 304, 0.25),
    Row(5, 3, 1, 6, 512, 0.25),
)

_LARGE = (
    Row(4, 3, 1, 1, 32, form="conv"),
    Row(7, 3, 2, 4, 64, form="fused"),
    Row(7, 3, 2, 4, 96, form="fused"),
    Row(10, 3, 2, 4, 192, 0.25),
    Row(19, 3, 1, 6, 224, 0.25),
    Row(25, 3, 2, 6, 384, 0.25),
    Row(7, 3, 1, 6, 640, 0.25),
)

_XLARGE = (
    Row(4, 3, 1, 1, 32, form="conv"),
    Row(8, 3, 2, 4, 64, form="fused"),
    Row(8, 3, 2, 4, 96, form="fused"),
    Row(16, 3, 2, 4, 192, 0.25),
    Row(24, 3, 1, 6, 256, 0.25),
    Row(32, 3, 2, 6, 512, 0.25),
    Row(8, 3, 1, 6, 640, 0.25),
)

_TORCHVISION = "pytorch/vision, torchvision/models/efficientnet.py"

# Name: times the widths and depths, resolution, printed figures.
_SIZES = {
    "efficientnet_b0": (1.0, 1.0, 224, "5.288548M 0.386G"),
    "efficientnet_b1": (1.0, 1.1, 240, "7.794184M 0.687G"),
    "efficientnet_b2": (1.1, 1.2, 288, "9.109994M 1.088G"),
    "efficientnet_b3": (1.2, 1.4, 300, "12.233232M 1.827G"),
    "efficientnet_b4": (1.4, 1.8, 380, "19.341616M 4.394G"),
    "efficientnet_b5": (1.6, 2.2, 456, "30.389784M 10.266G"),
    "efficientnet_b6": (1.8, 2.6, 528, "43.040704M 19.068G"),
    "efficientnet_b7": (2.0, 3.1, 600, "66.347960M 37.746G"),
}
_LARGEST = {"efficientnet_b8": (2.2, 3.6, 672, "87.41M 63.48G")}

# Name: times the widths and depths, resolution, printed figures.
_LITE = {
    "efficientnet_lite0": (1.0, 1.0, 224, "4.65M 0.40G"),
    "efficientnet_lite1": (1.0, 1.1, 240, "5.42M 0.62G"),
    "efficientnet_lite2": (1.1, 1.2, 260, "6.09M 0.89G"),
    "efficientnet_lite3": (1.2, 1.4, 300, "8.20M 1.65G"),
    "efficientnet_lite4": (1.4, 1.8, 380, "13.01M 4.04G"),
}

# Name: times the widths and depths, resolution, printed figures.
_EDGE = {
    "efficientnet_es": (1.0, 1.0, 224, "5.44M 1.81G"),
    "efficientnet_em": (1.0, 1.1, 240, "6.90M 3.04G"),
    "efficientnet_el": (1.2, 1.4, 300, "10.59M 8.00G"),
}

# Name: rows, times the widths, channels of stem and head, resolution, printed figures, where.
_SECOND = {
    "efficientnetv2_rw_t": (deepened(_SMALL, 0.9), 0.8, 24, 1280, 288, "13.65M 3.19G", TIMM),
    "efficientnetv2_rw_s": (_SMALL_RW, 1.0, 24, 1792, 384, "23.94M 8.72G", TIMM),
    "efficientnetv2_rw_m": (_MEDIUM_RW, 1.2, 24, 1792, 416, "53.24M 21.49G", TIMM),
    "efficientnetv2_s": (_SMALL, 1.0, 24, 1280, 384, "21.458488M 8.366G", _TORCHVISION),
    "efficientnetv2_m": (_MEDIUM, 1.0, 24, 1280, 480, "54.139356M 24.582G", _TORCHVISION),
    "efficientnetv2_l": (_LARGE, 1.0, 32, 1280, 480, "118.515272M 56.08G", _TORCHVISION),
    "efficientnetv2_xl": (_XLARGE, 1.0, 32, 1280, 512, "208.12M 93.85G", TIMM),
}

# Name: times the widths and depths, resolution, printed figures.
_TINY = {
    "tinynet_a": (1.0, 1.2, 192, "6.19M 0.35G"),
    "tinynet_b": (0.75, 1.1, 188, "3.73M 0.21G"),
    "tinynet_c": (0.54, 0.85, 184, "2.46M 0.11G"),
    "tinynet_d": (0.54, 0.695, 152, "2.34M 0.05G"),
    "tinynet_e": (0.51, 0.6, 106, "2.04M 0.03G"),
}

_NOTES = all_with_norms(
    {
        "efficientnet_b8": "63.483G",
        "efficientnet_lite0": "0.399G",
        "efficientnet_lite1": "0.620G",
        "efficientnet_lite2": "0.886G",
        "efficientnet_lite3": "1.651G",
        "efficientnet_es": "1.806G",
        "efficientnet_em": "3.042G",
        "efficientnet_el": "7.997G",
        "efficientnetv2_rw_t": "3.193G",
        "efficientnetv2_rw_s": "8.716G",
        "efficientnetv2_rw_m": "21.491G",
        "efficientnetv2_xl": "93.848G",
        "tinynet_a": "0.348G",
        "tinynet_b": "0.210G",
        "tinynet_c": "0.105G",
        "tinynet_e": "0.026G",
    }
) | {
    "efficientnet_lite4": "the printed MACs hold norms and the mean over positions: 4.035G",
    "tinynet_d": rounded("0.052G"),
}


def efficientnet(wider: float, deeper: float, resolution: int) -> Architecture:
    """Return an EfficientNet with its widths and depths multiplied."""
    plan = Plan(activation="silu", multiplier=wider)
    rows = deepened(_ROWS, deeper)
    return mobile_network(plan, rows, wide(plan.channels(1280), plan), resolution=resolution)


def efficientnet_lite(wider: float, deeper: float, resolution: int) -> Architecture:
    """Return an EfficientNet without squeeze-and-excitation, with stem and head of fixed width."""
    plan = Plan(activation="relu6", multiplier=wider, fixed_stem=True)
    rows = deepened([row._replace(squeeze=0.0) for row in _ROWS], deeper, ends=False)
    return mobile_network(plan, rows, wide(1280, plan), resolution=resolution)


def efficientnet_edge(wider: float, deeper: float, resolution: int) -> Architecture:
    """Return an EfficientNet-EdgeTPU, whose first block widens as if the stem had 24 channels."""
    plan = Plan(activation="relu", multiplier=wider)
    first, *others = deepened(
        [Row(1, 3, 1, 4, 24, form="fused", shortcut=False), *_EDGE_ROWS], deeper
    )
    start = first._replace(depth=1, ratio=4 * plan.channels(24) / plan.channels(32))
    rows = (start, first._replace(depth=first.depth - 1), *others)
    return mobile_network(plan, rows, wide(plan.channels(1280), plan), resolution=resolution)


def efficientnet_v2(
    rows: tuple[Row, ...], wider: float, stem: int, features: int, resolution: int
) -> Architecture:
    """Return an EfficientNetV2."""
    plan = Plan(activation="silu", multiplier=wider, stem=stem)
    return mobile_network(plan, rows, wide(plan.channels(features), plan), resolution=resolution)


def tinynet(wider: float, deeper: float, resolution: int) -> Architecture:
    """Return a TinyNet: an EfficientNet that grows and shrinks by other rules."""
    plan = Plan(activation="silu", multiplier=wider, fixed_stem=True)
    rows = deepened(_ROWS, deeper, round)
    return mobile_network(
        plan, rows, wide(max(1280, plan.channels(1280)), plan), resolution=resolution
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    for sizes, source in ((_SIZES, _TORCHVISION), (_LARGEST, TIMM)):
        yield from entries_of("EfficientNet", efficientnet, sizes, source=source, notes=_NOTES)
    yield from entries_of("EfficientNet-Lite", efficientnet_lite, _LITE, source=TIMM, notes=_NOTES)
    yield from entries_of(
        "EfficientNet-EdgeTPU", efficientnet_edge, _EDGE, source=TIMM, notes=_NOTES
    )
    yield from entries_of("EfficientNetV2", efficientnet_v2, _SECOND, notes=_NOTES)
    yield from entries_of("TinyNet", tinynet, _TINY, source=TIMM, notes=_NOTES)
