"""Applying kernels that differ from image to image, or from place to place.

Shape suffixes: B batch, C channels, H rows, W columns, O output channels, I input channels of a
group, G groups of channels with one kernel, D channels of such a group, k and l sides of a kernel.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def windows(x_BCHW: Tensor, kernel_size: int) -> Tensor:
    """Return the window around every place, with zeros outside: (B, C, H, W, k, k)."""
    padded = F.pad(x_BCHW, (kernel_size // 2,) * 4)
    return padded.unfold(2, kernel_size, 1).unfold(3, kernel_size, 1)


def inner_windows(x_BCHW: Tensor, kernel_size: int) -> Tensor:
    """Return the nearest window that lies within the map: (B, C, H, W, k, k).

    Near the edge it is not centred (Hassani et al., Neighborhood Attention, 2023). No side of the
    map may be smaller than ``kernel_size``.
    """
    half = kernel_size // 2
    found_BCHWkl = x_BCHW.unfold(2, kernel_size, 1).unfold(3, kernel_size, 1)
    for axis in (2, 3):
        side = x_BCHW.shape[axis]
        place = torch.arange(side, device=x_BCHW.device)
        nearest = (place - half).clamp(0, side - kernel_size)
        found_BCHWkl = found_BCHWkl.index_select(axis, nearest)
    return found_BCHWkl


def mix_windows(windows_BCHWkl: Tensor, kernels_BGklHW: Tensor) -> Tensor:
    """Apply to the window of each place the kernel of that place; return (B, C, H, W).

    Group g of consecutive channels has kernel g. It takes C H W k k multiply-adds.
    """
    B, C, H, W, k, _ = windows_BCHWkl.shape
    G = kernels_BGklHW.shape[1]
    grouped_BGDHWkl = windows_BCHWkl.reshape(B, G, C // G, H, W, k, k)
    mixed_BGDHW = torch.einsum("bgdhwkl,bgklhw->bgdhw", grouped_BGDHWkl, kernels_BGklHW)
    return mixed_BGDHW.reshape(B, C, H, W)


def convolve_each(
    x_BCHW: Tensor, kernels_BOIkl: Tensor, bias_BO: Tensor | None = None, stride: int = 1
) -> Tensor:
    """Convolve each image with kernels of its own, zeros outside the map; return (B, O, H, W).

    The number of groups is C / I. One grouped convolution does it for the whole batch; as its
    number of groups depends on the batch, exported files hold a product with the windows.
    """
    B, C, H, W = x_BCHW.shape
    O, I, k = kernels_BOIkl.shape[1:4]  # noqa: E741
    G = C // I
    if torch.compiler.is_exporting():
        windows_BCHWkl = windows(x_BCHW, k)[:, :, ::stride, ::stride]
        windows_BGIHWkl = windows_BCHWkl.unflatten(1, (G, I))
        kernels_BGOIkl = kernels_BOIkl.reshape(B, G, O // G, I, k, k)
        product = torch.einsum("bgihwkl,bgoikl->bgohw", windows_BGIHWkl, kernels_BGOIkl)
        y_BOHW = product.flatten(1, 2)
        return y_BOHW if bias_BO is None else y_BOHW + bias_BO[:, :, None, None]
    y_1BOHW = F.conv2d(
        x_BCHW.reshape(1, B * C, H, W),
        kernels_BOIkl.reshape(B * O, I, k, k),
        None if bias_BO is None else bias_BO.flatten(),
        stride=stride,
        padding=int(k) // 2,  # in a trace sizes are tensors
        groups=int(B * G),
    )
    return y_1BOHW.reshape(B, O, *y_1BOHW.shape[2:])
