"""MobileNetV1 (Howard et al., 2017), MobileNetV3 (Howard et al., 2019), LCNet (Cui et al., 2021).

MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications,
arXiv:1704.04861; Searching for MobileNetV3, arXiv:1905.02244, tables 1 and 2; PP-LCNet: A
Lightweight CPU Convolutional Neural Network, arXiv:2109.15099; and HardCoRe-NAS (Nayman et al.,
2021, arXiv:2102.11646).
"""

from collections.abc import Iterator
from dataclasses import replace

from ..architecture.architecture import Architecture
from .entry import TIMM, ZooEntry, all_with_norms, entries_of, rounded
from .mobile import NO_FEATURES, Plan, Row, mobile_network, pooled_first, wide

_FIRST = (
    Row(1, 3, 1, 1, 64, form="separable"),
    Row(2, 3, 2, 1, 128, form="separable"),
    Row(2, 3, 2, 1, 256, form="separable"),
    Row(6, 3, 2, 1, 512, form="separable"),
    Row(2, 3, 2, 1, 1024, form="separable"),
)

_LC = (
    Row(1, 3, 1, 1, 32, form="separable"),
    Row(2, 3, 2, 1, 64, form="separable"),
    Row(2, 3, 2, 1, 128, form="separable"),
    Row(1, 3, 2, 1, 256, form="separable"),
    Row(5, 5, 1, 1, 256, form="separable"),
    Row(2, 5, 2, 1, 512, 0.25, form="separable"),
)

_LARGE = (
    Row(1, 3, 1, 1, 16, activation="relu"),
    Row(1, 3, 2, 4, 24, activation="relu"),
    Row(1, 3, 1, 3, 24, activation="relu"),
    Row(3, 5, 2, 3, 40, 0.25, activation="relu"),
    Row(1, 3, 2, 6, 80),
    Row(1, 3, 1, 2.5, 80),
    Row(2, 3, 1, 2.3, 80),
    Row(2, 3, 1, 6, 112, 0.25),
    Row(3, 5, 2, 6, 160, 0.25),
    Row(1, 1, 1, 1, 960, form="conv", shortcut=False),
)

_LARGE_RW = (_LARGE[0]._replace(shortcut=False), *_LARGE[1:])

_DEEP = tuple(
    row._replace(depth=depth)
    for row, depth in zip(_LARGE, (2, 1, 2, 4, 1, 2, 2, 3, 4, 2), strict=True)
)

_SMALL = (
    Row(1, 3, 2, 1, 16, 0.25, activation="relu"),
    Row(1, 3, 2, 4.5, 24, activation="relu"),
    Row(1, 3, 1, 3.67, 24, activation="relu"),
    Row(1, 5, 2, 4, 40, 0.25),
    Row(2, 5, 1, 6, 40, 0.25),
    Row(2, 5, 1, 3, 48, 0.25),
    Row(3, 5, 2, 6, 96, 0.25),
    Row(1, 1, 1, 1, 576, form="conv", shortcut=False),
)

# Name: times the widths, channels of the head's map (0: none), resolution, printed figures.
_V1 = {
    "mobilenetv1_100": (1.0, 0, 224, "4.23M 0.58G"),
    "mobilenetv1_100h": (1.0, 1024, 224, "5.28M 0.63G"),
    "mobilenetv1_125": (1.25, 0, 224, "6.27M 0.89G"),
}

_TORCHVISION = "pytorch/vision, torchvision/models/mobilenetv3.py"

# Name: rows, times the widths, channels of the head's map, resolution, printed figures, where.
_V3 = {
    "mobilenetv3_large_100": (_LARGE, 1.0, 1280, 224, "5.483032M 0.217G", _TORCHVISION),
    "mobilenetv3_large_075": (_LARGE, 0.75, 1280, 224, "3.99M 0.16G", TIMM),
    "mobilenetv3_large_150d": (_DEEP, 1.5, 1280, 256, "14.62M 1.03G", TIMM),
    "mobilenetv3_small_100": (_SMALL, 1.0, 1024, 224, "2.542856M 0.057G", _TORCHVISION),
    "mobilenetv3_small_075": (_SMALL, 0.75, 1024, 224, "2.04M 0.05G", TIMM),
    "mobilenetv3_small_050": (_SMALL, 0.5, 1024, 224, "1.59M 0.03G", TIMM),
}

# Name: times the widths, printed figures.
_LC_SIZES = {
    "lcnet_035": (0.35, "1.64M 0.03G"),
    "lcnet_050": (0.5, "1.88M 0.05G"),
    "lcnet_075": (0.75, "2.36M 0.10G"),
    "lcnet_100": (1.0, "2.95M 0.16G"),
    "lcnet_150": (1.5, "4.50M 0.34G"),
}


_V3_KNOBS = Plan(
    activation="hard_swish",
    stem=16,
    from_hidden=True,
    squeeze_step=8,
    squeeze_activation="relu",
    gate="hard_sigmoid",
)

# Name: for each stage its blocks: kernel, ratio, and s for squeeze-and-excitation; printed figures.
_HARDCORE = {
    "hardcorenas_a": ("53 53s", "53 56s", "56s 56s", "56s 56s", "56s 56s", "5.26M 0.23G"),
    "hardcorenas_b": (
        "53 53s 33",
        "53 53 53",
        "53 53 33 33",
        "53 33 33 33",
        "56s 56s 33s",
        "5.18M 0.26G",
    ),
    "hardcorenas_c": (
        "53 53s",
        "53 53 53 53",
        "54 56s 33 33",
        "56s 33 33 33",
        "56s 56s 33s",
        "5.52M 0.28G",
    ),
    "hardcorenas_d": (
        "53s 53s",
        "53s 54s 33s",
        "54s 33s 33s 33s",
        "34s 54s 33s 53s",
        "56s 56s 56s 36s",
        "7.50M 0.30G",
    ),
    "hardcorenas_e": (
        "53s 53s",
        "56s 54s 54s 33s",
        "54s 36s",
        "56s 56s 56s 53s",
        "56s 56s 56s 36s",
        "8.07M 0.35G",
    ),
    "hardcorenas_f": (
        "53s 53s",
        "56s 56s",
        "56s 56s 33s 33s",
        "36s 56s 56s 33s",
        "56s 56s 36s 36s",
        "8.20M 0.35G",
    ),
}

_NOTES = all_with_norms(
    {
        "mobilenetv1_100": "0.579G",
        "mobilenetv1_100h": "0.630G",
        "mobilenetv1_125": "0.892G",
        "mobilenetv3_large_075": "0.163G",
        "mobilenetv3_large_150d": "1.035G",
        "mobilenetv3_small_075": "0.046G",
        "mobilenetv3_small_050": "0.026G",
        "mobilenetv3_rw": "0.225G",
        "lcnet_050": "0.047G",
        "lcnet_075": "0.099G",
        "lcnet_150": "0.342G",
        "hardcorenas_a": "0.233G",
        "hardcorenas_b": "0.262G",
        "hardcorenas_c": "0.280G",
        "hardcorenas_d": "0.298G",
        "hardcorenas_e": "0.350G",
        "hardcorenas_f": "0.353G",
    }
) | {
    "lcnet_035": rounded("0.027G"),
    "lcnet_100": rounded("0.156G"),
}


def mobilenet_v1(wider: float, features: int, resolution: int) -> Architecture:
    """Return a MobileNetV1, with a 1x1 convolution before the mean if it has ``features``."""
    plan = Plan(activation="relu6", multiplier=wider)
    head = wide(features, plan) if features else NO_FEATURES
    return mobile_network(plan, _FIRST, head, resolution=resolution)


def mobilenet_v3(
    rows: tuple[Row, ...], wider: float, features: int, resolution: int
) -> Architecture:
    """Return a MobileNetV3; very narrow ones have the stem of the full width."""
    plan = replace(_V3_KNOBS, multiplier=wider, fixed_stem=wider < 0.75)
    return mobile_network(plan, rows, pooled_first(features, "hard_swish"), resolution=resolution)


def mobilenet_v3_rw() -> Architecture:
    """Return timm's first MobileNetV3: its squeeze-and-excitation has the block's activation."""
    plan = replace(_V3_KNOBS, squeeze_step=1, squeeze_activation="same", eps=1e-3)
    return mobile_network(plan, _LARGE_RW, pooled_first(1280, "hard_swish", bias=False))


def lcnet(wider: float) -> Architecture:
    """Return an LCNet."""
    plan = replace(_V3_KNOBS, multiplier=wider, squeeze_step=1)
    return mobile_network(plan, _LC, pooled_first(1280, "hard_swish"))


def hardcore_nas(*stages: str) -> Architecture:
    """Return a HardCoRe-NAS; the first two stages have ReLU."""
    rows = [Row(1, 3, 1, 1, 16, activation="relu")]
    for number, (stage, width) in enumerate(zip(stages, (24, 40, 80, 112, 192), strict=True)):
        for place, block in enumerate(stage.split()):
            row = Row(
                depth=1,
                kernel=int(block[0]),
                stride=1 if place or number == 3 else 2,
                ratio=int(block[1]),
                width=width,
                squeeze=0.25 if block.endswith("s") else 0.0,
                activation="relu" if number < 2 else "",
            )
            rows.append(row)
    rows.append(_LARGE[-1])
    plan = replace(_V3_KNOBS, stem=32)
    return mobile_network(plan, rows, pooled_first(1280, "hard_swish"))


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of("MobileNetV1", mobilenet_v1, _V1, source=TIMM, notes=_NOTES)
    yield from entries_of("MobileNetV3", mobilenet_v3, _V3, notes=_NOTES)
    rw = {"mobilenetv3_rw": ("5.48M 0.23G",)}
    yield from entries_of("MobileNetV3", mobilenet_v3_rw, rw, source=TIMM, notes=_NOTES)
    yield from entries_of("LCNet", lcnet, _LC_SIZES, source=TIMM, notes=_NOTES)
    yield from entries_of("HardCoRe-NAS", hardcore_nas, _HARDCORE, source=TIMM, notes=_NOTES)
