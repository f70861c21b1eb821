"""Perceptrons over positions: counts by hand, slow formulas, receptive fields."""

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.mixers.feed_forward import FeedForwardMixer
from nas_explorer.search_space.components.mixers.gated_mlp import (
    GatedMlpMixer,
    MixerGated,
    MultiAxisMlp,
)
from nas_explorer.search_space.components.mixers.mlp import TokenLinear, TokenMlp
from nas_explorer.search_space.components.mixers.raft import RaftMlp
from nas_explorer.search_space.components.mixers.shift import AxialShift, CycleMlp
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

from .tensors import seen

# The map has 32 channels and 8 x 8 = 64 places.
MAP = Shape(32, 8, 8)


@pytest.mark.parametrize(
    ("mixer", "params", "macs"),
    [
        # every place to every place
        (TokenLinear(), 64 * 64 + 64, 32 * 64 * 64),
        # rafts of 2: 16 inputs, 32 hidden units; 16 groups x 8 columns; twice, a norm between
        (
            RaftMlp(),
            2 * (16 * 32 + 32 + 32 * 16 + 16) + 2 * 32,
            2 * 16 * 8 * (16 * 32 + 32 * 16),
        ),
        # rafts of 4: 32 inputs, 96 hidden units; 8 groups x 8 columns
        (
            RaftMlp(axis="vertical", raft_size=4, expansion=3),
            32 * 96 + 96 + 96 * 32 + 32,
            8 * 8 * 2 * 32 * 96,
        ),
        # 32 to 2 x 96 channels, a norm and a 64 x 64 matrix on one half, back to 32
        (
            GatedMlpMixer(),
            32 * 192 + 192 + 2 * 96 + 64 * 64 + 64 + 96 * 32 + 32,
            64 * 32 * 192 + 96 * 64 * 64 + 64 * 96 * 32,
        ),
        # two halves of 32 channels; in each norm, 32 to 2 x 32, norm, matrix over places, 32 to 32
        (
            MultiAxisMlp(block_size=4, grid_size=2),
            32 * 64
            + 64
            + 64 * 32
            + 32
            # over blocks of 16 places
            + (64 + 32 * 64 + 64 + 64 + 16 * 16 + 16 + 32 * 32 + 32)
            # over grids of 4 places
            + (64 + 32 * 64 + 64 + 64 + 4 * 4 + 4 + 32 * 32 + 32),
            64 * (32 * 64 + 64 * 32 + 2 * (32 * 64 + 32 * 32) + 32 * 16 + 32 * 4),
        ),
        # a map of channels, two norms, 64 places to 64 units and back, 32 channels to 64 and back
        (
            MixerGated(),
            32 * 32 + 32 + 2 * 64 + (64 * 64 + 64) * 2 + 32 * 64 + 64 + 64 * 32 + 32,
            64 * 32 * 32 + 2 * 32 * 64 * 64 + 2 * 64 * 32 * 64,
        ),
        # 32 x 64 = 2048 inputs, each normed, to 16 units, each normed, and back
        (
            FeedForwardMixer(),
            2 * 2048 + 2048 * 16 + 16 + 2 * 16 + 16 * 2048 + 2048,
            2 * 2048 * 16,
        ),
        # two heads of 16 x 64 = 1024 outputs, and a map of channels
        # three maps of channels and one of their sum; shares from a perceptron of 8 units
        (
            CycleMlp(),
            32 * 32 + 3 * (32 * 32 + 32) + 32 * 8 + 8 + 8 * 96 + 96,
            64 * 4 * 32 * 32 + 32 * 8 + 8 * 96,
        ),
        # four maps of channels, two norms
        (AxialShift(), 4 * (32 * 32 + 32) + 4 * 32, 64 * 4 * 32 * 32),
        (
            FeedForwardMixer(separate_heads=True, head_dim=16),
            2 * (2 * 2048 + 2048 * 16 + 16 + 2 * 16 + 16 * 1024 + 1024) + 32 * 32 + 32,
            2 * (2048 * 16 + 16 * 1024) + 64 * 32 * 32,
        ),
    ],
    ids=lambda value: value.label() if isinstance(value, TokenMixer) else "",
)
def test_weights_and_macs(mixer: TokenMixer, params: int, macs: int) -> None:
    module = mixer.build(MAP)
    assert sum(each.numel() for each in module.parameters()) == params
    assert count_module(module.eval(), MAP).macs == macs


def made(mixer: TokenMixer, shape: Shape) -> nn.Module:
    """Return the module with all weights random: none is zero or one."""
    torch.manual_seed(4)
    module = mixer.build(shape).double().eval()
    for each in module.parameters():
        nn.init.normal_(each, 0.1, 0.5)
    return module


def image(shape: Shape, seed: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, *shape, dtype=torch.float64, generator=generator)


# RaftMLP -----------------------------------------------------------------------------------------


def raft_by_hand(x: Tensor, module: nn.Module, raft: int, *, vertical: bool) -> Tensor:
    """Return a perceptron's output over one axis, group by group, line by line."""
    x = x if vertical else x.transpose(2, 3)
    out = torch.empty_like(x)
    groups = x.shape[1] // raft
    for group in range(groups):
        channels = [group + number * groups for number in range(raft)]
        for column in range(x.shape[3]):
            line = x[:, channels, :, column].flatten(1)
            hidden = F.linear(
                line, module.get_parameter("fc1.weight"), module.get_parameter("fc1.bias")
            )
            line = F.linear(
                F.gelu(hidden), module.get_parameter("fc2.weight"), module.get_parameter("fc2.bias")
            )
            out[:, channels, :, column] = line.unflatten(1, (raft, x.shape[2]))
    return out if vertical else out.transpose(2, 3)


@pytest.mark.parametrize("raft", [1, 2, 6])
def test_raft_mixing_is_perceptrons_over_lines(raft: int) -> None:
    shape = Shape(6, 4, 3)
    module = made(RaftMlp(raft_size=raft), shape)
    columns, rows = (module.get_submodule(f"branches.{number}") for number in range(2))
    norm = module.get_submodule("norms.0")
    x = image(shape)
    first = raft_by_hand(x, columns, raft, vertical=True)
    second = raft_by_hand(norm(x + first), rows, raft, vertical=False)
    assert torch.allclose(module(x), first + second)


def test_an_axis_sees_its_line_of_its_raft_alone() -> None:
    shape = Shape(6, 4, 5)
    expected = torch.zeros(6, 4, 5, dtype=torch.bool)
    expected[[1, 4], :, 2] = True  # groups of two are channels 0 and 3, 1 and 4, 2 and 5
    vertical = made(RaftMlp(axis="vertical"), shape)
    assert torch.equal(seen(vertical, shape, 4, 3, 2), expected)
    expected = torch.zeros(6, 4, 5, dtype=torch.bool)
    expected[[1, 4], 3, :] = True
    horizontal = made(RaftMlp(axis="horizontal"), shape)
    assert torch.equal(seen(horizontal, shape, 4, 3, 2), expected)
    assert seen(made(RaftMlp(), shape), shape, 4, 3, 2).all()


def test_rafts_need_fewer_weights_than_mixing_all_places() -> None:
    """The paper's claim: on 14 x 14 positions, 2 x (14 r)^2 e weights instead of 2 x 196^2 e."""
    shape = Shape(64, 14, 14)

    def size(mixer: TokenMixer) -> int:
        return sum(each.numel() for each in mixer.build(shape).parameters())

    sizes = [size(RaftMlp(raft_size=raft)) for raft in (1, 2, 4)]
    assert sizes == sorted(sizes) and sizes[-1] < size(TokenMlp(ratio=2 * 196 / 64)) / 4


def test_a_map_of_another_size_is_resized() -> None:
    module = made(RaftMlp(), Shape(4, 6, 6))
    x = image(Shape(4, 9, 7))
    resized = module(F.interpolate(x, (6, 6), mode="bicubic"))
    assert torch.allclose(module(x), F.interpolate(resized, (9, 7), mode="bicubic"))


def test_rafts_share_the_channels_evenly() -> None:
    assert RaftMlp(raft_size=5).why_invalid(Shape(32, 4, 4)) == (
        "raft_size must divide the channels, but got raft_size 5 and 32 channels"
    )


def test_canonical_expansions_of_rafts() -> None:
    """Rows of 5, columns of 3 and rafts of 1: 7 and 4 hidden units, whatever of 1.4 to 1.6."""
    shape = Shape(4, 3, 5)

    def canonical(expansion: float) -> RaftMlp:
        return RaftMlp(raft_size=1, expansion=expansion).canonical(shape)

    assert canonical(1.4) == canonical(1.5) == canonical(1.59) != canonical(1.6)
    assert canonical(0.01) == canonical(0.3) != canonical(0.4)  # one hidden unit at least


# gMLP and MAXIM ----------------------------------------------------------------------------------


def test_gated_mlp_is_the_formula() -> None:
    shape = Shape(4, 2, 3)
    module = made(GatedMlpMixer(ratio=3), shape)
    x = image(shape)
    value, gate = F.gelu(module.get_submodule("fc1")(x)).chunk(2, dim=1)
    normed = module.get_submodule("gate.norm")(gate).flatten(2)
    matrix, bias = (module.get_parameter(f"gate.proj.{name}") for name in ("weight", "bias"))
    gate = (torch.einsum("nm,bdm->bdn", matrix, normed) + bias).view_as(value)
    assert torch.allclose(module(x), module.get_submodule("fc2")(value * gate))


def test_the_gate_of_gated_mlp_starts_open() -> None:
    shape = Shape(8, 4, 4)
    torch.manual_seed(0)
    gate = GatedMlpMixer().build(shape).get_submodule("gate")
    x = torch.randn(2, 48, 4, 4)
    assert torch.allclose(gate(x), x[:, :24], atol=1e-3)


@pytest.mark.parametrize("size", [(8, 8), (6, 9), (3, 5)])
@pytest.mark.parametrize("grid", [False, True])
def test_the_gate_mixes_a_block_or_a_grid(grid: bool, size: tuple[int, int]) -> None:
    """Return the gate position by position, with zeros outside the map."""
    side, (height, width) = 4, size
    shape = Shape(8, height, width)
    module = made(MultiAxisMlp(block_size=side, grid_size=side), shape)
    gate = module.get_submodule("grid.gate" if grid else "block.gate")
    x = torch.randn(2, 16, height, width, dtype=torch.float64)
    value, normed = x[:, :8], gate.get_submodule("norm")(x[:, 8:])
    matrix, bias = gate.get_parameter("proj.weight"), gate.get_parameter("proj.bias")
    apart = [-(-size // side) if grid else 1 for size in (height, width)]

    def index(row: int, column: int) -> list[int]:
        """Return the index of a position in its block, or in its grid."""
        return [row // apart[0], column // apart[1]] if grid else [row % side, column % side]

    for row in range(height):
        for column in range(width):
            this = index(row, column)
            expected = bias[this[0] * side + this[1]].expand(2, 8)
            for i in range(side):
                for j in range(side):
                    other = [row + (i - this[0]) * apart[0], column + (j - this[1]) * apart[1]]
                    if other[0] < height and other[1] < width:
                        weight = matrix[this[0] * side + this[1], i * side + j]
                        expected = expected + weight * normed[:, :, other[0], other[1]]
            got = gate(x)[:, :, row, column]
            assert torch.allclose(got, value[:, :, row, column] * (1 + expected))


def test_multi_axis_sees_its_block_and_its_grid() -> None:
    shape = Shape(4, 12, 12)
    module = made(MultiAxisMlp(block_size=4, grid_size=3), shape)
    expected = torch.zeros(12, 12, dtype=torch.bool)
    expected[4:8, 8:12] = True
    expected[1::4, 2::4] = True  # 12 / 3 = 4 apart
    assert torch.equal(seen(module, shape, 0, 5, 10).any(0), expected)


def test_multi_axis_runs_on_maps_of_any_size() -> None:
    module = made(MultiAxisMlp(block_size=4, grid_size=4), Shape(4, 8, 8))
    for height, width in ((16, 8), (5, 13), (1, 1)):
        x = image(Shape(4, height, width))
        assert module(x).shape == x.shape


# Shifted channels --------------------------------------------------------------------------------


def moved(x: Tensor, step: int, axis: int) -> Tensor:
    """Return shifted channels: position p has the value of p + step, or zero."""
    out, size = torch.zeros_like(x), x.shape[axis]
    for place in range(size):
        if 0 <= place + step < size:
            out.select(axis, place).copy_(x.select(axis, place + step))
    return out


@pytest.mark.parametrize("steps", [1, 3, 5, 13])
def test_cycle_mlp_is_three_maps_of_moved_channels(steps: int) -> None:
    shape = Shape(7, 4, 5)
    module = made(CycleMlp(steps=steps, reduction=2), shape)
    part, x, half = module.get_submodule, image(shape), steps // 2
    order = sorted(range(7), key=lambda channel: channel % steps)
    branches: list[Tensor] = []
    for name, axis in (("along_w", 3), ("along_h", 2)):
        cycle = [(channel + half) % steps - half for channel in range(7)]
        apart = [moved(x[:, [c]], step, axis) for c, step in enumerate(cycle)]
        branches.append(part(f"{name}.conv")(torch.cat([apart[c] for c in order], dim=1)))
    branches.append(part("still")(x))
    mean = torch.stack(branches).sum(0).mean((2, 3))
    shares = part("fc2")(F.gelu(part("fc1")(mean))).view(2, 7, 3).softmax(2)
    total = sum(y * shares[:, :, i, None, None] for i, y in enumerate(branches))
    assert torch.allclose(module(x), part("proj")(total))


def test_axial_shift_is_two_maps_of_moved_groups() -> None:
    shape = Shape(8, 4, 5)
    module = made(AxialShift(steps=3), shape)
    part, x = module.get_submodule, image(shape)
    groups = F.gelu(part("norm1")(part("conv1")(x))).split([3, 3, 2], dim=1)
    both = torch.zeros_like(x)
    for name, axis in (("along_w", 3), ("along_h", 2)):
        apart = [moved(group, 1 - index, axis) for index, group in enumerate(groups)]
        both = both + F.gelu(part(name)(torch.cat(apart, dim=1)))
    assert torch.allclose(module(x), part("conv2")(part("norm2")(both)))


def test_axial_shift_sees_a_cross() -> None:
    shape = Shape(10, 7, 7)
    expected = torch.zeros(7, 7, dtype=torch.bool)
    expected[3, 1:6] = expected[1:6, 3] = True
    assert torch.equal(seen(made(AxialShift(), shape), shape, 0, 3, 3).any(0), expected)


def test_steps_and_reductions_have_one_name() -> None:
    shape = Shape(10, 4, 4)
    named = [CycleMlp(reduction=each).canonical(shape).reduction for each in (2, 3, 4, 5, 6, 50)]
    assert named == [2, 3, 4, 4, 6, 6]  # 5, 3, 2, 2, 1 and 1 hidden units
    assert CycleMlp(steps=15).canonical(Shape(2, 4, 4)).steps == 3


# NiNformer and feed-forward networks -------------------------------------------------------------


def test_mixer_gate_is_a_mixer_block_times_a_map() -> None:
    shape = Shape(6, 3, 4)
    module = made(MixerGated(token_ratio=1.5, channel_ratio=0.5), shape)
    part = module.get_submodule
    x = image(shape)
    normed = part("norm1")(x).flatten(2)
    gate = x + part("tokens.fc2")(F.gelu(part("tokens.fc1")(normed))).view_as(x)
    gate = gate + part("channels.fc2")(F.gelu(part("channels.fc1")(part("norm2")(gate))))
    assert torch.allclose(module(x), gate * part("proj")(x))


def test_what_the_mixer_gate_lets_through_depends_on_the_input() -> None:
    """MLP-Mixer alone mixes positions by the same weights for all inputs, up to its activation."""
    shape = Shape(6, 3, 4)
    module = made(MixerGated(), shape)
    x = image(shape)
    gates = [module(each) / module.get_submodule("proj")(each) for each in (x, x.flip(1))]
    assert not torch.allclose(gates[0], gates[1])


def test_heads_of_a_feed_forward_network() -> None:
    """Each head has the whole map as input and some channels as output."""
    shape = Shape(4, 2, 3)
    mixer = FeedForwardMixer(separate_heads=True, head_dim=2, hidden_share=0.25)
    module = made(mixer, shape)
    module.get_submodule("proj").register_forward_hook(lambda _, inputs, __: inputs[0])
    before = image(shape)
    nn.init.zeros_(module.get_parameter("heads.1.fc2.weight"))
    assert seen(module, shape, 1, 0, 0).all()
    assert not seen(module, shape, 2, 0, 0).any()
    assert module(before).shape == before.shape


def test_a_feed_forward_network_without_heads_has_no_size_of_heads() -> None:
    shape = Shape(8, 2, 2)
    assert FeedForwardMixer(head_dim=3).canonical(shape) == FeedForwardMixer().canonical(shape)
    assert FeedForwardMixer(head_dim=3).why_invalid(shape) is None
    assert FeedForwardMixer(separate_heads=True, head_dim=3).why_invalid(shape) == (
        "head_dim must divide the channels, but got head_dim 3 and 8 channels"
    )
