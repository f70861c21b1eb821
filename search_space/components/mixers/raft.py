"""Perceptrons over rows and over columns, for groups of channels.

Shape suffixes: B batch, C channels, H rows, W columns, R raft, G groups (C / R),
D inputs of a perceptron (R x H or R x W).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import Choice, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..norms import ChannelLayerNorm


class AxisPerceptron(nn.Module):
    """A perceptron over one axis of the map, for ``raft`` channels together."""

    def __init__(self, *, size: int, raft: int, vertical: bool, expansion: float, act: str) -> None:
        super().__init__()
        hidden = scaled(raft * size, expansion)
        self.raft = raft
        self.order = (0, 2, 4, 1, 3) if vertical else (0, 2, 3, 1, 4)
        self.back = (0, 3, 1, 4, 2) if vertical else (0, 3, 1, 2, 4)
        self.fc1 = nn.Linear(raft * size, hidden)
        self.act = activation(act)
        self.fc2 = nn.Linear(hidden, raft * size)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        B, C, H, W = x_BCHW.shape
        x_BRGHW = x_BCHW.reshape(B, self.raft, C // self.raft, H, W)
        apart = x_BRGHW.permute(self.order)  # (B, G, W, R, H) or (B, G, H, R, W)
        mixed_BGXD = self.fc2(self.act(self.fc1(apart.flatten(3))))
        return mixed_BGXD.view(apart.shape).permute(self.back).reshape(B, C, H, W)


class RaftMixing(nn.Module):
    """Perceptrons over one axis after the other, with a norm between.

    The output is the sum of the branches; the surrounding block adds the input. A map of another
    size than the perceptrons' is resized.
    """

    def __init__(
        self, shape: Shape, branches: Sequence[nn.Module], norms: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.size = (shape.height, shape.width)
        self.branches = nn.ModuleList(branches)
        self.norms = nn.ModuleList(norms)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        size = (x_BCHW.shape[2], x_BCHW.shape[3])
        if size != self.size:
            x_BCHW = F.interpolate(x_BCHW, self.size, mode="bicubic")
        mixed_BCHW = self.branches[0](x_BCHW)
        for norm, branch in zip(self.norms, list(self.branches)[1:], strict=True):
            mixed_BCHW = mixed_BCHW + branch(norm(x_BCHW + mixed_BCHW))
        return mixed_BCHW if size == self.size else F.interpolate(mixed_BCHW, size, mode="bicubic")


@dataclass(frozen=True, kw_only=True)
class RaftMlp(TokenMixer):
    """Token mixing along columns, then rows, of groups of channels ("rafts").

    Tatsunami and Taki, RaftMLP, 2021, arXiv:2108.04384, section 3.2. The paper's layout, with norm
    and residual for each axis, is a block with ``axis: vertical`` and no channel mixer, then one
    with ``axis: horizontal``. With ``axis: both`` one mixer covers both axes, with a norm and a
    residual between. Maps of another size than the mixer's are resized to it and back, bicubically
    (section 3.4).
    """

    name = "raft_mlp"
    traits = Traits(
        catalogue=("M47",),
        paper="Tatsunami and Taki, RaftMLP: How Much Can Be Done Without Attention and with Less "
        "Spatial Locality?, 2021, arXiv:2108.04384",
        reach="global",
        weights="static",
        cost="N (H + W)",
        resolution_bound=True,
        resizes=True,
        code="okojoalg/raft-mlp",
    )

    axis: Annotated[str, Choice(("both", "vertical", "horizontal"))] = "both"
    """The axis along which positions are mixed."""
    raft_size: Annotated[int, Positive(whole=True)] = 2
    """Channels that are mixed together, at least 1; must divide the channels."""
    expansion: Annotated[float, Positive()] = 2.0
    """Ratio of hidden units to raft size times side."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation between the two maps of each perceptron."""

    def sizes(self, shape: Shape) -> list[int]:
        """Return the inputs of each perceptron."""
        sides = {"vertical": [shape.height], "horizontal": [shape.width], "both": [*shape[1:]]}
        return [self.raft_size * side for side in sides[self.axis]]

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The raft size must divide the channels."""
        if shape.channels % self.raft_size:
            return (
                f"raft_size must divide the channels, but got raft_size {self.raft_size} "
                f"and {shape.channels} channels"
            )
        return None

    def canonical(self, shape: Shape) -> Self:
        """Take the least expansion with the same hidden units; one position needs one axis."""
        sizes = self.sizes(shape)
        least = [int(size * self.expansion + 1e-6) / size for size in sizes]
        axis = "vertical" if self.axis == "horizontal" and shape.tokens == 1 else self.axis
        return replace(self, axis=axis, expansion=max(*least, 1 / max(sizes)))

    def perceptron(self, shape: Shape, *, vertical: bool) -> nn.Module:
        """Build the perceptron over one axis."""
        return AxisPerceptron(
            size=shape.height if vertical else shape.width,
            raft=self.raft_size,
            vertical=vertical,
            expansion=self.expansion,
            act=self.activation,
        )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        axes = ("vertical", "horizontal") if self.axis == "both" else (self.axis,)
        branches = [self.perceptron(shape, vertical=axis == "vertical") for axis in axes]
        norms = [ChannelLayerNorm(shape.channels, 1e-5, bias=True) for _ in branches[1:]]
        return RaftMixing(shape, branches, norms)
