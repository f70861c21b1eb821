"""Convolutions with kernels of several sizes, each of a part of the channels.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def split(count: int, parts: int) -> list[int]:
    """Return the channels of each part; the first part has those left over."""
    share = count // parts
    return [count - share * (parts - 1), *[share] * (parts - 1)]


class MixedConv(nn.Module):
    """Convolutions without biases, each of a part of the channels, beside each other.

    Tan and Le, MixConv: Mixed Depthwise Convolutional Kernels, 2019, arXiv:1907.09595, section 3.
    """

    def __init__(
        self, channels: int, width: int, sides: Sequence[int], *, stride: int, depthwise: bool
    ) -> None:
        super().__init__()
        self.parts = split(channels, len(sides))
        self.convs = nn.ModuleList(
            nn.Conv2d(
                part,
                wide,
                side,
                stride,
                side // 2,
                groups=part if depthwise else 1,
                bias=False,
            )
            for part, wide, side in zip(self.parts, split(width, len(sides)), sides, strict=True)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the output."""
        parts = x_BCHW.split(self.parts, dim=1)
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], dim=1)
