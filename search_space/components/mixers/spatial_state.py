"""A state space model over rows and columns at once.

Shape suffixes: B batch, C channels, H rows, W columns, D directions, K kernels of the states, M
numbers of a state; Q sets of channels that share kernels.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, IntRange
from ...shapes import Shape
from ..base import TokenMixer, Traits
from ..norms import ChannelLayerNorm
from .fourier import convolve, full_precision
from .hyena import FLIPS


def halves(size: int, other: int, like: Tensor) -> Tensor:
    """Return by position (size, other) the factor of the step along the first axis.

    It is 1/2 where both states one step before are not zero, as in the paper's normalisation, and 1
    elsewhere.
    """
    factor = like.new_full((size, other), 0.5)
    factor[:, 0] = 1.0
    factor[1:2] = 1.0
    factor[1:2, 0] = 0.5
    return factor


def impulse_response(rates_4KM: Tensor, written_2KM: Tensor, height: int, width: int) -> Tensor:
    """Return both states (2, K, M, H, W), horizontal and vertical, after an impulse at (0, 0).

    The horizontal state at a position is ``rates[0]`` times the one to the left plus ``rates[1]``
    times the vertical state there; the vertical state is ``rates[2]`` times the horizontal one
    above plus ``rates[3]`` times the vertical one above (Baron et al., 2023, equations 4 and 5). A
    position depends on two before it, so whole antidiagonals are computed at once.
    """
    lines = torch.arange(height, device=rates_4KM.device)
    steps = max(2, height + width - 1)
    columns_SH = torch.arange(steps, device=lines.device)[:, None] - lines
    inside_SH = (columns_SH >= 0) & (columns_SH < width)
    near_SH = columns_SH.clamp(0, width - 1)
    keep_down = halves(height, width, rates_4KM)[lines, near_SH] * (inside_SH & (lines > 0))
    keep_across = halves(width, height, rates_4KM).T[lines, near_SH] * (
        inside_SH & (columns_SH > 0)
    )
    to_across, to_down = rates_4KM.unflatten(0, (2, 2))[..., None].unbind(0)

    # Skewed maps: a diagonal holds the positions (i, s - i) of step s.
    start = written_2KM[..., None]
    diagonals = [torch.cat([start, start.new_zeros(*written_2KM.shape, height - 1)], dim=-1)]
    for across_H, down_H in zip(keep_across.unbind(0)[1:], keep_down.unbind(0)[1:], strict=True):
        here, above = diagonals[-1], F.pad(diagonals[-1], (1, -1))
        both = (to_across * here).sum(0) * across_H, (to_down * above).sum(0) * down_H
        diagonals.append(torch.stack(both))
    places = (lines[:, None] + torch.arange(width, device=lines.device)).flatten()
    rows = lines[:, None].expand(height, width).flatten()
    return torch.stack(diagonals, dim=-1)[..., rows, places].unflatten(3, (height, width))


class SpatialStates(nn.Module):
    """A convolution with the response of a linear system in rows and columns, in all directions."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"rates", "written", "read"})

    def __init__(
        self, channels: int, *, state: int, systems: int, directions: int, normed: bool
    ) -> None:
        super().__init__()
        self.systems, self.directions = systems, directions
        kernels = directions * systems
        self.rates = nn.Parameter(0.2 * torch.randn(4, kernels, state))
        self.written = nn.Parameter(0.2 * torch.randn(2, kernels, state))
        self.read = nn.Parameter(torch.randn(2, channels * directions, state))
        self.direct_C = nn.Parameter(torch.randn(channels))
        self.norm = ChannelLayerNorm(channels, 1e-5, bias=True) if normed else nn.Identity()

    def kernels(self, height: int, width: int) -> Tensor:
        """Return the kernel (D, C, H, W) of each direction and channel."""
        states_2KMHW = impulse_response(self.rates.sigmoid(), self.written.sigmoid(), height, width)
        read = self.read.unflatten(1, (-1, states_2KMHW.shape[1])) * self.read.shape[2] ** -0.5
        taps = read.permute(2, 1, 0, 3).flatten(2) @ states_2KMHW.permute(1, 0, 2, 3, 4).flatten(
            1, 2
        ).flatten(2)
        taps_EHW = taps.transpose(0, 1).flatten(0, 1).unflatten(1, (height, width))
        edge = torch.ones(height, width, device=taps.device, dtype=taps.dtype)
        edge[0] = edge[:, 0] = 2.0
        edge[0, 0] = 1.0
        return (taps_EHW * edge).unflatten(0, (self.directions, -1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = x_BCHW.shape[2:]
        flips = [FLIPS[0], *FLIPS[:1:-1], FLIPS[1]] if self.directions == 4 else FLIPS[:2]
        y_BCHW = x_BCHW * self.direct_C[:, None, None]
        with full_precision(x_BCHW):
            for kernel_CHW, flip in zip(self.kernels(H, W).float(), flips, strict=True):
                mixed = convolve(x_BCHW.flip(flip), kernel_CHW, (2 * H, 2 * W), "fft")
                y_BCHW = y_BCHW + mixed.flip(flip)
        return self.norm(y_BCHW)


@dataclass(frozen=True, kw_only=True)
class SpatialStateSpace(TokenMixer):
    """A state space model with one state along rows and one along columns (2-D SSM).

    Baron et al., 2-D SSM, 2023, section 3: the two states feed each other, channels share a few
    systems and read them with weights of their own, and the response is convolved with the map in
    four or two directions. The reference code has kernels of at most 32 x 32 from stored powers;
    here a kernel is as large as the map and comes from its recurrence, antidiagonal by
    antidiagonal. Left out: complex rates.
    """

    name = "spatial_state_space"
    traits = Traits(
        catalogue=("M01",),
        paper="Baron et al., 2-D SSM: A General Spatial Layer for Visual Transformers, 2023, "
        "arXiv:2306.06635",
        code="ethanbar11/ssm_2d",
        reach="global",
        weights="static",
        cost="N log N",
        any_size_program=False,
    )

    state: Annotated[int, IntRange(1, 64)] = 16
    """Numbers of each of the two states, 1 to 64."""
    systems: Annotated[int, Choice((1, 2, 4, 8, 16, 32))] = 2
    """Systems that the channels share, 1 to 32; must divide the channels."""
    directions: Annotated[int, Choice((2, 4))] = 4
    """Corners of the map from which a system starts."""
    normed: Annotated[bool, YES_NO] = True
    """Whether a layer norm follows."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The systems must divide the channels."""
        if shape.channels % self.systems:
            return (
                f"systems must divide the channels, but got systems {self.systems} "
                f"and {shape.channels} channels"
            )
        return None

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return SpatialStates(
            shape.channels,
            state=self.state,
            systems=self.systems,
            directions=self.directions,
            normed=self.normed,
        )
