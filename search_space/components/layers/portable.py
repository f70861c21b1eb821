"""Forms of operations for exported graphs: what most runtimes read, with at most five axes.

In a run a component has the form that torch runs fastest. An exported graph has shifted slices in
place of unfolded windows, real matrices in place of Fourier transforms, and pairs of real tensors
in place of complex ones. Both forms give the same numbers.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional as F

_FORCED = ContextVar("exported_form", default=False)


def exporting() -> bool:
    """Return whether modules take their forms for exported graphs."""
    return torch.compiler.is_exporting() or _FORCED.get()


@contextmanager
def exported_form() -> Generator[None]:
    """Run modules in their forms for exported graphs inside, to count and compare these."""
    token = _FORCED.set(True)
    try:
        yield
    finally:
        _FORCED.reset(token)


def length(x: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Return the Euclidean norm over axes, which are kept with one element."""
    if exporting():  # MNN 3.6.1 is wrong with ONNX's ReduceL2
        return x.square().sum(dim, keepdim=True).sqrt()
    return torch.linalg.vector_norm(x, dim=dim, keepdim=True)


def unit(x: Tensor, dim: int) -> Tensor:
    """Return the vectors along an axis divided by their Euclidean norm."""
    return x / length(x, dim).clamp_min(1e-12) if exporting() else F.normalize(x, dim=dim)


def softsign(x: Tensor) -> Tensor:
    """Return x / (1 + |x|)."""
    return x / (1 + x.abs()) if exporting() else F.softsign(x)


def circular_pad(x_BCHW: Tensor, rows: int, columns: int) -> Tensor:
    """Return a map with its other end before and behind each axis."""
    if not exporting():
        return F.pad(x_BCHW, (columns, columns, rows, rows), mode="circular")
    for axis, size in ((2, rows), (3, columns)):
        if size:
            side = x_BCHW.shape[axis]
            ends = x_BCHW.narrow(axis, side - size, size), x_BCHW.narrow(axis, 0, size)
            x_BCHW = torch.cat((ends[0], x_BCHW, ends[1]), axis)
    return x_BCHW


def shifted(padded_BCHW: Tensor, kernel: tuple[int, int], stride: int = 1) -> Iterator[Tensor]:
    """Yield for each element of a window the slice of a padded map that lies under it.

    Args:
        padded_BCHW: The map with its padding.
        kernel: Rows and columns of the window.
        stride: Distance of the windows in pixels.
    """
    sides = zip(padded_BCHW.shape[2:], kernel, strict=True)
    rows, columns = (side - length + 1 for side, length in sides)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            yield padded_BCHW[:, :, row : row + rows : stride, column : column + columns : stride]


def bands(x_BCHW: Tensor, kernel: tuple[int, int], *, inner: bool) -> Iterator[Tensor]:
    """Yield for each column of a window the maps under all its rows: (B, C, k N).

    The maps of the k rows, of N positions each, follow each other. So an exported graph takes a
    number of operations that grows with the side of the window, not with its area.

    Args:
        x_BCHW: The map, padded unless the windows are inner ones.
        kernel: Rows and columns of the window.
        inner: Whether windows lie within the map, and so are not centred near its edge.
    """
    (k, m), (H, W) = kernel, x_BCHW.shape[2:]
    above, left = k // 2, m // 2
    rows = [x_BCHW[:, :, row : row + H - k + 1] for row in range(k)]
    if inner:
        rows = [F.pad(each, (0, 0, above, k - 1 - above), mode="replicate") for each in rows]
    stacked = torch.cat(rows, 2)
    for column in range(m):
        band = stacked[:, :, :, column : column + W - m + 1]
        if inner:
            band = F.pad(band, (left, m - 1 - left, 0, 0), mode="replicate")
        yield band.flatten(2)
