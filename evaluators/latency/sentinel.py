"""The sentinel: a small fixed network that is timed with every candidate.

The sentinel's time shows the device's speed at that moment; the ratio of a candidate's time to it
stays valid when clocks, heat or load drift. The sentinel must never change; a new one needs a new
name.
"""

import torch
from torch import Tensor, nn

NAME = "sentinel-1"
RESOLUTION = 32
"""Side of the sentinel's square images of three channels, in pixels."""
_SEED = 20240


class Sentinel(nn.Module):
    """A patch stem, a separable block, a full convolution and a head: 29 thousand parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 4, stride=4)
        self.block = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1, groups=32),
            nn.BatchNorm2d(32),
            nn.Conv2d(32, 128, 1),
            nn.GELU(),
            nn.Conv2d(128, 32, 1),
        )
        self.tail = nn.Sequential(
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 10),
        )
        generator = torch.Generator().manual_seed(_SEED)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.1, 0.1, generator=generator)

    def forward(self, x_BCHW: Tensor) -> Tensor:  # noqa: D102
        x_BCHW = self.stem(x_BCHW)
        return self.tail(x_BCHW + self.block(x_BCHW))
