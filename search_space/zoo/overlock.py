"""OverLoCK (Lou and Yu, An Overview-first-Look-Closely-next ConvNet, 2025, arXiv:2502.20087)."""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..architecture.stages import Overview, Stage
from ..components.blocks import GuidedBlock, LocalBlock
from ..components.channel_mixers.response import GrnMlp
from ..components.downsampling import ConvDownsampling, NoDownsampling
from ..components.heads import WideHead
from ..components.mixers.context_mixing import DilatedSqueezeConv, GuidedContMix
from ..components.norms import BatchNorm, NoNorm
from ..components.overview_parts import GuidedDownsampling
from ..components.residuals import PlainResidual, ResScaleResidual
from ..components.stems import ConvStackStem
from ..components.wired import Residual
from ..shapes import Shape
from .entry import ZooEntry, entries_of

_README = "LMMMEng/OverLoCK, README.md"
_NOTE = (
    "the printed MACs are of the trained form, without its large kernels and context mixing, "
    "whose own operations the counter does not know"
)

# Name: widths, depths, depths and heads of the last two stages, printed figures.
_SIZES = {
    "overlock_xt": ((56, 112, 256, 336), (2, 2, 3, 2), (6, 2), (4, 6), "16M 2.6G"),
    "overlock_t": ((64, 128, 256, 512), (4, 4, 6, 2), (12, 2), (4, 8), "33M 5.5G"),
    "overlock_s": ((64, 128, 320, 512), (6, 6, 8, 3), (16, 3), (8, 16), "56M 9.7G"),
    "overlock_b": ((80, 160, 384, 576), (8, 8, 10, 4), (20, 4), (6, 9), "95M 16.7G"),
}

_KERNELS = (17, 15, 13, 7)
_DOWN = ConvDownsampling(norm=NoNorm(), norm_after=BatchNorm(), bias=False)
_SCALED = ResScaleResidual(bias=True)


def _local(width: int, depth: int, kernel_size: int, residual: Residual, *, first: bool) -> Stage:
    block = LocalBlock(
        mixer=DilatedSqueezeConv(kernel_size=kernel_size),
        channel_mixer=GrnMlp(local=True),
        residual=residual,
    )
    return Stage(width=width, depth=depth, blocks=(block,), downsampling=None if first else _DOWN)


def _focus(width: int, guide: int, depth: int, heads: int, kernel_size: int, joins: bool) -> Stage:
    """Return a guided stage; where the guide joins, its first block does not add it again."""
    block = partial(
        GuidedBlock,
        mixer=GuidedContMix(kernel_size=kernel_size, heads=2 * heads, guide=guide),
        channel_mixer=GrnMlp(ratio=3 * width / (width + guide), local=True),
        residual=_SCALED,
    )
    return Stage(
        width=width + guide,
        depth=depth,
        blocks=(block(refresh=not joins), *[block()] * (depth - 1)),
        downsampling=NoDownsampling() if joins else GuidedDownsampling(guide=guide),
    )


def overlock(
    widths: Sequence[int],
    depths: Sequence[int],
    focus_depths: Sequence[int],
    focus_heads: Sequence[int],
) -> Architecture:
    """Return an OverLoCK: three stages, an overview of one, and two that it guides."""
    guide = widths[-1] // 4
    residuals = (PlainResidual(), PlainResidual(), _SCALED, _SCALED)
    *base, overview = (
        _local(width, depth, kernel, residual, first=index == 0)
        for index, (width, depth, kernel, residual) in enumerate(
            zip(widths, depths, _KERNELS, residuals, strict=True)
        )
    )
    focus = (
        _focus(width, guide, depth, heads, kernel, joins=index == 0)
        for index, (width, depth, heads, kernel) in enumerate(
            zip(widths[2:], focus_depths, focus_heads, _KERNELS[2:], strict=True)
        )
    )
    return Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=ConvStackStem(halvings=2, doubled=True, activation="gelu"),
        stages=(*base, *focus),
        head=WideHead(features=1024, activation="silu"),
        overview=Overview(after=3, stages=(overview,), width=guide),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    notes = dict.fromkeys(_SIZES, _NOTE)
    return entries_of("OverLoCK", overlock, _SIZES, source=_README, notes=notes)
