"""The perceptron with global response normalisation.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from ...domains import YES_NO, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..base import ChannelMixer
from ..initial import small_start
from ..layers.canonical_forms import RoundedRatio
from ..layers.conv_norm import SqueezeExcite
from ..layers.folding import Foldable, normed_kernel, with_kernel
from ..layers.portable import length
from ..overview_parts import ResidualDepthwise


class GlobalResponseNorm(nn.Module):
    """Scales each channel by its norm over positions, relative to the mean of all channels'
    norms."""

    def __init__(self, channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1)) if bias else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        size_BC11 = length(x_BCHW, (2, 3))
        share_BC11 = size_BC11 / (size_BC11.mean(1, keepdim=True) + 1e-6)
        y_BCHW = (self.weight * share_BC11 + 1) * x_BCHW
        return y_BCHW if self.bias is None else y_BCHW + self.bias


class ResponseMlp(nn.Module):
    """Linear map, activation, optional depthwise convolution, response norm, linear map."""

    def __init__(
        self, *, channels: int, hidden: int, act: str, local: bool, bias: bool = True
    ) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.act = activation(act)
        self.local = ResidualDepthwise(hidden) if local else nn.Identity()
        self.response = GlobalResponseNorm(hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.fc2(self.response(self.local(self.act(self.fc1(x_BCHW)))))


class NormedResponseMlp(Foldable):
    """A ``ResponseMlp`` and a batch norm; the norm and the response norm's bias fold away."""

    def __init__(self, *, channels: int, hidden: int, act: str, local: bool) -> None:
        super().__init__()
        self.mlp = ResponseMlp(channels=channels, hidden=hidden, act=act, local=local, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.norm(self.mlp(x_BCHW))

    def folded(self) -> nn.Module:
        """Return the perceptron without the batch norm and the bias of the response norm."""
        mlp = self.mlp
        assert mlp.response.bias is not None
        shift = mlp.fc2.weight.flatten(1) @ mlp.response.bias.flatten()
        last = with_kernel(mlp.fc2, mlp.fc2.weight, shift)
        response = GlobalResponseNorm(mlp.fc1.out_channels, bias=False)
        response.weight = mlp.response.weight
        last = with_kernel(last, *normed_kernel(last, self.norm))
        return nn.Sequential(mlp.fc1, mlp.act, mlp.local, response, last)


@dataclass(frozen=True, kw_only=True)
class GrnMlp(RoundedRatio, ChannelMixer):
    """A perceptron with global response normalisation of the hidden channels.

    Woo et al., ConvNeXt V2, 2023, arXiv:2301.00808, section 3. UniRepLKNet (Ding et al., 2024,
    arXiv:2311.15599, section 3) adds squeeze-and-excitation before and a folding batch norm after;
    OverLoCK (Lou and Yu, 2025, arXiv:2502.20087) adds a depthwise convolution of the hidden
    channels.
    """

    name = "grn_mlp"

    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of hidden channels to channels."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the first map."""
    last_norm: Annotated[bool, YES_NO] = False
    """Whether a batch norm follows the second map, which then has no bias."""
    squeeze: Annotated[bool, YES_NO] = False
    """Whether squeeze-and-excitation to a quarter of the channels comes first."""
    local: Annotated[bool, YES_NO] = False
    """Whether a depthwise 3x3 convolution is added to the hidden channels before the norm."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        build = NormedResponseMlp if self.last_norm else ResponseMlp
        mlp = build(channels=channels, hidden=hidden, act=self.activation, local=self.local)
        if not self.squeeze:
            return small_start(mlp)
        squeeze = SqueezeExcite(channels, scaled(channels, 0.25))
        return small_start(nn.Sequential(OrderedDict[str, nn.Module](squeeze=squeeze, mlp=mlp)))
