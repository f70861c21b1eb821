"""The product or the sum of a map and a module's output for it.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from torch import Tensor, nn

from ..activations import activation


class Gate(nn.Module):
    """A map times a module's output for it."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return x_BCHW * self.attention(x_BCHW)


class Shortcut(nn.Module):
    """A map plus a module's output for it."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return x_BCHW + self.branch(x_BCHW)


class StridedResidual(nn.Module):
    """A branch and its shortcut, added and activated."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, act: str) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.act = activation(act)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        return self.act(self.branch(x_BCHW) + self.shortcut(x_BCHW))
