"""ViT (Dosovitskiy et al., 2020) and DeiT (Touvron et al., 2020, 2022).

An Image is Worth 16x16 Words, arXiv:2010.11929, table 1; Training Data-Efficient Image
Transformers, arXiv:2012.12877, table 1; DeiT III: Revenge of the ViT, arXiv:2204.07118, table 1.
"""

from collections.abc import Iterator
from functools import partial

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.heads import TokenHead
from ..components.mixers.attention import Attention
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.stems import TokenStem
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import pyramid

_TORCHVISION = "pytorch/vision, torchvision/models/vision_transformer.py"

# Name: patch, width, depth, channels of a head, side of the images, printed figures, source.
_VIT = {
    "vit_tiny_patch16_224": (16, 192, 12, 64, 224, "5.72M 1.26G", TIMM),
    "vit_tiny_patch16_384": (16, 192, 12, 64, 384, "5.79M 4.7G", TIMM),
    "vit_small_patch32_224": (32, 384, 12, 64, 224, "22.88M 1.15G", TIMM),
    "vit_small_patch32_384": (32, 384, 12, 64, 384, "22.92M 3.45G", TIMM),
    "vit_small_patch16_224": (16, 384, 12, 64, 224, "22.05M 4.61G", TIMM),
    "vit_small_patch16_384": (16, 384, 12, 64, 384, "22.2M 15.52G", TIMM),
    "vit_base_patch32_224": (32, 768, 12, 64, 224, "88.224232M 4.409G", _TORCHVISION),
    "vit_base_patch32_384": (32, 768, 12, 64, 384, "88.3M 13.06G", TIMM),
    "vit_base_patch16_224": (16, 768, 12, 64, 224, "86.567656M 17.564G", _TORCHVISION),
    "vit_base_patch16_384": (16, 768, 12, 64, 384, "86.859496M 55.484G", _TORCHVISION),
    "vit_large_patch32_224": (32, 1024, 24, 64, 224, "306.535400M 15.378G", _TORCHVISION),
    "vit_large_patch32_384": (32, 1024, 24, 64, 384, "306.63M 45.31G", TIMM),
    "vit_large_patch16_224": (16, 1024, 24, 64, 224, "304.326632M 61.555G", _TORCHVISION),
    "vit_large_patch16_384": (16, 1024, 24, 64, 384, "304.72M 191.21G", TIMM),
    "vit_large_patch16_512": (16, 1024, 24, 64, 512, "305.174504M 361.986G", _TORCHVISION),
    "vit_huge_patch14_224": (14, 1280, 32, 80, 224, "632.045800M 167.295G", _TORCHVISION),
    "vit_huge_patch14_518": (14, 1280, 32, 80, 518, "633.470440M 1016.717G", _TORCHVISION),
}

# Name: width, tokens, side of the images, printed figures.
_DEIT = {
    "deit_tiny_distilled_patch16_224": (192, 2, 224, "5.91M 1.27G"),
    "deit_small_distilled_patch16_224": (384, 2, 224, "22.44M 4.63G"),
    "deit_base_distilled_patch16_224": (768, 2, 224, "87.34M 17.68G"),
    "deit_base_distilled_patch16_384": (768, 2, 384, "87.63M 55.65G"),
}

# Name: patch, width, depth, channels of a head, side of the images, printed figures.
_DEIT3 = {
    "deit3_small_patch16_224": (16, 384, 12, 64, 224, "22.06M 4.61G"),
    "deit3_small_patch16_384": (16, 384, 12, 64, 384, "22.21M 15.52G"),
    "deit3_medium_patch16_224": (16, 512, 12, 64, 224, "38.85M 8.0G"),
    "deit3_base_patch16_224": (16, 768, 12, 64, 224, "86.59M 17.58G"),
    "deit3_base_patch16_384": (16, 768, 12, 64, 384, "86.88M 55.54G"),
    "deit3_large_patch16_224": (16, 1024, 24, 64, 224, "304.37M 61.6G"),
    "deit3_large_patch16_384": (16, 1024, 24, 64, 384, "304.76M 191.21G"),
    "deit3_huge_patch14_224": (14, 1280, 32, 80, 224, "632.13M 167.4G"),
}

_NOTES = all_with_norms(
    {
        "vit_tiny_patch16_224": "1.258G",
        "vit_small_patch32_224": "1.145G",
        "vit_small_patch32_384": "3.450G",
        "vit_small_patch16_224": "4.608G",
        "vit_small_patch16_384": "15.517G",
        "vit_base_patch32_384": "13.057G",
        "vit_large_patch32_384": "45.312G",
        "vit_large_patch16_384": "191.208G",
        "deit_tiny_distilled_patch16_224": "1.266G",
        "deit_small_distilled_patch16_224": "4.633G",
        "deit_base_distilled_patch16_224": "17.675G",
        "deit3_small_patch16_224": "4.608G",
        "deit3_small_patch16_384": "15.517G",
        "deit3_base_patch16_224": "17.582G",
        "deit3_base_patch16_384": "55.538G",
        "deit3_large_patch16_384": "191.208G",
        "deit3_huge_patch14_224": "167.400G",
    }
) | {"deit_base_distilled_patch16_384": "the printed MACs hold the norms, of all tokens at the end"}


def vit(
    patch: int,
    width: int,
    depth: int,
    head_dim: int = 64,
    resolution: int = 224,
    *,
    tokens: int = 1,
    third: bool = False,
) -> Architecture:
    """Return a ViT with class tokens.

    Args:
        patch: Side of a patch in pixels.
        width: Channels of a token.
        depth: Number of blocks.
        head_dim: Channels of a head.
        resolution: Side of the images in pixels.
        tokens: Class tokens: two in distilled DeiTs.
        third: Whether blocks have a layer scale and class tokens no position, as in DeiT III.
    """
    block = MetaFormerBlock(
        mixer=Attention(head_dim=head_dim, qkv_bias=True, proj_bias=True),
        channel_mixer=Mlp(ratio=4),
        residual=LayerScaleResidual(init=1e-6) if third else PlainResidual(),
    )
    return pyramid(
        [width],
        [depth],
        block,
        stem=TokenStem(patch_size=patch, tokens=tokens, placed=not third),
        head=TokenHead(tokens=tokens),
        resolution=resolution,
    )


def deit(width: int, tokens: int, resolution: int) -> Architecture:
    """Return a DeiT of twelve blocks."""
    return vit(16, width, 12, 64, resolution, tokens=tokens)


def _aliases(name: str) -> str:
    """Return DeiT's name of the same network, or that of papers."""
    _, size, patch, side = name.split("_")
    letter = size[0].upper()
    if f"{letter}{patch[5:]} {side}" in ("T16 224", "S16 224", "B16 224", "B16 384"):
        return f"deit_{size}_{patch}_{side}"
    return f"ViT-{letter}/{patch[5:]} {side}"


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of these families."""
    yield from entries_of("ViT", vit, _VIT, notes=_NOTES, alias=_aliases)
    yield from entries_of("DeiT", deit, _DEIT, source=TIMM, notes=_NOTES)
    third = partial(vit, third=True)
    yield from entries_of("DeiT III", third, _DEIT3, source=TIMM, notes=_NOTES)
