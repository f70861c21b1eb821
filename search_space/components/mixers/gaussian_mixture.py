"""Convolution whose kernels are mixtures of Gaussians.

Shape suffixes: B batch, C channels, D output channels, H rows, W columns, G Gaussians of a kernel,
I input channels of a group, S side of the kernel.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape
from ..base import Traits
from ..layers.canonical_forms import ClippedDepthwiseMixer
from ..layers.kernel_clipping import KERNEL

_LEAST_VARIANCE = 0.05
"""Added to both variances, in units of the squared initial radius."""


class Gaussians(NamedTuple):
    """Functions ``amplitude * exp(-(x - mean)' inverse(covariance) (x - mean) / 2)`` of (row,
    column)."""

    amplitude: Tensor
    """Values at the means (...)."""
    mean: Tensor
    """Rows and columns (..., 2)."""
    covariance: Tensor
    """Symmetric and positive definite (..., 2, 2)."""

    def determinant(self) -> Tensor:
        """Return the determinants of the covariances (...)."""
        product = self.covariance[..., 0, 0] * self.covariance[..., 1, 1]
        return product - self.covariance[..., 0, 1].square()

    def convolved(self, other: "Gaussians") -> "Gaussians":
        """Return the pairwise convolutions: means and covariances add up."""
        covariance = self.covariance + other.covariance
        both = Gaussians(self.amplitude * other.amplitude, self.mean + other.mean, covariance)
        narrower = self.determinant() * other.determinant() / both.determinant()
        return both._replace(amplitude=both.amplitude * 2 * math.pi * narrower.sqrt())

    def at(self, row: Tensor, column: Tensor) -> Tensor:
        """Return the values at positions, broadcast against the amplitudes."""
        down, right = row - self.mean[..., 0], column - self.mean[..., 1]
        square = self.covariance[..., 1, 1] * down.square()
        square = square - 2 * self.covariance[..., 0, 1] * down * right
        square = square + self.covariance[..., 0, 0] * right.square()
        return self.amplitude * (-0.5 * square / self.determinant()).exp()


class GaussianMixture(nn.Module):
    """Evaluates the mixtures on the pixel grid and convolves with these kernels."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"mean", "factor"})

    def __init__(
        self,
        *,
        channels: int,
        groups: int,
        count: int,
        side: int,
        radius: float,
        pixel_spread: float,
        bias: bool,
    ) -> None:
        super().__init__()
        self.channels, self.groups, self.side = channels, groups, side
        self.least_variance = _LEAST_VARIANCE * radius**2
        self.pixel_spread = pixel_spread
        kernels = channels * (channels // groups)
        angles_G = torch.arange(count) * (2 * math.pi / max(1, count - 1))
        circle_G2 = radius * torch.stack((angles_G.sin(), angles_G.cos()), dim=-1)
        circle_G2[-1] = 0
        self.mean = nn.Parameter(circle_G2.repeat(kernels, 1, 1))
        factor = torch.eye(2) + 0.05 * (2 * torch.rand(kernels, count, 2, 2) - 1)
        self.factor = nn.Parameter(radius / 2 * factor.flatten(2))
        # Same deviation as a convolution of as many taps: a Gaussian's area is 2 pi variances.
        bound = 1 / math.sqrt(count * (channels // groups)) / (math.pi * radius**2 / 2)
        self.amplitude = nn.Parameter(torch.empty(kernels, count).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def gaussians(self) -> Gaussians:
        """Return the Gaussians of the kernels, (kernels, G)."""
        factor = self.factor.unflatten(-1, (2, 2))
        covariance = (factor[..., :, None, :] * factor[..., None, :, :]).sum(-1)
        eye = torch.eye(2, device=factor.device, dtype=factor.dtype)
        return Gaussians(self.amplitude, self.mean, covariance + self.least_variance * eye)

    def kernel(self) -> Tensor:
        """Return the kernel (D, I, S, S): the mixtures convolved with a pixel's Gaussian."""
        variance = self.pixel_spread**2
        pixel = Gaussians(
            self.amplitude.new_tensor(1 / (2 * math.pi * variance)),
            torch.zeros_like(self.mean[0, 0]),
            variance * torch.eye(2, device=self.mean.device, dtype=self.mean.dtype),
        )
        blurred = self.gaussians().convolved(pixel)
        spread = Gaussians(
            blurred.amplitude[..., None, None],
            blurred.mean[:, :, None, None],
            blurred.covariance[:, :, None, None],
        )
        places_S = torch.arange(self.side, device=self.mean.device) - self.side // 2
        # torch's convolution is a correlation: taps below the centre read pixels below it.
        values = spread.at(-places_S[:, None], -places_S).sum(1)
        return values.view(self.channels, -1, self.side, self.side)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        padding = self.side // 2
        return F.conv2d(x_BCHW, self.kernel(), self.bias, padding=padding, groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class GaussianMixtureConv(ClippedDepthwiseMixer):
    """Convolution with mixtures of Gaussians of free weights, positions and covariances.

    Celarek et al., Gaussian Mixture Convolution Networks, 2022, section 3. There the data are also
    mixtures, and after each convolution a smaller mixture is fitted to the activated result. Here
    the data are a map: each pixel is a Gaussian of fixed spread at its centre, the mixtures are
    convolved as in the paper, and the result is evaluated at the pixel centres instead of fitted.
    A kernel is zero outside its window.
    """

    name = "gaussian_mixture_conv"
    traits = Traits(
        catalogue=("M26",),
        paper="Celarek et al., Gaussian Mixture Convolution Networks, 2022, arXiv:2202.09153",
        reach="regional",
        weights="static",
        cost="N k^2",
        code="cg-tuwien/Gaussian-Mixture-Convolution-Networks",
    )

    gaussians: Annotated[int, IntRange(1, 32)] = 5
    """Gaussians of a kernel, 1 to 32, of seven weights each."""
    kernel_size: Annotated[int, KERNEL] = 9
    """Side of the window on which a kernel is evaluated, in pixels, odd, 1 to 31."""
    radius: Annotated[float, Positive()] = 2.0
    """Initial radius in pixels of the circle of Gaussians around the central one; twice their
    initial standard deviation."""
    pixel_spread: Annotated[float, Positive()] = 0.5
    """Standard deviation of the Gaussian that a pixel stands for, in pixels."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether the convolution is depthwise; the paper's is dense."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the convolution has a bias."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Spreads must be from 0.001 to 1000 pixels, so that determinants do not overflow
        float32."""
        for name, value in (("radius", self.radius), ("pixel_spread", self.pixel_spread)):
            if not 1e-3 <= value <= 1e3:
                return f"{name} must be from 0.001 to 1000 pixels, but got {value:g}"
        return None

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return GaussianMixture(
            channels=shape.channels,
            groups=shape.channels if self.depthwise else 1,
            count=self.gaussians,
            side=self.kernel_size,
            radius=self.radius,
            pixel_spread=self.pixel_spread,
            bias=self.bias,
        )
