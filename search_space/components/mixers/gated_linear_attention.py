"""Linear attention whose state decays by gates, scanned over the map.

Shape suffixes: B batch, C channels, H rows, W columns, V channels of a head.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, IntRange, Positive
from ...shapes import Shape
from ..base import Traits
from ..initial import glorot_start, keeps_torch_start
from ..layers.kernel_clipping import depthwise
from ..norms import ChannelRMSNorm
from ..sequence.gated_linear import GatedLinearScan
from ..sequence.lifting import Lifted
from .headed import WIDTH, whole_heads
from .lifted import LiftedMixer

_GAIN = 2**-2.5


class HeadNorm(ChannelRMSNorm):
    """Root-mean-square norm of each head's channels, with one scale for all heads."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        heads = x_BCHW.unflatten(1, (-1, len(self.weight))).flatten(0, 1)
        return super().forward(heads).unflatten(0, (x_BCHW.shape[0], -1)).flatten(1, 2)


class GatedLinearMixing(nn.Module):
    """Gated linear attention, normalised by heads, and its gate."""

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        key_dim: int,
        rank: int,
        scan: nn.Module,
        locality: bool,
        conv_activation: bool,
        out_activation: bool,
    ) -> None:
        super().__init__()
        self.local = nn.Sequential()
        if locality:
            self.local.append(depthwise(channels, (3, 3), bias=False))
            if conv_activation:
                self.local.append(nn.SiLU())
        self.qkv = nn.Conv2d(channels, 2 * heads * key_dim + channels, 1, bias=False)
        self.low = nn.Conv2d(channels, rank, 1, bias=False)
        self.scan = scan
        self.norm = HeadNorm(channels // heads, 1e-6)
        self.local_norm = HeadNorm(channels // heads, 1e-6) if locality else None
        self.gate = nn.Conv2d(channels, channels, 1, bias=locality)
        self.out = nn.SiLU() if out_activation else nn.Identity()
        self.proj = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BCHW = self.local(x_BCHW)
        given = torch.cat([self.qkv(x_BCHW), self.low(x_BCHW)], dim=1)
        y_BCHW = self.norm(self.scan(given))
        gate_BCHW = self.gate(x_BCHW)
        if self.local_norm is None:
            y_BCHW = y_BCHW * F.silu(gate_BCHW)
        else:
            y_BCHW = torch.lerp(self.local_norm(x_BCHW), y_BCHW, gate_BCHW.sigmoid())
        return self.proj(self.out(y_BCHW))


@dataclass(frozen=True, kw_only=True)
class GatedLinearAttention(LiftedMixer):
    """Linear attention whose state decays by gates that are computed from the input.

    Yang et al., 2023, equation 3: each channel of a key has a decay at each position. ViG (Liao et
    al., 2024, arXiv:2405.18425) scans both ways with the same queries, keys and values, each way
    with its own decays, takes the mean, and mixes it with a depthwise convolution of the map by a
    gate (``locality``); queries, keys, values and gates are computed from the convolution. Without
    ``locality`` the output gate is GLA's swish. Differences from the reference codes: log decays
    are limited to -5 a position in chunks of 32; all liftings, not only rasters.
    """

    name = "gated_linear_attention"
    traits = Traits(
        catalogue=("Q06", "M60"),
        paper="Yang et al., Gated Linear Attention Transformers with Hardware-Efficient Training, "
        "2023, arXiv:2312.06635",
        code="hustvl/ViG",
        reach="global",
        weights="input-dependent",
        cost="N",
        any_size_program=False,
    )

    head_dim: Annotated[int, WIDTH] = 16
    """Channels of a value of one head; must divide the channels."""
    key_dim: Annotated[int, WIDTH] = 16
    """Channels of a query and of a key of one head."""
    gate_rank: Annotated[int, IntRange(1, 256)] = 16
    """Channels from which the decays are computed, 1 to 256."""
    temperature: Annotated[float, Positive()] = 16.0
    """Number by which the log decays are divided: the larger, the longer the memory."""
    locality: Annotated[str, Choice(("none", "conv", "silu"))] = "silu"
    """Depthwise 3x3 convolution of the map that is mixed with the scan by a gate: none, linear, or
    with a SiLU."""
    out_activation: Annotated[bool, YES_NO] = False
    """Whether a SiLU comes before the output projection."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        heads, routes = shape.channels // self.head_dim, self.routes()
        cores = [
            GatedLinearScan(
                heads=heads,
                key_dim=self.key_dim,
                value_dim=self.head_dim,
                rank=self.gate_rank,
                temperature=self.temperature,
            )
            for _ in range(routes)
        ]
        scan = Lifted(cores, lifting=self.lifting, window=self.window, merged="mean")
        module = GatedLinearMixing(
            shape.channels,
            heads=heads,
            key_dim=self.key_dim,
            rank=self.gate_rank,
            scan=scan,
            locality=self.locality != "none",
            conv_activation=self.locality == "silu",
            out_activation=self.out_activation,
        )
        glorot_start(module, gain=_GAIN, bias=0.0)
        if not keeps_torch_start():
            for core in cores:  # one map makes the decays of all routes in the reference code
                fans = self.gate_rank + routes * heads * self.key_dim
                bound = _GAIN * math.sqrt(6 / fans)
                nn.init.uniform_(core.decay.weight, -bound, bound)
        return module
