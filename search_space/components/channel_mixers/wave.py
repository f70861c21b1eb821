"""Channel aggregation by waves.

Shape suffixes: B batch, C channels, D hidden channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange
from ...shapes import Shape, scaled
from ..activations import ACTIVATION
from ..base import ChannelMixer
from ..initial import fan_out_start
from ..layers.conv_norm import SqueezeExcite, conv_norm


class WaveAggregation(nn.Module):
    """Amplitude times phase, pairs of channels rotated as complex numbers, then aggregated."""

    def __init__(self, *, channels: int, hidden: int, groups: int, act: str) -> None:
        super().__init__()
        self.phase = nn.Conv2d(channels, hidden, 1)
        self.amplitude = nn.Conv2d(channels, hidden, 1)
        self.real = nn.Parameter(torch.randn(hidden // 2, 1, 1))
        self.imaginary = nn.Parameter(torch.randn(hidden // 2, 1, 1))
        self.conv = conv_norm(hidden, hidden, 3, groups=groups, act=act, eps=1e-6)
        self.squeeze = SqueezeExcite(hidden, scaled(channels, 0.25))
        self.proj = nn.Conv2d(hidden, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        strongest_B1HW = x_BCHW.argmax(1, keepdim=True)
        phase_BDHW, amplitude_BDHW = F.gelu(self.phase(x_BCHW)), self.amplitude(x_BCHW)
        crest_B1HW = phase_BDHW.gather(1, strongest_B1HW) * amplitude_BDHW.gather(1, strongest_B1HW)
        wave_BDHW = self._turned(amplitude_BDHW * phase_BDHW + crest_B1HW)
        return self.proj(self.squeeze(self.conv(wave_BDHW)))

    def _turned(self, x_BDHW: Tensor) -> Tensor:
        """Multiply each pair of neighbouring channels, as a complex number, by a learned one."""
        real, imaginary = x_BDHW.unflatten(1, (-1, 2)).unbind(2)
        turned = (
            real * self.real - imaginary * self.imaginary,
            real * self.imaginary + imaginary * self.real,
        )
        return torch.stack(turned, dim=2).flatten(1, 2)


@dataclass(frozen=True, kw_only=True)
class WaveMixer(ChannelMixer):
    """Wave-based channel aggregation (SpaRTAN).

    Pay et al., 2025, arXiv:2507.10999, section III-C. Amplitude and phase are linear maps; the
    product at the input's strongest channel is added to all, pairs of channels are multiplied by
    learned complex numbers, and a 3x3 convolution and squeeze-and-excitation follow.
    """

    name = "wave"
    catalogue = ("M53",)

    expansion: Annotated[int, IntRange(2, 8)] = 2
    """Ratio of hidden channels to channels, 2 to 8 (SpaRTAN: 4 in its first two stages, then 2)."""
    depthwise: Annotated[bool, YES_NO] = True
    """Whether the convolution is depthwise (SpaRTAN's first two stages), else has one group per
    input channel (its last two stages)."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the convolution's norm."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The number of hidden channels must be even: channels form pairs."""
        if shape.channels * self.expansion % 2 == 0:
            return None
        return (
            f"the hidden channels must be even, but got expansion {self.expansion} and "
            f"{shape.channels} channels"
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        hidden = shape.channels * self.expansion
        aggregation = WaveAggregation(
            channels=shape.channels,
            hidden=hidden,
            groups=hidden if self.depthwise else shape.channels,
            act=self.activation,
        )
        return fan_out_start(aggregation)
