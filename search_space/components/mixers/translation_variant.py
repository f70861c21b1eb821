"""Translation-variant convolution: one kernel per position, for images of fixed layout.

Shape suffixes: B batch, C channels, H rows, W columns, A affinity maps, F hidden channels, k and l
sides of a kernel, 3 sides of the generator's kernels.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..layers.canonical_forms import ClippedKernel
from ..layers.folding import Foldable
from .dynamic_kernels import mix_windows


class PlaceKernels(nn.Module):
    """A depthwise convolution with its own kernel at every position."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"bias"})

    def __init__(self, kernels_CklHW: Tensor, bias_CHW: Tensor | None) -> None:
        super().__init__()
        self.side = kernels_CklHW.shape[1]
        C, k, _, H, W = kernels_CklHW.shape
        self.weight = nn.Parameter(kernels_CklHW.reshape(C, k * k, H, W))
        self.bias = None if bias_CHW is None else nn.Parameter(bias_CHW)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        kernels_1CklHW = self.weight.unflatten(1, (self.side, self.side))[None]
        y_BCHW = mix_windows(x_BCHW, kernels_1CklHW)
        return y_BCHW if self.bias is None else y_BCHW + self.bias


def weight_generator(shape: Shape, *, maps: int, hidden: int, layers: int) -> nn.Sequential:
    """Return 3x3 convolutions from affinity maps, each with a norm over the map and ReLU."""
    found: list[nn.Module] = []
    for inputs in (maps, *[hidden] * (layers - 1)):
        found.append(nn.Conv2d(inputs, hidden, 3, padding=1, bias=False))
        found.append(nn.LayerNorm([hidden, shape.height, shape.width]))
        found.append(nn.ReLU())
    return nn.Sequential(*found)


class TranslationVariantConv(Foldable):
    """A depthwise convolution whose kernels are generated from learned affinity maps."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"affinity_1AHW"})

    def __init__(
        self, shape: Shape, *, kernel_size: int, maps: int, hidden: int, layers: int, bias: bool
    ) -> None:
        super().__init__()
        channels, height, width = shape
        self.affinity_1AHW = nn.Parameter(torch.ones(1, maps, height, width))
        make = partial(weight_generator, shape, maps=maps, hidden=hidden, layers=layers)
        bound = 1 / math.sqrt(9 * hidden)  # as torch's own convolutions start
        weight = torch.empty(channels, kernel_size, kernel_size, 9 * hidden)
        self.generator = make()
        self.weight_CklF = nn.Parameter(weight.uniform_(-bound, bound))
        self.bias = (
            nn.Sequential(make(), nn.Conv2d(hidden, channels, 3, padding=1, bias=False))
            if bias
            else None
        )
        self.kernel_size, self.hidden = kernel_size, hidden

    def kernels(self) -> tuple[Tensor, Tensor | None]:
        """Return the kernels (C, k, k, H, W) and biases (C, H, W) of all positions."""
        weight_pF33 = self.weight_CklF.reshape(-1, self.hidden, 3, 3)
        weight_pHW = F.conv2d(self.generator(self.affinity_1AHW), weight_pF33, padding=1)[0]
        kernels_CklHW = weight_pHW.unflatten(0, (-1, self.kernel_size, self.kernel_size))
        return kernels_CklHW, None if self.bias is None else self.bias(self.affinity_1AHW)[0]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        kernels_CklHW, bias_CHW = self.kernels()
        y_BCHW = mix_windows(x_BCHW, kernels_CklHW[None])
        return y_BCHW if bias_CHW is None else y_BCHW + bias_CHW

    def folded(self) -> nn.Module:
        """Return the convolution with the currently generated kernels."""
        return PlaceKernels(*self.kernels())


@dataclass(frozen=True, kw_only=True)
class TvConv(ClippedKernel, TokenMixer):
    """Depthwise convolution with a learned kernel at each position, generated from affinity maps.

    Chen et al., TVConv, 2022, section 3 and figure 3. The generator runs only in training; in the
    folded form the kernels are weights. The reference code's generator has one layer more than its
    ``inter_layers``.
    """

    name = "tv_conv"
    traits = Traits(
        catalogue=("M58",),
        paper="Chen et al., TVConv: Efficient Translation Variant Convolution for Layout-aware "
        "Visual Processing, 2022, arXiv:2203.10489",
        code="JierunChen/TVConv",
        reach="local",
        weights="static",
        cost="N k^2",
        resolution_bound=True,
    )

    kernel_size: Annotated[int, IntRange(1, 15, 2)] = 3
    """Side of the kernels in pixels, odd, 1 to 15."""
    affinity_maps: Annotated[int, IntRange(1, 64)] = 4
    """Learned maps that the kernels are generated from, 1 to 64."""
    hidden: Annotated[int, IntRange(1, 64)] = 16
    """Channels inside the generator, 1 to 64."""
    layers: Annotated[int, IntRange(1, 4)] = 2
    """Layers of the generator before its last convolution, 1 to 4."""
    bias: Annotated[bool, YES_NO] = False
    """Whether each position also has a bias, from a second generator."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return TranslationVariantConv(
            shape,
            kernel_size=self.kernel_size,
            maps=self.affinity_maps,
            hidden=self.hidden,
            layers=self.layers,
            bias=self.bias,
        )
