"""Products of queries with zero-padded windows of keys, and sums of windows of values.

Shape suffixes: B batch, H rows, W columns, h heads, d channels of a head, p elements of a window.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ..layers.portable import exporting


def window_products(q_BHWhd: Tensor, k_BHWhd: Tensor, window: int, dilation: int = 1) -> Tensor:
    """Return the products of each query with the keys of its window, (B, H, W, h, p).

    In a run the elements of the windows are taken one by one, since all windows together would take
    p times the memory of the map, and so do exported files; traces hold one product.

    Args:
        q_BHWhd: Queries.
        k_BHWhd: Keys; those outside the map are zeros.
        window: Side of the window, odd.
        dilation: Distance of the window's elements in pixels.
    """
    if exporting():
        taps = _slices(k_BHWhd, window, dilation)
        return torch.cat([(q_BHWhd * tap).sum(4, keepdim=True) for tap in taps], 4)
    if torch.jit.is_tracing():
        windows_BHWhdp = _windows(k_BHWhd, window, dilation)
        return torch.einsum("bhwnd,bhwndp->bhwnp", q_BHWhd, windows_BHWhdp)
    taps = _taps(k_BHWhd, window, dilation)
    return torch.stack([torch.linalg.vecdot(q_BHWhd, tap) for tap in taps], 4)


def window_sums(weights_BHWhp: Tensor, v_BHWhd: Tensor, window: int, dilation: int = 1) -> Tensor:
    """Return the sums of the values of each window with their weights, (B, H, W, h, d)."""
    if exporting():
        taps = enumerate(_slices(v_BHWhd, window, dilation))
        mixed = sum(weights_BHWhp[..., number : number + 1] * tap for number, tap in taps)
        assert isinstance(mixed, Tensor)
        return mixed
    if torch.jit.is_tracing():
        windows_BHWhdp = _windows(v_BHWhd, window, dilation)
        return torch.einsum("bhwnp,bhwndp->bhwnd", weights_BHWhp, windows_BHWhdp)
    mixed = torch.zeros_like(v_BHWhd, dtype=torch.promote_types(v_BHWhd.dtype, weights_BHWhp.dtype))
    for number, tap in enumerate(_taps(v_BHWhd, window, dilation)):
        mixed = torch.addcmul(mixed, weights_BHWhp[..., number, None], tap)
    return mixed


def _padded(x_BHWhd: Tensor, window: int, dilation: int) -> Tensor:
    half = dilation * (window // 2)
    return F.pad(x_BHWhd, (0, 0, 0, 0, half, half, half, half))


def _windows(x_BHWhd: Tensor, window: int, dilation: int) -> Tensor:
    """Return the window around every position: (B, H, W, h, d, p)."""
    padded, span = _padded(x_BHWhd, window, dilation), dilation * (window - 1) + 1
    found_BHWhdkl = padded.unfold(1, span, 1).unfold(2, span, 1)
    return found_BHWhdkl[..., ::dilation, ::dilation].flatten(5)


def _taps(x_BHWhd: Tensor, window: int, dilation: int) -> Iterator[Tensor]:
    """Yield the shifted map for each element of the windows."""
    H, W = x_BHWhd.shape[1:3]
    padded = _padded(x_BHWhd, window, dilation)
    for row in range(0, window * dilation, dilation):
        for column in range(0, window * dilation, dilation):
            yield padded[:, row : row + H, column : column + W]


def _slices(x_BHWhd: Tensor, window: int, dilation: int) -> Iterator[Tensor]:
    """Yield the same, padded with at most four axes."""
    h, d = (int(side) for side in x_BHWhd.shape[3:])
    H, W = x_BHWhd.shape[1:3]
    half = dilation * (window // 2)
    x_BCHW = x_BHWhd.flatten(3).permute(0, 3, 1, 2)
    padded_BHWC = F.pad(x_BCHW, (half,) * 4).permute(0, 2, 3, 1)
    for row in range(0, window * dilation, dilation):
        for column in range(0, window * dilation, dilation):
            yield padded_BHWC[:, row : row + H, column : column + W].unflatten(3, (h, d))
