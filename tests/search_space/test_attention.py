"""Properties of attention: windows, neighbourhoods, positions that start as a convolution."""

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.cost import part_cost
from nas_explorer.search_space.components.attention.neighbourhood import neighbours
from nas_explorer.search_space.components.attention.supports import Blocks
from nas_explorer.search_space.components.mixers.attention import Attention, RelativeAttention
from nas_explorer.search_space.components.mixers.gated_position import GatedPositionalAttention
from nas_explorer.search_space.components.mixers.neighbourhood import NeighbourhoodMixer
from nas_explorer.search_space.components.mixers.pooled import PooledAttention
from nas_explorer.search_space.components.mixers.windowed import (
    GridAttention,
    HaloAttention,
    IntervalAttention,
    StripeAttention,
    WindowAttention,
)
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

from .tensors import random, seen


def made(mixer: Any, shape: Shape, spread: float = 0.3) -> nn.Module:
    """Return a module in double precision whose weights are larger than at the start."""
    torch.manual_seed(4)
    module = mixer.build(shape).double().eval()
    for each in module.parameters():
        each.data.normal_(0, spread)
    return module


def visible(mixer: Any, shape: Shape, row: int, column: int) -> set[tuple[int, int]]:
    """Return the positions that one output depends on."""
    found = seen(made(mixer, shape), shape, 0, row, column) | seen(
        made(mixer, shape), shape, shape.channels - 1, row, column
    )
    return {(int(y), int(x)) for y, x in found.any(0).nonzero()}


def rectangle(rows: range, columns: range) -> set[tuple[int, int]]:
    return set(itertools.product(rows, columns))


MAP = Shape(8, 8, 8)
PLAIN = {"head_dim": 4, "position": "none"}


@pytest.mark.parametrize(
    ("mixer", "expected"),
    [
        (
            WindowAttention(**PLAIN, window_height=2, window_width=4),
            rectangle(range(2, 4), range(4, 8)),
        ),
        # windows of 4 shifted by 2: rows and columns 2 to 5
        (
            WindowAttention(**PLAIN, window_height=4, window_width=4, shifted=True),
            rectangle(range(2, 6), range(2, 6)),
        ),
        (
            WindowAttention(**PLAIN, window_height=1, window_width=4, turned=True),
            rectangle(range(3, 4), range(4, 8)) | rectangle(range(4), range(5, 6)),
        ),
        (GridAttention(**PLAIN, grid_size=4), rectangle(range(1, 8, 2), range(1, 8, 2))),
        (IntervalAttention(**PLAIN, interval=4), rectangle(range(3, 8, 4), range(1, 8, 4))),
        (
            StripeAttention(**PLAIN, stripe=2, local="none"),
            rectangle(range(8), range(4, 6)) | rectangle(range(2, 4), range(8)),
        ),
        (HaloAttention(**PLAIN, block_size=2, halo=1), rectangle(range(1, 5), range(3, 7))),
        (NeighbourhoodMixer(**PLAIN, kernel_size=3), rectangle(range(2, 5), range(4, 7))),
        (
            NeighbourhoodMixer(**PLAIN, kernel_size=3, dilation=2),
            rectangle(range(1, 6, 2), range(3, 8, 2)),
        ),
    ],
    ids=lambda value: value.label() if hasattr(value, "label") else "",
)
def test_a_position_sees_the_support(mixer: Any, expected: set[tuple[int, int]]) -> None:
    assert visible(mixer, MAP, 3, 5) == expected


def test_the_parts_of_a_window_at_both_ends_of_the_map_stay_apart() -> None:
    mixer = WindowAttention(**PLAIN, window_height=4, window_width=4, shifted=True)
    assert visible(mixer, MAP, 0, 0) == rectangle(range(2), range(2))
    assert visible(mixer, MAP, 7, 3) == rectangle(range(6, 8), range(2, 6))


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("position", ["none", "bias", "dynamic"])
def test_padding_takes_no_part(position: str, shifted: bool) -> None:
    """On a map of 5 x 7 each window of 4 x 4 is attention between its positions alone."""
    mixer = WindowAttention(
        head_dim=4, window_height=4, window_width=4, position=position, shifted=shifted
    )
    shape = Shape(8, 5, 7)
    module = made(mixer, shape)
    x = random(2, *shape)
    y = module(x)
    small = made(mixer, Shape(8, 4, 4))
    small.load_state_dict(module.state_dict())
    corner = (slice(2, 5), slice(2, 6)) if shifted else (slice(4, 5), slice(0, 4))
    assert torch.allclose(small(x[:, :, *corner]), y[:, :, *corner])


@pytest.mark.parametrize(
    "mixer",
    [
        WindowAttention(head_dim=4, window_height=20, window_width=9, position="none"),
        GridAttention(head_dim=4, grid_size=9, position="none"),
        IntervalAttention(head_dim=4, interval=1, position="none"),
        StripeAttention(head_dim=4, stripe=9, local="none"),
        NeighbourhoodMixer(head_dim=4, kernel_size=9, position="none"),
        NeighbourhoodMixer(head_dim=4, kernel_size=9, dilation=3, position="none"),
        HaloAttention(head_dim=4, block_size=9, halo=0, position="none"),
        Attention(head_dim=4, qkv_bias=True, proj_bias=True, position="dynamic"),
    ],
    ids=lambda mixer: mixer.name,
)
def test_a_support_as_large_as_the_map_is_global_attention(mixer: Any) -> None:
    shape = Shape(8, 8, 6)
    module = made(mixer, shape)
    everywhere = made(Attention(head_dim=4, qkv_bias=True, proj_bias=True), shape)
    state = {
        name.removeprefix("projection."): value
        for name, value in module.state_dict().items()
        if "positions" not in name
    }
    if mixer.name == "attention":
        for name, value in module.named_parameters():
            if name.startswith("positions.0.layers.8"):
                value.data.zero_()
    everywhere.load_state_dict(state)
    x = random(2, *shape)
    assert torch.allclose(module(x), everywhere(x))


def test_neighbourhood_attention_spans_from_a_linear_map_to_global_attention_with_offsets() -> None:
    shape = Shape(8, 5, 5)
    x = random(2, *shape)
    one = made(NeighbourhoodMixer(head_dim=4, kernel_size=1), shape)
    weight, bias = (one.get_parameter(f"projection.qkv.{name}")[-8:] for name in ("weight", "bias"))
    linear = F.conv2d(x, weight[:, :, None, None], bias)
    proj = [one.get_parameter(f"proj.{name}") for name in ("weight", "bias")]
    assert torch.allclose(one(x), F.conv2d(linear, proj[0][:, :, None, None], proj[1]))

    whole = made(NeighbourhoodMixer(head_dim=4, kernel_size=5), shape)
    relative = made(RelativeAttention(head_dim=4), shape)
    state = {name.removeprefix("projection."): each for name, each in whole.state_dict().items()}
    state["table_hR"] = state.pop("position.table_hRS").flatten(1)
    relative.load_state_dict(state)
    assert torch.allclose(whole(x), relative(x))


@pytest.mark.parametrize(
    ("side", "kernel", "dilation"), [(7, 3, 1), (9, 3, 2), (5, 5, 1), (8, 3, 4)]
)
def test_windows_lie_within_the_map_as_near_as_they_can(
    side: int, kernel: int, dilation: int
) -> None:
    places, offsets = neighbours(side, kernel, dilation, torch.device("cpu"))
    step = max(1, min(dilation, side // kernel))
    for place in range(side):
        same = [each for each in range(side) if each % step == place % step]
        options = [same[start : start + kernel] for start in range(len(same) - kernel + 1)]
        nearest = min(options, key=lambda window: abs(window[kernel // 2] - place))
        assert places[place].tolist() == nearest
        assert (place - offsets[place] * step).tolist() == nearest


def test_neighbourhood_attention_in_a_trace_is_that_of_a_run() -> None:
    shape = Shape(8, 6, 7)
    module = made(NeighbourhoodMixer(head_dim=4, kernel_size=3, dilation=2), shape)
    x = random(2, *shape)
    assert torch.allclose(torch.jit.trace(module, x)(x), module(x))


def test_gated_positional_attention_starts_as_a_shifted_delta() -> None:
    """With a large strength and the gates closed, head h of 9 is the input shifted by its
    neighbour."""
    shape = Shape(9, 6, 6)
    torch.manual_seed(0)
    mixer = GatedPositionalAttention(heads=9, strength=40.0)
    module: Any = mixer.build(shape)
    rows, columns = module.place_weights(6, 6)
    weights_hNN = rows[:, :, None, :, None] * columns[:, None, :, None]
    x = random(1, *shape).float()
    with torch.no_grad():
        module.gate_h.fill_(40)
        module.proj.weight.copy_(torch.eye(9))
        y = module(x)
    for head, (column, row) in enumerate(itertools.product((-1, 0, 1), repeat=2)):
        for place in itertools.product(range(1, 5), repeat=2):
            found = weights_hNN[head, *place].argmax().item()
            assert divmod(found, 6) == (place[0] + row, place[1] + column)
            assert weights_hNN[head, *place].max() > 0.999
        moved = x[0, head, 1 + row : 5 + row, 1 + column : 5 + column]
        assert torch.allclose(y[0, head, 1:5, 1:5], moved, atol=1e-3)


def test_one_layer_of_attention_with_a_head_for_each_tap_is_any_convolution() -> None:
    """Li et al., Can Vision Transformers Perform Convolution?, 2021, theorem 1, with a head for
    each tap: each head's bias selects one neighbour, its values and projection hold the kernel.
    """
    channels, out, side = 3, 5, 7
    kernel = random(out, channels, 3, 3)
    shape = Shape(channels, side, side)
    mixer = NeighbourhoodMixer(head_dim=channels, heads=9, kernel_size=13)
    everywhere = RelativeAttention(head_dim=channels, heads=9)
    x = random(2, *shape)
    expected = F.conv2d(x, kernel)  # positions with all neighbours
    for each in (mixer, everywhere):
        module = made(each, shape)
        state = module.state_dict()
        for name, value in state.items():
            if "table" in name:
                table = value.view(9, 13 if each is everywhere else 25, -1).fill_(-60)
                centre = table.shape[1] // 2
                for head, (row, column) in enumerate(itertools.product((-1, 0, 1), repeat=2)):
                    table[head, centre - row, centre - column] = 60
            elif name.endswith("qkv.weight"):
                value.zero_()
                value[-27:] = torch.eye(channels, dtype=value.dtype).repeat(9, 1)
            elif name.endswith("bias"):
                value.zero_()
        module.load_state_dict(state)
        weight = kernel.permute(0, 2, 3, 1).reshape(out, 27)
        module.proj = nn.Linear(27, out, bias=False).double()
        module.proj.weight.data = weight
        inner = module(x) if each is mixer else relative(module, x)
        assert torch.allclose(inner[:, :, 1:-1, 1:-1], expected)


def relative(module: Any, x: Tensor) -> Tensor:
    """Return the output of attention whose last map has another number of channels."""
    B, _, H, W = x.shape
    q, k, v = (
        module.qkv(x.flatten(2).transpose(1, 2)).view(B, H * W, 3, 9, 3).permute(2, 0, 3, 1, 4)
    )
    mixed = F.scaled_dot_product_attention(q, k, v, module.place_bias(H, W))
    return module.proj(mixed.transpose(1, 2).flatten(2)).transpose(1, 2).view(B, -1, H, W)


def test_memory_tokens_are_keys_and_values_of_every_query() -> None:
    shape = Shape(8, 3, 4)
    module = made(Attention(head_dim=4, memory=3, qkv_bias=True), shape)
    x = random(2, *shape)
    memory = module.get_parameter("projection.memory_TC")
    tokens = torch.cat((x.flatten(2).transpose(1, 2), memory.expand(2, -1, -1)), 1)
    qkv = [
        each.unflatten(2, (2, 4)).transpose(1, 2)
        for each in module.get_submodule("projection.qkv")(tokens).chunk(3, 2)
    ]
    mixed = F.scaled_dot_product_attention(*qkv)[:, :, :12].transpose(1, 2).flatten(2)
    expected = module.get_submodule("proj")(mixed).transpose(1, 2).view(2, *shape)
    assert torch.allclose(module(x), expected)
    assert memory.shape == (3, 8)


@pytest.mark.parametrize("memory", [0, 2])
def test_memory_is_seen_in_every_window_and_by_every_share_of_the_heads(memory: int) -> None:
    mixer = WindowAttention(
        head_dim=4, window_height=2, window_width=4, shifted=True, turned=True, memory=memory
    )
    shape = Shape(8, 5, 6)
    module = made(mixer, shape)
    x = random(1, *shape)
    before = module(x)
    if memory:
        module.get_parameter("projection.memory_TC").data.add_(1)
        assert ((module(x) - before).abs().amax(1) > 1e-6).all()
    else:
        assert "projection.memory_TC" not in module.state_dict()


def test_rectified_scores_are_not_normalised_but_the_output_is() -> None:
    shape = Shape(8, 3, 3)
    torch.manual_seed(0)
    module = Attention(head_dim=4, normaliser="relu").build(shape).double()
    x = random(1, *shape)
    tokens = x.flatten(2).transpose(1, 2)
    q, k, v = (
        each.unflatten(2, (2, 4)).transpose(1, 2)
        for each in module.get_submodule("projection.qkv")(tokens).chunk(3, 2)
    )
    mixed = F.layer_norm((q @ k.transpose(2, 3) / 2).relu() @ v, (4,))
    expected = module.get_submodule("proj")(mixed.transpose(1, 2).flatten(2))
    assert torch.allclose(module(x), expected.transpose(1, 2).view(1, *shape))


def test_feed_forward_scores_are_a_perceptron_on_the_pair() -> None:
    score: Any = made(Attention(head_dim=4, score="feed_forward"), Shape(8, 3, 3)).get_submodule(
        "score"
    )
    q, k = random(1, 2, 5, 4), random(1, 2, 6, 4)
    pair = torch.cat(
        (
            score.query(q)[:, :, :, None].expand(-1, -1, -1, 6, -1),
            score.key(k)[:, :, None].expand(-1, -1, 5, -1, -1),
        ),
        4,
    )
    expected = score.out(score.second(score.both(pair).relu()).relu())[..., 0]
    assert torch.allclose(score.scores(q, k), expected)


DEVIATIONS = {
    "projection.qkv.weight": 0.02,
    "projection.q.weight": 0.02,
    "proj.weight": 0.02,
    "positions.0.table_hRS": 0.02,
    "position.table_hRS": 0.02,
    "positions.0.layers.2.weight": 0.02,
    "place.weight": 0.02,
    "projection.memory_TC": 0.02,
    "local.weight": 0.02,
}
"""Deviations that the published codes draw initial weights with, unless stated below."""


@pytest.mark.parametrize(
    ("mixer", "others"),
    [
        (WindowAttention(head_dim=4, memory=64, local="map"), {}),
        (GridAttention(head_dim=4, position="dynamic"), {}),
        (NeighbourhoodMixer(head_dim=4), {}),
        (PooledAttention(), {}),
        (PooledAttention(projection="patch"), {"projection.reduce.weight": 0.02}),
        (GatedPositionalAttention(heads=64, local_start=False), {}),
        # HaloNet: one over the root of the inputs; vectors of positions by the channels of a head
        (
            HaloAttention(head_dim=64),
            {
                "projection.qkv.weight": 256**-0.5,
                "proj.weight": 256**-0.5,
                "positions.0.rows_Rd": 1 / 8,
            },
        ),
        # Neural Attention keeps torch's uniform weights: 1 / sqrt(3 x inputs)
        (
            Attention(head_dim=256, score="feed_forward"),
            {"score.query.weight": (3 * 256) ** -0.5, "score.both.weight": (3 * 128) ** -0.5},
        ),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_initial_weights_have_the_published_deviations(
    mixer: Any, others: dict[str, float]
) -> None:
    torch.manual_seed(0)
    state = mixer.build(Shape(256, 16, 16)).state_dict()
    expected = {name: value for name, value in DEVIATIONS.items() if name in state} | others
    assert len(expected) > 1
    for name, value in expected.items():
        spread = 4 / math.sqrt(state[name].numel())
        assert state[name].std().item() == pytest.approx(value, rel=max(0.03, spread)), name


# By hand on 32 channels, 8 x 8 positions, 2 heads of 16: projections 64 * 32 * 128 in all.
LINEAR = 64 * 32 * 4 * 32


@pytest.mark.parametrize(
    ("mixer", "attention", "others"),
    [
        # every position sees 16 keys; 16 + 16 channels in each of 2 heads
        (WindowAttention(window_height=4, window_width=4), 64 * 16 * 2 * 32, LINEAR),
        (GridAttention(grid_size=4), 64 * 16 * 2 * 32, LINEAR),
        # 16 keys; the perceptron's products on 7 x 7 offsets: 2 -> 2 -> 2 -> 2
        (IntervalAttention(interval=2), 64 * 16 * 2 * 32, LINEAR + 49 * 12),
        # one head each: stripes of 8 x 2 with a convolution of 9 taps on 32 channels in all
        (StripeAttention(), 2 * 64 * 16 * 32, LINEAR + 64 * 32 * 9),
        # windows of 10 x 10 keys; products of queries with 2 x 13 vectors of 16 channels
        (HaloAttention(block_size=4), 64 * 100 * 2 * 32, LINEAR + 2 * 64 * 2 * 13 * 16),
        # 9 keys, in einsums
        (NeighbourhoodMixer(kernel_size=3), 0, LINEAR + 64 * 9 * 2 * 32),
        # 16 keys, projected from 16 positions after convolutions at 64, 16 and 16 positions
        (
            PooledAttention(),
            64 * 16 * 2 * 32,
            64 * 32 * 64 + 16 * 32 * 64 + (64 + 16 + 16) * 32 * 9,
        ),
        # 64 keys by content; by position 8 rows, then 8 columns
        (
            GatedPositionalAttention(heads=2),
            64 * 64 * 2 * 32,
            LINEAR + 2 * 64 * 8 * 32,
        ),
        # 3 more keys, which are projected once when the module folds
        (Attention(memory=3), 64 * 67 * 2 * 32, LINEAR),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_multiply_adds_by_hand(mixer: Any, attention: int, others: int) -> None:
    if "head_dim" in mixer.knobs():
        mixer = replace(mixer, head_dim=16)
    parts = PartList.start(Shape(32, 8, 8))
    parts.add("mixer", mixer, IMAGE, width=None)
    found = part_cost(parts.parts[0]).macs_by_kind
    assert found.get("attention", 0) == attention
    assert sum(found.values()) - found.get("attention", 0) == others


def test_a_support_says_what_is_hidden_only_where_something_is() -> None:
    device = torch.device("cpu")
    assert Blocks(4, 4).hidden(8, 8, device) is None
    assert Blocks(4, 4, shifted=True).hidden(4, 4, device) is None
    hidden = Blocks(4, 4, shifted=True).hidden(8, 8, device)
    assert hidden is not None and hidden.shape == (4, 16, 16)
    # the first window is whole; the last has four parts of 2 x 2
    assert not hidden[0].any() and (~hidden[3]).sum() == 4 * 4 * 4
