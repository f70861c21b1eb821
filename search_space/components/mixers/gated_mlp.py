"""Gates computed by perceptrons over positions.

Shape suffixes: B batch, C channels, D hidden channels, H rows, W columns, N tokens (H x W),
P positions of a group that is mixed.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..channel_mixers.mlp import Mlp
from ..initial import glorot_start
from ..norms import ChannelLayerNorm
from .mlp import TokenPerceptron


class SpatialGate(nn.Module):
    """``value * proj(norm(gate))``; value and gate are halves of the channels."""

    def __init__(self, channels: int, tokens: int) -> None:
        super().__init__()
        self.norm = ChannelLayerNorm(channels, 1e-5, bias=True)
        self.proj = nn.Linear(tokens, tokens)
        nn.init.normal_(self.proj.weight, std=1e-6)
        nn.init.ones_(self.proj.bias)

    def forward(self, x_BDHW: Tensor) -> Tensor:
        """Map (B, D, H, W) to (B, D / 2, H, W)."""
        value_BDHW, gate_BDHW = x_BDHW.chunk(2, dim=1)
        gate_BDN = self.proj(self.norm(gate_BDHW).flatten(2))
        return value_BDHW * gate_BDN.view(value_BDHW.shape)


@dataclass(frozen=True, kw_only=True)
class GatedMlpMixer(TokenMixer):
    """The whole block of gMLP: 1x1, activation, spatial gating unit, 1x1.

    Liu et al., Pay Attention to MLPs, 2021, arXiv:2105.08050, equations 1 to 4. It mixes channels
    too, so its networks have no other channel mixer. The initial gate is near one.
    """

    name = "gated_mlp"
    traits = Traits(
        paper="Liu et al., Pay Attention to MLPs, 2021, arXiv:2105.08050",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        resolution_bound=True,
        code="huggingface/pytorch-image-models",
    )

    ratio: Annotated[float, Positive()] = 6.0
    """Ratio of hidden channels, of value and gate together, to channels."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the first map."""

    def half(self, shape: Shape) -> int:
        """Return the hidden channels of each half, at least 1."""
        return scaled(shape.channels, self.ratio / 2)

    def canonical(self, shape: Shape) -> Self:
        """Round the ratio to whole hidden channels."""
        return replace(self, ratio=2 * self.half(shape) / shape.channels)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, half = shape.channels, self.half(shape)
        return nn.Sequential(
            OrderedDict(
                fc1=glorot_start(nn.Conv2d(channels, 2 * half, 1)),
                act=activation(self.activation),
                gate=SpatialGate(half, shape.tokens),
                fc2=glorot_start(nn.Conv2d(half, channels, 1)),
            )
        )


class PatchGate(nn.Module):
    """``value * (1 + proj(norm(gate)))`` over the positions of a block, or of a grid.

    With side 4 on an 8 x 8 map, a block is 4 x 4 neighbours, a grid 4 x 4 positions two pixels
    apart. Where the side does not divide the map, the gate is zero-padded.
    """

    def __init__(self, channels: int, side: int, *, grid: bool, bias: bool) -> None:
        super().__init__()
        self.side = side
        self.grid = grid
        self.norm = ChannelLayerNorm(channels, 1e-6, bias=True)
        self.proj = nn.Linear(side**2, side**2, bias=bias)
        nn.init.normal_(self.proj.weight, std=0.02)
        if bias:
            nn.init.zeros_(self.proj.bias)

    def forward(self, x_BDHW: Tensor) -> Tensor:
        """Map (B, D, H, W) to (B, D / 2, H, W)."""
        value_BDHW, gate_BDHW = x_BDHW.chunk(2, dim=1)
        B, D, H, W = value_BDHW.shape
        side = self.side
        padded_BDHW = F.pad(self.norm(gate_BDHW), (0, -W % side, 0, -H % side))
        rows, columns = (H + -H % side) // side, (W + -W % side) // side
        # Along each axis, (which, where) for blocks, (where, which) for grids.
        split = (side, rows, side, columns) if self.grid else (rows, side, columns, side)
        order = (0, 1, 3, 5, 2, 4) if self.grid else (0, 1, 2, 4, 3, 5)
        back = (0, 1, 4, 2, 5, 3) if self.grid else (0, 1, 2, 4, 3, 5)
        apart = padded_BDHW.reshape(B, D, *split).permute(order)
        mixed_BDnnP = self.proj(apart.flatten(4))
        mixed_BDHW = mixed_BDnnP.view(apart.shape).permute(back).reshape(padded_BDHW.shape)
        return value_BDHW * (mixed_BDHW[:, :, :H, :W] + 1)


class AxisGatedMlp(nn.Module):
    """A gated perceptron over blocks or grids, with norm and residual."""

    def __init__(
        self, *, channels: int, half: int, side: int, act: str, grid: bool, bias: bool
    ) -> None:
        super().__init__()
        self.norm = ChannelLayerNorm(channels, 1e-6, bias=True)
        self.fc1 = nn.Conv2d(channels, 2 * half, 1, bias=bias)
        self.act = activation(act)
        self.gate = PatchGate(half, side, grid=grid, bias=bias)
        self.fc2 = nn.Conv2d(half, channels, 1, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return x_BCHW + self.fc2(self.gate(self.act(self.fc1(self.norm(x_BCHW)))))


class MultiAxis(nn.Module):
    """Half of the hidden channels mixed over a grid, the other half over blocks."""

    def __init__(
        self, *, channels: int, half: int, act: str, grid: nn.Module, block: nn.Module, bias: bool
    ) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, 2 * half, 1, bias=bias)
        self.act = activation(act)
        self.grid = grid
        self.block = block
        self.fc2 = nn.Conv2d(2 * half, channels, 1, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        grid_BDHW, block_BDHW = self.act(self.fc1(x_BCHW)).chunk(2, dim=1)
        return self.fc2(torch.cat([self.grid(grid_BDHW), self.block(block_BDHW)], dim=1))


@dataclass(frozen=True, kw_only=True)
class MultiAxisMlp(TokenMixer):
    """The multi-axis gated perceptron of MAXIM (Tu et al., 2022, arXiv:2201.02973, section 3.2).

    Half of the channels are mixed within blocks of neighbours, half over a dilated grid that spans
    the map, each by a gated perceptron whose size does not depend on the map's. The block adds norm
    and residual. In the reference code, block and grid must divide the map; here the gate is padded
    and sides are clipped to the map's. MAXIM's cross-gating block, where two maps gate each other,
    is not offered: blocks here have one stream.
    """

    name = "multi_axis_mlp"
    traits = Traits(
        catalogue=("M38",),
        paper="Tu et al., MAXIM: Multi-Axis MLP for Image Processing, 2022, arXiv:2201.02973",
        reach="regional",
        weights="input-dependent",
        cost="N (b^2 + g^2)",
        any_size_program=False,
        code="google-research/maxim",
    )

    block_size: Annotated[int, IntRange(1, 16)] = 8
    """Side of a block in pixels, 1 to 16."""
    grid_size: Annotated[int, IntRange(1, 16)] = 8
    """Positions along each side of the grid, 1 to 16."""
    ratio: Annotated[float, Positive()] = 2.0
    """Ratio of hidden channels, of both halves together, to channels."""
    block_factor: Annotated[float, Positive()] = 2.0
    """Ratio of channels, of value and gate together, to those of the half for blocks."""
    grid_factor: Annotated[float, Positive()] = 2.0
    """Ratio of channels, of value and gate together, to those of the half for the grid."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the first map and inside the gated perceptrons."""
    bias: Annotated[bool, YES_NO] = True
    """Whether all linear maps have a bias."""

    def half(self, shape: Shape) -> int:
        """Return the hidden channels of each half, at least 1."""
        return scaled(shape.channels, self.ratio / 2)

    def canonical(self, shape: Shape) -> Self:
        """Clip the sides to the map's; round the ratios to whole hidden channels."""
        half, side = self.half(shape), max(shape.height, shape.width)
        return replace(
            self,
            block_size=min(self.block_size, side),
            grid_size=min(self.grid_size, side),
            ratio=2 * half / shape.channels,
            block_factor=2 * scaled(half, self.block_factor / 2) / half,
            grid_factor=2 * scaled(half, self.grid_factor / 2) / half,
        )

    def axis(self, shape: Shape, *, grid: bool) -> nn.Module:
        """Build the gated perceptron over blocks or over the grid."""
        half = self.half(shape)
        return AxisGatedMlp(
            channels=half,
            half=scaled(half, (self.grid_factor if grid else self.block_factor) / 2),
            side=min(self.grid_size if grid else self.block_size, max(shape.height, shape.width)),
            act=self.activation,
            grid=grid,
            bias=self.bias,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return MultiAxis(
            channels=shape.channels,
            half=self.half(shape),
            act=self.activation,
            grid=self.axis(shape, grid=True),
            block=self.axis(shape, grid=False),
            bias=self.bias,
        )


class MixerGate(nn.Module):
    """``proj(x) * mixer(x)``, where the mixer is a whole block of MLP-Mixer."""

    def __init__(self, channels: int, tokens: nn.Module, channel_mixer: nn.Module) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, channels, 1)
        self.norm1 = ChannelLayerNorm(channels, 1e-5, bias=True)
        self.tokens = tokens
        self.norm2 = ChannelLayerNorm(channels, 1e-5, bias=True)
        self.channels = channel_mixer

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        gate_BCHW = x_BCHW + self.tokens(self.norm1(x_BCHW))
        gate_BCHW = gate_BCHW + self.channels(self.norm2(gate_BCHW))
        return self.proj(x_BCHW) * gate_BCHW


@dataclass(frozen=True, kw_only=True)
class MixerGated(TokenMixer):
    """A gate at each position and channel, computed by a block of MLP-Mixer (NiNformer).

    Abdullah and Aydin, NiNformer, 2024, arXiv:2403.02411, section 3. In the reference code the two
    halves of a block share one norm; here each has its own.
    """

    name = "mixer_gated"
    traits = Traits(
        catalogue=("M44",),
        paper="Abdullah and Aydin, NiNformer: A Network in Network Transformer with Token Mixing "
        "Generated Gating Function, 2024, arXiv:2403.02411",
        reach="global",
        weights="input-dependent",
        cost="N",
        resolution_bound=True,
        code="Abdullah-88/NiNformer",
    )

    token_ratio: Annotated[float, Positive()] = 2.0
    """Ratio of hidden units of the perceptron over positions to channels."""
    channel_ratio: Annotated[float, Positive()] = 2.0
    """Ratio of hidden units of the perceptron over channels to channels."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation inside both perceptrons."""

    def canonical(self, shape: Shape) -> Self:
        """Round the ratios to whole hidden units."""
        channels = shape.channels
        return replace(
            self,
            token_ratio=scaled(channels, self.token_ratio) / channels,
            channel_ratio=scaled(channels, self.channel_ratio) / channels,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        hidden = scaled(shape.channels, self.token_ratio)
        return MixerGate(
            shape.channels,
            TokenPerceptron(tokens=shape.tokens, hidden=hidden, act=self.activation),
            Mlp(ratio=self.channel_ratio, activation=self.activation).build(shape),
        )
