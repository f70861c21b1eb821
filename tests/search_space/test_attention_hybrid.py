"""Attention with convolutions beside it, with latents, and between the images of a batch."""

import itertools
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.cost import part_cost
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.mixers.conv_attention import ConvAttention
from nas_explorer.search_space.components.mixers.datapoints import DatapointAttention
from nas_explorer.search_space.components.mixers.hybrid import HybridWindowAttention
from nas_explorer.search_space.components.mixers.latents import LatentAttention
from nas_explorer.search_space.components.mixers.windowed import WindowAttention
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.files import read_slot
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

from .tensors import random, seen


def made(mixer: Any, shape: Shape) -> nn.Module:
    """Return a module in double precision whose weights are larger than at the start."""
    torch.manual_seed(4)
    module = mixer.build(shape).double().eval()
    for each in module.parameters():
        each.data.normal_(0, 0.3)
    return module


def macs(mixer: TokenMixer, shape: Shape) -> dict[str, int]:
    parts = PartList.start(shape)
    parts.add("mixer", mixer, IMAGE, width=None)
    return dict(part_cost(parts.parts[0]).macs_by_kind)


def test_hybrid_attention_is_a_window_and_a_hundredth_of_convolutions() -> None:
    shape = Shape(32, 6, 8)
    mixer = HybridWindowAttention(head_dim=16, window_height=4, window_width=4, shifted=True)
    module: Any = made(mixer, shape)
    window = made(
        WindowAttention(head_dim=16, window_height=4, window_width=4, shifted=True), shape
    )
    window.load_state_dict(module.attention.state_dict())
    x = random(2, *shape)
    first, _, last, factor = module.conv
    assert first.out_channels == 10 and factor.squeeze.out_channels == 1
    inner = last(F.gelu(first(x)))
    mean = inner.mean((2, 3), keepdim=True)
    inner = inner * factor.expand(F.relu(factor.squeeze(mean))).sigmoid()
    assert torch.allclose(module(x), window(x) + 0.01 * inner)


def test_hybrid_attention_costs_its_window_and_its_convolutions() -> None:
    shape = Shape(32, 8, 8)
    window = macs(WindowAttention(head_dim=16), shape)
    found = macs(HybridWindowAttention(head_dim=16), shape)
    # 3 x 3 convolutions to 10 channels and back; 32 channels to 1 and back
    assert found["conv"] == 2 * 64 * 9 * 32 * 10 + 2 * 32
    assert {**found, "conv": 0} == {**window, "conv": 0}


def test_an_image_depends_on_the_others_of_its_batch_by_attention_between_datapoints() -> None:
    """The leak that keeps the mixer out of spaces that do not ask for it."""
    shape = Shape(8, 3, 4)
    module = made(DatapointAttention(head_dim=4), shape)
    x = random(3, *shape)
    together = module(x)
    alone = torch.cat([module(each[None]) for each in x])
    assert ((together - alone).flatten(1).abs().amax(1) > 1e-3).all()
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(module(x[order]), together[order])
    # an image alone attends to itself: values and projection, position by position
    weight, bias = (module.get_parameter(f"qkv.{name}")[-8:] for name in ("weight", "bias"))
    values = F.linear(x.permute(0, 2, 3, 1), weight, bias)
    assert torch.allclose(module.get_submodule("proj")(values).permute(0, 3, 1, 2), alone)


def test_attention_between_datapoints_compares_whole_images() -> None:
    shape = Shape(4, 2, 3)
    module: Any = made(DatapointAttention(head_dim=4), shape)
    x = random(3, *shape)
    q, k, v = module.qkv(x.flatten(2).transpose(1, 2)).chunk(3, 2)
    scores = torch.einsum("anc,bnc->ab", q, k) / (6 * 4) ** 0.5
    mixed = torch.einsum("ab,bnc->anc", scores.softmax(1), v)
    assert torch.allclose(module(x), module.proj(mixed).transpose(1, 2).view(3, *shape))


def test_attention_between_datapoints_must_be_named() -> None:
    offered = {option.cls for option in read_slot(TokenMixer, "any", "mixer").options}
    assert DatapointAttention not in offered and WindowAttention in offered
    (named,) = read_slot(TokenMixer, "datapoint_attention", "mixer").options
    assert named.cls is DatapointAttention and not DatapointAttention.exportable()


@pytest.mark.parametrize("inside", [True, False])
def test_latents_reach_every_place_and_padding_takes_no_part(inside: bool) -> None:
    mixer = LatentAttention(head_dim=4, block_size=4, inside=inside)
    shape = Shape(8, 6, 7)
    module = made(mixer, shape)
    assert seen(module, shape, 0, 5, 2).any(0).all()
    x = random(1, *shape)
    y = module(x)
    blocks = list(itertools.product((slice(0, 4), slice(4, 6)), (slice(0, 4), slice(4, 7))))
    expected = by_hand(module, [x[0, :, *block] for block in blocks])
    for block, each in zip(blocks, expected, strict=True):
        assert torch.allclose(y[0, :, *block], each)


def by_hand(module: Any, maps: list[Tensor]) -> list[Tensor]:
    """Return the changes of the blocks of a map by the layers, without padding."""
    tokens = [each.flatten(1).T[None] for each in maps]
    own = [each + module.inside(each, each) if module.inside else each for each in tokens]
    start = module.latents_LC[None]
    latents = torch.cat([start + module.read(start, each) for each in own], 1)
    for layer in module.between:
        latents = latents + layer(latents, latents)
    written = [
        each + module.write(each, part)
        for each, part in zip(own, latents.chunk(len(own), 1), strict=True)
    ]
    return [
        (after - before)[0].T.view(like.shape)
        for after, before, like in zip(written, tokens, maps, strict=True)
    ]


def test_with_blocks_of_a_third_root_operations_grow_by_four_thirds() -> None:
    """Chen and Li, FIT, 2023: 64 times the places take 64^(4/3) = 256 times the operations."""
    found: list[int] = []
    for side, block in ((8, 2), (64, 4), (512, 8)):
        mixer = LatentAttention(head_dim=4, block_size=block, latents=2)
        places = side**2
        counted = macs(mixer, Shape(4, side, side))["attention"]
        found.append(counted - 2 * places * 2 * 8)  # reading and writing are linear
        groups = places // block**2
        assert found[-1] == (places * block**2 + (2 * groups) ** 2) * 8
    assert found[1] == 256 * found[0] and found[2] == 256 * found[1]


@pytest.mark.parametrize(("dilation", "depthwise"), [(1, False), (2, True)])
def test_attention_in_the_window_of_a_convolution_is_the_formula(
    dilation: int, depthwise: bool
) -> None:
    shape = Shape(4, 5, 6)
    mixer = ConvAttention(heads=2, dilation=dilation, depthwise=depthwise)
    module: Any = made(mixer, shape)
    x = random(2, *shape)
    q, k, v = module.qkv(x).chunk(3, 1)
    keys, values = (
        F.unfold(each, 3, dilation=dilation, padding=dilation).view(2, 2, 2, 9, 5, 6)
        for each in (k, v)
    )
    scores = (q.view(2, 2, 2, 1, 5, 6) * keys).sum(2) / 2**0.5
    mixed = (scores.softmax(2)[:, :, None] * values).sum(3).view(2, *shape)
    assert torch.allclose(module(x), module.conv(x + mixed).relu())
    traced = torch.jit.trace(module, (x,))
    assert torch.allclose(module(x), traced(x))  # pyright: ignore[reportCallIssue]


def test_attention_in_the_window_of_a_convolution_costs_both() -> None:
    found = macs(ConvAttention(), Shape(32, 8, 8))
    # queries, keys and values, and 9 taps of a dense kernel; 9 products with keys and with values
    assert found["conv"] == 64 * 32 * 96 + 64 * 9 * 32 * 32
    assert found["matmul"] == 2 * 64 * 9 * 32
