"""ResMLP (Touvron et al., 2021, arXiv:2105.03404): one linear map over positions, no norms."""

from collections.abc import Iterator

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.heads import PooledHead
from ..components.mixers.mlp import TokenLinear
from ..components.norms import Affine, NoNorm
from ..components.residuals import LayerScaleResidual
from ..components.stems import PatchStem
from .entry import ZooEntry, entries_of
from .mlp_mixer import TIMM
from .pyramid import pyramid

# Name: patch, width, depth, initial layer scale, printed figures.
_SIZES = {
    "resmlp_12_224": (16, 384, 12, 1e-4, "15.35M 3.01G"),
    "resmlp_24_224": (16, 384, 24, 1e-5, "30.02M 5.96G"),
    "resmlp_36_224": (16, 384, 36, 1e-6, "44.69M 8.91G"),
    "resmlp_big_24_224": (8, 768, 24, 1e-6, "129.14M 100.23G"),
}


def resmlp(patch: int, width: int, depth: int, scale: float) -> Architecture:
    """Return a ResMLP: one stage, affine maps where others have norms, layer scale."""
    block = MetaFormerBlock(
        mixer=TokenLinear(),
        channel_mixer=Mlp(ratio=4),
        norm=Affine(),
        residual=LayerScaleResidual(init=scale),
    )
    stem, head = (
        PatchStem(patch_size=patch, norm=NoNorm()),
        PooledHead(norm=Affine(), norm_first=True),
    )
    return pyramid([width], [depth], block, stem=stem, head=head)


def _paper_name(name: str) -> str:
    return "ResMLP-B24/8" if "big" in name else f"ResMLP-S{name[7:9]}"


def entries() -> Iterator[ZooEntry]:
    """Yield all networks of this family."""
    return entries_of("ResMLP", resmlp, _SIZES, source=TIMM, alias=_paper_name)
