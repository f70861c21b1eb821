"""Parallel gating of each position with those before it.

Shape suffixes: S sequences, N positions, C channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PastGate(nn.Module):
    """A linear map of all positions before, and a gate between it and a new value."""

    def __init__(self, channels: int, *, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.past = nn.Conv1d(channels, channels, reach, groups=channels)
        self.gate = nn.Linear(2 * channels, 2 * channels)

    def forward(self, x_SNC: Tensor) -> Tensor:
        """Map (S, N, C) to itself."""
        before_SCN = F.pad(x_SNC.transpose(1, 2), (self.reach, 0))[..., :-1]
        past_SNC = self.past(before_SCN).transpose(1, 2)
        gate, new = self.gate(torch.cat([x_SNC, past_SNC], dim=-1)).chunk(2, dim=-1)
        return torch.lerp(new.tanh(), past_SNC, gate.sigmoid())
