"""MixNet (Tan and Le, MixConv: Mixed Depthwise Convolutional Kernels, 2019, arXiv:1907.09595)."""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .mobile import Plan, Row, mobile_network, wide


def _row(
    depth: int,
    kernels: int,
    stride: int,
    ratio: float,
    width: int,
    parts: tuple[int, int] = (1, 1),
    squeeze: float = 0.0,
) -> Row:
    """Return blocks with kernels from 3 on; those with squeeze-and-excitation have SiLU."""
    return Row(
        depth,
        3,
        stride,
        ratio,
        width,
        squeeze,
        activation="silu" if squeeze else "",
        kernels=kernels,
        expand_parts=parts[0],
        project_parts=parts[1],
    )


_BOTH, _LAST = (2, 2), (1, 2)

_SMALL = (
    _row(1, 1, 1, 1, 16),
    _row(1, 1, 2, 6, 24, _BOTH),
    _row(1, 1, 1, 3, 24, _BOTH),
    _row(1, 3, 2, 6, 40, squeeze=0.5),
    _row(3, 2, 1, 6, 40, _BOTH, 0.5),
    _row(1, 3, 2, 6, 80, _LAST, 0.25),
    _row(2, 2, 1, 6, 80, _LAST, 0.25),
    _row(1, 3, 1, 6, 120, _BOTH, 0.5),
    _row(2, 4, 1, 3, 120, _BOTH, 0.5),
    _row(1, 5, 2, 6, 200, squeeze=0.5),
    _row(2, 4, 1, 6, 200, _LAST, 0.5),
)

_MEDIUM = (
    _row(1, 1, 1, 1, 24),
    _row(1, 3, 2, 6, 32, _BOTH),
    _row(1, 1, 1, 3, 32, _BOTH),
    _row(1, 4, 2, 6, 40, squeeze=0.5),
    _row(3, 2, 1, 6, 40, _BOTH, 0.5),
    _row(1, 3, 2, 6, 80, squeeze=0.25),
    _row(3, 4, 1, 6, 80, _BOTH, 0.25),
    _row(1, 1, 1, 6, 120, squeeze=0.5),
    _row(3, 4, 1, 3, 120, _BOTH, 0.5),
    _row(1, 4, 2, 6, 200, squeeze=0.5),
    _row(3, 4, 1, 6, 200, _LAST, 0.5),
)

_DEEP = tuple(row._replace(depth=4) if row.depth == 3 else row for row in _MEDIUM)
_DEEPER = (*_DEEP[:2], _DEEP[2]._replace(depth=2), *_DEEP[3:])

# Name: rows, channels of the stem, times the widths, printed figures.
_SIZES = {
    "mixnet_s": (_SMALL, 16, 1.0, "4.13M 0.25G"),
    "mixnet_m": (_MEDIUM, 24, 1.0, "5.01M 0.36G"),
    "mixnet_l": (_MEDIUM, 24, 1.3, "7.33M 0.58G"),
    "mixnet_xl": (_DEEP, 24, 1.6, "11.90M 0.93G"),
    "mixnet_xxl": (_DEEPER, 24, 2.4, "23.96M 2.04G"),
}

_NOTES = all_with_norms(
    {
        "mixnet_s": "0.252G",
        "mixnet_m": "0.356G",
        "mixnet_l": "0.577G",
        "mixnet_xl": "0.933G",
        "mixnet_xxl": "2.040G",
    }
)


def mixnet(rows: tuple[Row, ...], stem: int, wider: float) -> Architecture:
    """Return a MixNet."""
    plan = Plan(activation="relu", stem=stem, multiplier=wider)
    return mobile_network(plan, rows, wide(1536, plan))


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    yield from entries_of("MixNet", mixnet, _SIZES, source=TIMM, notes=_NOTES)
