"""Lifting: how modules on sequences are applied to a map.

Shape suffixes: B batch, C channels, H rows, W columns; S sequences, N positions of a sequence.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROUTES: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "raster": (("raster", False),),
    "bidirectional": (("raster", False), ("raster", True)),
    "rows_columns": (("columns", False), ("columns", True), ("rows", False), ("rows", True)),
    "four_way": (("raster", False), ("raster", True), ("turned", False), ("turned", True)),
    "windows": (("windows", False), ("windows", True)),
}
"""By lifting, its routes: an order of the positions, and whether the route goes backwards.

``raster``: all positions, row by row; ``turned``: column by column; ``rows``, ``columns``: each row
or column is a sequence of its own; ``windows``: so is each window, row by row.
"""


class Lifted(nn.Module):
    """Modules on sequences, one for each route over a map, and the merging of their outputs.

    Every sequence starts anew, so nothing passes from one image to another.
    """

    def __init__(
        self, cores: Sequence[nn.Module], *, lifting: str, window: int, merged: str
    ) -> None:
        """Make the module.

        Args:
            cores: Modules that map sequences (S, N, C) to (S, N, E), one for each route.
            lifting: A key of ``ROUTES``.
            window: Side of a window. Windows beyond the map are filled with zeros.
            merged: What the outputs of all routes become: their ``sum``, ``mean`` or ``concat``.
        """
        super().__init__()
        self.cores = nn.ModuleList(cores)
        self.lifting, self.window, self.merged = lifting, window, merged

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, E, H, W), or more channels where outputs are concatenated."""
        routes = zip(ROUTES[self.lifting], self.cores, strict=True)
        found: list[Tensor] = []
        for (order, backward), core in routes:
            y_SNC = core(to_sequences(x_BCHW, order, backward, self.window))
            y_BHWC = to_map(y_SNC, x_BCHW.shape[2:], order, backward, self.window)
            if found and self.merged != "concat":
                found[0] = found[0] + y_BHWC
            else:
                found.append(y_BHWC)
        if self.merged == "mean":
            found[0] = found[0] / len(self.cores)
        y_BHWC = torch.cat(found, dim=-1) if self.merged == "concat" else found[0]
        return y_BHWC.permute(0, 3, 1, 2)


def to_sequences(x_BCHW: Tensor, order: str, backward: bool, window: int) -> Tensor:
    """Return the sequences (S, N, C) of a route."""
    if order == "windows":
        H, W = x_BCHW.shape[2:]
        high, wide = min(window, H), min(window, W)
        x_BCHW = F.pad(x_BCHW, (0, -W % wide, 0, -H % high))
        x_BCnhmw = x_BCHW.unflatten(3, (-1, wide)).unflatten(2, (-1, high))
        x_SNC = x_BCnhmw.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)
    else:
        turned = order in ("turned", "columns")
        x_BHWC = x_BCHW.permute(0, 3, 2, 1) if turned else x_BCHW.permute(0, 2, 3, 1)
        x_SNC = x_BHWC.flatten(0, 1) if order in ("rows", "columns") else x_BHWC.flatten(1, 2)
    return x_SNC.flip(1) if backward else x_SNC


def to_map(y_SNC: Tensor, size: Sequence[int], order: str, backward: bool, window: int) -> Tensor:
    """Return the map (B, H, W, C) of a route's sequences; ``size`` is its height and width."""
    H, W = size
    y_SNC = y_SNC.flip(1) if backward else y_SNC
    if order == "windows":
        high, wide = min(window, H), min(window, W)
        down, across = math.ceil(H / high), math.ceil(W / wide)
        y_BnmhwC = y_SNC.unflatten(1, (high, wide)).unflatten(0, (-1, down, across))
        return y_BnmhwC.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)[:, :H, :W]
    turned = order in ("turned", "columns")
    sides = (W, H) if turned else (H, W)
    if order in ("rows", "columns"):
        y_BHWC = y_SNC.unflatten(0, (-1, sides[0]))
    else:
        y_BHWC = y_SNC.unflatten(1, sides)
    return y_BHWC.transpose(1, 2) if turned else y_BHWC
