"""Perceptrons over positions.

Shape suffixes: B batch, C channels, H rows, W columns, N tokens (H x W).
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from ...domains import Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..initial import glorot_start, small_start
from ..layers.canonical_forms import RoundedRatio


class TokenPerceptron(nn.Module):
    """Two linear maps over positions, shared by all channels."""

    def __init__(self, *, tokens: int, hidden: int, act: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(tokens, hidden)
        self.act = activation(act)
        self.fc2 = nn.Linear(hidden, tokens)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        y_BCN = self.fc2(self.act(self.fc1(x_BCHW.flatten(2))))
        return y_BCN.view(x_BCHW.shape)


@dataclass(frozen=True, kw_only=True)
class TokenMlp(RoundedRatio, TokenMixer):
    """The token-mixing perceptron of MLP-Mixer (Tolstikhin et al., 2021, equation 1).

    Initial weights follow Glorot's rule, as in timm; those of the released code have a variance of
    1 / inputs.
    """

    name = "token_mlp"
    traits = Traits(
        catalogue=("M41",),
        paper="Tolstikhin et al., MLP-Mixer: An all-MLP Architecture for Vision, 2021, "
        "arXiv:2105.01601",
        reach="global",
        weights="static",
        cost="N",
        resolution_bound=True,
        code="google-research/vision_transformer",
    )

    ratio: Annotated[float, Positive()] = 0.5
    """Ratio of hidden units to channels (the paper's D_S / C: a half in all its networks)."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation between the two maps."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        hidden = self.hidden(shape)
        perceptron = TokenPerceptron(tokens=shape.tokens, hidden=hidden, act=self.activation)
        return glorot_start(perceptron)


class TokenMatrix(nn.Module):
    """One linear map over positions, shared by all channels."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.fc = nn.Linear(tokens, tokens)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.fc(x_BCHW.flatten(2)).view(x_BCHW.shape)


@dataclass(frozen=True, kw_only=True)
class TokenLinear(TokenMixer):
    """The cross-patch linear map of ResMLP (Touvron et al., 2021, section 2).

    Initial weights are as in the released code; timm's have a larger spread.
    """

    name = "token_linear"
    traits = Traits(
        paper="Touvron et al., ResMLP: Feedforward networks for image classification with "
        "data-efficient training, 2021, arXiv:2105.03404",
        reach="global",
        weights="static",
        cost="N^2",
        resolution_bound=True,
        code="facebookresearch/deit",
    )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return small_start(TokenMatrix(shape.tokens))
