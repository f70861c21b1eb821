"""The two-layer perceptron at each position, and no channel mixer.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from torch import nn

from ...domains import YES_NO, Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import ChannelMixer
from ..initial import fan_out_start, small_start
from ..layers.canonical_forms import ClippedKernel, RoundedRatio
from ..layers.gate_and_shortcut import Shortcut
from ..layers.kernel_clipping import KERNEL, depthwise


@dataclass(frozen=True, kw_only=True)
class Mlp(RoundedRatio, ChannelMixer):
    """Two linear maps over channels with an activation between (Vaswani et al., 2017).

    Initial weights are as in ConvNeXt and MetaFormer; timm's MLP-Mixer and ResMLP have Glorot's.
    """

    name = "mlp"
    order_free = True

    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of hidden channels to channels."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation between the two maps."""
    bias: Annotated[bool, YES_NO] = True
    """Whether both maps have a bias."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        layers = OrderedDict(
            fc1=nn.Conv2d(channels, hidden, 1, bias=self.bias),
            act=activation(self.activation),
            fc2=nn.Conv2d(hidden, channels, 1, bias=self.bias),
        )
        return small_start(nn.Sequential(layers))


@dataclass(frozen=True, kw_only=True)
class ConvMlp(ClippedKernel, Mlp):
    """A perceptron with a depthwise convolution before its activation (Wang et al., PVTv2, 2021).

    arXiv:2106.13797; also the channel mixer of VAN (Guo et al., 2022), whose initial weights it
    has.
    """

    name = "conv_mlp"
    order_free = False

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel in pixels, odd, 1 to 31."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        kernel = (self.kernel_size, self.kernel_size)
        layers = OrderedDict(
            fc1=nn.Conv2d(channels, hidden, 1, bias=self.bias),
            dwconv=depthwise(hidden, kernel, bias=self.bias),
            act=activation(self.activation),
            fc2=nn.Conv2d(hidden, channels, 1, bias=self.bias),
        )
        return fan_out_start(nn.Sequential(layers))


@dataclass(frozen=True, kw_only=True)
class ShortcutConvMlp(ConvMlp):
    """A perceptron with a depthwise convolution added to its hidden map, both activated.

    The channel mixer of Conv2Former (Hou et al., 2022, arXiv:2211.11943).
    """

    name = "conv_shortcut_mlp"

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        channels, hidden = shape.channels, self.hidden(shape)
        kernel = (self.kernel_size, self.kernel_size)
        local = OrderedDict[str, nn.Module](
            dwconv=depthwise(hidden, kernel, bias=self.bias), act=activation(self.activation)
        )
        layers = OrderedDict(
            fc1=nn.Conv2d(channels, hidden, 1, bias=self.bias),
            act=activation(self.activation),
            local=Shortcut(nn.Sequential(local)),
            fc2=nn.Conv2d(hidden, channels, 1, bias=self.bias),
        )
        return small_start(nn.Sequential(layers))


@dataclass(frozen=True, kw_only=True)
class NoChannelMixer(ChannelMixer):
    """No channel mixer: the block is its token mixer alone (Activator, Abdullah et al., 2024)."""

    name = "none"
    catalogue = ("M03",)
    is_identity = True

    def build(self, shape: Shape) -> nn.Module:
        """Build a module that does nothing."""
        return nn.Identity()
