"""Attention of all positions to fewer keys and values, made by strided convolutions."""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import Choice, IntRange
from ...shapes import Shape
from ..attention.module import GroupedAttention
from ..attention.projections import ConvProjection, StridedProjection
from ..attention.scores import DotProduct
from ..attention.supports import Blocks
from ..base import Traits
from ..initial import small_start
from .headed import HeadedAttention


@dataclass(frozen=True, kw_only=True)
class PooledAttention(HeadedAttention):
    """Attention of all positions to keys and values at fewer positions.

    Twins' global attention (Chu et al., 2021, section 3.2), as in PVT: a convolution makes one
    token of each patch, then a layer norm follows. CvT (Wu et al., 2021, section 3.2) has ``conv``:
    depthwise 3x3 convolutions with batch norms before three linear maps, in steps of two for keys
    and values, and scores divided by the root of the map's channels, not of a head's. Rows and
    columns beyond the last whole patch are not seen, as in both codes.
    """

    name = "pooled_attention"
    traits = Traits(
        catalogue=("M17", "M59"),
        paper="Chu et al., Twins: Revisiting the Design of Spatial Attention in Vision "
        "Transformers, 2021, arXiv:2104.13840; Wu et al., CvT: Introducing Convolutions to Vision "
        "Transformers, 2021, arXiv:2103.15808",
        code="Meituan-AutoML/Twins",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        any_size_program=False,
    )

    stride: Annotated[int, IntRange(1, 8)] = 2
    """Distance of the positions of keys and values in pixels, 1 to 8; not larger than the map."""
    projection: Annotated[str, Choice(("patch", "conv"))] = "conv"
    """Keys and values: of patches as large as the stride; or of a depthwise 3x3 convolution."""
    score_scale: Annotated[str, Choice(("head", "channels"))] = "head"
    """Scores are divided by the root of the channels of a head, or of the map."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The stride must not exceed the map where patches are as large."""
        if reason := super().why_invalid(shape, width):
            return reason
        if self.projection == "patch" and self.stride > min(shape[1:]):
            return (
                f"stride must not exceed the map, but got stride {self.stride} and a map of "
                f"{shape.height}x{shape.width}"
            )
        return None

    def canonical(self, shape: Shape) -> Self:
        """Strides that reach only the first position are alike; one head has all channels."""
        stride, most = self.stride, max(shape[1:])
        one = self.head_dim == shape.channels
        return replace(
            super().canonical(shape),
            stride=min(stride, most) if self.projection == "conv" else stride,
            score_scale="head" if one else self.score_scale,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        inner = self.inner(shape)
        sizes = shape.channels, inner, inner
        attention = GroupedAttention(
            projection=ConvProjection(*sizes, kernel=3, stride=self.stride, bias=self.qkv_bias)
            if self.projection == "conv"
            else StridedProjection(*sizes, stride=self.stride, bias=self.qkv_bias),
            channels=shape.channels,
            values=inner,
            proj_bias=self.proj_bias,
            heads=self.heads_on(shape),
            supports=[Blocks()],
            score=DotProduct(shape.channels**-0.5 if self.score_scale == "channels" else None),
        )
        return small_start(attention)
