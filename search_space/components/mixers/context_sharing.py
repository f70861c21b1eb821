"""Attention that is the same for all queries: one context of the map, shared by its positions.

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W).
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from ...domains import YES_NO, Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import TokenMixer, Traits
from ..layers.canonical_forms import RoundedRatio
from ..norms import ChannelLayerNorm

ISOMER = Traits(
    catalogue=("M32",),
    paper="Yuan et al., Isomer: Isomerous Transformer for Zero-shot Video Object Segmentation, "
    "2023, arXiv:2308.06693",
    code="DLUT-yyc/Isomer",
    reach="global",
    weights="input-dependent",
    cost="N",
)
"""The traits of Isomer's two mixers."""


class SharedContext(nn.Module):
    """A weighted mean of all positions, through a perceptron, for every position."""

    def __init__(self, channels: int, hidden: int, *, act: str, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.score = nn.Conv2d(channels, 1, 1)
        layers = OrderedDict[str, nn.Module](expand=nn.Conv2d(channels, hidden, 1))
        layers["norm"] = ChannelLayerNorm(hidden, eps=1e-5, bias=True)
        layers["act"] = activation(act)
        layers["reduce"] = last = nn.Conv2d(hidden, channels, 1)
        self.perceptron = nn.Sequential(layers)
        nn.init.kaiming_normal_(self.score.weight, nonlinearity="relu")
        for each in (self.score.bias, last.weight, last.bias):
            if each is not None:
                nn.init.zeros_(each)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        weights_BN1 = self.score(x_BCHW).flatten(2).softmax(2).transpose(1, 2)
        context_BC1 = x_BCHW.flatten(2) @ weights_BN1.to(x_BCHW.dtype)
        shared_BC11 = self.perceptron(context_BC1[..., None])
        if self.shortcut:
            return x_BCHW + shared_BC11
        return shared_BC11.expand(x_BCHW.shape).contiguous()


@dataclass(frozen=True, kw_only=True)
class ContextSharing(RoundedRatio, TokenMixer):
    """One context for all positions: attention whose weights do not depend on the query (Isomer).

    Yuan et al., Isomer, 2023 (context-sharing transformer, for early stages): a softmax over scores
    of all positions, without queries, weighs them, and the mean passes a perceptron with a layer
    norm and ReLU between its two maps; the last map starts at zero. The reference code multiplies
    the channels by 16 inside. It adds the result to the input (``shortcut``), where a block with a
    residual adds the input once more. Isomer's transformer for late stages is
    ``semantic_gathering``.
    """

    name = "context_sharing"
    traits = ISOMER

    ratio: Annotated[float, Positive()] = 16.0
    """Ratio of the perceptron's hidden channels to the channels of the map."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation of the perceptron."""
    shortcut: Annotated[bool, YES_NO] = True
    """Whether the input is added to the output."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return SharedContext(
            shape.channels, self.hidden(shape), act=self.activation, shortcut=self.shortcut
        )
