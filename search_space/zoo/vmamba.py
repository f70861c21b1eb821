"""VMamba (Liu et al., VMamba: Visual State Space Model, 2024, arXiv:2401.10166)."""

from collections.abc import Iterator, Sequence

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import PooledHead
from ..components.mixers.selective_scan import SelectiveScanMixer
from ..components.norms import LayerNorm, NoNorm
from ..components.stems import TwoConvStem
from .entry import ZooEntry, entries_of
from .pyramid import doubling, pyramid

# Name: channels of the first stage, ratio of the scans' channels, depths, printed figures.
_SIZES = {
    "vmamba_tiny_s2l5": (96, 2, (2, 2, 5, 2), "31M -"),
    "vmamba_small_s2l15": (96, 2, (2, 2, 15, 2), "50M 8.7G"),
    "vmamba_base_s2l15": (128, 2, (2, 2, 15, 2), "89M 15.4G"),
    "vmamba_tiny_s1l8": (96, 1, (2, 2, 8, 2), "30M 4.9G"),
    "vmamba_small_s1l20": (96, 1, (2, 2, 20, 2), "49M 8.6G"),
    "vmamba_base_s1l20": (128, 1, (2, 2, 20, 2), "87M 15.2G"),
}

_SCANS = "with the norms and ten operations of each state and position"
_NOTES = {
    "vmamba_tiny_s2l5": f"printed 4.9G holds more than multiply-adds: 4.88G {_SCANS}",
    "vmamba_small_s2l15": f"8.75G {_SCANS}, as printed",
    "vmamba_base_s2l15": f"15.40G {_SCANS}, as printed",
    "vmamba_tiny_s1l8": f"4.92G {_SCANS}, as printed",
    "vmamba_small_s1l20": f"8.63G {_SCANS}, as printed",
    "vmamba_base_s1l20": f"15.25G {_SCANS}, as printed",
}


def vmamba(width: int, ratio: float, depths: Sequence[int]) -> Architecture:
    """Return a VMamba of the paper's last version."""
    norm = LayerNorm(eps=1e-5)
    return pyramid(
        doubling(width),
        depths,
        MetaFormerBlock(mixer=SelectiveScanMixer(ratio=ratio), channel_mixer=Mlp(), norm=norm),
        stem=TwoConvStem(
            hidden=width // 2, activation="gelu", last_activation=False, bias=True, norm=norm
        ),
        downsampling=ConvDownsampling(kernel_size=3, norm=NoNorm(), norm_after=norm),
        head=PooledHead(norm=norm, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "MzeroMiko/VMamba, assets/performance.md"
    return entries_of("VMamba", vmamba, _SIZES, source=source, notes=_NOTES)
