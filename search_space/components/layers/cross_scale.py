"""Patches of several sizes around the same places, for stems and downsampling.

Shape suffixes: B batch, C channels, H rows, W columns, D channels of the output.
"""

import torch
from torch import Tensor, nn


def shares(width: int, scales: int) -> list[int]:
    """Return the channels of each scale: half of those left for each but the last."""
    return [width // 2 ** min(scale + 1, scales - 1) for scale in range(scales)]


class CrossScalePatches(nn.Module):
    """Linear maps of patches of growing sides, each to a share of the channels.

    Wang et al., CrossFormer, 2021, arXiv:2108.00154, section 3.1 (cross-scale embedding): each
    scale has patches twice as wide as the one before, and the larger patches have fewer channels.
    """

    def __init__(self, channels: int, width: int, *, patch_size: int, scales: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList()
        widths = shares(width, scales)
        widths[0] += width - sum(widths)
        for scale, share in enumerate(widths):
            side = patch_size * 2**scale
            padding = (side - patch_size) // 2
            self.scales.append(nn.Conv2d(channels, share, side, patch_size, padding))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, D, H / patch size, W / patch size)."""
        return torch.cat([conv(x_BCHW) for conv in self.scales], dim=1)


def why_narrow(width: int | None, scales: int) -> str | None:
    """Return the rule that each scale must have a channel if ``width`` is too small, or None."""
    least = 2 ** (scales - 1)
    if width is None or width >= least:
        return None
    return f"width must be at least {least} for {scales} scales, but got {width}"
