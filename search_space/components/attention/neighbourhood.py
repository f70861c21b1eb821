"""Neighbourhood attention: a window of keys for each query.

Shape suffixes: B batch, H rows, W columns, h heads, d channels of a head, G groups of channels of a
map with one set of weights, k and l sides of a window.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..layers.portable import bands, exporting
from .module import MapAttention
from .positions import OffsetBias
from .projections import Projected
from .supports import Offsets


def reach(side: int, kernel: int, dilation: int) -> tuple[int, int]:
    """Return the kernel and the dilation that fit into a side of the map."""
    fits = min(side, kernel)
    return fits, max(1, min(dilation, side // fits))


def neighbours(
    side: int, kernel: int, dilation: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the window of each place of an axis: (side, k) places, and offsets in dilations.

    The window lies on the places at multiples of the dilation, and within the map, so near its edge
    the place is not at the centre (Hassani et al., Neighborhood Attention Transformer, 2023).
    """
    k, step = reach(side, kernel, dilation)
    place = torch.arange(side, device=device)
    index, first = place // step, place % step
    length = (side - 1 - first) // step + 1  # places of the same remainder
    start = torch.minimum((index - k // 2).clamp(min=0), length - k)
    tap = start[:, None] + torch.arange(k, device=device)
    return first[:, None] + step * tap, index[:, None] - tap


class NeighbourhoodAttention(MapAttention):
    """Attention of each position to the window around it, with a learned bias for each offset.

    The elements of the windows are taken one by one, since all windows of keys would take k k times
    the memory of the map; traces hold one product.
    """

    def __init__(
        self,
        *,
        projection: nn.Module,
        channels: int,
        values: int,
        proj_bias: bool,
        heads: int,
        kernel_size: int,
        dilation: int,
        biased: bool,
    ) -> None:
        super().__init__(
            projection=projection, channels=channels, values=values, proj_bias=proj_bias
        )
        self.heads, self.kernel_size, self.dilation = heads, kernel_size, dilation
        self.position = OffsetBias(heads, kernel_size, kernel_size) if biased else None

    def mix(self, projected: Projected) -> Tensor:
        """Return the mixed values, channels last."""
        q, k, v = (each.unflatten(3, (self.heads, -1)) for each in projected[:3])
        H, W = int(q.shape[1]), int(q.shape[2])
        kernel, step = self.kernel_size, self.dilation
        rows_Hk, row_offsets_Hk = neighbours(H, kernel, step, q.device)
        columns_Wl, column_offsets_Wl = neighbours(W, kernel, step, q.device)
        q = q * q.shape[-1] ** -0.5
        if exporting() and step == 1:
            bias_hHWkl = self._bias(q, row_offsets_Hk, column_offsets_Wl)
            return _by_bands(q, k, v, (rows_Hk.shape[1], columns_Wl.shape[1]), bias_hHWkl)
        if torch.jit.is_tracing() and not exporting():
            windows_BHkWlhd = k[:, rows_Hk][:, :, :, columns_Wl]
            scores_BHWhkl = torch.einsum("byxhd,byixjhd->byxhij", q, windows_BHkWlhd)
        else:
            taps = [_product(q, tap_BHWhd) for tap_BHWhd in _taps(k, rows_Hk, columns_Wl)]
            sides = rows_Hk.shape[1], columns_Wl.shape[1]
            scores_BHWhkl = torch.stack(taps, 4).unflatten(4, sides)
            del taps
        bias_hHWkl = self._bias(q, row_offsets_Hk, column_offsets_Wl)
        if bias_hHWkl is not None:
            scores_BHWhkl = scores_BHWhkl + bias_hHWkl.permute(1, 2, 0, 3, 4)
        weights_BHWhkl = scores_BHWhkl.flatten(4).softmax(4).unflatten(4, scores_BHWhkl.shape[4:])
        if torch.jit.is_tracing() and not exporting():
            windows_BHkWlhd = v[:, rows_Hk][:, :, :, columns_Wl]
            return torch.einsum("byxhij,byixjhd->byxhd", weights_BHWhkl, windows_BHkWlhd).flatten(3)
        flat_BHWhp = weights_BHWhkl.flatten(4).to(v.dtype)
        mixed = torch.zeros_like(v)
        for number, tap_BHWhd in enumerate(_taps(v, rows_Hk, columns_Wl)):
            if exporting():
                mixed = mixed + flat_BHWhp[..., number : number + 1] * tap_BHWhd
            else:
                mixed.addcmul_(flat_BHWhp[..., number, None], tap_BHWhd)
        return mixed.flatten(3)

    def _bias(self, q: Tensor, rows_Hk: Tensor, columns_Wl: Tensor) -> Tensor | None:
        """Return the biases of the offsets of rows and columns, (h, H, W, k, l), or None."""
        if self.position is None:
            return None
        offsets = Offsets(rows_Hk[:, None, :, None], columns_Wl[None, :, None], (0, 0))
        return self.position(q, offsets).to(q.dtype)


def _by_bands(
    q_BHWhd: Tensor,
    k_BHWhd: Tensor,
    v_BHWhd: Tensor,
    kernel: tuple[int, int],
    bias_hHWkl: Tensor | None,
) -> Tensor:
    """Return the mixed values with few operations and axes, for exported graphs: (B, H, W, C)."""
    H, W, heads = q_BHWhd.shape[1:4]
    k, m = kernel
    q, keys, values = (x.flatten(3).permute(0, 3, 1, 2) for x in (q_BHWhd, k_BHWhd, v_BHWhd))
    q_Bhdn = torch.cat([q.flatten(2)] * k, 2).unflatten(1, (heads, -1))
    scores_Bhln = torch.cat(
        [
            (q_Bhdn * band_BCn.unflatten(1, (heads, -1))).sum(2, keepdim=True)
            for band_BCn in bands(keys, kernel, inner=True)
        ],
        2,
    )
    if bias_hHWkl is not None:
        scores_Bhln = scores_Bhln + bias_hHWkl.permute(0, 4, 3, 1, 2).flatten(2)
    weights_BhpN = scores_Bhln.flatten(2).unflatten(2, (m * k, -1)).softmax(2).to(values.dtype)
    weights_Bhln = weights_BhpN.flatten(2).unflatten(2, (m, -1))
    mixed = sum(
        weights_Bhln[:, :, column : column + 1] * band_BCn.unflatten(1, (heads, -1))
        for column, band_BCn in enumerate(bands(values, kernel, inner=True))
    )
    assert isinstance(mixed, Tensor)
    mixed_BCN = mixed.flatten(1, 2).unflatten(2, (k, -1)).sum(2)
    return mixed_BCN.transpose(1, 2).unflatten(1, (H, W))


def _taps(x_BHWhd: Tensor, rows_Hk: Tensor, columns_Wl: Tensor) -> Iterator[Tensor]:
    """Yield for each element of the windows the map that brings it to its place."""
    for rows_H in rows_Hk.unbind(1):
        moved = x_BHWhd.index_select(1, rows_H)
        for columns_W in columns_Wl.unbind(1):
            yield moved.index_select(2, columns_W)


def _product(q_BHWhd: Tensor, k_BHWhd: Tensor) -> Tensor:
    """Return the products of queries and keys, (B, H, W, h)."""
    if exporting():
        return (q_BHWhd * k_BHWhd).sum(4)
    return torch.linalg.vecdot(q_BHWhd, k_BHWhd)
