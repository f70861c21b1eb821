"""Selective state spaces scanned over the map.

Shape suffixes: B batch, C channels, H rows, W columns, E inner channels.
"""

import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape
from ..base import Traits
from ..initial import small_start
from ..layers.canonical_forms import ClippedKernel, RoundedRatio
from ..layers.kernel_clipping import KERNEL, depthwise
from ..norms import ChannelLayerNorm
from ..sequence.lifting import Lifted
from ..sequence.selective_scan import SelectiveScan
from .lifted import LIFTING, LiftedMixer


class ScannedConv(nn.Module):
    """A convolution of the map, a scan of it, a norm, and maybe a gate."""

    def __init__(
        self,
        channels: int,
        inner: int,
        *,
        kernel_size: int,
        conv_bias: bool,
        gated: bool,
        scan: nn.Module,
    ) -> None:
        super().__init__()
        self.gated = gated
        self.in_proj = nn.Conv2d(channels, 2 * inner if gated else inner, 1, bias=False)
        self.conv = depthwise(inner, (kernel_size, kernel_size), bias=conv_bias)
        self.scan = scan
        self.norm = ChannelLayerNorm(inner, 1e-5, bias=True)
        self.proj = nn.Conv2d(inner, channels, 1, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        x_BEHW, *gate = self.in_proj(x_BCHW).chunk(2 if self.gated else 1, dim=1)
        y_BEHW = self.norm(self.scan(F.silu(self.conv(x_BEHW))))
        if gate:
            y_BEHW = y_BEHW * F.silu(gate[0])
        return self.proj(y_BEHW)


@dataclass(frozen=True, kw_only=True)
class SelectiveScanMixer(ClippedKernel, RoundedRatio, LiftedMixer):
    """A state space model whose steps, inputs and outputs depend on the position (VMamba).

    Liu et al., VMamba, 2024, section 4.2: the map goes through a depthwise convolution, then along
    each route through a selective scan with weights of its own; the outputs are summed. The default
    is the last version of the paper; with ``gated``, ``conv_bias``, a ratio of 2 and 16 numbers of
    state it is the first one. The scan is that of Mamba (Gu and Dao, 2023, arXiv:2312.00752). The
    rank of the steps is a sixteenth of the channels.
    """

    name = "selective_scan"
    traits = Traits(
        catalogue=("Q16",),
        paper="Liu et al., VMamba: Visual State Space Model, 2024, arXiv:2401.10166",
        code="MzeroMiko/VMamba",
        reach="global",
        weights="input-dependent",
        cost="N",
        any_size_program=False,
    )

    lifting: Annotated[str, LIFTING] = "four_way"
    """Sequences that are scanned: all positions row by row (``raster``), and backwards
    (``bidirectional``); both also column by column (``four_way``); each row and each column, both
    ways (``rows_columns``); each window, both ways (``windows``)."""
    ratio: Annotated[float, Positive()] = 1.0
    """Ratio of inner channels to channels."""
    state: Annotated[int, IntRange(1, 64)] = 1
    """Numbers of state of each inner channel, 1 to 64."""
    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel before the scan in pixels, odd, 1 to 31."""
    conv_bias: Annotated[bool, YES_NO] = False
    """Whether the depthwise convolution has a bias."""
    gated: Annotated[bool, YES_NO] = False
    """Whether a map of the input, through a SiLU, gates the output."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        inner, rank = self.hidden(shape), math.ceil(shape.channels / 16)
        cores = [SelectiveScan(inner, state=self.state, rank=rank) for _ in range(self.routes())]
        module = ScannedConv(
            shape.channels,
            inner,
            kernel_size=self.kernel_size,
            conv_bias=self.conv_bias,
            gated=self.gated,
            scan=Lifted(cores, lifting=self.lifting, window=self.window, merged="sum"),
        )
        for each in (module.in_proj, module.proj, *(core.given for core in cores)):
            small_start(each)
        for core in cores:  # the biases make the initial steps
            small_start(core.step, biases=False)
        return module
