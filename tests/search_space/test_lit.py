"""LIT: perceptrons in early stages, attention with learned relative biases in later ones."""

from dataclasses import replace
from itertools import product

import torch
import yaml
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.blocks import ChannelBlock, MetaFormerBlock
from nas_explorer.search_space.components.mixers.attention import (
    RelativeAttention,
    RelativeSelfAttention,
)
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import zoo_entry

SHAPE = Shape(8, 3, 4)

# The space chooses the stages with attention; LIT is one of the sixteen choices.
SPACE = """
input: {channels: 3, resolution: 224, classes: 1000}
stem: {patch: {patch_size: 4, norm: &norm {layer_norm: {eps: 0.00001}}}}
every_stage:
  downsampling: deformable
  block:
    channel: {norm: *norm}
    metaformer:
      mixer: {relative_attention: {head_dim: 32}}
      norm: *norm
stages:
  - {width: 96, depth: 2}
  - {width: 192, depth: 2}
  - {width: 384, depth: [6, 18]}
  - {width: 768, depth: 2}
head: {pooled: {norm: *norm, norm_first: true}}
"""


def test_the_assignment_of_mixers_to_stages_is_one_of_a_space() -> None:
    space = space_from_data(yaml.safe_load(SPACE))
    assert space.walks == 2**4 * 2
    small = zoo_entry("LIT-S").architecture
    assert space.contains(small) and space.contains(zoo_entry("LIT-M").architecture)
    early, _, late, _ = small.stages
    assert isinstance(early.blocks[0], ChannelBlock)
    assert isinstance(late.blocks[0], MetaFormerBlock)
    swapped = replace(late, blocks=early.blocks), replace(early, blocks=late.blocks)
    stages = (swapped[1], small.stages[1], swapped[0], small.stages[3])
    assert space.contains(replace(small, stages=stages))
    assert not space.contains(zoo_entry("LIT-B").architecture)


def test_a_block_without_a_token_mixer_sees_its_own_place() -> None:
    parts = PartList.start(SHAPE)
    ChannelBlock().wire(parts, IMAGE)
    assert [part.name for part in parts.parts] == ["norm", "channel_mixer", "residual.add"]
    norm, mixer = (part.build() for part in parts.parts[:2])
    x = torch.randn(1, *SHAPE, requires_grad=True)
    (x + mixer(norm(x)))[0, :, 1, 2].sum().backward()
    assert x.grad is not None
    assert x.grad[0].abs().amax(0).nonzero().tolist() == [[1, 2]]


def test_attention_adds_a_bias_for_each_head_and_offset() -> None:
    torch.manual_seed(1)
    module = RelativeAttention(head_dim=4, qkv_bias=True).build(SHAPE)
    assert isinstance(module, RelativeSelfAttention)
    torch.nn.init.normal_(module.table_hR)
    table = module.table_hR.view(2, 5, 7)  # rows from -2 to 2, columns from -3 to 3
    x = torch.randn(1, *SHAPE)
    tokens = x[0].flatten(1).T
    query, key, value = module.qkv(tokens).view(12, 3, 2, 4).unbind(1)
    mixed = torch.zeros(12, 2, 4)
    for head, place in product(range(2), range(12)):
        scores = key[:, head] @ query[place, head] / 2
        bias = [
            table[head, place // 4 - other // 4 + 2, place % 4 - other % 4 + 3]
            for other in range(12)
        ]
        mixed[place, head] = (scores + torch.stack(bias)).softmax(0) @ value[:, head]
    expected = module.proj(mixed.flatten(1)).T.view(1, *SHAPE)
    assert torch.allclose(module(x), expected, atol=1e-5)


def test_biases_are_weights_and_cost_no_multiply_adds() -> None:
    cost = count_module(RelativeAttention(head_dim=4).build(SHAPE), SHAPE)
    assert cost.params == 4 * 64 + 4 * 8 + 2 * 5 * 7
    assert cost.macs == 12 * 4 * 64 + 2 * 12 * 12 * 8


def test_networks_have_the_weights_of_the_reference_code() -> None:
    """Counts of the reference code's modules; the paper's table prints 27, 48 and 86 million."""
    counts = {"LIT-S": 27973720, "LIT-M": 49372264, "LIT-B": 87292384}
    for name, count in counts.items():
        with torch.device("meta"):
            network = zoo_entry(name).architecture.build()
        assert sum(each.numel() for each in network.parameters()) == count
