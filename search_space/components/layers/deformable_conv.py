"""Convolution whose taps are displaced by offsets that a convolution predicts from the input.

Shape suffixes: B batch, C channels, D output channels, H rows, W columns (P, Q: of the output),
K side of the kernel, O predicted numbers.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DeformableConv2d(nn.Module):
    """A convolution that samples its input at displaced taps, by bilinear interpolation.

    Dai et al., Deformable Convolutional Networks, 2017, arXiv:1703.06211, equations 2 to 4;
    modulation: Zhu et al., Deformable ConvNets v2, 2018, arXiv:1811.11168, equation 1. Initial
    offsets are near zero; in the reference code they are zero.
    """

    def __init__(
        self,
        *,
        channels: int,
        width: int,
        kernel_size: int,
        offset_kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        offset_padding: int = 0,
        groups: int = 1,
        square: bool = False,
        max_offset: float = math.inf,
        modulation: bool = False,
        bias: bool = True,
    ) -> None:
        """Prepare the weights.

        Args:
            channels: Channels of the input.
            width: Channels of the output.
            kernel_size: Side of the kernel in pixels.
            offset_kernel_size: Side of the kernel that predicts offsets.
            stride: Step in pixels.
            padding: Zeros at each end, for the undisplaced taps.
            offset_padding: Zeros at each end for the kernel that predicts offsets.
            groups: Groups of channels; as many groups as channels make it depthwise.
            square: Whether each position has one number that widens its square of taps, instead of
            one offset for each tap.
            max_offset: The largest offset along an axis, in pixels.
            modulation: Whether each tap is scaled by a predicted number from 0 to 1.
            bias: Whether the convolution has a bias.
        """
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.groups, self.square, self.max_offset = groups, square, max_offset
        taps = kernel_size**2
        self.shifts = 1 if square else 2 * taps
        conv = nn.Conv2d(channels, width, kernel_size, groups=groups, bias=bias)
        self.weight, self.bias = conv.weight, conv.bias
        self.predictor = nn.Conv2d(
            channels,
            self.shifts + (taps if modulation else 0),
            offset_kernel_size,
            stride,
            offset_padding,
        )
        nn.init.normal_(self.predictor.weight, std=0.1 / offset_kernel_size / math.sqrt(channels))
        self.predictor.bias = nn.Parameter(torch.zeros(self.predictor.out_channels))

    def offsets(self, shift_BOPQ: Tensor) -> Tensor:
        """Return the displacement of each tap in rows and columns, (B, P, K, Q, K, 2)."""
        side = self.kernel_size
        if self.square:
            grow_BP1Q11 = shift_BOPQ.clamp(0.0, self.max_offset)[:, 0, :, None, :, None, None]
            steps_K = torch.arange(side, device=shift_BOPQ.device) - (side - 1) / 2
            template_K1K2 = torch.stack(torch.meshgrid(steps_K, steps_K, indexing="ij"), dim=-1)
            return grow_BP1Q11 * template_K1K2[:, None].to(shift_BOPQ.dtype)
        if self.max_offset < math.inf:
            shift_BOPQ = shift_BOPQ.clamp(-self.max_offset, self.max_offset)
        shift_BKK2PQ = shift_BOPQ.unflatten(1, (side, side, 2))
        return shift_BKK2PQ.permute(0, 4, 1, 5, 2, 3)

    def places(self, size: int, device: torch.device) -> Tensor:
        """Return the coordinates of the undisplaced taps along an axis of ``size`` outputs."""
        starts = torch.arange(size, device=device) * self.stride - self.padding
        return starts[:, None] + torch.arange(self.kernel_size, device=device)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, D, P, Q)."""
        side = self.kernel_size
        # Coordinates need float32, whatever the precision of the map.
        predicted_BOPQ = self.predictor(x_BCHW).to(self.weight.dtype)
        offset_BPKQK2 = self.offsets(predicted_BOPQ[:, : self.shifts])
        rows_PK11 = self.places(predicted_BOPQ.shape[2], x_BCHW.device)[:, :, None, None]
        columns_QK = self.places(predicted_BOPQ.shape[3], x_BCHW.device)
        height, width = x_BCHW.shape[2:]
        # grid_sample's coordinates: -1 and 1 are the outer edges of the first and last pixel
        y_BPKQK = (2 * (rows_PK11 + offset_BPKQK2[..., 0]) + 1) / height - 1
        x_BPKQK = (2 * (columns_QK + offset_BPKQK2[..., 1]) + 1) / width - 1
        grid = torch.stack((x_BPKQK, y_BPKQK), dim=-1).flatten(3, 4).flatten(1, 2)
        taps = F.grid_sample(x_BCHW.to(grid.dtype), grid, align_corners=False)
        if predicted_BOPQ.shape[1] > self.shifts:
            scale_BKKPQ = predicted_BOPQ[:, self.shifts :].sigmoid().unflatten(1, (side, side))
            taps = taps * scale_BKKPQ.permute(0, 3, 1, 4, 2).flatten(3, 4).flatten(1, 2)[:, None]
        # The taps of an output position are adjacent, so the stride is the kernel's side.
        return F.conv2d(taps, self.weight, self.bias, stride=side, groups=self.groups)
