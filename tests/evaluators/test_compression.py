"""Smaller networks from trained ones: transport by hand, channels that belong together, pruning."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.evaluators.compression import correspond
from nas_explorer.evaluators.compression.correspond import NotInterchangeableError, matched
from nas_explorer.evaluators.compression.depth import (
    BlockCost,
    best_removals,
    leave_out,
)
from nas_explorer.evaluators.compression.fuse import fused, groups_of, readers_of
from nas_explorer.evaluators.compression.knobs import knobs_of, resized
from nas_explorer.evaluators.compression.prune import prune
from nas_explorer.evaluators.compression.result import Compressed, Unreachable
from nas_explorer.evaluators.compression.trained import TrainedNetworks
from nas_explorer.evaluators.compression.transport import (
    chosen,
    distances,
    read_instead,
    transport_plan,
)
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import Component
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.glu import Glu
from nas_explorer.search_space.components.channel_mixers.mlp import Mlp
from nas_explorer.search_space.components.downsampling import PoolDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.parts import Part
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.shapes import Shape


class TestTransport:
    def test_a_left_out_channel_fills_what_the_kept_ones_have_left(self) -> None:
        # Shares 1/4, 1/4, 1/2; of the kept ones 1/3 and 2/3, so 1/12 and 1/6 are left.
        plan = transport_plan(np.ones((3, 3)), np.array([1.0, 1.0, 2.0]), np.array([0, 2]))
        assert plan == pytest.approx(np.array([[1 / 4, 0], [1 / 12, 1 / 6], [0, 1 / 2]]))

    def test_the_plan_is_the_cheapest_one_not_the_nearest(self) -> None:
        # Both left-out channels are nearest to the first kept one: 0.1 + 0.9 against 0.2 + 0.1.
        costs = np.zeros((4, 4))
        costs[2, :2], costs[3, :2] = (0.1, 0.2), (0.1, 0.9)
        plan = transport_plan(costs, np.ones(4), np.array([0, 1]))
        assert plan[2:] == pytest.approx(np.array([[0, 1 / 4], [1 / 4, 0]]))

    def test_distances_are_sines(self) -> None:
        moments = np.array([[1.0, 3.0, 1.0], [3.0, 9.0, 3.0], [1.0, 3.0, 4.0]])
        assert distances(moments)[0] == pytest.approx([0, 0, np.sqrt(3) / 2])

    def test_what_reads_a_multiple_reads_the_channel_that_often(self) -> None:
        moments = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0], [3.0, 0.0, 9.0]])
        plan = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        found = read_instead(moments, plan, np.array([0, 1]))
        assert found == pytest.approx(np.array([[1, 0, 3], [0, 1, 0]]), abs=1e-3)
        assert chosen(3, np.array([0, 1])).tolist() == [[1, 0, 0], [0, 1, 0]]


def part(component: Component, channels: int) -> Part:
    shape = Shape(channels, 4, 4)
    return Part(
        name="mixer",
        component=component.canonical(shape),
        inputs=("stem",),
        in_shapes=(shape,),
        width=None,
        out_shape=shape,
    )


class TestCorrespondence:
    def test_heads_stay_together(self) -> None:
        attention = MIXERS["attention"](head_dim=4)
        found = matched(part(attention, 16), part(attention, 8), [True], True)
        members = {(name, axis) for each in found.stream.bound for name, axis in each.axes.members}
        assert members == {("qkv.weight", 1), ("proj.weight", 0)}
        assert [(each.size, each.new, each.span) for each in found.inner] == [(16, 8, 4)]
        assert sorted(each.copies for each in found.inner[0].bound) == [1, 3]

    def test_gate_and_value_are_one_group(self) -> None:
        found = matched(part(Glu(ratio=3.0), 8), part(Glu(ratio=1.5), 8), [False], False)
        (hidden,) = found.inner
        assert (hidden.size, hidden.new) == (16, 8)
        assert {(each.copies, each.axes.reads) for each in hidden.bound} == {(2, False), (1, True)}

    def test_channels_with_roles_of_their_own_are_recognised(self) -> None:
        mixer = MIXERS["inception_conv"]()
        with pytest.raises(NotInterchangeableError, match="not interchangeable"):
            matched(part(mixer, 16), part(mixer, 8), [True], True)


def network_of(*mixers: Component, width: int = 16, **changes: Any) -> Architecture:
    block = MetaFormerBlock(mixer=mixers[0], channel_mixer=Mlp(ratio=2.0))
    first = Stage(width=8, depth=1, blocks=(block,))
    other = replace(block, mixer=mixers[-1])
    second = Stage(width=width, depth=2, blocks=(other,), downsampling=PoolDownsampling())
    return Architecture(
        input=Shape(1, 8, 8),
        classes=10,
        stem=ConvStem(kernel_size=3, stride=2),
        stages=(first, second),
        head=PooledHead(),
        **changes,
    ).canonical


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return load_search_data(DataSpec(name="digits"))


@pytest.fixture(scope="module")
def trained(digits: SearchData) -> TrainedNetworks:
    return TrainedNetworks(digits, Recipe())


def built(architecture: Architecture, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return Network(architecture).eval()


def test_equal_channels_become_one_without_a_change() -> None:
    architecture = network_of(MIXERS["identity"]())
    knob = next(each for each in knobs_of(architecture) if not each.is_width)
    network = built(architecture)
    fc1, fc2 = (network.get_submodule(f"{knob.name}.{name}") for name in ("fc1", "fc2"))
    with torch.no_grad():  # channels 8 to 15 are the first eight again
        for each in fc1.parameters():
            each[8:] = each[:8]
    smaller = resized(architecture, knob, 8)
    (group,) = groups = groups_of(architecture, smaller, ())
    relevance = {name: torch.ones_like(each) for name, each in network.named_parameters()}
    relevance[f"{knob.name}.fc1.weight"][8:] = 0
    values = torch.randn(64, 8) @ torch.randn(8, 16)
    values[:, 8:] = values[:, :8]
    moments = {f"{knob.name}.fc2": (values.T @ values).double().numpy()}
    assert readers_of(groups) == {*moments} and group.size == 16
    images = torch.randn(3, 1, 8, 8)
    made = fused(network, smaller, groups, relevance, moments)
    assert torch.allclose(made.eval()(images), network(images), atol=1e-4)
    dropped = fused(network, smaller, groups, relevance, moments, transport=False)
    weight = dropped.get_parameter(f"{knob.name}.fc2.weight")
    assert torch.equal(weight, fc2.get_parameter("weight")[:, :8])


def outputs(network: Network, digits: SearchData) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(digits.validation_images[:200].float() / 8)


def test_pruning_keeps_the_bound_and_fusion_starts_closer(
    digits: SearchData, trained: TrainedNetworks
) -> None:
    architecture = network_of(MIXERS["separable_conv"](), MIXERS["attention"](head_dim=4))
    bound = 0.6 * architecture_cost(architecture).macs
    network = built(architecture)

    def holds(smaller: Architecture) -> bool:
        return architecture_cost(smaller).macs <= bound

    far: list[float] = []
    for transport in (True, False):
        found = prune(network, trained, holds, transport=transport)
        assert isinstance(found, Compressed) and not found.kept
        made = found.network.architecture
        assert holds(made)
        assert Architecture.from_json(made.to_json()).digest == made.digest
        difference = outputs(found.network, digits) - outputs(network, digits)
        far.append(float(difference.square().mean()))
    assert far[0] < far[1]


def test_a_width_that_cannot_be_reduced_is_kept_and_named(trained: TrainedNetworks) -> None:
    architecture = network_of(MIXERS["separable_conv"](), MIXERS["inception_conv"]())
    found = prune(built(architecture), trained, lambda each: architecture_cost(each).macs <= 4e4)
    assert isinstance(found, Compressed)
    assert [stage.width for stage in found.network.architecture.stages][1] == 16
    assert "inception_conv (stages.1.blocks.0.mixer)" in found.kept["stages.1 width"]


def test_bounds_out_of_reach_give_the_smallest_network(trained: TrainedNetworks) -> None:
    network = built(network_of(MIXERS["pooling"]()))
    found = prune(network, trained, lambda each: False, by=("params",))
    assert isinstance(found, Unreachable)
    assert [stage.width for stage in found.architecture.stages] == [2, 4]


def test_the_best_blocks_to_leave_out_by_hand() -> None:
    blocks = [
        BlockCost(place=(0, 0), loss=1.0, saves=(4.0,)),
        BlockCost(place=(0, 1), loss=0.5, saves=(1.0,)),
        BlockCost(place=(1, 0), loss=0.9, saves=(3.0,)),
        BlockCost(place=(1, 1), loss=0.2, saves=(1.0,)),
        BlockCost(place=(1, 2), loss=2.0, saves=(2.0,)),
    ]
    found = best_removals(blocks)
    # One block of each stage stays. Blocks 0 and 1 of stage 1 save 4 for 1.1: block 0 of stage 0
    # saves as much for 1.0.
    assert [(round(each.loss, 6), each.saves[0]) for each in found] == [
        (0.0, 0.0),
        (0.2, 1.0),
        (0.7, 2.0),
        (0.9, 3.0),
        (1.0, 4.0),
        (1.2, 5.0),
        (1.9, 7.0),
        (2.1, 8.0),
        (3.9, 9.0),
    ]
    assert next(each for each in found if each.saves[0] >= 5).places == {(0, 0), (1, 1)}


def test_the_block_that_does_nothing_is_left_out(
    digits: SearchData, trained: TrainedNetworks
) -> None:
    network = built(network_of(MIXERS["separable_conv"]()))
    blocks = "stages.1.blocks.0"
    with torch.no_grad():
        for name, each in network.named_parameters():
            if name.startswith(blocks) and ".norm" not in name:
                each.zero_()
    cost = architecture_cost(network.architecture).macs
    found = leave_out(network, trained, lambda e: architecture_cost(e).macs < cost, by=("macs",))
    assert isinstance(found, Compressed)
    assert [stage.depth for stage in found.network.architecture.stages] == [1, 1]
    # Another block may be left out if that lowers the loss even more.
    assert trained.score(found.network)[0] <= trained.score(network)[0] + 1e-4
    again = leave_out(found.network, trained, lambda e: False, by=("macs",))
    assert isinstance(again, Unreachable) and again.reason == "each stage has one block"


def test_a_last_batch_of_one_image_is_left_out_of_statistics(
    digits: SearchData, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = TrainedNetworks(digits, Recipe())
    batches = (torch.arange(8), torch.tensor([8]))
    monkeypatch.setattr(few, "_batches", batches)
    network = built(network_of(MIXERS["identity"]()))
    norm = torch.nn.BatchNorm2d(1)
    network.stem = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), norm)
    network.forward = network.stem.forward
    few.renormalise(network)
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize(("size", "span"), [(2, 1), (3, 1), (4, 1), (6, 1), (8, 2)])
def test_the_orders_tried_make_every_order_of_spans(size: int, span: int) -> None:
    moves = correspond._orders(size, span)  # pyright: ignore[reportPrivateUsage]
    reached, ends = {tuple(range(size))}, [tuple(range(size))]
    while ends:
        order = torch.tensor(ends.pop())
        for each in moves:
            new = tuple(order[each].tolist())
            if new not in reached:
                reached.add(new)
                ends.append(new)
    assert len(reached) == math.factorial(size // span)
