"""The edge-preserving perceptron.

Shape suffixes: B batch, C channels, D hidden channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import ChannelMixer
from ..layers.canonical_forms import RoundedRatio
from ..layers.folding import Foldable, with_kernel

_SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
_LAPLACE = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


class EdgeConv(Foldable):
    """A 3x3 depthwise convolution beside three fixed edge filters with learned factors.

    The filters are Sobel's along both axes and Laplace's.
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"scale", "shift"})

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.scale = nn.Parameter(1e-3 * torch.randn(3, channels))
        self.shift = nn.Parameter(1e-3 * torch.randn(3, channels))
        across = torch.tensor(_SOBEL)
        filters = torch.stack((across, across.T.contiguous(), torch.tensor(_LAPLACE)))
        self.filters: Tensor
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        sum_BCHW = self.conv(x_BCHW)
        for kernel, shift in zip(self._kernels(), self.shift, strict=True):
            edges_BCHW = F.conv2d(x_BCHW, kernel, shift, padding=1, groups=len(shift))
            sum_BCHW = sum_BCHW + edges_BCHW
        return sum_BCHW

    def _kernels(self) -> Tensor:
        """Return the scaled filters, each a depthwise kernel."""
        return self.scale[:, :, None, None, None] * self.filters[:, None, None]

    def folded(self) -> nn.Module:
        """Return one depthwise convolution."""
        assert self.conv.bias is not None
        kernel = self.conv.weight + self._kernels().sum(0)
        return with_kernel(self.conv, kernel, self.conv.bias + self.shift.sum(0))


class EdgePerceptron(nn.Module):
    """Two linear maps; between them, activated edges are added."""

    def __init__(self, *, channels: int, hidden: int, act: str) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.edges = EdgeConv(hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.act = activation(act)
        self.edge_act = activation(act)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BDHW = self.act(self.fc1(x_BCHW))
        return self.fc2(x_BDHW + self.edge_act(self.edges(x_BDHW)))


@dataclass(frozen=True, kw_only=True)
class EdgeMlp(RoundedRatio, ChannelMixer):
    """Edge-preserving feed-forward network (CFSR's ConvFormer layer).

    Wu et al., Transforming Image Super-Resolution: A ConvFormer-based Efficient Approach, 2024,
    arXiv:2401.05633, section 3.3: a 3x3 depthwise convolution beside Sobel and Laplace filters
    with learned factors, which fold into one convolution.
    """

    name = "edge_mlp"
    catalogue = ("M55",)

    ratio: Annotated[float, Positive()] = 2.0
    """Ratio of hidden channels to channels."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the first map, and on the edges."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return EdgePerceptron(
            channels=shape.channels, hidden=self.hidden(shape), act=self.activation
        )
