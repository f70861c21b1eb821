"""PoolFormer (2021) and the MetaFormer baselines (2022), all by Yu et al.

PoolFormer: MetaFormer Is Actually What You Need for Vision, arXiv:2111.11418. The others:
MetaFormer Baselines for Vision, arXiv:2210.13452, section 3 and table 1.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.base import Head, Norm, TokenMixer
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import MlpHead, PooledHead
from ..components.mixers.attention import Attention
from ..components.mixers.convolution import SeparableConv
from ..components.mixers.trivial import IdentityMixer, Pooling, RandomMixing
from ..components.norms import GroupNorm, LayerNorm, NoNorm
from ..components.residuals import LayerScaleResidual, PlainResidual, ResScaleResidual
from ..components.stems import ConvStem
from .entry import ZooEntry, rounded, with_norms
from .pyramid import pyramid

_SOURCE = "sail-sg/metaformer, README.md"

_SMALL = (64, 128, 320, 512)
_LARGE = (96, 192, 384, 768)

# Size: widths and depths, as in PoolFormer.
_BASIC_SIZES = {
    "s12": (_SMALL, (2, 2, 6, 2)),
    "s24": (_SMALL, (4, 4, 12, 4)),
    "s36": (_SMALL, (6, 6, 18, 6)),
    "m36": (_LARGE, (6, 6, 18, 6)),
    "m48": (_LARGE, (8, 8, 24, 8)),
}

# Size: widths and depths of ConvFormer and CAFormer.
_SIZES = {
    "s18": (_SMALL, (3, 3, 9, 3)),
    "s36": (_SMALL, (3, 12, 18, 3)),
    "m36": ((96, 192, 384, 576), (3, 12, 18, 3)),
    "b36": ((128, 256, 512, 768), (3, 12, 18, 3)),
}

_PLAIN = {
    "s12": "11.9M 1.8G",
    "s24": "21.3M 3.4G",
    "s36": "30.8M 5.0G",
    "m36": "56.1M 8.8G",
    "m48": "73.3M 11.5G",
}
_RANDOMISED = {
    "s12": "11.9M 1.9G",
    "s24": "21.3M 3.5G",
    "s36": "30.8M 5.2G",
    "m36": "56.1M 9.0G",
    "m48": "73.3M 11.9G",
}

_IDENTITY, _POOLING, _RANDOM = IdentityMixer(), Pooling(), RandomMixing()
_CONV, _ATTENTION = SeparableConv(), Attention()

# Family: mixers of the four stages; printed figures, by size.
_BASIC: dict[str, tuple[tuple[TokenMixer, ...], dict[str, str]]] = {
    "IdentityFormer": ((_IDENTITY,) * 4, _PLAIN),
    "RandFormer": ((_IDENTITY, _IDENTITY, _RANDOM, _RANDOM), _RANDOMISED),
    "PoolFormerV2": ((_POOLING,) * 4, _PLAIN),
}

# Family: mixers of the four stages; parameters, MACs at 224 and at 384 pixels, by size.
_STRONG: dict[str, tuple[tuple[TokenMixer, ...], dict[str, tuple[str, str, str]]]] = {
    "ConvFormer": (
        (_CONV,) * 4,
        {
            "s18": ("27M", "3.9G", "11.6G"),
            "s36": ("40M", "7.6G", "22.4G"),
            "m36": ("57M", "12.8G", "37.7G"),
            "b36": ("100M", "22.6G", "66.5G"),
        },
    ),
    "CAFormer": (
        (_CONV, _CONV, _ATTENTION, _ATTENTION),
        {
            "s18": ("26M", "4.1G", "13.4G"),
            "s36": ("39M", "8.0G", "26.0G"),
            "m36": ("56M", "13.2G", "42.0G"),
            "b36": ("99M", "23.2G", "72.2G"),
        },
    ),
}

# Size: printed figures, initial layer scale.
_POOLFORMER = {
    "s12": ("12M 1.8G", 1e-5),
    "s24": ("21M 3.4G", 1e-5),
    "s36": ("31M 5.0G", 1e-6),
    "m36": ("56M 8.8G", 1e-6),
    "m48": ("73M 11.6G", 1e-6),
}

_NOTES = {("RandFormer", "s24"): rounded("3.545G"), ("ConvFormer", "s18"): rounded("3.941G")}


def baseline(
    widths: Sequence[int],
    depths: Sequence[int],
    mixers: Sequence[TokenMixer],
    *,
    norm: Norm,
    head: Head,
    resolution: int = 224,
) -> Architecture:
    """Return a MetaFormer baseline: StarReLU, no biases, residual scale in the last two stages."""
    channel_mixer = Mlp(ratio=4, activation="star_relu", bias=False)
    between = LayerNorm(bias=False)
    blocks = [
        MetaFormerBlock(
            mixer=mixer,
            channel_mixer=channel_mixer,
            norm=norm,
            residual=PlainResidual() if index < 2 else ResScaleResidual(),
        )
        for index, mixer in enumerate(mixers)
    ]
    return pyramid(
        widths,
        depths,
        blocks,
        stem=ConvStem(kernel_size=7, stride=4, norm=between),
        downsampling=ConvDownsampling(kernel_size=3, norm=between),
        head=head,
        resolution=resolution,
    )


def poolformer(widths: Sequence[int], depths: Sequence[int], *, scale: float) -> Architecture:
    """Return a PoolFormer: group norms, GELU, biases, layer scale that starts at ``scale``."""
    norm = GroupNorm(eps=1e-5)
    block = MetaFormerBlock(
        mixer=Pooling(),
        channel_mixer=Mlp(ratio=4),
        norm=norm,
        residual=LayerScaleResidual(init=scale),
    )
    return pyramid(
        widths,
        depths,
        block,
        stem=ConvStem(kernel_size=7, stride=4, norm=NoNorm()),
        downsampling=ConvDownsampling(kernel_size=3, norm=NoNorm()),
        head=PooledHead(norm=norm, norm_first=True),
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    for size, (printed, scale) in _POOLFORMER.items():
        yield ZooEntry(
            name=f"poolformer_{size}",
            family="PoolFormer",
            printed=printed,
            source="sail-sg/poolformer, README.md",
            make=partial(poolformer, *_BASIC_SIZES[size], scale=scale),
            note=with_norms("11.591G") if size == "m48" else "",
        )
    basic = partial(baseline, norm=GroupNorm(bias=False), head=PooledHead())
    for family, (mixers, figures) in _BASIC.items():
        for size, printed in figures.items():
            yield ZooEntry(
                name=f"{family.lower()}_{size}",
                family=family,
                printed=printed,
                source=_SOURCE,
                note=_NOTES.get((family, size), ""),
                make=partial(basic, *_BASIC_SIZES[size], mixers),
            )
    strong = partial(baseline, norm=LayerNorm(bias=False), head=MlpHead())
    for family, (mixers, rows) in _STRONG.items():
        for size, (params, small, large) in rows.items():
            for resolution, macs, suffix in ((224, small, ""), (384, large, "_384")):
                yield ZooEntry(
                    name=f"{family.lower()}_{size}{suffix}",
                    family=family,
                    printed=f"{params} {macs}",
                    source=_SOURCE,
                    note="" if suffix else _NOTES.get((family, size), ""),
                    make=partial(strong, *_SIZES[size], mixers, resolution=resolution),
                )
