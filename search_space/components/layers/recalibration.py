"""Attention to channels and to positions, by which a map is scaled.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

import math

import torch
from torch import Tensor, nn

from .conv_norm import SqueezeExcite


def channel_kernel(channels: int) -> int:
    """Return the kernel of ECA for a number of channels: odd, near (log2(channels) + 1) / 2.

    Wang et al., ECA-Net, 2019, arXiv:1910.03151, equation 12.
    """
    size = int(abs(math.log2(channels) + 1) / 2)
    return size if size % 2 else size + 1


class EfficientChannelAttention(nn.Module):
    """Each channel times a factor from 0 to 1, by a convolution over the channels' means.

    Wang et al., ECA-Net, 2019, arXiv:1910.03151, section 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        side = channel_kernel(channels)
        self.conv = nn.Conv1d(1, 1, side, padding=side // 2, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        mean_B1C = x_BCHW.mean((2, 3))[:, None]
        return x_BCHW * self.conv(mean_B1C)[:, 0, :, None, None].sigmoid()


class SpatialExcite(nn.Module):
    """Each position times a factor from 0 to 1, by a linear map of its channels.

    Roy et al., Recalibrating Fully Convolutional Networks, 2018, arXiv:1808.08127, equation 5.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return x_BCHW * self.conv(x_BCHW).sigmoid()


class BothExcite(nn.Module):
    """The larger one of a map scaled by channel and the map scaled by position, elementwise.

    Roy et al., Recalibrating Fully Convolutional Networks, 2018, arXiv:1808.08127, equation 6.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.by_channel = SqueezeExcite(channels, hidden)
        self.by_position = SpatialExcite(channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return torch.maximum(self.by_channel(x_BCHW), self.by_position(x_BCHW))
