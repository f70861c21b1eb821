"""Properties of attention in less than quadratic time: crosses, landmarks, slots, channels."""

import itertools
import math
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.cost import part_cost
from nas_explorer.search_space.components.mixers.aggregated import AggregatedAttention
from nas_explorer.search_space.components.mixers.context_sharing import ContextSharing
from nas_explorer.search_space.components.mixers.criss_cross import CrissCrossAttention
from nas_explorer.search_space.components.mixers.slots import SlotAttention
from nas_explorer.search_space.components.mixers.softmax_free import (
    SoftmaxFreeAttention,
    gaussian,
    newton_inverse,
)
from nas_explorer.search_space.components.mixers.transposed import TransposedAttention
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.shapes import Shape
from timm.models import edgenext
from torch import nn

from .tensors import random, seen


def made(mixer: Any, shape: Shape) -> nn.Module:
    """Return a module in double precision whose weights are larger than at the start."""
    torch.manual_seed(4)
    module = mixer.build(shape).double().eval()
    for each in module.parameters():
        each.data.normal_(0, 0.3)
    return module


def macs(mixer: Any, shape: Shape) -> int:
    parts = PartList.start(shape)
    parts.add("mixer", mixer, IMAGE, width=None)
    return part_cost(parts.parts[0]).macs


@pytest.mark.parametrize("recurrences", [1, 2])
def test_two_recurrences_of_crosses_reach_every_place(recurrences: int) -> None:
    shape = Shape(8, 6, 7)
    mixer = CrissCrossAttention(recurrences=recurrences)
    found = seen(made(mixer, shape), shape, 0, 2, 4).any(0)
    cross = {(row, column) for row in range(6) for column in range(7) if row == 2 or column == 4}
    places = {(int(row), int(column)) for row, column in found.nonzero()}
    assert places == (cross if recurrences == 1 else set(itertools.product(range(6), range(7))))


def test_a_place_counts_once_in_its_cross() -> None:
    shape = Shape(8, 3, 4)
    module: Any = made(CrissCrossAttention(recurrences=1), shape)
    x = random(1, *shape)
    q, k, v = (each(x)[0] for each in (module.query, module.key, module.value))
    for row, column in itertools.product(range(3), range(4)):
        places = [(other, column) for other in range(3) if other != row]
        places += [(row, other) for other in range(4)]
        scores = torch.stack([q[:, row, column] @ k[:, y, x_] for y, x_ in places])
        values = torch.stack([v[:, y, x_] for y, x_ in places])
        assert torch.allclose(
            module.attend(x)[0, :, row, column], scores.softmax(0) @ values, atol=1e-9
        )


def test_two_recurrences_take_85_percent_less_than_attention_between_all_places() -> None:
    """Huang et al., CCNet, 2019, table 4: 16.5 against 108 billion operations (2 x MACs), on a map
    of 512 x 97 x 97 with 64 channels of queries and keys."""
    shape = Shape(512, 97, 97)
    counted = macs(CrissCrossAttention(), shape)
    linear, places = 512 * (64 + 64 + 512), 97 * 97
    assert counted == 2 * places * (linear + (97 + 97) * (64 + 512))
    whole = places * (linear + places * (64 + 512))
    assert 2 * counted / 1e9 == pytest.approx(16.5, abs=0.05)
    assert 2 * whole / 1e9 == pytest.approx(108, abs=0.2)
    assert 1 - counted / whole == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize("landmarks", [4, 49])
def test_newtons_inverse_is_the_inverse_and_so_is_its_gradient(landmarks: int) -> None:
    points = random(2, 3, landmarks, 8)
    matrix = gaussian(points, points).requires_grad_()
    weights = random(2, 3, landmarks, landmarks)
    ridge = 0.01 * torch.eye(landmarks, dtype=torch.float64)
    results: list[tuple[torch.Tensor, torch.Tensor]] = []
    for found in (newton_inverse(matrix, 32), torch.linalg.pinv(matrix + ridge)):
        (gradient,) = torch.autograd.grad((found * weights).sum(), matrix)
        results.append((found.detach(), gradient))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-7)


def test_with_a_landmark_for_each_place_softmax_free_attention_is_the_gaussian_kernel() -> None:
    """K (K + r I)^-1 K of the same points is K as the ridge r vanishes; here within it."""
    points = 3 * random(1, 6, 4)
    kernel = gaussian(points, points)
    assert torch.allclose(kernel.diagonal(dim1=1, dim2=2), torch.ones(1, 6, dtype=torch.float64))
    low_rank = kernel @ newton_inverse(kernel, 32) @ kernel
    assert torch.allclose(low_rank, kernel, atol=0.02)


# By hand on 32 channels and 8 x 8 positions.
@pytest.mark.parametrize(
    ("mixer", "expected"),
    [
        # maps to 4, 4 and 32 channels; crosses of 16 positions with 4 + 32 channels; twice
        (CrissCrossAttention(), 2 * (64 * 32 * 40 + 64 * 16 * 36)),
        # three linear maps; 4 landmarks: their kernel and two products per step for 3 steps, the
        # last not differently; kernels to them, two products with values; kernel of 9 per head
        (
            SoftmaxFreeAttention(head_dim=16, regions=2, steps=3),
            64 * 32 * 96
            + 2 * (4 * 4 * 16 + 3 * 2 * 4**3 + 64 * 4 * 16 + 64 * 4 * 16 + 4 * 4 * 16 + 64 * 4 * 16)
            + 64 * 32 * 9,
        ),
        # queries, keys, values, a 1x1 convolution and the projection; 4 pooled keys and values; 9
        # and 4 keys, 9 of them with tokens too; a perceptron on the 12 x 12 offsets that occur
        (
            AggregatedAttention(pool_ratio=4),
            64 * 32 * 160 + 4 * 32 * 64 + 64 * 32 * (3 * 9 + 2 * 4) + 144 * 512 * 2,
        ),
        # a score, the mean, and a perceptron with 64 hidden channels
        (ContextSharing(ratio=2), 64 * 32 + 64 * 32 + 2 * 32 * 64),
        # half of the channels convolved; queries, keys, values and projection; 4 heads of 8 x 8
        (TransposedAttention(), 64 * 16 * 9 + 64 * 32 * 128 + 2 * 4 * 8 * 8 * 64),
        # 4 slots: cosines, two softmaxes' products, attention of slots with its maps; convolutions
        (
            SlotAttention(head_dim=16, regions=2, kernel_size=3),
            3 * 64 * 4 * 32 + 4 * 32 * 128 + 4 * 4 * 2 * 32 + 64 * 32 * 64 + 64 * 32 * 9,
        ),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_multiply_adds_by_hand(mixer: Any, expected: int) -> None:
    assert macs(mixer, Shape(32, 8, 8)) == expected


@pytest.mark.parametrize(("scales", "placed"), [(2, False), (3, True), (4, False)])
def test_transposed_attention_is_that_of_timm(scales: int, placed: bool) -> None:
    torch.manual_seed(0)
    theirs: Any = edgenext.SplitTransposeBlock(
        32, scales, num_heads=4, use_pos_emb=placed, ls_init_value=1.0
    )
    theirs.norm, theirs.mlp, theirs.gamma = nn.Identity(), nn.Identity(), None
    state = {
        name: each for name, each in theirs.state_dict().items() if not name.startswith("norm.")
    }
    names = {
        "pos_embd.token_projection": "place",
        "norm_xca": "norm",
        "xca.temperature": "attention.temperature_h11",
        "xca": "attention",
        "gamma_xca": "scale_C11",
    }
    weights: dict[str, torch.Tensor] = {}
    for name, each in state.items():
        start = next((old for old in names if name.startswith(old)), "")
        weights[name.replace(start, names[start]) if start else name] = each
    weights["scale_C11"] = weights["scale_C11"][:, None, None]
    shape = Shape(32, 6, 5)
    ours = TransposedAttention(scales=scales, placed=placed).build(shape)
    ours.load_state_dict(weights)
    results: list[tuple[torch.Tensor, torch.Tensor]] = []
    for each in (ours, lambda x: theirs(x) - x):
        x = random(2, *shape).float().requires_grad_()
        y = each(x)
        y.square().sum().backward()
        assert x.grad is not None
        results.append((y, x.grad))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-4 * float(other.detach().abs().max()))


def test_channels_attend_to_channels_wherever_the_places_are() -> None:
    shape = Shape(8, 4, 4)
    module: Any = made(TransposedAttention(), shape).get_submodule("attention")
    x = random(1, *shape)
    order = torch.randperm(16)
    turned = x.flatten(2)[:, :, order].view_as(x)
    assert torch.allclose(module(turned), module(x).flatten(2)[:, :, order].view_as(x))


def test_a_shared_context_is_one_vector_for_all_places_and_starts_at_zero() -> None:
    shape = Shape(8, 4, 3)
    x = random(2, *shape)
    fresh = ContextSharing().build(shape).double()
    assert torch.equal(fresh(x), x)
    module = made(ContextSharing(ratio=2), shape)
    shared = module(x) - x
    assert torch.allclose(shared, shared[:, :, :1, :1].expand_as(shared))
    alone = ContextSharing(ratio=2, shortcut=False).build(shape).double()
    alone.load_state_dict(module.state_dict())
    assert torch.allclose(alone(x), shared)


def test_slots_send_back_what_they_gather_by_the_same_cosines() -> None:
    shape = Shape(8, 4, 4)
    module: Any = made(SlotAttention(head_dim=4, regions=2, kernel_size=3), shape)
    for each in module.conv.parameters():
        each.data.zero_()
    x = random(1, *shape)
    tokens = x.flatten(2).transpose(1, 2)[0]
    starts = torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(2).transpose(1, 2)[0]
    logits = module.scale * torch.nn.functional.cosine_similarity(starts[:, None], tokens, dim=2)
    slots = logits.softmax(1) @ tokens
    q, k, v = module.qkv(slots).unflatten(1, (3, 2, 4)).permute(1, 2, 0, 3)
    mixed = ((q @ k.transpose(1, 2) / 2).softmax(2) @ v).transpose(0, 1).flatten(1)
    expected = logits.softmax(0).T @ module.proj(mixed)
    assert torch.allclose(module(x)[0].flatten(1).T, expected)


def test_aggregated_attention_is_one_softmax_over_a_window_and_pooled_places() -> None:
    shape = Shape(16, 4, 4)
    module: Any = made(AggregatedAttention(pool_ratio=2), shape)
    module.tokens_hdkl.data.zero_()
    module.bias_hkl.data.zero_()
    x = random(1, *shape)
    y = module.proj.weight.new_zeros(4, 4, 16)
    unit = nn.functional.normalize
    tokens = x[0].permute(1, 2, 0)
    query = unit(module.q(tokens), dim=2) + module.query_hd[0]
    k, v = module.kv(tokens).chunk(2, 2)
    far_k, far_v, sides = module.pooled(x)
    bias = module.position((4, 4), sides)[0]
    assert sides == (2, 2)
    for row, column in itertools.product(range(4), range(4)):
        near = [
            (row + down, column + across)
            for down, across in itertools.product((-1, 0, 1), repeat=2)
            if 0 <= row + down < 4 and 0 <= column + across < 4
        ]
        scale = nn.functional.softplus(module.temperature_h1[0]) * math.log(len(near) + 4)
        of_window = [
            scale * (query[row, column] @ unit(k[place], dim=0))
            + module.window_hkl[0, place[0] - row + 1, place[1] - column + 1]
            for place in near
        ]
        of_map = scale * (far_k[0, :, 0] @ query[row, column]) + bias[row, column].flatten()
        weights = torch.cat((torch.cat(of_window), of_map)).softmax(0)
        values = torch.cat((torch.stack([v[place] for place in near]), far_v[0, :, 0]))
        y[row, column] = weights @ values
    assert torch.allclose(module(x)[0].permute(1, 2, 0), module.proj(y))


def test_the_pooled_bias_depends_on_the_offset_alone() -> None:
    module: Any = made(AggregatedAttention(pool_ratio=2), Shape(16, 6, 6))
    bias = module.position((6, 6), (3, 3))[0]
    assert torch.allclose(bias[1, 1, 0, 0], bias[3, 5, 1, 2])
    assert not torch.allclose(bias[1, 1, 0, 0], bias[3, 5, 1, 1])
