"""Gated mixers: weights and multiply-adds counted by hand, and claims of their papers."""

from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.cost.cost import part_cost
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.mixers.additive import ConvAdditiveMixer, LocalIntegration
from nas_explorer.search_space.components.mixers.ffnified import FfnifiedAttention
from nas_explorer.search_space.components.mixers.focal import FocalModulation
from nas_explorer.search_space.components.mixers.gated import GatedLinearMixer, LargeKernelAttention
from nas_explorer.search_space.components.mixers.recursive_gate import (
    RecursiveGatedConv,
    RecursiveGatedFilter,
)
from nas_explorer.search_space.components.mixers.star import StarMixer
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.shapes import Shape
from torch import Tensor
from torch.nn import functional as F

MAP = Shape(32, 8, 8)


def counted(mixer: TokenMixer, shape: Shape) -> tuple[int, int]:
    """Return trainable parameters and multiply-adds."""
    parts = PartList.start(shape)
    parts.add("mixer", mixer, IMAGE)
    cost = part_cost(parts.parts[0])
    return cost.params, cost.macs


# On 32 channels and 64 places: weights, and biases.
@pytest.mark.parametrize(
    ("mixer", "weights", "biases"),
    [
        # 32 to 64; products of 8, 16 and 32 channels, 56 kernels of 49; 8 to 16, 16 to 32; 32 to 32
        (
            RecursiveGatedConv(),
            32 * 64 + 56 * 49 + 8 * 16 + 16 * 32 + 32 * 32,
            64 + 56 + 16 + 32 + 32,
        ),
        (RecursiveGatedConv(order=1, kernel_size=3), 32 * 64 + 32 * 9 + 32 * 32, 64 + 32 + 32),
        # kernels of 5 x 5 and of 7 x 7 for each channel, three 1x1 convolutions
        (LargeKernelAttention(), 32 * 25 + 32 * 49 + 3 * 32 * 32, 5 * 32),
        # 7 x 7 and ceil(28 / 4) = 7 x 7
        (
            LargeKernelAttention(kernel_size=15, dilation=4, projected=False),
            32 * 49 + 32 * 16 + 32 * 32,
            3 * 32,
        ),
        # gate and value of 64 channels each
        (GatedLinearMixer(normed=False), 32 * 128 + 64 * 32, 128 + 32),
        # 1x1 convolution, batch norm, 3x3 convolution, 1x1 convolution
        (LocalIntegration(), 2 * 32 * 32 + 32 * 9, 5 * 32),
        (
            LocalIntegration(expansion=2, kernel_size=5),
            2 * 32 * 64 + 64 * 25,
            4 * 64 + 32,
        ),
        # 1x1 with a batch norm, two 3x3
        (FfnifiedAttention(kernel_size=3, small_kernel=0), 32 * 32 + 2 * 32 * 9, 2 * 32 + 2 * 32),
        # folded: two 7x7 with a bias
        (FfnifiedAttention(), 32 * 32 + 2 * 32 * 49, 2 * 32 + 2 * 32),
        # query, context and 3 gates; 3x3 and 5x5 without bias; two 1x1
        (
            FocalModulation(),
            32 * 67 + 32 * (9 + 25) + 2 * 32 * 32,
            67 + 2 * 32,
        ),
        (
            FocalModulation(levels=3, kernel_size=1, growth=4),
            32 * 68 + 32 * (1 + 25 + 81) + 2 * 32 * 32,
            68 + 2 * 32,
        ),
        # two 7x7, two maps to 128 channels and one back; a norm after the first and the last
        (StarMixer(), 2 * 32 * 49 + 3 * 32 * 128, 2 * 32 + 2 * 128 + 32 + 4 * 32),
        (GatedLinearMixer(ratio=1, normed=False, bias=False), 32 * 64 + 32 * 32, 0),
    ],
    ids=lambda value: value.label() if isinstance(value, TokenMixer) else "",
)
def test_costs_by_hand(mixer: TokenMixer, weights: int, biases: int) -> None:
    assert counted(mixer, MAP) == (weights + biases, 64 * weights)


def test_ffnified_attention_is_trained_in_branches() -> None:
    """Each kernel of 7 has a parallel one of 3, and each a batch norm."""
    weights = sum(each.numel() for each in FfnifiedAttention().build(MAP).parameters())
    assert weights == 32 * 32 + 2 * 32 + 2 * 32 * (49 + 9 + 2 * 2)
    assert FfnifiedAttention(kernel_size=1).why_invalid(MAP) == (
        "small_kernel must be at most kernel_size, but got small_kernel 3 and kernel_size 1"
    )


def test_ffnified_attention_is_a_perceptron_over_near_places() -> None:
    """Yun et al., 2024: keys and values are kernels, GELU is between, no softmax."""
    torch.manual_seed(0)
    shape = Shape(6, 5, 4)
    module = FfnifiedAttention(kernel_size=3, small_kernel=0).build(shape).eval()
    x = torch.randn(2, *shape)
    query = module.get_submodule("query")(x)
    for name in ("key", "value"):
        weight, bias = module.get_parameter(f"{name}.weight"), module.get_parameter(f"{name}.bias")
        windows = F.unfold(query, 3, padding=1).view(2, 6, 9, 20)
        query = torch.einsum("bckn,ck->bcn", windows, weight.view(6, 9)).view(2, *shape)
        query = query + bias[:, None, None]
        query = F.gelu(query) if name == "key" else query
    assert torch.allclose(module(x), query, atol=1e-6)


def test_additive_mixing_by_hand() -> None:
    """Three linear maps; two gates by position and two by channel; two depthwise convolutions."""
    place = 32 * 9 + 32
    channel = 32 * 32
    params, macs = counted(ConvAdditiveMixer(), MAP)
    norms_and_biases = 2 * (32 + 2 * 32) + 2 * 32
    assert params == 3 * 32 * 32 + 2 * (place + channel) + 2 * 32 * 9 + norms_and_biases
    # a gate by channel depends on one position
    assert macs == 64 * (3 * 32 * 32 + 2 * place + 2 * 32 * 9) + 2 * channel
    by_place, _ = counted(ConvAdditiveMixer(domains="spatial"), MAP)
    by_channel, _ = counted(ConvAdditiveMixer(domains="channel"), MAP)
    assert by_place == params - 2 * channel and by_channel == params - 2 * (place + 3 * 32)


def test_additive_mixing_is_the_formula() -> None:
    torch.manual_seed(0)
    shape = Shape(6, 4, 5)
    module = ConvAdditiveMixer().build(shape)
    module(torch.randn(8, *shape))  # moves the norms' statistics
    module.eval()
    x = torch.randn(2, *shape)
    query, key, value = F.conv2d(x, module.get_parameter("qkv.weight")).chunk(3, dim=1)

    def context(given: Tensor, name: str) -> Tensor:
        gate = module.get_submodule(f"{name}.spatial.attention")
        local = gate.get_submodule("norm")(gate.get_submodule("dwconv")(given))
        place = torch.einsum(
            "c,bchw->bhw", gate.get_parameter("pwconv.weight").flatten(), F.relu(local)
        )
        given = given * place.sigmoid()[:, None]
        channel = module.get_parameter(f"{name}.channel.attention.pwconv.weight").flatten(1)
        return given * (given.mean((2, 3)) @ channel.T).sigmoid()[:, :, None, None]

    added = context(query, "query") + context(key, "key")
    mix, proj = module.get_submodule("mix"), module.get_submodule("proj")
    assert torch.allclose(module(x), proj(mix(added) * value), atol=1e-6)


def test_without_the_channels_additive_mixing_is_local() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, *Shape(8, 15, 15), requires_grad=True)
    mixer = ConvAdditiveMixer(domains="spatial")
    mixer.build(Shape(8, 15, 15)).eval()(x)[0, :, 7, 7].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().amax(0) > 0
    assert seen[4:11, 4:11].all() and seen.sum() == 49  # three 3x3 kernels in a row


@pytest.mark.parametrize("mean", [False, True])
def test_focal_modulation_is_the_formula(mean: bool) -> None:
    """Yang et al., 2022, level by level."""
    torch.manual_seed(0)
    shape = Shape(4, 6, 5)
    module = FocalModulation(levels=2, mean=mean).build(shape)
    x = torch.randn(2, *shape)
    split = module.get_submodule("split")(x)
    query, context, gates = split[:, :4], split[:, 4:8], split[:, 8:]
    total = torch.zeros_like(query)
    for level, side in enumerate((3, 5)):
        kernel = module.get_parameter(f"levels.{level}.0.weight")
        context = F.gelu(F.conv2d(context, kernel, padding=side // 2, groups=4))
        total += gates[:, [level]] * context
    total += gates[:, [2]] * F.gelu(context.mean((2, 3), keepdim=True))
    if mean:
        total = total / 3
    modulated = query * module.get_submodule("modulator")(total)
    assert torch.allclose(module(x), module.get_submodule("proj")(modulated), atol=1e-6)


def test_a_star_is_quadratic_where_its_activation_passes() -> None:
    """Ma et al., 2024, section 3: one product of two maps is a sum of products of pairs."""
    torch.manual_seed(0)
    module = StarMixer(activation="squared_relu", kernel_size=1).build(MAP).double().eval()
    for name, value in module.named_parameters():
        if name.endswith("bias"):
            value.data.zero_()
    x = torch.randn(1, *MAP, dtype=torch.float64)
    assert torch.allclose(module(2 * x), 8 * module(x))  # squared once more by the activation


def test_filtered_gates_by_hand() -> None:
    """56 channels of gates: 28 by 3x3 kernels, 28 by 8 x 5 complex factors, two norms."""
    convolved, _ = counted(RecursiveGatedConv(kernel_size=1), MAP)
    filtered, _ = counted(RecursiveGatedFilter(), MAP)
    assert filtered == convolved - 2 * 56 + 28 * 9 + 2 * 28 * 8 * 5 + 2 * 2 * 56
    assert RecursiveGatedFilter(order=4).why_invalid(Shape(24, 4, 4)) == (
        "2^order must divide the channels, but got order 4 and 24 channels"
    )


def test_filtered_gates_are_the_formula() -> None:
    torch.manual_seed(0)
    shape = Shape(8, 4, 5)
    module = RecursiveGatedFilter(order=1).build(shape).get_submodule("spatial")
    x = torch.randn(2, *shape)
    given = F.layer_norm(x.movedim(1, -1), (8,), eps=1e-6).movedim(-1, 1)
    local = F.conv2d(given[:, :4], module.get_parameter("local.weight"), padding=1, groups=4)
    factors = torch.complex(*module.get_parameter("filter.weight_2CHV"))
    filtered = torch.fft.irfft2(torch.fft.rfft2(given[:, 4:]) * factors, s=(4, 5))
    mixed = torch.empty_like(x)
    mixed[:, 0::2], mixed[:, 1::2] = local, filtered
    expected = F.layer_norm(mixed.movedim(1, -1), (8,), eps=1e-6).movedim(-1, 1)
    assert torch.allclose(module(x), expected, atol=1e-5)


def test_one_norm_serves_gate_and_value() -> None:
    without, _ = counted(GatedLinearMixer(normed=False), MAP)
    assert counted(GatedLinearMixer(), MAP)[0] == without + 2 * 64


@pytest.mark.parametrize("kernel", [3, 7, 15])
def test_any_order_costs_less_than_the_bound_of_the_paper(kernel: int) -> None:
    """Rao et al., 2022, section 3.1, without its last term: the products, which are no MACs."""
    channels = 64
    bound = 64 * channels * (2 * kernel**2 + 11 / 3 * channels + 2)
    macs = [
        counted(RecursiveGatedConv(order=order, kernel_size=kernel), Shape(channels, 8, 8))[1]
        for order in range(1, 7)
    ]
    assert macs == sorted(macs) and len(set(macs)) == 6 and macs[-1] < bound


def recursive_gate(x: Tensor, weights: dict[str, Tensor], order: int, scale: float) -> Tensor:
    """Rao et al., 2022, section 3.1, one kernel and one product at a time."""

    def linear(name: str, value: Tensor) -> Tensor:
        matrix, bias = weights[f"{name}.weight"].flatten(1), weights[f"{name}.bias"]
        return torch.einsum("oc,bchw->bohw", matrix, value) + bias[:, None, None]

    channels = x.shape[1]
    widths = [channels // 2 ** (order - 1 - step) for step in range(order)]
    both = linear("proj_in", x)
    product, rest = both[:, : widths[0]], both[:, widths[0] :]
    kernels, biases = weights["spatial.weight"], weights["spatial.bias"]
    half = kernels.shape[-1] // 2
    gates = torch.cat(
        [
            F.conv2d(rest[:, [index]], kernels[[index]], biases[[index]], padding=half)
            for index in range(rest.shape[1])
        ],
        dim=1,
    )
    for step, width in enumerate(widths):
        if step:
            product = linear(f"steps.{step - 1}", product)
        product = product * scale * gates[:, :width]
        gates = gates[:, width:]
    return linear("proj_out", product)


@pytest.mark.parametrize("order", [1, 2, 5])
def test_recursive_gates_are_the_equations(order: int) -> None:
    torch.manual_seed(0)
    shape = Shape(16, 5, 4)
    module = RecursiveGatedConv(order=order, kernel_size=3, scale=0.5).build(shape)
    x = torch.randn(2, *shape)
    expected = recursive_gate(x, dict(module.named_parameters()), order, 0.5)
    assert torch.allclose(module(x), expected, rtol=1e-4, atol=1e-6)


def test_an_order_is_the_degree_of_the_interactions() -> None:
    """Without biases, n products of maps make a polynomial of degree n + 1 in the input."""
    for order in (1, 3):
        torch.manual_seed(0)
        module = RecursiveGatedConv(order=order, kernel_size=3).build(MAP).double()
        for name, value in module.named_parameters():
            if name.endswith("bias"):
                value.data.zero_()
        x = torch.randn(1, *MAP, dtype=torch.float64)
        assert torch.allclose(module(3 * x), 3 ** (order + 1) * module(x))


def test_channels_must_halve() -> None:
    assert RecursiveGatedConv(order=4).why_invalid(Shape(24, 4, 4)) is None
    assert RecursiveGatedConv(order=5).why_invalid(Shape(24, 4, 4)) == (
        "2^(order - 1) must divide the channels, but got order 5 and 24 channels"
    )


def kernel_seen(mixer: LargeKernelAttention, side: int = 81) -> Tensor:
    """Return the input positions that the gate at the centre depends on."""
    torch.manual_seed(0)
    shape = Shape(4, side, side)
    module = mixer.build(shape).get_submodule("attention").double()
    x = torch.randn(1, *shape, dtype=torch.float64, requires_grad=True)
    module(x)[0, :, side // 2, side // 2].sum().backward()
    assert x.grad is not None
    return (x.grad[0].abs().amax(0) > 0).nonzero() - side // 2


@pytest.mark.parametrize(("kernel", "dilation"), [(7, 2), (14, 3), (21, 3), (28, 4), (35, 5)])
def test_the_decomposition_fills_at_least_the_kernel_it_stands_for(
    kernel: int, dilation: int
) -> None:
    """The kernels of the ablation in Guo et al., 2022, have no gaps."""
    mixer = LargeKernelAttention(
        kernel_size=kernel, dilation=dilation, projected=False, shortcut=False
    )
    seen = kernel_seen(mixer)
    reach = dilation * (-(-kernel // dilation) - 1) // 2 + dilation - 1
    assert 2 * reach + 1 >= kernel
    assert seen.amin(0).tolist() == [-reach, -reach] and seen.amax(0).tolist() == [reach, reach]
    assert len(seen) == (2 * reach + 1) ** 2


def test_decomposing_saves_what_the_paper_says() -> None:
    """Guo et al., 2022, section 3.1: a 21 x 21 kernel costs 25 + 49 weights a channel."""
    bare = LargeKernelAttention(projected=False, shortcut=False)
    params, _ = counted(bare, Shape(32, 32, 32))
    assert params == 32 * (25 + 49) + 32 * 32 + 3 * 32


def test_attention_multiplies_and_shortcut_adds() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, *MAP)
    gated = LargeKernelAttention(projected=False, shortcut=False).build(MAP)
    inner = gated.get_submodule("attention")
    assert torch.equal(gated(x), x * inner(x))
    whole = LargeKernelAttention().build(MAP)
    assert torch.equal(whole(x), x + whole.get_submodule("branch")(x))


def test_a_dilated_kernel_needs_a_middle() -> None:
    assert LargeKernelAttention(kernel_size=7, dilation=2).why_invalid(MAP) is None
    assert LargeKernelAttention(kernel_size=10, dilation=3).why_invalid(MAP) == (
        "kernel_size over dilation, rounded up, must be odd where dilation is, but got 10 / 3"
    )


def test_decompositions_that_are_the_same_have_one_form() -> None:
    shape = Shape(8, 32, 32)
    assert LargeKernelAttention(kernel_size=19).canonical(shape) == LargeKernelAttention()
    assert LargeKernelAttention(kernel_size=18).canonical(shape) != LargeKernelAttention()
    bare = LargeKernelAttention(projected=False)
    assert replace(bare, activation="relu").canonical(shape) == bare
    assert LargeKernelAttention(kernel_size=63, dilation=8).canonical(shape).taps == 8


def test_gated_linear_is_the_formula() -> None:
    torch.manual_seed(0)
    shape = Shape(6, 2, 3)
    module = GatedLinearMixer(ratio=1.5).build(shape)
    x = torch.randn(1, *shape)
    both = torch.einsum("oc,bchw->bhwo", module.get_parameter("fc1.weight").flatten(1), x)
    both = both + module.get_parameter("fc1.bias")
    gate, value = F.layer_norm(F.gelu(both[..., :9]), (9,)), F.layer_norm(both[..., 9:], (9,))
    expected = (gate * value) @ module.get_parameter("fc2.weight").flatten(1).T
    expected = expected + module.get_parameter("fc2.bias")
    assert torch.allclose(module(x), expected.permute(0, 3, 1, 2), atol=1e-5)
