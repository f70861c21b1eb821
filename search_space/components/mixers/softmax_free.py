"""Attention without softmax: a Gaussian kernel, and its low-rank form by few landmarks (SOFT).

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), h heads, d channels of
a head, L landmarks.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, IntRange
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..initial import small_start
from ..layers.canonical_forms import ClippedKernel
from ..layers.kernel_clipping import KERNEL
from .fourier import at_least_float32, full_precision
from .headed import WIDTH, whole_heads

_RIDGE = 0.01
"""Number added to the diagonal of the matrix that is inverted, as in the reference code."""


def gaussian(q_XNd: Tensor, k_XMd: Tensor) -> Tensor:
    """Return exp(-|q - k|^2 / 2) of all pairs, (X, N, M)."""
    squares_XNM = q_XNd.square().sum(-1, True) + k_XMd.square().sum(-1)[..., None, :]
    return torch.exp(q_XNd @ k_XMd.transpose(-2, -1) - squares_XNM / 2)


def newton_inverse(matrix_XLL: Tensor, steps: int) -> Tensor:
    """Return the inverse of symmetric matrices by Newton's iteration.

    Lu et al., SOFT, 2021, algorithm 2. The gradient is that of an inverse, taken at the result, so
    the iteration need not be stored (section 3.3 there).

    Args:
        matrix_XLL: Matrices with non-negative elements; a small ridge is added.
        steps: Number of steps, at least 1.
    """
    ridge_LL = _RIDGE * torch.eye(matrix_XLL.shape[-1], device=matrix_XLL.device)
    given_XLL = matrix_XLL + ridge_LL.to(matrix_XLL.dtype)
    with torch.no_grad():
        largest_X11 = matrix_XLL.sum(-1).amax(-1)[..., None, None]
        found_XLL = given_XLL * (1.8 / largest_X11.square())
        for _ in range(steps):
            found_XLL = 2 * found_XLL - found_XLL @ given_XLL @ found_XLL
    if torch.is_grad_enabled() and matrix_XLL.requires_grad and not torch.compiler.is_exporting():
        sloped_XLL = found_XLL @ given_XLL @ found_XLL
        return found_XLL - (sloped_XLL - sloped_XLL.detach())
    return found_XLL


class SoftmaxFree(nn.Module):
    """Values mixed by a Gaussian kernel of queries that are also the keys."""

    def __init__(
        self,
        channels: int,
        *,
        head_dim: int,
        regions: int,
        ratio: int,
        kernel_size: int,
        steps: int,
        normalised: bool,
    ) -> None:
        """Build the module.

        Args:
            channels: Channels of the map.
            head_dim: Channels of a head, which divide the channels.
            regions: Landmarks along each side where ``ratio`` is 0.
            ratio: Side of the patches that a convolution makes landmarks of; 0: means of regions.
            kernel_size: Side of the kernel that each head applies to its values.
            steps: Steps of Newton's iteration.
            normalised: Whether the inverse is normalised symmetrically.
        """
        super().__init__()
        self.heads = channels // head_dim
        self.regions, self.steps, self.normalised = regions, steps, normalised
        self.query = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.reduce = nn.Conv2d(head_dim, head_dim, ratio, ratio, bias=False) if ratio else None
        self.norm = nn.Sequential(OrderedDict(norm=nn.LayerNorm(head_dim), act=nn.GELU()))
        half = kernel_size // 2
        self.local = nn.Conv2d(
            self.heads, self.heads, kernel_size, padding=half, groups=self.heads, bias=False
        )
        self.proj = nn.Linear(channels, channels)

    def landmarks(self, q_BhdHW: Tensor) -> Tensor:
        """Return the landmarks of a map of queries, (B, h, L, d)."""
        maps_XdHW = q_BhdHW.flatten(0, 1)
        if self.reduce is None:
            fewer = F.adaptive_avg_pool2d(maps_XdHW, self.regions)
        else:
            fewer = self.reduce(maps_XdHW)
        tokens_XLd = self.norm(fewer.flatten(2).transpose(1, 2))
        return tokens_XLd.unflatten(0, (-1, self.heads))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = x_BCHW.shape[2:]
        tokens_BNC = x_BCHW.flatten(2).transpose(1, 2)
        q_BhNd, v_BhNd = (
            each(tokens_BNC).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in (self.query, self.value)
        )
        q_BhNd = q_BhNd * q_BhNd.shape[-1] ** -0.25
        marks_BhLd = self.landmarks(q_BhNd.transpose(2, 3).unflatten(3, (H, W)))
        kind = v_BhNd.dtype
        with full_precision(q_BhNd):  # inverses need all digits
            marks_BhLd, wide_BhNd = at_least_float32(marks_BhLd), at_least_float32(q_BhNd)
            between_BhLL = gaussian(marks_BhLd, marks_BhLd)
            inverse_BhLL = newton_inverse(between_BhLL, self.steps)
            if self.normalised:
                root_BhL1 = between_BhLL.sum(-1, True).rsqrt()
                inverse_BhLL = root_BhL1 * inverse_BhLL * root_BhL1.transpose(2, 3)
            to_BhNL = gaussian(wide_BhNd, marks_BhLd)
            gathered_BhLd = to_BhNL.transpose(2, 3) @ at_least_float32(v_BhNd)
            # The reference multiplies the two left matrices first, which takes more operations.
            mixed_BhNd = (to_BhNL @ (inverse_BhLL @ gathered_BhLd)).to(kind)
        maps_XhHW = v_BhNd.permute(0, 3, 1, 2).flatten(0, 1).unflatten(2, (H, W))
        local_BdhN = self.local(maps_XhHW).flatten(2).unflatten(0, (-1, int(v_BhNd.shape[3])))
        mixed_BhNd = mixed_BhNd + local_BdhN.permute(0, 2, 3, 1)
        mixed_BNC = mixed_BhNd.transpose(1, 2).flatten(2)
        return self.proj(mixed_BNC).transpose(1, 2).unflatten(2, (H, W))


@dataclass(frozen=True, kw_only=True)
class SoftmaxFreeAttention(ClippedKernel, TokenMixer):
    """Attention by a Gaussian kernel without softmax, computed by landmarks in linear time (SOFT).

    Lu et al., SOFT, 2021, equations 3 to 10, with the symmetric normalisation of Lu et al.,
    Softmax-free Linear Transformers, 2022 (``normalised``). Landmarks are means of regions, or a
    convolution of patches as in the reference code, whose number then grows with the map. The
    kernels are computed in float32 at least.
    """

    name = "softmax_free_attention"
    traits = Traits(
        catalogue=("M52",),
        paper="Lu et al., Softmax-free Linear Transformers, 2022, arXiv:2207.03341; Lu et al., "
        "SOFT: Softmax-free Transformer with Linear Complexity, 2021, arXiv:2110.11945",
        code="fudan-zvg/SOFT",
        reach="global",
        weights="input-dependent",
        cost="N R^2",
    )

    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    landmarks: Annotated[str, Choice(("mean", "conv"))] = "mean"
    """Landmarks: means of regions of the map, or a convolution of patches."""
    regions: Annotated[int, IntRange(1, 16)] = 7
    """Regions along each side, 1 to 16, where landmarks are means."""
    ratio: Annotated[int, IntRange(1, 8)] = 2
    """Side of the patches in pixels, 1 to 8, where landmarks are a convolution."""
    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel that each head applies to its values in pixels, odd, 1 to 31."""
    steps: Annotated[int, IntRange(1, 32)] = 20
    """Steps of Newton's iteration, 1 to 32."""
    normalised: Annotated[bool, YES_NO] = False
    """Whether the inverse is normalised symmetrically, which bounds its spectrum."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels, and patches must lie in the map."""
        if self.landmarks == "conv" and self.ratio > min(shape[1:]):
            return (
                f"ratio must not exceed the map, but got ratio {self.ratio} and a map of "
                f"{shape.height}x{shape.width}"
            )
        return whole_heads(self.head_dim, shape)

    def canonical(self, shape: Shape) -> Self:
        """Leave out the knob of the other kind of landmarks; clip the kernel."""
        given = super().canonical(shape)
        return replace(given, **({"ratio": 2} if self.landmarks == "mean" else {"regions": 7}))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = SoftmaxFree(
            shape.channels,
            head_dim=self.head_dim,
            regions=self.regions,
            ratio=self.ratio if self.landmarks == "conv" else 0,
            kernel_size=self.kernel_size,
            steps=self.steps,
            normalised=self.normalised,
        )
        return small_start(module)
