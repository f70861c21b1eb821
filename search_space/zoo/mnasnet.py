"""MnasNet (Tan et al., 2018), Single-Path NAS (Stamoulis et al., 2019), FBNet (Wu et al., 2018).

MnasNet: Platform-Aware Neural Architecture Search for Mobile, arXiv:1807.11626, figure 7: A1 with
squeeze-and-excitation (semnasnet), B1 without; Single-Path NAS, arXiv:1904.02877; FBNet,
arXiv:1812.03443; FBNetV3 (Dai et al., 2020, arXiv:2006.02049), as in timm; MobileNet-EdgeTPU
(Xiong et al., MobileDets, 2020, arXiv:2004.14525); and MCUNet (Lin et al., 2020, arXiv:2007.10319).
"""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from .entry import TIMM, ZooEntry, all_with_norms, entries_of, rounded
from .mobile import NO_FEATURES, Plan, Row, mobile_network, pooled_first, wide

_A1 = (
    Row(1, 3, 1, 1, 16, shortcut=False),
    Row(2, 3, 2, 6, 24),
    Row(3, 5, 2, 3, 40, 0.25),
    Row(4, 3, 2, 6, 80),
    Row(2, 3, 1, 6, 112, 0.25),
    Row(3, 5, 2, 6, 160, 0.25),
    Row(1, 3, 1, 6, 320),
)

_B1 = (
    Row(1, 3, 1, 1, 16, shortcut=False),
    Row(3, 3, 2, 3, 24),
    Row(3, 5, 2, 3, 40),
    Row(3, 5, 2, 6, 80),
    Row(2, 3, 1, 6, 96),
    Row(4, 5, 2, 6, 192),
    Row(1, 3, 1, 6, 320, shortcut=False),
)

_SMALL = (
    Row(1, 3, 1, 1, 8),
    Row(1, 3, 2, 3, 16),
    Row(2, 3, 2, 6, 16),
    Row(4, 5, 2, 6, 32, 0.25),
    Row(3, 3, 1, 6, 32, 0.25),
    Row(3, 5, 2, 6, 88, 0.25),
    Row(1, 3, 1, 6, 144),
)

_SINGLE_PATH = (
    Row(1, 3, 1, 1, 16, shortcut=False),
    Row(3, 3, 2, 3, 24),
    Row(1, 5, 2, 6, 40),
    Row(3, 3, 1, 3, 40),
    Row(1, 5, 2, 6, 80),
    Row(3, 3, 1, 3, 80),
    Row(1, 5, 1, 6, 96),
    Row(3, 5, 1, 3, 96),
    Row(4, 5, 2, 6, 192),
    Row(1, 3, 1, 6, 320, shortcut=False),
)

_FBNET = (
    Row(1, 3, 1, 1, 16, form="whole"),
    Row(1, 3, 2, 6, 24),
    Row(2, 3, 1, 1, 24, form="whole"),
    Row(1, 5, 2, 6, 32),
    Row(1, 5, 1, 3, 32),
    Row(1, 5, 1, 6, 32),
    Row(1, 3, 1, 6, 32),
    Row(1, 5, 2, 6, 64),
    Row(1, 5, 1, 3, 64),
    Row(2, 5, 1, 6, 64),
    Row(3, 5, 1, 6, 112),
    Row(1, 5, 1, 3, 112),
    Row(4, 5, 2, 6, 184),
    Row(1, 3, 1, 6, 352),
)

_EDGE = (
    Row(1, 1, 1, 1, 16, form="conv", shortcut=False),
    Row(1, 3, 2, 8, 32, form="fused"),
    Row(3, 3, 1, 4, 32, form="fused"),
    Row(1, 3, 2, 8, 48, form="fused"),
    Row(3, 3, 1, 4, 48, form="fused"),
    Row(1, 3, 2, 8, 96),
    Row(3, 3, 1, 4, 96),
    Row(1, 3, 1, 8, 96, shortcut=False),
    Row(3, 3, 1, 4, 96),
    Row(1, 5, 2, 8, 160),
    Row(3, 5, 1, 4, 160),
    Row(1, 3, 1, 8, 192),
)

_MCU = (
    Row(1, 3, 1, 1, 8),
    Row(1, 5, 2, 3, 16),
    Row(1, 7, 1, 6, 16),
    Row(1, 3, 1, 5, 16),
    Row(1, 5, 1, 5, 16),
    Row(1, 3, 2, 5, 24),
    Row(1, 7, 1, 6, 24),
    Row(1, 5, 1, 6, 24),
    Row(1, 7, 2, 4, 40),
    Row(1, 5, 1, 5, 40),
    Row(1, 3, 1, 5, 48),
    Row(1, 5, 1, 5, 48),
    Row(1, 3, 1, 4, 48),
    Row(1, 5, 2, 6, 96),
    Row(1, 5, 1, 4, 96),
    Row(1, 5, 1, 3, 96),
    Row(1, 3, 1, 4, 96),
    Row(1, 5, 1, 5, 160),
)

_FBNET_B = (
    Row(2, 3, 1, 1, 16),
    Row(1, 5, 2, 4, 24),
    Row(3, 5, 1, 2, 24),
    Row(1, 5, 2, 5, 40, 0.25),
    Row(4, 5, 1, 3, 40, 0.25),
    Row(1, 5, 2, 5, 72),
    Row(4, 3, 1, 3, 72),
    Row(1, 3, 1, 5, 120, 0.25),
    Row(5, 5, 1, 3, 120, 0.25),
    Row(1, 3, 2, 6, 184, 0.25),
    Row(5, 5, 1, 4, 184, 0.25),
    Row(1, 5, 1, 6, 224, 0.25),
    Row(1, 1, 1, 1, 1344, form="conv", shortcut=False),
)

_FBNET_D = (
    Row(2, 3, 1, 1, 16),
    Row(1, 3, 2, 5, 24),
    Row(5, 3, 1, 2, 24),
    Row(1, 5, 2, 4, 40, 0.25),
    Row(4, 3, 1, 3, 40, 0.25),
    Row(1, 3, 2, 5, 72),
    Row(4, 3, 1, 3, 72),
    Row(1, 3, 1, 5, 128, 0.25),
    Row(6, 5, 1, 3, 128, 0.25),
    Row(1, 3, 2, 6, 208, 0.25),
    Row(5, 5, 1, 5, 208, 0.25),
    Row(1, 5, 1, 6, 240, 0.25),
    Row(1, 1, 1, 1, 1440, form="conv", shortcut=False),
)

_FBNET_G = (
    Row(3, 3, 1, 1, 24),
    Row(1, 5, 2, 4, 40),
    Row(4, 5, 1, 2, 40),
    Row(1, 5, 2, 4, 56, 0.25),
    Row(4, 5, 1, 3, 56, 0.25),
    Row(1, 5, 2, 5, 104),
    Row(4, 3, 1, 3, 104),
    Row(1, 3, 1, 5, 160, 0.25),
    Row(8, 5, 1, 3, 160, 0.25),
    Row(1, 3, 2, 6, 264, 0.25),
    Row(6, 5, 1, 5, 264, 0.25),
    Row(2, 5, 1, 6, 288, 0.25),
    Row(1, 1, 1, 1, 1728, form="conv", shortcut=False),
)

_TORCHVISION = "pytorch/vision, torchvision/models/mnasnet.py"

# Name: rows, channels of the stem, times the widths, printed figures, where.
_MNASNET = {
    "mnasnet_050": (_B1, 32, 0.5, "2.218512M 0.104G", _TORCHVISION),
    "mnasnet_075": (_B1, 32, 0.75, "3.170208M 0.215G", _TORCHVISION),
    "mnasnet_100": (_B1, 32, 1.0, "4.383312M 0.314G", _TORCHVISION),
    "mnasnet1_3": (_B1, 32, 1.3, "6.282256M 0.526G", _TORCHVISION),
    "mnasnet_140": (_B1, 32, 1.4, "7.12M 0.60G", TIMM),
    "mnasnet_small": (_SMALL, 8, 1.0, "2.03M 0.07G", TIMM),
    "semnasnet_050": (_A1, 32, 0.5, "2.08M 0.11G", TIMM),
    "semnasnet_075": (_A1, 32, 0.75, "2.91M 0.23G", TIMM),
    "semnasnet_100": (_A1, 32, 1.0, "3.89M 0.32G", TIMM),
    "semnasnet_140": (_A1, 32, 1.4, "6.11M 0.60G", TIMM),
}

# Family, then name: rows, channels of the stem, times the widths, channels of the head, figures.
_OTHERS = {
    "Single-Path NAS": {"spnasnet_100": (_SINGLE_PATH, 32, 1.0, 1280, "4.42M 0.35G")},
    "FBNet": {"fbnetc_100": (_FBNET, 16, 1.0, 1984, "5.57M 0.40G")},
    "MobileNet-EdgeTPU": {"mobilenet_edgetpu_100": (_EDGE, 32, 1.0, 1280, "4.09M 1.00G")},
}

# Name: rows, channels of the stem, resolution, printed figures.
_FBNETV3 = {
    "fbnetv3_b": (_FBNET_B, 16, 256, "8.60M 0.55G"),
    "fbnetv3_d": (_FBNET_D, 24, 256, "10.31M 0.68G"),
    "fbnetv3_g": (_FBNET_G, 32, 288, "16.62M 1.77G"),
}

_NOTES = all_with_norms(
    {
        "mnasnet_140": "0.604G",
        "semnasnet_050": "0.110G",
        "semnasnet_075": "0.235G",
        "semnasnet_100": "0.324G",
        "semnasnet_140": "0.604G",
        "spnasnet_100": "0.346G",
        "fbnetc_100": "0.398G",
        "mobilenet_edgetpu_100": "1.002G",
        "fbnetv3_b": "0.549G",
        "fbnetv3_d": "0.676G",
    }
) | {
    "mnasnet_small": rounded("0.068G"),
    "fbnetv3_g": "the printed MACs hold norms and the mean over positions: 1.765G",
}


def mnasnet(rows: tuple[Row, ...], stem: int, wider: float, features: int = 1280) -> Architecture:
    """Return a network of the search space of MnasNet."""
    plan = Plan(activation="relu", stem=stem, multiplier=wider)
    return mobile_network(plan, rows, wide(features, plan))


def mcunet(rows: tuple[Row, ...], resolution: int) -> Architecture:
    """Return an MCUNet, which has no map before the classifier."""
    plan = Plan(activation="relu6", stem=16)
    return mobile_network(plan, rows, NO_FEATURES, resolution=resolution)


def fbnet_v3(rows: tuple[Row, ...], stem: int, resolution: int) -> Architecture:
    """Return an FBNetV3."""
    plan = Plan(activation="hard_swish", stem=stem, least=0.95, squeeze_step=8, gate="hard_sigmoid")
    head = pooled_first(1984, "hard_swish", bias=False)
    return mobile_network(plan, rows, head, resolution=resolution)


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of("MnasNet", mnasnet, _MNASNET, notes=_NOTES)
    for family, table in _OTHERS.items():
        yield from entries_of(family, mnasnet, table, source=TIMM, notes=_NOTES)
    mcu = {"mcunet_in2": (_MCU, 160, "0.73M 67.3M")}
    yield from entries_of("MCUNet", mcunet, mcu, source="mit-han-lab/mcunet, README.md")
    yield from entries_of("FBNetV3", fbnet_v3, _FBNETV3, source=TIMM, notes=_NOTES)
