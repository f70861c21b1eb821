"""Attention of all positions to fewer keys and values, made by strided convolutions."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import YES_NO, Choice, IntRange
from ...shapes import Shape
from ..attention.module import GroupedAttention
from ..attention.projections import ConvProjection, StridedProjection, TokenProjection
from ..attention.scores import DotProduct
from ..attention.supports import Blocks
from ..base import GRID, TOKENS, Traits
from ..initial import small_start
from .headed import HeadedAttention


@dataclass(frozen=True, kw_only=True)
class PooledAttention(HeadedAttention):
    """Attention of all positions to keys and values at fewer positions.

    Twins' global attention (Chu et al., 2021, section 3.2), as in PVT: a convolution makes one
    token of each patch, then a layer norm follows. CvT (Wu et al., 2021, section 3.2) has ``conv``:
    depthwise 3x3 convolutions with batch norms before three linear maps, in steps of two for keys
    and values, and scores divided by the root of the map's channels, not of a head's. Rows and
    columns beyond the last whole patch are not seen, as in both codes. In CvT's last stage a class
    token attends too.
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

    added = ("token",)

    stride: Annotated[int, IntRange(1, 8)] = 2
    """Distance of the positions of keys and values in pixels, 1 to 8; not larger than the map."""
    projection: Annotated[str, Choice(("patch", "conv"))] = "conv"
    """Keys and values: of patches as large as the stride; or of a depthwise 3x3 convolution."""
    score_scale: Annotated[str, Choice(("head", "channels"))] = "head"
    """Scores are divided by the root of the channels of a head, or of the map."""
    token: Annotated[bool, YES_NO] = False
    """Whether the map is a column of one learned token and the positions of a square map, as in
    CvT's last stage, where convolutions leave out the token; needs the projection ``conv``."""

    def arranged(self, given: str, shape: Shape) -> str | None:
        """With a token, the map is a column behind it."""
        return given if given == (TOKENS if self.token else GRID) else None

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The stride must not exceed the map where patches are as large; a token needs a column."""
        if self.token and (self.projection != "conv" or not self._side(shape)):
            return (
                f"projection must be conv, and the map a column of a token and a square map, with "
                f"token True, but got projection {self.projection} and a map of "
                f"{shape.height}x{shape.width}"
            )
        if reason := super().why_invalid(shape, width):
            return reason
        if self.projection == "patch" and self.stride > min(shape[1:]):
            return (
                f"stride must not exceed the map, but got stride {self.stride} and a map of "
                f"{shape.height}x{shape.width}"
            )
        return None

    def _side(self, shape: Shape) -> int:
        """Return the side of the square map behind a token, or 0 if there is none."""
        side = math.isqrt(shape.height - 1)
        return side if shape.width == 1 and side**2 == shape.height - 1 else 0

    def canonical(self, shape: Shape) -> Self:
        """Strides that reach only the first position are alike; one head has all channels."""
        stride, most = self.stride, self._side(shape) if self.token else max(shape[1:])
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
        conv = TokenProjection if self.token else ConvProjection
        attention = GroupedAttention(
            projection=conv(*sizes, kernel=3, stride=self.stride, bias=self.qkv_bias)
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
