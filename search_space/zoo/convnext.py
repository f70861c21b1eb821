"""ConvNeXt (Liu et al., 2022) and InceptionNeXt (Yu et al., 2023).

A ConvNet for the 2020s, arXiv:2201.03545, and InceptionNeXt: When Inception Meets ConvNeXt,
arXiv:2303.16900.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ..architecture.architecture import Architecture
from ..components.base import ChannelMixer, Head, Norm, Stem, TokenMixer
from ..components.blocks import ConvNeXtBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.downsampling import ConvDownsampling
from ..components.heads import MlpHead, PooledHead
from ..components.mixers.convolution import InceptionConv, LargeKernelConv
from ..components.norms import BatchNorm, LayerNorm, NoNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import PatchStem, TwoConvStem
from ..components.wired import Residual
from .entry import ZooEntry, entries_of, with_norms
from .pyramid import pyramid

_SHALLOW, _TINY, _DEEP = (2, 2, 6, 2), (3, 3, 9, 3), (3, 3, 27, 3)

_FACEBOOK = "facebookresearch/ConvNeXt, README.md"
_SAIL = "sail-sg/inceptionnext, README.md"
_TIMM = "huggingface/pytorch-image-models, results/benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv"

_T, _B, _L = (96, 192, 384, 768), (128, 256, 512, 1024), (192, 384, 768, 1536)
_XL = (256, 512, 1024, 2048)
_ATTO = (40, 80, 160, 320)

# Name: widths, depths, kernel, resolution, printed figures, where.
_CONVNEXT = {
    "ConvNeXt-T": (_T, _TINY, 7, 224, "28M 4.5G", _FACEBOOK),
    "ConvNeXt-T-384": (_T, _TINY, 7, 384, "29M 13.1G", _FACEBOOK),
    "ConvNeXt-S": (_T, _DEEP, 7, 224, "50M 8.7G", _FACEBOOK),
    "ConvNeXt-S-384": (_T, _DEEP, 7, 384, "50M 25.5G", _FACEBOOK),
    "ConvNeXt-B": (_B, _DEEP, 7, 224, "89M 15.4G", _FACEBOOK),
    "ConvNeXt-B-384": (_B, _DEEP, 7, 384, "89M 45.0G", _FACEBOOK),
    "ConvNeXt-L": (_L, _DEEP, 7, 224, "198M 34.4G", _FACEBOOK),
    "ConvNeXt-L-384": (_L, _DEEP, 7, 384, "198M 101.0G", _FACEBOOK),
    "ConvNeXt-XL": (_XL, _DEEP, 7, 224, "350M 60.9G", _FACEBOOK),
    "ConvNeXt-XL-384": (_XL, _DEEP, 7, 384, "350M 179.0G", _FACEBOOK),
    "convnext_tiny_k5": (_T, _TINY, 5, 224, "29M 4.4G", _SAIL),
    "convnext_tiny_k3": (_T, _TINY, 3, 224, "28M 4.4G", _SAIL),
    "convnext_atto": (_ATTO, _SHALLOW, 7, 224, "3.70M 0.55G", _TIMM),
    "convnext_femto": ((48, 96, 192, 384), _SHALLOW, 7, 224, "5.22M 0.79G", _TIMM),
    "convnext_pico": ((64, 128, 256, 512), _SHALLOW, 7, 224, "9.05M 1.37G", _TIMM),
    "convnext_nano": ((80, 160, 320, 640), (2, 2, 8, 2), 7, 224, "15.59M 2.46G", _TIMM),
}

# Name: channels inside the stem, widths, depths, printed figures.
_OVERLAP = {
    "convnext_atto_ols": (24, _ATTO, _SHALLOW, "3.70M 0.58G"),
    "convnext_femto_ols": (24, (48, 96, 192, 384), _SHALLOW, "5.23M 0.82G"),
    "convnext_pico_ols": (32, (64, 128, 256, 512), _SHALLOW, "9.06M 1.43G"),
    "convnext_nano_ols": (80, (80, 160, 320, 640), (2, 2, 8, 2), "15.65M 2.65G"),
}

# Name: width, depth, printed figures.
_ISOTROPIC = {
    "ConvNeXt-S iso": (384, 18, "22M 4.3G"),
    "ConvNeXt-B iso": (768, 18, "87M 16.9G"),
    "ConvNeXt-L iso": (1024, 36, "306M 59.7G"),
}

# Name: widths, depths, mixer, resolution, printed figures.
_INCEPTION, _BAND_OF_9 = InceptionConv(), InceptionConv(band_size=9, branch_ratio=0.25)
_INCEPTIONNEXT = {
    "inceptionnext_atto": (_ATTO, _SHALLOW, _BAND_OF_9, 224, "4.2M 0.51G"),
    "inceptionnext_tiny": (_T, _TINY, _INCEPTION, 224, "28M 4.2G"),
    "inceptionnext_small": (_T, _DEEP, _INCEPTION, 224, "49M 8.4G"),
    "inceptionnext_base": (_B, _DEEP, _INCEPTION, 224, "87M 14.9G"),
    "inceptionnext_base_384": (_B, _DEEP, _INCEPTION, 384, "87M 43.6G"),
}

_NOTES = {
    "ConvNeXt-T": "28.6M; another table of the same file prints 29M",
    "ConvNeXt-B-384": "45.1G; another table of the same file prints 47.0G",
    "convnext_tiny_k5": "28.4M: printed one too many",
    "convnext_femto": with_norms("0.785G"),
    "convnext_nano": with_norms("2.456G"),
    "convnext_femto_ols": with_norms("0.819G"),
    "convnext_nano_ols": with_norms("2.651G"),
    "inceptionnext_atto": with_norms("0.509G", "norms and biases"),
    "inceptionnext_base": with_norms("14.853G"),
}


_SCALED = LayerScaleResidual(init=1e-6)


def hierarchical(
    widths: Sequence[int],
    depths: Sequence[int],
    mixer: TokenMixer,
    *,
    norm: Norm,
    head: Head,
    channel_mixers: Sequence[ChannelMixer] = 4 * (Mlp(),),
    residual: Residual = _SCALED,
    stem: Stem | None = None,
    resolution: int = 224,
) -> Architecture:
    """Return four stages of ConvNeXt blocks behind a stem, by default of 4 x 4 patches."""
    blocks = [
        ConvNeXtBlock(mixer=mixer, channel_mixer=channel_mixer, norm=norm, residual=residual)
        for channel_mixer in channel_mixers
    ]
    return pyramid(
        widths,
        depths,
        blocks,
        stem=stem or PatchStem(patch_size=4, norm=norm),
        downsampling=ConvDownsampling(kernel_size=2, norm=norm),
        head=head,
        resolution=resolution,
    )


def convnext(
    widths: Sequence[int], depths: Sequence[int], kernel_size: int, resolution: int
) -> Architecture:
    """Return a ConvNeXt; the published ones have kernels of 7."""
    mixer = LargeKernelConv(kernel_size=kernel_size)
    return hierarchical(
        widths, depths, mixer, norm=LayerNorm(), head=PooledHead(), resolution=resolution
    )


def overlapping(inner: int, widths: Sequence[int], depths: Sequence[int]) -> Architecture:
    """Return timm's ConvNeXt with two overlapping convolutions in place of patches."""
    stem = TwoConvStem(
        hidden=inner,
        activation="none",
        last_activation=False,
        bias=True,
        first_norm=False,
        norm=LayerNorm(),
    )
    mixer = LargeKernelConv(kernel_size=7)
    return hierarchical(widths, depths, mixer, norm=LayerNorm(), head=PooledHead(), stem=stem)


def isotropic(width: int, depth: int) -> Architecture:
    """Return a ConvNeXt of one stage behind patches of 16 x 16 (section 3.3)."""
    block = ConvNeXtBlock(mixer=LargeKernelConv(kernel_size=7))
    stem = PatchStem(patch_size=16, norm=NoNorm())
    return pyramid([width], [depth], block, stem=stem, head=PooledHead())


def inceptionnext(
    widths: Sequence[int], depths: Sequence[int], mixer: TokenMixer, resolution: int
) -> Architecture:
    """Return an InceptionNeXt: batch norms, a narrower last stage, a head with a perceptron."""
    return hierarchical(
        widths,
        depths,
        mixer,
        norm=BatchNorm(),
        head=MlpHead(ratio=3, activation="gelu", norm=NoNorm(), inner_eps=1e-6),
        channel_mixers=[Mlp(ratio=ratio) for ratio in (4, 4, 4, 3)],
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of("ConvNeXt", convnext, _CONVNEXT, notes=_NOTES)
    yield from entries_of("ConvNeXt", overlapping, _OVERLAP, source=_TIMM, notes=_NOTES)
    yield ZooEntry(
        name="convnext_tiny_hnf",
        family="ConvNeXt",
        printed="28.59M 4.47G",
        source=_TIMM,
        make=partial(
            hierarchical,
            _T,
            _TINY,
            LargeKernelConv(kernel_size=7),
            norm=LayerNorm(),
            head=PooledHead(norm_first=True),
        ),
        note=with_norms("4.471G"),
    )
    yield from entries_of("ConvNeXt (isotropic)", isotropic, _ISOTROPIC, source=_FACEBOOK)
    yield from entries_of(
        "InceptionNeXt",
        inceptionnext,
        _INCEPTIONNEXT,
        source=_SAIL,
        notes=_NOTES,
        alias=lambda name: "" if name.endswith("_384") else f"InceptionNeXt-{name[14].upper()}",
    )
