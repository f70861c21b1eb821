"""Patches at several scales, for stems and downsampling.

Shape suffixes: B batch, C channels, H rows, W columns, D channels of the output.
"""

from torch import Tensor, nn


class MultiScalePatches(nn.Module):
    """One linear map of each patch together with the windows 2, 4, ... times as wide around it.

    The module computes it as a sum of convolutions, one per scale.
    """

    def __init__(self, channels: int, width: int, patch_size: int, scales: int) -> None:
        super().__init__()
        sides = [patch_size * 2**scale for scale in range(scales)]
        self.scales = nn.ModuleList(
            nn.Conv2d(
                *(channels, width, side, patch_size, (side - patch_size) // 2),
                bias=side == patch_size,
            )
            for side in sides
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, D, H / patch size, W / patch size)."""
        patch, *wider = self.scales
        y_BDHW = patch(x_BCHW)
        for conv in wider:
            y_BDHW = y_BDHW + conv(x_BCHW)
        return y_BDHW
