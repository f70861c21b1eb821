"""Convolution with kernels that differ between images or between positions.

Shape suffixes: B batch, C channels, H rows, W columns, O output channels, I input channels of a
group, G groups of channels with one kernel, D channels of such a group, k and l sides of a kernel.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ..layers.portable import bands, exporting, shifted


def windows(x_BCHW: Tensor, kernel_size: int) -> Tensor:
    """Return the window around every position, with zeros outside: (B, C, H, W, k, k)."""
    return _padded(x_BCHW, kernel_size).unfold(2, kernel_size, 1).unfold(3, kernel_size, 1)


def _padded(x_BCHW: Tensor, kernel_size: int) -> Tensor:
    return F.pad(x_BCHW, (int(kernel_size) // 2,) * 4)


def inner_windows(x_BCHW: Tensor, kernel_size: int) -> Tensor:
    """Return for every position the nearest window within the map: (B, C, H, W, k, k).

    Near the edge a window is not centred (Hassani et al., Neighborhood Attention, 2023). No side of
    the map may be smaller than ``kernel_size``.
    """
    found_BCHWkl = x_BCHW.unfold(2, kernel_size, 1).unfold(3, kernel_size, 1)
    for axis in (2, 3):
        starts = _starts(x_BCHW, axis, kernel_size)
        found_BCHWkl = found_BCHWkl.index_select(axis, starts)
    return found_BCHWkl


def _starts(x_BCHW: Tensor, axis: int, kernel_size: int) -> Tensor:
    """Return the start of the nearest window within the map for each position along an axis."""
    side = x_BCHW.shape[axis]
    place = torch.arange(side, device=x_BCHW.device)
    return (place - kernel_size // 2).clamp(0, side - kernel_size)


def mix_windows(x_BCHW: Tensor, kernels_BGklHW: Tensor, *, inner: bool = False) -> Tensor:
    """Apply to each position's window the kernel of that position; return (B, C, H, W).

    Group g of consecutive channels has kernel g. It takes C H W k k multiply-adds. The elements of
    the kernels are applied one by one, since all windows together would take k k times the memory
    of the map; in exported files too, as a sum of shifted slices. Traces hold one product.

    Args:
        x_BCHW: The feature map.
        kernels_BGklHW: A kernel for each group and position.
        inner: Whether the windows are those of ``inner_windows``, else those of ``windows``.
    """
    G, k = kernels_BGklHW.shape[1:3]
    if exporting():
        return _sum_of_slices(x_BCHW, kernels_BGklHW, inner=inner)
    if torch.jit.is_tracing():
        windows_BCHWkl = (inner_windows if inner else windows)(x_BCHW, k)
        grouped_BGDHWkl = windows_BCHWkl.unflatten(1, (G, -1))
        return torch.einsum("bgdhwkl,bgklhw->bgdhw", grouped_BGDHWkl, kernels_BGklHW).flatten(1, 2)
    mixed_BGDHW: Tensor | None = None
    places = ((row, column) for row in range(k) for column in range(k))
    taps = _inner_taps(x_BCHW, k) if inner else _taps(x_BCHW, k)
    for (row, column), tap_BCHW in zip(places, taps, strict=True):
        kernel_BG1HW = kernels_BGklHW[:, :, row, column].unsqueeze(2)
        tap_BGDHW = tap_BCHW.unflatten(1, (G, -1))
        if mixed_BGDHW is None:
            mixed_BGDHW = tap_BGDHW * kernel_BG1HW
        else:
            mixed_BGDHW = torch.addcmul(mixed_BGDHW, tap_BGDHW, kernel_BG1HW)
    assert mixed_BGDHW is not None
    return mixed_BGDHW.flatten(1, 2)


def _sum_of_slices(x_BCHW: Tensor, kernels_BGklHW: Tensor, *, inner: bool) -> Tensor:
    """Return the sum of ``mix_windows``, with the rows of the windows and positions in one axis."""
    G, k = kernels_BGklHW.shape[1:3]
    kernels_BGln = kernels_BGklHW.flatten(4).transpose(2, 3).flatten(3)
    given = x_BCHW if inner else _padded(x_BCHW, k)
    mixed = sum(
        band_BCn.unflatten(1, (G, -1)) * kernels_BGln[:, :, column : column + 1]
        for column, band_BCn in enumerate(bands(given, (k, k), inner=inner))
    )
    assert isinstance(mixed, Tensor)
    return mixed.flatten(1, 2).unflatten(2, (k, -1)).sum(2).unflatten(2, x_BCHW.shape[2:])


def _taps(x_BCHW: Tensor, kernel_size: int) -> Iterator[Tensor]:
    """Yield for each element of the windows the map shifted to bring it to the centre."""
    windows_BCHWkl = windows(x_BCHW, kernel_size)
    for row in range(kernel_size):
        for column in range(kernel_size):
            yield windows_BCHWkl[..., row, column]


def _inner_taps(x_BCHW: Tensor, kernel_size: int) -> Iterator[Tensor]:
    """Yield the shifted maps for each element of windows within the map."""
    rows, columns = (_starts(x_BCHW, axis, kernel_size) for axis in (2, 3))
    for row in range(kernel_size):
        moved_BCHW = x_BCHW.index_select(2, rows + row)
        for column in range(kernel_size):
            yield moved_BCHW.index_select(3, columns + column)


def convolve_each(
    x_BCHW: Tensor, kernels_BOIkl: Tensor, bias_BO: Tensor | None = None, stride: int = 1
) -> Tensor:
    """Convolve each image with its own kernels, zero-padded; return (B, O, H, W).

    The number of groups is C / I. One grouped convolution computes the whole batch. Its number of
    groups depends on the batch, so exported files hold a product with shifted slices instead.
    """
    B, C, H, W = x_BCHW.shape
    O, I, k = kernels_BOIkl.shape[1:4]  # noqa: E741
    G = C // I
    if exporting():
        return _product_of_slices(x_BCHW, kernels_BOIkl, bias_BO, stride)
    y_1BOHW = F.conv2d(
        x_BCHW.reshape(1, B * C, H, W),
        kernels_BOIkl.reshape(B * O, I, k, k),
        None if bias_BO is None else bias_BO.flatten(),
        stride=stride,
        padding=int(k) // 2,  # in a trace sizes are tensors
        groups=int(B * G),
    )
    return y_1BOHW.reshape(B, O, *y_1BOHW.shape[2:])


def _product_of_slices(
    x_BCHW: Tensor, kernels_BOIkl: Tensor, bias_BO: Tensor | None, stride: int
) -> Tensor:
    """Return the convolution of ``convolve_each`` as one matrix product for each group."""
    O, I, k = kernels_BOIkl.shape[1:4]  # noqa: E741
    G = x_BCHW.shape[1] // I
    slices = [*shifted(_padded(x_BCHW, k), (k, k), stride)]
    windows_BGqN = torch.cat([each.flatten(2).unflatten(1, (G, I)) for each in slices], 2)
    kernels_BOq = kernels_BOIkl.flatten(3).transpose(2, 3).flatten(2)  # elements before inputs
    y_BON = (kernels_BOq.unflatten(1, (G, O // G)) @ windows_BGqN).flatten(1, 2)
    if bias_BO is not None:
        y_BON = y_BON + bias_BO.unsqueeze(2)
    return y_BON.unflatten(2, slices[0].shape[2:])
