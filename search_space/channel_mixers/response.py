"""The perceptron with global response normalisation.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn

from ..activations import ACTIVATION, activation
from ..base import ChannelMixer
from ..domains import YES_NO, Positive
from ..folding import Foldable, normed_kernel, with_kernel
from ..shapes import Shape, scaled


class GlobalResponseNorm(nn.Module):
    """Channels compete by their norms over all places; starts as the identity."""

    def __init__(self, channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1)) if bias else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        size_BC11 = torch.linalg.vector_norm(x_BCHW, dim=(2, 3), keepdim=True)
        share_BC11 = size_BC11 / (size_BC11.mean(1, keepdim=True) + 1e-6)
        y_BCHW = (self.weight * share_BC11 + 1) * x_BCHW
        return y_BCHW if self.bias is None else y_BCHW + self.bias


class ResponseMlp(Foldable):
    """Linear map, activation, global response norm, linear map, and a batch norm where asked."""

    def __init__(self, *, channels: int, hidden: int, act: str, last_norm: bool) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.act = activation(act)
        self.response = GlobalResponseNorm(hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=not last_norm)
        self.norm = nn.BatchNorm2d(channels) if last_norm else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        y_BCHW = self.fc2(self.response(self.act(self.fc1(x_BCHW))))
        return y_BCHW if self.norm is None else self.norm(y_BCHW)

    def folded(self) -> nn.Module:
        """Put the response norm's bias and the batch norm into the second map."""
        assert self.response.bias is not None
        last = self.fc2
        shift = last.weight.flatten(1) @ self.response.bias.flatten()
        last = with_kernel(last, last.weight, shift if last.bias is None else last.bias + shift)
        if self.norm is not None:
            last = with_kernel(last, *normed_kernel(last, self.norm))
        response = GlobalResponseNorm(self.fc1.out_channels, bias=False)
        response.weight = self.response.weight
        return nn.Sequential(self.fc1, self.act, response, last)


@dataclass(frozen=True, kw_only=True)
class GrnMlp(ChannelMixer):
    """A perceptron with global response normalisation of the hidden channels.

    Woo et al., ConvNeXt V2, 2023, arXiv:2301.00808, section 3; with a batch norm after the second
    map that of UniRepLKNet (Ding et al., 2024, arXiv:2311.15599), which folds.
    """

    name = "grn_mlp"

    ratio: Annotated[float, Positive()] = 4.0
    """Hidden channels over channels."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """After the first map."""
    last_norm: Annotated[bool, YES_NO] = False
    """Whether a batch norm follows the second map, which then has no bias."""

    def hidden(self, shape: Shape) -> int:
        """Return the hidden channels, at least 1."""
        return scaled(shape.channels, self.ratio)

    def canonical(self, shape: Shape) -> Self:
        """Make the ratio that of whole channels."""
        return replace(self, ratio=self.hidden(shape) / shape.channels)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return ResponseMlp(
            channels=shape.channels,
            hidden=self.hidden(shape),
            act=self.activation,
            last_norm=self.last_norm,
        )
