"""Convolution, batch norm and activation in sequence, as many networks have them.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections import OrderedDict

from torch import Tensor, nn

from ..activations import activation
from .folding import Foldable, normed_kernel, with_kernel


class NormedConv(Foldable):
    """A convolution and a batch norm that fold into one convolution."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the convolution's output."""
        return self.norm(self.conv(x_BCHW))

    def folded(self) -> nn.Module:
        """Return one convolution."""
        return with_kernel(self.conv, *normed_kernel(self.conv, self.norm))


def conv_norm(
    channels: int,
    width: int,
    kernel_size: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    act: str = "none",
    eps: float = 1e-5,
    folds: bool = False,
    zero: bool = False,
    bias: bool = False,
) -> nn.Sequential:
    """Return a convolution, by default without bias, a batch norm and an activation.

    Zeros are padded so that an odd kernel of stride 1 keeps the size of the map.

    Args:
        channels: Input channels.
        width: Output channels.
        kernel_size: Side of the kernel in pixels.
        stride: Step in pixels.
        dilation: Distance of the kernel's taps in pixels.
        groups: Groups of channels that the convolution keeps apart.
        act: Name of the activation, or ``none``.
        eps: Number added to the variance.
        folds: Whether the norm folds into the convolution for inference.
        zero: Whether the norm's scale starts at zero, for the last norm of a residual branch.
        bias: Whether the convolution has a bias.
    """
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(
        channels, width, kernel_size, stride, padding, dilation, groups=groups, bias=bias
    )
    norm = nn.BatchNorm2d(width, eps=eps)
    if zero:
        nn.init.zeros_(norm.weight)
    layers = OrderedDict[str, nn.Module](conv=conv, norm=norm)
    if folds:
        layers = OrderedDict[str, nn.Module](normed=NormedConv(conv, norm))
    if act != "none":
        layers["act"] = activation(act)
    return nn.Sequential(layers)


class SqueezeExcite(nn.Module):
    """Each channel times a factor from 0 to 1, by a perceptron on the channels' means.

    Hu et al., Squeeze-and-Excitation Networks, 2017, arXiv:1709.01507, section 3.
    """

    def __init__(
        self, channels: int, hidden: int, act: str = "relu", gate: str = "sigmoid"
    ) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.act = activation(act)
        self.expand = nn.Conv2d(hidden, channels, 1)
        self.gate = nn.Hardsigmoid() if gate == "hard_sigmoid" else nn.Sigmoid()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        mean_BC11 = x_BCHW.mean((2, 3), keepdim=True)
        return x_BCHW * self.gate(self.expand(self.act(self.squeeze(mean_BC11))))


def divisible(count: float, by: int = 8, least: float = 0.9) -> int:
    """Return the multiple of ``by`` nearest to ``count``, at least ``by`` and 0.9 of ``count``.

    MobileNetV2's rule for channels (Sandler et al., 2018); ``least`` replaces the 0.9.
    """
    nearest = max(by, int(count + by / 2) // by * by)
    return nearest + by if nearest < least * count else nearest


def inverted_residual(
    channels: int, width: int, hidden: int, *, stride: int = 1, act: str = "relu6"
) -> nn.Sequential:
    """Return the branch of MobileNetV2's inverted residual: expansion, depthwise, projection.

    Sandler et al., MobileNetV2, 2018, arXiv:1801.04381, table 1. Where ``hidden`` is ``channels``
    the expansion is left out.

    Args:
        channels: Input channels.
        width: Output channels.
        hidden: Channels of the depthwise 3x3 convolution.
        stride: Step of that convolution in pixels.
        act: Name of the activation after the first two convolutions.
    """
    layers = OrderedDict[str, nn.Module]()
    if hidden != channels:
        layers["expand"] = conv_norm(channels, hidden, act=act)
    layers["depthwise"] = conv_norm(hidden, hidden, 3, stride=stride, groups=hidden, act=act)
    layers["reduce"] = conv_norm(hidden, width)
    return nn.Sequential(layers)
