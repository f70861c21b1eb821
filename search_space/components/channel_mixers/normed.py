"""Perceptrons at each position with norms inside.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, Choice, Positive
from ...shapes import Shape
from ..activations import ACTIVATION
from ..base import ChannelMixer
from ..initial import small_start
from ..layers.canonical_forms import RoundedRatio
from ..layers.conv_norm import conv_norm
from ..layers.kernel_clipping import reaching_wide


@dataclass(frozen=True, kw_only=True)
class NormedMlp(RoundedRatio, ChannelMixer):
    """Two linear maps without bias, a batch norm and an activation between.

    Chen et al., FasterNet, 2023, arXiv:2303.03667, figure 4; with a norm after the second map too
    it is the ConvFFN of RepLKNet (Ding et al., 2022, arXiv:2203.06717). Initial weights are as
    there: small without the last norm, torch's own with it.
    """

    name = "normed_mlp"
    added = ("bias", "kernel_size", "zero_start")

    ratio: Annotated[float, Positive()] = 2.0
    """Ratio of hidden channels to channels."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the first norm."""
    last_norm: Annotated[bool, YES_NO] = False
    """Whether a batch norm follows the second map."""
    folds: Annotated[bool, YES_NO] = False
    """Whether the norms fold into the linear maps for inference, as in LeViT (Graham et al., 2021),
    RepViT (Wang et al., 2023) and LSNet (Wang et al., 2025)."""
    bias: Annotated[bool, YES_NO] = False
    """Whether the linear maps have biases before their norms, as in EfficientFormer (Li et al.,
    2022)."""
    kernel_size: Annotated[int, Choice((1, 3, 5, 7))] = 1
    """Side of a depthwise kernel between the two maps in pixels, with a norm and the activation: 3
    in EfficientFormerV2 (Li et al., 2022, arXiv:2212.08059); 1: none."""
    zero_start: Annotated[bool, YES_NO] = True
    """Whether the scale of a last norm that folds starts at zero; at one in EfficientFormer and
    EfficientFormerV2, whose residuals have a layer scale."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the kernel to taps that can reach the map, but not below 3; reset ``zero_start``
        without a last norm that folds."""
        return replace(
            super().canonical(shape),
            kernel_size=reaching_wide(self.kernel_size, shape),
            zero_start=self.zero_start or not (self.last_norm and self.folds),
        )

    def build(self, shape: Shape) -> nn.Sequential:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        normed = partial(conv_norm, folds=self.folds, bias=self.bias)
        layers = OrderedDict[str, nn.Module](fc1=normed(channels, hidden, act=self.activation))
        if self.kernel_size > 1:
            kernel, act = self.kernel_size, self.activation
            layers["dwconv"] = normed(hidden, hidden, kernel, groups=hidden, act=act)
        layers["fc2"] = (
            normed(hidden, channels, zero=self.folds and self.zero_start)
            if self.last_norm
            else nn.Conv2d(hidden, channels, 1, bias=self.bias)
        )
        made = nn.Sequential(layers)
        return made if self.last_norm else small_start(made)


class PartialSpatialAttention(nn.Module):
    """Half of the channels times one factor per position, a linear map of the other half."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        mapped = channels // 2
        weighed = channels - mapped
        self.sizes = [weighed, mapped]
        self.attention = nn.Conv2d(weighed, 1, 1, bias=False)
        self.weighed_norm = nn.BatchNorm2d(weighed)
        self.mapped_norm = nn.BatchNorm2d(mapped)
        self.map = nn.Conv2d(mapped, mapped, 1, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        weighed, mapped = x_BCHW.split(self.sizes, dim=1)
        weighed = weighed * F.hardsigmoid(self.attention(weighed))
        return torch.cat((self.weighed_norm(weighed), self.map(self.mapped_norm(mapped))), dim=1)


@dataclass(frozen=True, kw_only=True)
class PartialAttentionMlp(NormedMlp):
    """PAT_sp: the perceptron of FasterNet and spatial attention on half of its outputs.

    Huang et al., Partial Convolution Meets Visual Attention, 2025, arXiv:2503.03148, section 3.2.
    The attention follows the second linear map; the factor of a position is the hard sigmoid of a
    linear map of the half that it multiplies.
    """

    name = "partial_attention_mlp"
    catalogue = ("M46",)

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Each half must have at least one channel."""
        if shape.channels > 1:
            return None
        return f"the channels must be at least 2, but got {shape.channels}"

    def build(self, shape: Shape) -> nn.Sequential:
        """Build the module."""
        layers = super().build(shape)
        layers.add_module("attention", small_start(PartialSpatialAttention(shape.channels)))
        return layers
