"""Hyper-kernels: kernels that a small network computes from coordinates, multiplied with the map.

Shape suffixes: B batch, C channels, H rows, W columns, S the longer side of the map, F hidden
channels, k and l sides of a kernel, 2 row and column.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import IntRange, Positive
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..layers.portable import length
from .dynamic_kernels import convolve_each


class SlowNet(nn.Module):
    """A network from coordinates to a kernel: linear maps, each times sines of the coordinates.

    A multiplicative filter network (Fathony et al., 2021). With a context, every layer is also
    multiplied by a map of the context, and first partly normalised, as in the published code.
    """

    def __init__(
        self, *, channels: int, hidden: int, layers: int, omega: float, context: bool
    ) -> None:
        super().__init__()
        self.filters = nn.ModuleList(nn.Conv2d(2, hidden, 1) for _ in range(layers + 1))
        self.linears = nn.ModuleList(nn.Conv2d(hidden, hidden, 1) for _ in range(layers))
        self.contexts = nn.ModuleList(
            nn.Conv2d(hidden, hidden, 1) for _ in range(layers if context else 0)
        )
        self.output = nn.Conv2d(hidden, channels, 1)
        for each in self.filters:
            nn.init.uniform_(each.get_parameter("weight"), -math.pi * omega, math.pi * omega)
        for each in (*self.linears, *self.contexts):
            nn.init.ones_(each.get_parameter("bias"))

    def forward(self, side: int, context_BFkl: Tensor | None = None) -> Tensor:
        """Return a square kernel: (1, C, k, l), or (B, C, k, l) with a context."""
        like = self.output.weight
        line = torch.linspace(-1, 1, side, dtype=like.dtype, device=like.device)
        grid_12kl = torch.stack(torch.meshgrid(line, line, indexing="ij"))[None]
        first, *others = self.filters
        x = first(grid_12kl).sin()
        for index, (wave, linear) in enumerate(zip(others, self.linears, strict=True)):
            x = wave(grid_12kl).sin() * linear(x)
            if context_BFkl is not None:
                x = (x + 0.1 * x / length(x, (2, 3)).clamp_min(1e-6)) * self.contexts[index](
                    context_BFkl
                )
        return self.output(x) / side


class GlobalBranch(nn.Module):
    """The map times a kernel of its size; this product, as a matrix, times the map."""

    def __init__(self, slow: SlowNet) -> None:
        super().__init__()
        self.slow = slow

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = (int(side) for side in x_BCHW.shape[2:])
        S = max(H, W)
        x_BCSS = F.pad(x_BCHW, (0, S - W, 0, S - H))
        weight_BCSS = x_BCSS * self.slow(S)
        return (weight_BCSS @ x_BCSS)[:, :, :H, :W]


class LocalBranch(nn.Module):
    """A depthwise convolution with a kernel per image, then a linear map, norm and GELU."""

    def __init__(self, slow: SlowNet, *, channels: int, hidden: int, kernel_size: int) -> None:
        super().__init__()
        self.slow = slow
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.context = nn.Conv2d(hidden, hidden, 1)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.kernel_size = kernel_size

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        pooled_BCkl = F.adaptive_avg_pool2d(x_BCHW, self.kernel_size)
        context_BFkl = F.gelu(self.context(self.reduce(pooled_BCkl)))
        kernels_BCkl = self.slow(self.kernel_size, context_BFkl)
        local_BCHW = convolve_each(x_BCHW, kernels_BCkl[:, :, None])
        return F.gelu(self.norm(self.mix(local_BCHW)))


class HyperKernels(nn.Module):
    """Parallel branches, concatenated, and a bottleneck."""

    def __init__(self, channels: int, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.bottleneck = nn.Conv2d(len(branches) * channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.bottleneck(torch.cat([branch(x_BCHW) for branch in self.branches], 1))


@dataclass(frozen=True, kw_only=True)
class HyperZzw(TokenMixer):
    """Hyper-kernels times activations: a global and two local branches, and a bottleneck.

    Zhang, HyperZZW Operator Connects Slow-Fast Networks, 2024, figures 2 and 3, in a reduced form:
    three of the nine branches, one global and two local. Each image is its own context; the
    published code (withdrawn; lalalune/Terminator keeps a copy) takes the mean over the batch.
    Norms keep running statistics; kernels have no learned bias per position and no loss of their
    own. Maps that are not square are zero-padded for the matrix product. The paper has no
    residuals: use ``residual: none``.
    """

    name = "hyper_zzw"
    traits = Traits(
        catalogue=("M29",),
        paper="Zhang, HyperZZW Operator Connects Slow-Fast Networks for Full Context Interaction, "
        "2024, arXiv:2401.17948",
        code="hyperevolnet/Terminator",
        reach="global",
        weights="input-dependent",
        cost="N (sqrt N + k^2)",
        any_size_program=False,
    )

    kernel_size: Annotated[int, IntRange(1, 31, 2)] = 3
    """Side of the first local kernel in pixels, odd, 1 to 31."""
    large_kernel_size: Annotated[int, IntRange(1, 31, 2)] = 7
    """Side of the second local kernel in pixels, odd, ``kernel_size`` to 31."""
    hidden: Annotated[int, IntRange(1, 64)] = 16
    """Channels inside the networks that make the kernels, 1 to 64."""
    layers: Annotated[int, IntRange(1, 4)] = 2
    """Layers of those networks between the first and the last, 1 to 4."""
    omega: Annotated[float, Positive()] = 4.0
    """Highest initial frequency of the sines, in periods over the map."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The second kernel must not be smaller: each network has one description."""
        if self.large_kernel_size >= self.kernel_size:
            return None
        return (
            f"large_kernel_size must not be below kernel_size, but got {self.large_kernel_size} "
            f"and {self.kernel_size}"
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels = shape.channels

        def slow(context: bool) -> SlowNet:
            return SlowNet(
                channels=channels,
                hidden=self.hidden,
                layers=self.layers,
                omega=self.omega,
                context=context,
            )

        branches: list[nn.Module] = [GlobalBranch(slow(False))]
        for side in (self.kernel_size, self.large_kernel_size):
            branch = LocalBranch(
                slow(True), channels=channels, hidden=self.hidden, kernel_size=side
            )
            branches.append(branch)
        return HyperKernels(channels, branches)
