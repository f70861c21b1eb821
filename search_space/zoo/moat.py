"""MOAT (Yang et al., Alternating Mobile Convolution and Attention, 2022, arXiv:2210.01820).

Sizes and the figures are those of google-research/deeplab2. Biases of offsets are learned for all
offsets of the map; the reference code learns those of maps of 14 and 7 pixels, and interpolates
them for larger ones. Convolutions of inverted residuals and of the stem start with He's deviation
by fan-out, in the reference code with 0.02.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import NoChannelMixer
from ..components.heads import PooledHead
from ..components.mixers.attention import Attention, RelativeAttention
from ..components.norms import LayerNorm
from ..components.wired import Block
from .coatnet import Convs, halving
from .entry import ZooEntry, all_with_norms, entries_of, with_norms
from .pyramid import doubling

_SMALL, _MIDDLE, _DEEP = (2, 3, 7, 2), (2, 6, 14, 2), (2, 12, 28, 2)

# Name: width of the first stage, channels of the stem, depths, resolution, printed figures.
_SIZES = {
    "moat_0": (96, 64, _SMALL, 224, "27.8M 5.7G"),
    "moat_1": (96, 64, _MIDDLE, 224, "41.6M 9.1G"),
    "moat_2_384": (128, 128, _MIDDLE, 384, "73.4M 54.3G"),
    "moat_3_512": (160, 160, _DEEP, 512, "190.0M 271.0G"),
    "moat_4_512": (256, 256, _DEEP, 512, "483.2M 648.5G"),
    "tiny_moat_0": (32, 32, _SMALL, 256, "3.4M 1.1G"),
    "tiny_moat_1": (40, 40, _SMALL, 256, "5.1M 1.6G"),
    "tiny_moat_2": (56, 56, _SMALL, 256, "9.8M 3.0G"),
    "tiny_moat_3": (80, 80, _SMALL, 256, "19.5M 6.0G"),
}

# The same networks without biases of offsets: printed figures.
_UNPLACED = {
    "moat_0": "27.8M 5.7G",
    "moat_1": "41.5M 9.1G",
    "moat_2_384": "73.2M 53.8G",
    "moat_3_512": "189.5M 266.1G",
    "moat_4_512": "482.5M 640.6G",
    "tiny_moat_0": "3.3M 1.1G",
    "tiny_moat_1": "5.1M 1.6G",
    "tiny_moat_2": "9.7M 3.0G",
    "tiny_moat_3": "19.5M 6.0G",
}

_LEARNED = "positions of larger maps than 14 and 7 are interpolated in the reference code"
_WITH_NORMS = {
    "moat_0": "5.688G",
    "moat_1": "9.071G",
    "tiny_moat_0": "1.063G",
    "tiny_moat_1": "1.603G",
    "tiny_moat_3": "5.953G",
}
_MORE = "the source counts norms too, and does not say what else"
_NOTES = (
    all_with_norms(_WITH_NORMS)
    | {
        "moat_2_384": f"{_LEARNED}, and its MACs hold norms and the look-up of positions",
        "moat_3_512": f"{_LEARNED}, and its MACs hold norms and the look-up of positions",
        "moat_4_512": f"{_LEARNED}, and its MACs hold norms and the look-up of positions",
        "tiny_moat_3": f"{with_norms('5.953G')}; {_LEARNED}",
    }
    | {f"{name}_wo_position": with_norms(count) for name, count in _WITH_NORMS.items()}
    | {
        "moat_2_384_wo_position": f"53.28G; {_MORE}",
        "moat_3_512_wo_position": f"263.41G; {_MORE}",
        "moat_4_512_wo_position": f"636.27G; {_MORE}",
    }
)

_NORM = LayerNorm(eps=1e-5)


def moat(
    width: int, stem: int, depths: Sequence[int], resolution: int, *, placed: bool = True
) -> Architecture:
    """Return a MOAT.

    Args:
        width: Channels of the first stage; each stage has twice as many as the one before.
        stem: Channels of the stem.
        depths: Blocks of each stage: inverted residuals, in the last two with attention behind.
        resolution: Side of the images in pixels.
        placed: Whether attention has a learned bias for each offset.
    """
    attention = MetaFormerBlock(
        mixer=RelativeAttention() if placed else Attention(qkv_bias=True, proj_bias=True),
        channel_mixer=NoChannelMixer(),
        norm=_NORM,
    )
    squeezed = Convs(eps=1e-3)
    plain = replace(squeezed, squeeze=0.0)
    widths = doubling(width)
    stages: list[list[Block]] = []
    for number, (each, depth) in enumerate(zip(widths, depths, strict=True)):
        convs, behind = (squeezed, []) if number < 2 else (plain, [attention])
        stages.append([*behind, *[convs.block(each), *behind] * (depth - 1)])
    before = (stem, *widths)
    return halving(
        squeezed.stem(stem, biased=True),
        before,
        stages,
        [
            (squeezed if number < 2 else plain).downsampling(*before[number : number + 2])
            for number in range(4)
        ],
        PooledHead(norm=_NORM),
        resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    source = "google-research/deeplab2, g3doc/projects/moat_imagenet_pretrained_checkpoints.md"
    yield from entries_of("MOAT", moat, _SIZES, source=source, notes=_NOTES)
    unplaced = {
        f"{name}_wo_position": (*_SIZES[name][:-1], printed) for name, printed in _UNPLACED.items()
    }
    make = partial(moat, placed=False)
    yield from entries_of("MOAT", make, unplaced, source=source, notes=_NOTES)
