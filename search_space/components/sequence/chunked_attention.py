"""Attention in chunks behind dilated convolutions along sequences.

Shape suffixes: S sequences, N positions, n chunks, T positions of a chunk, C channels, K channels
of a key.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .chunks import split_evenly


class DilatedConvolutions(nn.Module):
    """Causal depthwise convolutions, each with twice the distance of its taps, each added."""

    def __init__(self, channels: int, *, layers: int, kernel_size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel_size, dilation=2**number, groups=channels)
            for number in range(layers)
        )
        self.reaches = [(kernel_size - 1) * 2**number for number in range(layers)]

    def forward(self, x_SNC: Tensor) -> Tensor:
        """Map (S, N, C) to itself."""
        x_SCN = x_SNC.transpose(1, 2)
        for layer, reach in zip(self.layers, self.reaches, strict=True):
            x_SCN = x_SCN + F.silu(layer(F.pad(x_SCN, (reach, 0))))
        return x_SCN.transpose(1, 2)


class ChunkedAttention(nn.Module):
    """Gated attention inside chunks of a sequence, by queries and keys of its convolved form."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"scales", "shifts"})

    def __init__(
        self, channels: int, *, key_dim: int, chunk: int, layers: int, kernel_size: int
    ) -> None:
        super().__init__()
        self.chunk, self.parts = chunk, (key_dim, channels, channels, channels)
        self.conv = DilatedConvolutions(channels, layers=layers, kernel_size=kernel_size)
        self.given = nn.Linear(channels, key_dim + 3 * channels)
        self.value = nn.Linear(channels, channels)
        self.mixed = nn.Linear(channels, channels, bias=False)
        self.scales = nn.Parameter(torch.ones(2, key_dim))
        self.shifts = nn.Parameter(torch.zeros(2, key_dim))

    def attend(self, q_SNK: Tensor, k_SNK: Tensor, v_SNC: Tensor) -> Tensor:
        """Return the values of each chunk, weighted by its scores."""
        N = q_SNK.shape[1]
        count = -(-N // self.chunk)
        q, k, v = (split_evenly(each, 1, count) for each in (q_SNK, k_SNK, v_SNC))
        filled = count * q.shape[2] - N
        mask = None
        if filled:
            places = torch.arange(N + filled, device=q.device)
            mask = (places < N).unflatten(0, (count, 1, -1))
        return F.scaled_dot_product_attention(q, k, v, mask).flatten(1, 2)[:, :N]

    def forward(self, x_SNC: Tensor) -> Tensor:
        """Map (S, N, C) to itself."""
        base, new, reset, update = self.given(self.conv(x_SNC)).split(self.parts, dim=-1)
        q, k = (F.silu(base)[..., None, :] * self.scales + self.shifts).unbind(2)
        mixed = self.attend(q, k, F.silu(self.value(x_SNC)))
        new = F.silu(new + self.mixed(mixed * F.silu(reset)))
        return torch.lerp(x_SNC.to(new.dtype), new, update.sigmoid())
