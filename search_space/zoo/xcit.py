"""XCiT (El-Nouby et al., 2021) and CaiT (Touvron et al., 2021): class attention in the head.

XCiT: Cross-Covariance Image Transformers, arXiv:2106.09681, table 1; Going Deeper with Image
Transformers, arXiv:2103.17239, table 3.
"""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp, NoChannelMixer
from ..components.heads import ClassAttentionHead
from ..components.mixers.attention import Attention
from ..components.mixers.convolution import LocalPatchInteraction
from ..components.mixers.transposed import CrossCovarianceAttention
from ..components.norms import NoNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import ConvStackStem, PositionStem
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import pyramid

# Size: width, depth, heads, printed figures by patch and side of the images.
_XCIT = {
    "nano_12": (128, 12, 4, ("3.05M 0.56G", "3.05M 1.64G", "3.05M 2.16G", "3.05M 6.34G")),
    "tiny_12": (192, 12, 4, ("6.72M 1.24G", "6.72M 3.64G", "6.71M 4.81G", "6.71M 14.13G")),
    "tiny_24": (192, 24, 4, ("12.12M 2.34G", "12.12M 6.87G", "12.11M 9.21G", "12.11M 27.05G")),
    "small_12": (384, 12, 8, ("26.25M 4.82G", "26.25M 14.14G", "26.21M 18.69G", "26.21M 54.92G")),
    "small_24": (384, 24, 8, ("47.67M 9.1G", "47.67M 26.72G", "47.63M 35.81G", "47.63M 105.24G")),
    "medium_24": (512, 24, 8, ("84.4M 16.13G", "84.4M 47.39G", "84.32M 63.53G", "84.32M 186.67G")),
    "large_24": (
        768,
        24,
        16,
        ("189.1M 35.86G", "189.1M 105.35G", "188.93M 141.23G", "188.93M 415.0G"),
    ),
}

# Name: width, depth, heads, initial layer scale, side of the images, printed figures.
_CAIT = {
    "cait_xxs24_224": (192, 24, 4, 1e-5, 224, "11.96M 2.53G"),
    "cait_xxs24_384": (192, 24, 4, 1e-5, 384, "12.03M 9.63G"),
    "cait_xxs36_224": (192, 36, 4, 1e-5, 224, "17.3M 3.77G"),
    "cait_xxs36_384": (192, 36, 4, 1e-5, 384, "17.37M 14.35G"),
    "cait_xs24_384": (288, 24, 6, 1e-5, 384, "26.67M 19.28G"),
    "cait_s24_224": (384, 24, 8, 1e-5, 224, "46.92M 9.35G"),
    "cait_s24_384": (384, 24, 8, 1e-5, 384, "47.06M 32.17G"),
    "cait_s36_384": (384, 36, 8, 1e-6, 384, "68.37M 47.99G"),
    "cait_m36_384": (768, 36, 16, 1e-6, 384, "271.22M 173.11G"),
    "cait_m48_448": (768, 48, 16, 1e-6, 448, "356.46M 329.41G"),
}

_NOTES = all_with_norms(
    {
        "xcit_tiny_12_p16_224": "1.236G",
        "xcit_tiny_24_p16_224": "2.336G",
        "cait_xxs24_224": "2.533G",
        "cait_xxs24_384": "9.627G",
        "cait_xxs36_224": "3.770G",
        "cait_xxs36_384": "14.354G",
        "cait_xs24_384": "19.282G",
        "cait_s24_224": "9.346G",
        "cait_s24_384": "32.165G",
        "cait_s36_384": "47.990G",
        "cait_m36_384": "173.107G",
    }
) | {"cait_m48_448": "the printed MACs hold the norms, of all tokens at the end"}

_POSITION = "the printed MACs hold the norms, and a map of the position at each place"


def xcit(width: int, depth: int, heads: int, patch: int, resolution: int) -> Architecture:
    """Return an XCiT: attention of channels, and local interaction with the perceptron.

    Args:
        width: Channels.
        depth: Number of pairs of blocks.
        heads: Heads of the attention, also in the head.
        patch: Pixels along each side for one position, 8 or 16.
        resolution: Side of the images in pixels.
    """
    init = 1.0 if depth == 12 else 1e-5
    residual = LayerScaleResidual(init=init)
    blocks = [
        MetaFormerBlock(
            mixer=CrossCovarianceAttention(heads=heads),
            channel_mixer=NoChannelMixer(),
            residual=residual,
        ),
        MetaFormerBlock(
            mixer=LocalPatchInteraction(), channel_mixer=Mlp(ratio=4), residual=residual
        ),
    ]
    return pyramid(
        [width],
        [2 * depth],
        [blocks],
        stem=ConvStackStem(halvings=4 if patch == 16 else 3, activation="gelu", placed=True),
        head=ClassAttentionHead(
            heads=heads, init=init, positions="summed" if width == 128 else "normed"
        ),
        resolution=resolution,
    )


def cait(width: int, depth: int, heads: int, scale: float, resolution: int) -> Architecture:
    """Return a CaiT: talking heads, layer scale, and a class token in the head alone."""
    block = MetaFormerBlock(
        mixer=Attention(
            head_dim=width // heads, qkv_bias=True, proj_bias=True, score="talking_heads"
        ),
        channel_mixer=Mlp(ratio=4),
        residual=LayerScaleResidual(init=scale),
    )
    return pyramid(
        [width],
        [depth],
        block,
        stem=PositionStem(patch_size=16, norm=NoNorm()),
        head=ClassAttentionHead(heads=heads, init=scale),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    places = [(patch, side) for patch in (16, 8) for side in (224, 384)]
    rows = {
        f"xcit_{size}_p{patch}_{side}": (width, depth, heads, patch, side, printed)
        for size, (width, depth, heads, figures) in _XCIT.items()
        for (patch, side), printed in zip(places, figures, strict=True)
    }
    exact = "xcit_small_24_p16_224"
    notes = {name: _POSITION for name in rows if name != exact} | _NOTES
    yield from entries_of("XCiT", xcit, rows, source=TIMM, notes=notes)
    yield from entries_of("CaiT", cait, _CAIT, source=TIMM, notes=_NOTES)
