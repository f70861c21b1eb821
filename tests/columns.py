"""Small networks with the components whose positions lie in a column, beside class tokens."""

from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.branch_ends import BranchHead, BranchStem
from nas_explorer.search_space.components.cross_scale import CrossBranchBlock
from nas_explorer.search_space.components.heads import TokenHead
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.components.patch_stems import TokenStem
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.components.token_downsampling import TokenDownsampling
from nas_explorer.search_space.shapes import Shape

IN_COLUMNS = {"class_tokens", "cross_patches", "cross_branches", "cross_tokens"}
"""Names of the components for positions in a column, which do not go with others."""
IMAGE = Shape(3, 16, 16)
_TOKENS = Stage(width=32, depth=1, blocks=(MetaFormerBlock(mixer=Attention(head_dim=8)),))


def with_later_tokens() -> Architecture:
    """Return a network whose second stage has class tokens."""
    maps = Stage(width=32, depth=1, blocks=(MetaFormerBlock(mixer=Pooling()),))
    tokens = Stage(width=32, depth=1, blocks=_TOKENS.blocks, downsampling=TokenDownsampling())
    return Architecture(
        input=IMAGE, classes=5, stem=ConvStem(), stages=(maps, tokens), head=TokenHead()
    )


def with_tokens() -> Architecture:
    """Return a network whose stem gives class tokens."""
    stem = TokenStem(patch_size=4)
    return Architecture(input=IMAGE, classes=5, stem=stem, stages=(_TOKENS,), head=TokenHead())


def with_branches() -> Architecture:
    """Return a network of two branches of patches."""
    stem = BranchStem(small_patch=4, large_patch=8)
    large = stem.tokens(*IMAGE[1:])[1]
    stage = Stage(width=32, depth=1, blocks=(CrossBranchBlock(large=large),))
    return Architecture(
        input=IMAGE, classes=5, stem=stem, stages=(stage,), head=BranchHead(large=large)
    )


COLUMNS = {
    "later tokens": with_later_tokens,
    "tokens": with_tokens,
    "branches": with_branches,
}
"""Functions that return the networks, by name."""
