"""Token mixers: weights counted by hand, and outputs."""

import math

import pytest
import torch
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.layers.kernel_clipping import reaching_kernel
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.convolution import (
    InceptionConv,
    LargeKernelConv,
    SeparableConv,
)
from nas_explorer.search_space.components.mixers.mlp import TokenMlp
from nas_explorer.search_space.components.mixers.trivial import IdentityMixer, Pooling, RandomMixing
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F


def trained(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters() if each.requires_grad)


# The map has 32 channels and 8 x 8 = 64 places.
@pytest.mark.parametrize(
    ("mixer", "count"),
    [
        (IdentityMixer(), 0),
        (Pooling(kernel_size=5), 0),
        (RandomMixing(), 0),
        # 32 x 64 in, 64 kernels of 49, 64 x 32 out, scale and bias of StarReLU
        (SeparableConv(), 2048 + 3136 + 2048 + 2),
        # the same with a bias for 64, 64 and 32 channels
        (SeparableConv(bias=True, activation="gelu"), 2048 + 3136 + 2048 + 160),
        # inner channels 32 x 1.5 = 48, kernels of 9
        (SeparableConv(expansion=1.5, kernel_size=3, activation="relu"), 1536 + 432 + 1536),
        (LargeKernelConv(), 32 * 49 + 32),
        (LargeKernelConv(kernel_size=15, bias=False), 32 * 225),
        # three branches of 4 channels: 3 x 3, 1 x 11, 11 x 1, each with a bias
        (InceptionConv(), 4 * 9 + 4 * 11 + 4 * 11 + 3 * 4),
        # branches of 8 channels: 5 x 5, 1 x 7, 7 x 1
        (
            InceptionConv(kernel_size=5, band_size=7, branch_ratio=0.25),
            8 * 25 + 2 * 8 * 7 + 3 * 8,
        ),
        # queries, keys, values and the projection: 32 x 32 each
        (Attention(head_dim=8), 4 * 1024),
        (Attention(head_dim=16, qkv_bias=True, proj_bias=True), 4 * 1024 + 3 * 32 + 32),
        # 64 places to 16 hidden units and back, with biases
        (TokenMlp(), 64 * 16 + 16 + 16 * 64 + 64),
        # the hidden units follow the channels: 32
        (TokenMlp(ratio=1, activation="star_relu"), 64 * 32 + 32 + 32 * 64 + 64 + 2),
    ],
    ids=lambda value: value.label() if isinstance(value, TokenMixer) else "",
)
def test_trained_weights(mixer: TokenMixer, count: int) -> None:
    assert trained(mixer.build(Shape(32, 8, 8))) == count


def window(mixer: TokenMixer, size: int = 21) -> list[list[int]]:
    """Return the receptive field of the centre of a large map, as offsets of its corners."""
    torch.manual_seed(0)
    shape = Shape(16, size, size)
    x = torch.randn(1, *shape, requires_grad=True)
    y = mixer.build(shape)(x)[0, :, size // 2, size // 2]
    (y * torch.randn(16)).sum().backward()
    assert x.grad is not None
    places = x.grad[0].abs().amax(0).nonzero() - size // 2
    return [places.amin(0).tolist(), places.amax(0).tolist()]


@pytest.mark.parametrize("kernel", [1, 3, 7, 13])
def test_a_square_kernel_reaches_half_its_side(kernel: int) -> None:
    half = kernel // 2
    corners = [[-half, -half], [half, half]]
    assert window(SeparableConv(kernel_size=kernel)) == corners
    assert window(LargeKernelConv(kernel_size=kernel)) == corners
    assert window(Pooling(kernel_size=kernel, subtract=False)) == corners


def test_inception_reaches_along_its_bands() -> None:
    assert window(InceptionConv(kernel_size=3, band_size=13)) == [[-6, -6], [6, 6]]
    torch.manual_seed(0)
    x = torch.randn(1, 16, 9, 9, requires_grad=True)
    mixer = InceptionConv(kernel_size=3, band_size=7, branch_ratio=0.25)
    mixer.build(Shape(16, 9, 9))(x)[0, :, 4, 4].sum().backward()
    assert x.grad is not None
    seen = (x.grad[0].abs() > 0).flatten(1).sum(1).tolist()
    # four channels pass; then the square, the row and the column kernel, four channels each
    assert seen == [1] * 4 + [9] * 4 + [7] * 4 + [7] * 4
    assert (x.grad[0, 8:12].abs() > 0).any(-1).sum(-1).tolist() == [1] * 4  # one row
    assert (x.grad[0, 12:].abs() > 0).any(-2).sum(-1).tolist() == [1] * 4  # one column


def test_inception_passes_the_first_channels_as_they_are() -> None:
    x = torch.randn(2, 16, 5, 4)
    y = InceptionConv().build(Shape(16, 5, 4))(x)
    assert torch.equal(y[:, :10], x[:, :10])
    assert not torch.isclose(y[:, 10:], x[:, 10:]).all()


def test_pooling_by_hand() -> None:
    x = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]).view(1, 1, 3, 3)
    mean = Pooling(subtract=False).build(Shape(1, 3, 3))(x)
    # a corner is the mean of 4 places, an edge of 6, the centre of 9
    assert mean.flatten().tolist() == [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]
    assert torch.equal(Pooling().build(Shape(1, 3, 3))(x), mean - x)


def test_pooling_keeps_a_constant_and_subtracts_it() -> None:
    constant = torch.full((1, 2, 4, 6), 3.0)
    for kernel in (3, 7, 31):
        shape = Shape(2, 4, 6)
        assert torch.allclose(
            Pooling(kernel_size=kernel, subtract=False).build(shape)(constant), constant
        )
        assert torch.allclose(Pooling(kernel_size=kernel).build(shape)(constant), 0 * constant)


def test_random_matrix_is_stochastic_fixed_and_saved() -> None:
    torch.manual_seed(3)
    module = RandomMixing().build(Shape(2, 3, 4))
    matrix = module.state_dict()["matrix_NN"]
    assert matrix.shape == (12, 12)
    assert torch.allclose(matrix.sum(1), torch.ones(12)) and (matrix > 0).all()
    # softmax of uniform numbers: no weight is more than e times another of its row
    assert (matrix.amax(1) / matrix.amin(1) < math.e).all()
    x = torch.randn(1, 2, 3, 4)
    expected = torch.einsum("mn,bcn->bcm", matrix, x.flatten(2)).view_as(x)
    assert torch.allclose(module(x), expected)
    assert not list(module.parameters())


def attention_by_hand(x_BCHW: Tensor, module: nn.Module, head_dim: int) -> Tensor:
    """Vaswani et al., 2017, equation 1, head by head."""
    tokens = x_BCHW.flatten(2).transpose(1, 2)
    query, key, value = (tokens @ module.get_parameter("qkv.weight").T).chunk(3, dim=-1)
    heads: list[Tensor] = []
    for start in range(0, x_BCHW.shape[1], head_dim):
        part = slice(start, start + head_dim)
        scores = query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(head_dim)
        heads.append(scores.softmax(-1) @ value[..., part])
    mixed = torch.cat(heads, dim=-1) @ module.get_parameter("proj.weight").T
    return mixed.transpose(1, 2).view_as(x_BCHW)


@pytest.mark.parametrize("head_dim", [4, 8, 16])
def test_attention_is_the_formula(head_dim: int) -> None:
    torch.manual_seed(2)
    shape = Shape(16, 3, 5)
    module = Attention(head_dim=head_dim).build(shape)
    x = torch.randn(2, *shape)
    assert torch.allclose(module(x), attention_by_hand(x, module, head_dim), rtol=1e-4, atol=1e-5)


def test_attention_is_equivariant_to_the_order_of_the_places() -> None:
    torch.manual_seed(2)
    module = Attention(head_dim=8).build(Shape(16, 4, 4))
    x = torch.randn(1, 16, 4, 4)
    order = torch.randperm(16)
    turned = x.flatten(2)[:, :, order].view_as(x)
    expected = module(x).flatten(2)[:, :, order].view_as(x)
    assert torch.allclose(module(turned), expected, rtol=1e-4, atol=1e-5)


def test_attention_refuses_heads_that_do_not_divide_the_channels() -> None:
    assert Attention(head_dim=32).why_invalid(Shape(96, 4, 4)) is None
    assert Attention(head_dim=32).why_invalid(Shape(48, 4, 4)) == (
        "head_dim must divide the channels, but got head_dim 32 and 48 channels"
    )
    assert Attention(head_dim=64).why_invalid(Shape(32, 4, 4)) is not None


def test_token_perceptron_treats_every_channel_alike() -> None:
    torch.manual_seed(2)
    shape = Shape(6, 3, 3)
    module = TokenMlp(ratio=2).build(shape)
    x = torch.randn(1, *shape)
    assert torch.allclose(module(x.flip(1)), module(x).flip(1), rtol=1e-4, atol=1e-5)
    assert module.get_parameter("fc1.weight").shape == (12, 9)


def test_separable_convolution_is_its_three_maps() -> None:
    torch.manual_seed(2)
    shape = Shape(4, 5, 5)
    module = SeparableConv(kernel_size=3, activation="relu").build(shape)
    x = torch.randn(1, *shape)
    inner = F.relu(F.conv2d(x, module.get_parameter("pwconv1.weight")))
    inner = F.conv2d(inner, module.get_parameter("dwconv.weight"), padding=1, groups=8)
    assert torch.allclose(
        module(x), F.conv2d(inner, module.get_parameter("pwconv2.weight")), rtol=1e-4, atol=1e-5
    )


def test_inception_needs_a_channel_for_every_branch() -> None:
    assert InceptionConv(branch_ratio=1 / 3).why_invalid(Shape(3, 4, 4)) is None
    assert InceptionConv(branch_ratio=0.5).why_invalid(Shape(32, 4, 4)) == (
        "branch_ratio must leave room for three branches of at least one channel, "
        "but got branch_ratio 0.5 and 32 channels"
    )
    assert InceptionConv().why_invalid(Shape(2, 4, 4)) is not None
    shape = Shape(3, 4, 4)
    assert InceptionConv(branch_ratio=1 / 3).build(shape)(torch.ones(1, *shape)).shape == (
        1,
        *shape,
    )


@pytest.mark.parametrize(
    ("kernel", "height", "width", "reach"),
    [(31, 8, 8, 15), (15, 8, 8, 15), (13, 8, 8, 13), (7, 1, 1, 1), (7, 2, 3, 5), (31, 4, 20, 31)],
)
def test_a_kernel_reaches_from_one_end_of_the_map_to_the_other(
    kernel: int, height: int, width: int, reach: int
) -> None:
    assert reaching_kernel(kernel, Shape(1, height, width)) == reach
