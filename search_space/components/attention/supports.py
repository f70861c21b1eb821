"""Supports of attention: which keys each query attends to.

A support cuts a map into groups; the queries of a group attend to the keys of that group.

Shape suffixes: B batch, H rows, W columns, C channels of all heads, h heads, d channels of a head,
G groups, N queries of a group, M keys of a group, X batch x groups or batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...shapes import Shape
from ..layers.portable import exporting


class Offsets(NamedTuple):
    """The offsets of all pairs of a query and a key of a group."""

    rows_NM: Tensor
    """Row of the query less that of the key."""
    columns_NM: Tensor
    """Column of the query less that of the key."""
    furthest: tuple[int, int]
    """The largest absolute offsets of rows and of columns."""


class Support(nn.Module):
    """The groups of queries and keys of a map; a support has no weights."""

    def queries(self, x_BHWC: Tensor, heads: int) -> Tensor:
        """Cut a map of queries into groups: (B, G, h, N, d)."""
        raise NotImplementedError

    def keys(self, x_BHWC: Tensor, heads: int) -> Tensor:
        """Cut a map of keys or of values into groups: (B, G, h, M, d)."""
        return self.queries(x_BHWC, heads)

    def merge(self, y_BGhNd: Tensor, height: int, width: int) -> Tensor:
        """Put the groups of queries together: (B, H, W, C)."""
        raise NotImplementedError

    def hidden(self, height: int, width: int, device: torch.device) -> Tensor | None:
        """Return the pairs in a group that do not attend, (G, N, M); None if all do."""
        return None

    def offsets(self, height: int, width: int, device: torch.device) -> Offsets:
        """Return the offsets of all pairs of a group, in steps between its places."""
        raise NotImplementedError


def steps(rows: int, columns: int, start: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return row and column of the places of a window, counted from ``start``, (N,) each."""
    place = torch.arange(rows * columns, device=device)
    return place // columns + start, place % columns + start


def cut_into(x_BHWC: Tensor, sides: tuple[int, int], *, spread: bool) -> Tensor:
    """Cut a map into groups with at most five axes: (B, G, N, C); see ``Blocks``."""
    n, m = sides
    H, W = int(x_BHWC.shape[1]), int(x_BHWC.shape[2])
    if (n, m) == (H, W):
        return x_BHWC.flatten(1, 2).unsqueeze(1)
    if spread:  # make the places of a group neighbours
        x_BHWC = x_BHWC.unflatten(1, (n, -1)).transpose(1, 2).flatten(1, 2)
        x_BHWC = x_BHWC.unflatten(2, (m, -1)).transpose(2, 3).flatten(2, 3)
    cut_BGnGc = x_BHWC.flatten(2).unflatten(1, (-1, n)).unflatten(3, (W // m, -1))
    return cut_BGnGc.transpose(2, 3).flatten(1, 2).flatten(2).unflatten(2, (n * m, -1))


def put_together(
    y_BGNC: Tensor, counts: tuple[int, int], sides: tuple[int, int], *, spread: bool
) -> Tensor:
    """Put the groups of ``cut_into`` together: (B, H, W, C).

    Args:
        y_BGNC: The groups.
        counts: Groups along rows and columns.
        sides: Rows and columns of a group.
        spread: Whether the places of a group are apart.
    """
    (G, K), (n, m) = counts, sides
    if G * K == 1:
        return y_BGNC.flatten(1, 2).unflatten(1, (n, m))
    cut_BGGnc = y_BGNC.flatten(2).unflatten(1, (G, K)).unflatten(3, (n, -1))
    y_BHWC = cut_BGGnc.transpose(2, 3).flatten(1, 2).flatten(2).unflatten(2, (K * m, -1))
    if spread:
        y_BHWC = y_BHWC.unflatten(1, (G, n)).transpose(1, 2).flatten(1, 2)
        y_BHWC = y_BHWC.unflatten(2, (K, m)).transpose(2, 3).flatten(2, 3)
    return y_BHWC


class Blocks(Support):
    """Groups without overlap: windows, shifted windows, stripes, grids, or the whole map.

    Along each axis a group has ``size`` places, or all of the axis where the size is 0. Neighbours
    form a group, or with ``spread`` places at equal distances, all over the map. With ``interval``
    the sizes are these distances, so that groups grow with the map. A map that groups do not fill
    is padded with places that no place attends to. Shifted windows lie half a window further, and
    the two parts of a window that meets both ends of the map do not attend to each other (Liu et
    al., Swin Transformer, 2021).
    """

    def __init__(
        self,
        rows: int = 0,
        columns: int = 0,
        *,
        spread: bool = False,
        interval: bool = False,
        shifted: bool = False,
    ) -> None:
        super().__init__()
        self.sizes = rows, columns
        self.spread, self.interval, self.shifted = spread, interval, shifted

    def lengths(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of a group."""
        found: list[int] = []
        for side, size in zip((height, width), self.sizes, strict=True):
            if self.interval and size:
                found.append(-(-side // size))
            else:
                found.append(min(side, size) if size else side)
        return found[0], found[1]

    def shifts(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns by which windows are shifted."""
        rows, columns = self.lengths(height, width)
        if not self.shifted:
            return 0, 0
        return (rows // 2 if rows < height else 0), (columns // 2 if columns < width else 0)

    def _cut(self, x_BHWC: Tensor, heads: int) -> Tensor:
        """Cut a map into (B, G, G, h, n, n, d), with rows before columns."""
        n, m = self.lengths(int(x_BHWC.shape[1]), int(x_BHWC.shape[2]))
        x_BHWC = self._placed(x_BHWC)
        if self.spread:
            cut = x_BHWC.unflatten(1, (n, -1)).unflatten(3, (m, -1)).unflatten(5, (heads, -1))
            return cut.permute(0, 2, 4, 5, 1, 3, 6)
        cut = x_BHWC.unflatten(1, (-1, n)).unflatten(3, (-1, m)).unflatten(5, (heads, -1))
        return cut.permute(0, 1, 3, 5, 2, 4, 6)

    def _placed(self, x_BHWC: Tensor) -> Tensor:
        """Return the map padded and shifted."""
        H, W = int(x_BHWC.shape[1]), int(x_BHWC.shape[2])
        (n, m), (down, right) = self.lengths(H, W), self.shifts(H, W)
        if H % n or W % m:
            x_BHWC = F.pad(x_BHWC, (0, 0, 0, -W % m, 0, -H % n))
        if down or right:
            x_BHWC = x_BHWC.roll((-down, -right), (1, 2))
        return x_BHWC

    def queries(self, x_BHWC: Tensor, heads: int) -> Tensor:
        """Cut a map into groups: (B, G, h, N, d)."""
        if exporting():
            sides = self.lengths(int(x_BHWC.shape[1]), int(x_BHWC.shape[2]))
            cut_BGNC = cut_into(self._placed(x_BHWC), sides, spread=self.spread)
            return cut_BGNC.unflatten(3, (heads, -1)).transpose(2, 3)
        return self._cut(x_BHWC, heads).flatten(4, 5).flatten(1, 2)

    def merge(self, y_BGhNd: Tensor, height: int, width: int) -> Tensor:
        """Put the groups together: (B, H, W, C)."""
        n, m = self.lengths(height, width)
        if exporting():
            counts = -(-height // n), -(-width // m)
            cut_BGNC = y_BGhNd.transpose(2, 3).flatten(3)
            y_BHWC = put_together(cut_BGNC, counts, (n, m), spread=self.spread)
            return self._replaced(y_BHWC, height, width)
        y_BGGhnnd = y_BGhNd.unflatten(3, (n, m)).unflatten(1, (-(-height // n), -1))
        order = (0, 4, 1, 5, 2, 3, 6) if self.spread else (0, 1, 4, 2, 5, 3, 6)
        rows, columns = (-(-side // size) * size for side, size in ((height, n), (width, m)))
        channels = int(y_BGhNd.shape[2]) * int(y_BGhNd.shape[4])
        y_BHWC = y_BGGhnnd.permute(order).reshape(-1, rows, columns, channels)
        return self._replaced(y_BHWC, height, width)

    def _replaced(self, y_BHWC: Tensor, height: int, width: int) -> Tensor:
        """Return a map without padding and shifts."""
        down, right = self.shifts(height, width)
        if down or right:
            y_BHWC = y_BHWC.roll((down, right), (1, 2))
        return y_BHWC[:, :height, :width]

    def hidden(self, height: int, width: int, device: torch.device) -> Tensor | None:
        """Return the pairs that padding and shifts keep apart, (G, N, M), or None."""
        (n, m), (down, right) = self.lengths(height, width), self.shifts(height, width)
        if not (height % n or width % m or down or right):
            return None
        # Each place has the number of its region; only places of one region attend to each other.
        rows = torch.arange(height + -height % n, device=device)[:, None]
        columns = torch.arange(width + -width % m, device=device)
        region_HW = 2 * (rows < down).int() + (columns < right).int()
        region_HW = region_HW.masked_fill((rows >= height) | (columns >= width), 4)
        whole = Blocks(n, m, spread=self.spread)
        if down or right:
            region_HW = region_HW.roll((-down, -right), (0, 1))
        region_GN = whole.queries(region_HW[None, :, :, None], 1).flatten(2)[0]
        return region_GN[:, :, None] != region_GN[:, None]

    def offsets(self, height: int, width: int, device: torch.device) -> Offsets:
        """Return the offsets in a group, in steps between its places."""
        n, m = self.lengths(height, width)
        row_N, column_N = steps(n, m, 0, device)
        furthest = n - 1, m - 1
        return Offsets(row_N[:, None] - row_N, column_N[:, None] - column_N, furthest)

    def filtered(self, x_BHWC: Tensor, conv: nn.Module) -> Tensor:
        """Apply a convolution inside each group, with zeros around it: (B, H, W, C)."""
        H, W = int(x_BHWC.shape[1]), int(x_BHWC.shape[2])
        cut_BGGhnnd = self._cut(x_BHWC, 1)
        B, G, K = cut_BGGhnnd.shape[:3]
        maps_XCnn = cut_BGGhnnd.flatten(0, 3).permute(0, 3, 1, 2)
        y_XNC = conv(maps_XCnn).flatten(2).transpose(1, 2)
        return self.merge(y_XNC.reshape(B, int(G * K), 1, *y_XNC.shape[1:]), H, W)


class Halo(Support):
    """Blocks of queries whose keys also lie in a halo around the block, with zeros outside the map.

    Vaswani et al., Scaling Local Self-Attention, 2021, section 2.1. As in timm's code and in HAT's
    overlapping attention, places outside the map are keys and values of zeros. With a stride the
    map of queries is that much smaller, and as in timm's code the offsets count its own places.
    """

    def __init__(self, block: int, halo: int, stride: int = 1) -> None:
        super().__init__()
        self.block, self.halo, self.stride = block, halo, stride

    def _blocks(self, height: int, width: int) -> Blocks:
        """Return the blocks of a map of queries."""
        block = -(-self.block // self.stride)
        return Blocks(min(block, height), min(block, width))

    def queries(self, x_BHWC: Tensor, heads: int) -> Tensor:
        """Cut a map into blocks: (B, G, h, N, d)."""
        return self._blocks(int(x_BHWC.shape[1]), int(x_BHWC.shape[2])).queries(x_BHWC, heads)

    def keys(self, x_BHWC: Tensor, heads: int) -> Tensor:
        """Return the overlapping windows of a map: (B, G, h, M, d)."""
        H, W = int(x_BHWC.shape[1]), int(x_BHWC.shape[2])
        rows, columns = (side + -side % self.stride for side in (H, W))
        n, m = min(self.block, rows), min(self.block, columns)
        halo = self.halo
        right, below = columns - W + -columns % m, rows - H + -rows % n
        padded = F.pad(x_BHWC, (0, 0, halo, halo + right, halo, halo + below))
        if exporting():
            blocks = [
                padded[:, row : row + n + 2 * halo, column : column + m + 2 * halo].flatten(1, 2)
                for row in range(0, rows, n)
                for column in range(0, columns, m)
            ]
            cut_BGMC = torch.stack(blocks, 1)
            return cut_BGMC.unflatten(3, (heads, -1)).transpose(2, 3)
        windows_BGGCkl = padded.unfold(1, n + 2 * halo, n).unfold(2, m + 2 * halo, m)
        windows_BGGhdkl = windows_BGGCkl.unflatten(3, (heads, -1))
        return windows_BGGhdkl.permute(0, 1, 2, 3, 5, 6, 4).flatten(4, 5).flatten(1, 2)

    def merge(self, y_BGhNd: Tensor, height: int, width: int) -> Tensor:
        """Put the blocks together: (B, H, W, C)."""
        return self._blocks(height, width).merge(y_BGhNd, height, width)

    def offsets(self, height: int, width: int, device: torch.device) -> Offsets:
        """Return the offsets between a block's places and those of its window."""
        n, m = self._blocks(height, width).lengths(height, width)
        row_N, column_N = steps(n, m, 0, device)
        rows, columns = (min(self.block, self.stride * side) for side in (height, width))
        row_M, column_M = steps(rows + 2 * self.halo, columns + 2 * self.halo, -self.halo, device)
        furthest = rows + self.halo - 1, columns + self.halo - 1
        return Offsets(row_N[:, None] - row_M, column_N[:, None] - column_M, furthest)


def longest_side(size: int, shape: Shape) -> int:
    """Return a size clipped to the longer side of a map: groups are not larger than the map."""
    return min(size, max(shape.height, shape.width))
