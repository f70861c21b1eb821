"""CrossViT (Chen et al., 2021): two branches of small and large patches.

CrossViT: Cross-Attention Multi-Scale Vision Transformer for Image Classification, arXiv:2103.14899,
table 1.
"""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from ..components.branch_ends import BranchHead, BranchStem
from ..components.cross_scale import CrossBranchBlock
from .entry import TIMM, ZooEntry, all_with_norms, entries_of
from .pyramid import pyramid

# Name: width, layers of the large branch, heads, ratio, whether convolutions make the patches, side
# of the images and of the images for large patches, printed figures.
_CROSSVIT = {
    "crossvit_tiny_240": (96, 4, 3, 4, False, 240, 224, "7.01M 1.57G"),
    "crossvit_small_240": (192, 4, 6, 4, False, 240, 224, "26.86M 5.63G"),
    "crossvit_base_240": (384, 4, 12, 4, False, 240, 224, "105.03M 21.22G"),
    "crossvit_9_240": (128, 3, 4, 3, False, 240, 224, "8.55M 1.85G"),
    "crossvit_15_240": (192, 5, 6, 3, False, 240, 224, "27.53M 5.81G"),
    "crossvit_18_240": (224, 6, 7, 3, False, 240, 224, "43.27M 9.05G"),
    "crossvit_9_dagger_240": (128, 3, 4, 3, True, 240, 224, "8.78M 1.99G"),
    "crossvit_15_dagger_240": (192, 5, 6, 3, True, 240, 224, "28.21M 6.13G"),
    "crossvit_18_dagger_240": (224, 6, 7, 3, True, 240, 224, "44.27M 9.5G"),
    "crossvit_15_dagger_408": (192, 5, 6, 3, True, 408, 384, "28.5M 21.45G"),
    "crossvit_18_dagger_408": (224, 6, 7, 3, True, 408, 384, "44.61M 32.47G"),
}

_NOTES = all_with_norms(
    {
        "crossvit_tiny_240": "1.570G",
        "crossvit_small_240": "5.629G",
        "crossvit_base_240": "21.219G",
        "crossvit_9_240": "1.848G",
        "crossvit_15_240": "5.807G",
        "crossvit_18_240": "9.052G",
        "crossvit_9_dagger_240": "1.987G",
        "crossvit_15_dagger_240": "6.128G",
        "crossvit_15_dagger_408": "21.445G",
        "crossvit_18_dagger_408": "32.471G",
    }
)


def crossvit(
    width: int, layers: int, heads: int, ratio: int, stack: bool, resolution: int, large: int
) -> Architecture:
    """Return a CrossViT of three encoders.

    Args:
        width: Channels of the small branch; the large branch has twice as many.
        layers: Layers of the large branch in an encoder; the small branch has one.
        heads: Heads of all attention.
        ratio: Ratio of hidden channels of the perceptrons to channels.
        stack: Whether convolutions make the patches, as in the networks named dagger.
        resolution: Side of the images in pixels.
        large: Side of the images for the large patches in pixels.
    """
    stem = BranchStem(small_patch=12, large_patch=16, scale=large / resolution, stack=stack)
    tokens = stem.tokens(resolution, resolution)[1]
    block = CrossBranchBlock(large=tokens, large_layers=layers, heads=heads, ratio=ratio)
    return pyramid(
        [width],
        [3],
        block,
        stem=stem,
        head=BranchHead(large=tokens),
        resolution=resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    yield from entries_of("CrossViT", crossvit, _CROSSVIT, source=TIMM, notes=_NOTES)
