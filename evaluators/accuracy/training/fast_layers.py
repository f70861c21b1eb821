"""Equal and faster functions for layers of a network that is trained on a CPU.

The functions depend on the shapes of weights and map alone, so equal trainings have equal results.
Shape suffixes: B batch, C input channels, D output channels, H rows, W columns, N positions (H W).
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ....search_space.components.activations import StarReLU
from ....search_space.components.channel_mixers.glu import GatedMlp
from ....search_space.components.norms import ChannelRMSNorm

_POINTWISE = 64
"""Most positions of a map on which a matrix product is faster than a convolution of one tap."""
_PATCHES = 256
"""Most positions of a map on which a matrix product is faster than a convolution of patches."""
_FEWEST, _FEW = 4, 64
"""Most positions of a map whose pairs of positions are correlated for the gradient of any kernel,
and of a large one."""

Pair = tuple[int, int]


def pointwise(x_BCHW: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the convolution of one tap as a matrix product.

    Args:
        x_BCHW: Map.
        weight: (D, C, 1, 1).
        bias: (D,) or None.
    """
    batch, channels, height, width = x_BCHW.shape
    tokens = x_BCHW.permute(0, 2, 3, 1).reshape(-1, channels)
    matrix = weight.flatten(1).t()
    out = torch.mm(tokens, matrix) if bias is None else torch.addmm(bias, tokens, matrix)
    return out.view(batch, height, width, -1).permute(0, 3, 1, 2)


def patches(x_BCHW: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the convolution of patches that do not overlap, as a matrix product.

    Args:
        x_BCHW: Map; rows and columns left over at its end are dropped.
        weight: (D, C, rows, columns), whose sides are the strides too.
        bias: (D,) or None.
    """
    batch, channels, height, width = x_BCHW.shape
    high, wide = weight.shape[2:]
    rows, columns = height // high, width // wide
    whole = x_BCHW[:, :, : rows * high, : columns * wide].permute(0, 2, 3, 1)
    parts = whole.reshape(batch, rows, high, columns, wide, channels).permute(0, 1, 3, 2, 4, 5)
    tokens = parts.reshape(-1, high * wide * channels)
    matrix = weight.permute(2, 3, 1, 0).reshape(high * wide * channels, -1)
    out = torch.mm(tokens, matrix) if bias is None else torch.addmm(bias, tokens, matrix)
    return out.view(batch, rows, columns, -1).permute(0, 3, 1, 2)


class DepthwiseConv(torch.autograd.Function):
    """A depthwise convolution of stride 1 that keeps the size of the map, with faster gradients.

    The gradient of the map is a convolution with the turned kernel, which is forward arithmetic.
    """

    @staticmethod
    def forward(
        ctx: Any, x_BCHW: Tensor, weight: Tensor, bias: Tensor | None, dilation: Pair
    ) -> Tensor:
        """Return the convolution, padded with zeros by half of the (dilated) kernel."""
        ctx.save_for_backward(x_BCHW, weight)
        ctx.dilation, ctx.has_bias = dilation, bias is not None
        return _same(x_BCHW, weight, bias, dilation)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of map, kernel and bias."""
        (grad,) = grads
        x_BCHW, weight = ctx.saved_tensors
        of_map = of_kernel = of_bias = None
        if ctx.needs_input_grad[0]:
            of_map = _same(grad, weight.flip(2, 3), None, ctx.dilation)
        if ctx.needs_input_grad[1]:
            of_kernel = kernel_gradient(x_BCHW, grad, weight, ctx.dilation)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            of_bias = grad.sum((0, 2, 3))
        return of_map, of_kernel, of_bias, None


def _padding(weight: Tensor, dilation: Pair) -> Pair:
    high, wide = weight.shape[2:]
    return dilation[0] * (high // 2), dilation[1] * (wide // 2)


def _same(x_BCHW: Tensor, weight: Tensor, bias: Tensor | None, dilation: Pair) -> Tensor:
    padding = _padding(weight, dilation)
    return F.conv2d(x_BCHW, weight, bias, 1, padding, dilation, len(weight))


def kernel_gradient(x_BCHW: Tensor, grad_BCHW: Tensor, weight: Tensor, dilation: Pair) -> Tensor:
    """Return the gradient of a depthwise kernel, (C, 1, rows, columns).

    Args:
        x_BCHW: Map.
        grad_BCHW: Gradient of the output, which has the size of the map.
        weight: Kernel, (C, 1, rows, columns), odd sides.
        dilation: Distance of the taps.
    """
    height, width = x_BCHW.shape[2:]
    sides = tuple(weight.shape[2:])
    large = min(sides) >= 5
    if dilation == (1, 1) and height * width <= (_FEW if large else _FEWEST):
        return _by_positions(x_BCHW, grad_BCHW, sides)
    if dilation == (1, 1) and large and 3 * min(sides) > width:
        return _by_rows(x_BCHW, grad_BCHW, sides)
    return torch.ops.aten.convolution_backward(
        grad_BCHW,
        x_BCHW,
        weight,
        None,
        [1, 1],
        list(_padding(weight, dilation)),
        list(dilation),
        False,
        [0, 0],
        len(weight),
        [False, True, False],
    )[1]


def _by_positions(x_BCHW: Tensor, grad_BCHW: Tensor, sides: tuple[int, ...]) -> Tensor:
    """One product of all positions with all positions per channel, summed along its diagonals."""
    batch, channels, height, width = x_BCHW.shape
    high, wide = sides
    count = height * width
    if count <= _FEWEST:
        x_BN1C = x_BCHW.permute(0, 2, 3, 1).reshape(batch, count, 1, channels)
        grad_B1NC = grad_BCHW.permute(0, 2, 3, 1).reshape(batch, 1, count, channels)
        pairs = (x_BN1C * grad_B1NC).sum(0).permute(2, 0, 1).reshape(channels, count, count)
    else:
        x_CNB = x_BCHW.permute(1, 2, 3, 0).reshape(channels, count, batch)
        grad_CBN = grad_BCHW.permute(1, 0, 2, 3).reshape(channels, batch, count)
        pairs = torch.bmm(x_CNB, grad_CBN)
    pairs = pairs.view(channels, height, width, height, width)
    padded = F.pad(pairs, (0, 0, 0, 0, wide // 2, wide // 2, high // 2, high // 2))
    channel, row, column, low, right = padded.stride()
    diagonals = padded.as_strided(
        (channels, high, wide, height, width), (channel, row, column, row + low, column + right)
    )
    return diagonals.sum((3, 4)).unsqueeze(1)


def _by_rows(x_BCHW: Tensor, grad_BCHW: Tensor, sides: tuple[int, ...]) -> Tensor:
    """One product of columns with columns for each row of the kernel."""
    batch, channels, height, width = x_BCHW.shape
    high, wide = sides
    padded = x_BCHW.new_zeros(channels, height + high - 1, batch, width + wide - 1)
    inner = padded[:, high // 2 : high // 2 + height, :, wide // 2 : wide // 2 + width]
    inner.copy_(x_BCHW.permute(1, 2, 0, 3))
    grad = grad_BCHW.permute(1, 2, 0, 3).reshape(channels, height * batch, width)
    pairs = x_BCHW.new_empty(high, channels, padded.shape[3], width)
    for row in range(high):
        seen = padded[:, row : row + height].view(channels, height * batch, -1)
        torch.bmm(seen.transpose(1, 2), grad, out=pairs[row])
    by_row, channel, column, right = pairs.stride()
    diagonals = pairs.as_strided(
        (channels, high, wide, width), (channel, by_row, column, column + right)
    )
    return diagonals.sum(3).unsqueeze(1)


class FastConv2d(nn.Conv2d):
    """A convolution that chooses its function by the size of the map."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to the convolution's output."""
        if not _plain(input) or input.dim() != 4 or self.padding_mode != "zeros":
            return super().forward(input)
        if self.stride == (1, 1):
            return self.map(input, self.weight, self.bias)
        height, width = input.shape[2:]
        if (
            self.stride == self.kernel_size
            and (self.padding, self.dilation, self.groups) == ((0, 0), (1, 1), 1)
            and height * width <= _PATCHES
            and height >= self.kernel_size[0]
            and width >= self.kernel_size[1]
        ):
            return patches(input, self.weight, self.bias)
        return super().forward(input)

    def map(self, x_BCHW: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution with some of the kernels (of stride 1, zeros padded)."""
        height, width = x_BCHW.shape[2:]
        if self.kernel_size == (1, 1) and self.groups == 1 and self.padding == (0, 0):
            if height * width <= _POINTWISE:
                return pointwise(x_BCHW, weight, bias)
        elif (
            self.groups == self.in_channels == self.out_channels
            and self.padding == _padding(weight, self.dilation)  # type: ignore[arg-type]
            and self.kernel_size[0] % 2 == self.kernel_size[1] % 2 == 1
        ):
            if height == width == 1:
                rows, columns = self.kernel_size
                scaled = x_BCHW * weight[:, 0, rows // 2, columns // 2, None, None]
                return scaled if bias is None else scaled + bias[:, None, None]
            return DepthwiseConv.apply(x_BCHW, weight, bias, self.dilation)  # type: ignore[no-any-return]
        return self._conv_forward(x_BCHW, weight, bias)


class FastGatedMlp(GatedMlp):
    """A gated perceptron that, on large maps, computes gate and value apart: as halves of one map
    both are strided, which slows down all that follows."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        first = self.fc1
        small = x_BCHW.shape[2] * x_BCHW.shape[3] <= _POINTWISE
        if small or not _plain(x_BCHW) or type(first) is not FastConv2d or _hooked(first):
            return super().forward(x_BCHW)
        weights = first.weight.chunk(2)
        biases = (None, None) if first.bias is None else first.bias.chunk(2)
        gate, value = (first.map(x_BCHW, *each) for each in zip(weights, biases, strict=True))
        if self.local is not None:
            gate = self.local(gate)
        return self.fc2(self.act(gate) * value)


class _Star(torch.autograd.Function):
    """``scale * relu(x)^2 + bias``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        rectified = x.relu()
        ctx.save_for_backward(rectified, scale)
        return rectified.square().mul_(scale).add_(bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor, ...]:
        (grad,) = grads
        rectified, scale = ctx.saved_tensors
        slope = grad * rectified
        of_scale = (slope * rectified).sum().view(1)
        return slope.mul_(2 * scale), of_scale, grad.sum().view(1)


class FastStarReLU(StarReLU):
    """A star ReLU with one function for its value and one for its gradient."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        return _Star.apply(x, self.scale, self.bias) if _plain(x) else super().forward(x)  # type: ignore[no-any-return]


class _RMSNorm(torch.autograd.Function):
    """``x / sqrt(mean(x^2) + eps) * weight`` over the last axis."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        inverse = x.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        normed = x * inverse
        ctx.save_for_backward(normed, inverse, weight)
        return normed * weight

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        normed, inverse, weight = ctx.saved_tensors
        of_weight = (grad * normed).flatten(0, -2).sum(0)
        inner = grad * weight
        along = (inner * normed).mean(-1, keepdim=True)
        return inner.addcmul_(normed, along, value=-1).mul_(inverse), of_weight, None


class FastRMSNorm(ChannelRMSNorm):
    """A root-mean-square norm with one function for its value and one for its gradient."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        if not _plain(x_BCHW):
            return super().forward(x_BCHW)
        normed: Tensor = _RMSNorm.apply(x_BCHW.permute(0, 2, 3, 1), self.weight, self.eps)
        return normed.permute(0, 3, 1, 2)


_FASTER: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: FastConv2d,
    GatedMlp: FastGatedMlp,
    StarReLU: FastStarReLU,
    ChannelRMSNorm: FastRMSNorm,
}


def _plain(x: Tensor) -> bool:
    """Whether a tensor is one that the functions are made for."""
    return (
        x.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    )


def _hooked(module: nn.Module) -> bool:
    before, after = module._forward_pre_hooks, module._forward_hooks  # pyright: ignore[reportPrivateUsage]
    return bool(before or after)


@contextmanager
def fast_layers(*models: nn.Module) -> Generator[None]:
    """Give the layers of models equal and faster functions inside this context.

    Only modules of exactly the known classes are changed. Parameters, buffers, names and hooks stay
    as they are.
    """
    changed = [
        (each, type(each)) for model in models for each in model.modules() if type(each) in _FASTER
    ]
    for each, kind in changed:
        each.__class__ = _FASTER[kind]
    try:
        yield
    finally:
        for each, kind in changed:
            each.__class__ = kind
