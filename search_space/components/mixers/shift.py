"""Linear maps of channels that are shifted by different distances.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import Norm, TokenMixer, Traits
from ..initial import small_start
from ..norms import LayerNorm

STEPS = IntRange(1, 15, 2)
"""Legal numbers of different shifts: as many to one side as to the other, and zero."""


def shifted(groups: Sequence[Tensor], starts: Sequence[int], half: int, axis: int) -> Tensor:
    """Return groups of channels (B, c, H, W), each shifted along one axis, zero-padded.

    Args:
        groups: The groups, which are concatenated after the shifts.
        starts: Position p of a shifted group is position p + start - half of the group.
        half: The largest shift in pixels.
        axis: 2 for rows, 3 for columns.
    """
    padding = (0, 0, half, half) if axis == 2 else (half, half, 0, 0)
    size = groups[0].shape[axis]
    moved = [
        F.pad(group_BcHW, padding).narrow(axis, start, size)
        for group_BcHW, start in zip(groups, starts, strict=True)
    ]
    return torch.cat(moved, dim=1)


class CycleConv(nn.Module):
    """A 1x1 convolution of shifted channels: channel 0 by 0, channel 1 by 1, and so on in a cycle.

    The convolution's input channels are ordered by their shifts.
    """

    def __init__(self, channels: int, steps: int, axis: int) -> None:
        super().__init__()
        self.steps = steps
        self.axis = axis
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        steps = self.steps
        first = range(min(steps, x_BCHW.shape[1]))
        groups = [x_BCHW[:, index::steps] for index in first]
        starts = [(index + steps // 2) % steps for index in first]
        return self.conv(shifted(groups, starts, steps // 2, self.axis))


class CycleMixing(nn.Module):
    """A weighted sum of three linear maps: of shifts along rows, along columns, and none."""

    def __init__(self, channels: int, steps: int, hidden: int, act: str, bias: bool) -> None:
        super().__init__()
        self.still = nn.Conv2d(channels, channels, 1, bias=bias)
        self.along_w = CycleConv(channels, steps, 3)
        self.along_h = CycleConv(channels, steps, 2)
        self.fc1 = nn.Linear(channels, hidden)
        self.act = activation(act)
        self.fc2 = nn.Linear(hidden, 3 * channels)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        wide, high, still = self.along_w(x_BCHW), self.along_h(x_BCHW), self.still(x_BCHW)
        mean_BC = (wide + high + still).mean((2, 3))
        shares_BC3 = self.fc2(self.act(self.fc1(mean_BC))).unflatten(1, (-1, 3)).softmax(dim=2)
        a, b, c = (share_BC[:, :, None, None] for share_BC in shares_BC3.unbind(2))
        return self.proj(wide * a + high * b + still * c)


@dataclass(frozen=True, kw_only=True)
class CycleMlp(TokenMixer):
    """Linear maps of channels shifted in a cycle of steps, along rows and along columns (CycleMLP).

    Chen et al., CycleMLP, 2021, arXiv:2107.10224, sections 3.2 and 3.3. The weights of the branches
    are computed from the mean of the map, the only dependence on distant positions.
    """

    name = "cycle_mlp"
    traits = Traits(
        paper="Chen et al., CycleMLP: A MLP-like Architecture for Dense Prediction, 2021, "
        "arXiv:2107.10224",
        reach="global",
        weights="input-dependent",
        cost="N",
        code="ShoufaChen/CycleMLP",
    )

    steps: Annotated[int, STEPS] = 3
    """Number of different shifts in the cycle, odd, 1 to 15."""
    reduction: Annotated[int, Positive(whole=True)] = 4
    """Ratio of channels to hidden units of the perceptron that computes the branches' weights."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation inside the perceptron that computes the weights."""
    bias: Annotated[bool, YES_NO] = False
    """Whether the linear map without shifts has a bias."""

    def hidden(self, shape: Shape) -> int:
        """Return the hidden units, at least 1."""
        return max(1, shape.channels // self.reduction)

    def canonical(self, shape: Shape) -> Self:
        """Take the least reduction with the same hidden units; clip the steps to the channels."""
        return replace(
            self,
            steps=min(self.steps, 2 * shape.channels - 1),
            reduction=shape.channels // (self.hidden(shape) + 1) + 1,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        hidden = self.hidden(shape)
        mixing = CycleMixing(shape.channels, self.steps, hidden, self.activation, self.bias)
        return small_start(mixing)


class AxialShiftMixing(nn.Module):
    """1x1 convolution, the sum of 1x1 convolutions of row and column shifts, 1x1 convolution."""

    def __init__(
        self, channels: int, steps: int, act: str, norm1: nn.Module, norm2: nn.Module, bias: bool
    ) -> None:
        super().__init__()
        self.steps = steps
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=bias)
        self.norm1 = norm1
        self.act = activation(act)
        self.along_w = nn.Conv2d(channels, channels, 1, bias=bias)
        self.along_h = nn.Conv2d(channels, channels, 1, bias=bias)
        self.norm2 = norm2
        self.conv2 = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        y_BCHW = self.act(self.norm1(self.conv1(x_BCHW)))
        groups = y_BCHW.chunk(self.steps, dim=1)
        half = self.steps // 2
        starts = [2 * half - index for index in range(len(groups))]
        wide = self.act(self.along_w(shifted(groups, starts, half, 3)))
        high = self.act(self.along_h(shifted(groups, starts, half, 2)))
        return self.conv2(self.norm2(wide + high))


@dataclass(frozen=True, kw_only=True)
class AxialShift(TokenMixer):
    """Linear maps of groups of channels shifted along rows, and along columns (AS-MLP).

    Lian et al., AS-MLP, 2021, arXiv:2107.08391, section 3.2. The paper's norms are group norms with
    one group, over all positions; the default norm here works on each position.
    """

    name = "axial_shift"
    traits = Traits(
        paper="Lian et al., AS-MLP: An Axial Shifted MLP Architecture for Vision, 2021, "
        "arXiv:2107.08391",
        reach="local",
        weights="static",
        cost="N",
        code="svip-lab/AS-MLP",
    )
    renamed = (("inner_norm", "norm"),)

    steps: Annotated[int, STEPS] = 5
    """Number of groups of channels, each with a different shift, odd, 1 to 15."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the first norm, and after the convolutions of shifted channels."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the convolutions have a bias."""
    inner_norm: Norm = field(default_factory=LayerNorm)
    """Norm after the first convolution, and before the last."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        norm1, norm2 = self.inner_norm.build(shape), self.inner_norm.build(shape)
        return AxialShiftMixing(
            shape.channels, self.steps, self.activation, norm1, norm2, self.bias
        )
