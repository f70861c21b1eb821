"""Convolutions that are applied again and again with the same weights.

Shape suffixes: B batch, C channels, H rows, W columns (P, Q: of the output).
"""

from torch import Tensor, nn
from torch.nn import functional as F

from ..activations import activation


class RecursiveConvs(nn.Module):
    """A group of convolutions, each activated; the whole group is applied several times."""

    def __init__(
        self,
        *,
        channels: int,
        kernel_size: int,
        layers: int,
        recursions: int,
        groups: int,
        act: str,
        bias: bool,
        residual: bool,
        halve: bool = False,
    ) -> None:
        """Prepare the weights.

        Args:
            channels: Channels of input and output.
            kernel_size: Side of the kernels in pixels, odd.
            layers: Convolutions in the group.
            recursions: How often the group is applied.
            groups: Groups of channels; as many groups as channels make it depthwise.
            act: Activation after each convolution.
            bias: Whether the convolutions have a bias.
            residual: Whether the group's input is added to its last convolution.
            halve: Whether each application ends with the maximum over 2 x 2 pixels.
        """
        super().__init__()
        self.recursions, self.residual, self.halve = recursions, residual, halve
        self.convs = nn.ModuleList(
            nn.Conv2d(
                channels,
                channels,
                kernel_size,
                padding=kernel_size // 2,
                groups=groups,
                bias=bias,
            )
            for _ in range(layers)
        )
        self.acts = nn.ModuleList(activation(act) for _ in range(layers))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself, or to (B, C, P, Q) where it halves."""
        for _ in range(self.recursions):
            start = x_BCHW
            for index, (conv, act) in enumerate(zip(self.convs, self.acts, strict=True)):
                x_BCHW = conv(x_BCHW)
                if self.residual and index == len(self.convs) - 1:
                    x_BCHW = x_BCHW + start
                x_BCHW = act(x_BCHW)
            if self.halve:
                x_BCHW = F.max_pool2d(x_BCHW, 2)
        return x_BCHW
