"""Stages whose blocks share parameters: the value, the module and its costs."""

import copy
import json
import pickle
from dataclasses import replace
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.cost import additive_costs, architecture_cost, costs_of
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.components.downsampling import ConvDownsampling, NoDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.learnable_spacing import LearnableSpacingConv
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.components.parts import lenders
from nas_explorer.search_space.components.sharing import distinct
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from torch import nn

from .spaces import small_space

MIXER = LearnableSpacingConv(kernel_count=3, dilated_size=5)
BLOCK = MetaFormerBlock(mixer=MIXER, channel_mixer=NoChannelMixer(), norm=NoNorm())
WIDER = replace(BLOCK, mixer=replace(MIXER, dilated_size=7))
SPACE = """
name: positions
input: {channels: 3, resolution: 12, classes: 2}
stem: {patch: {patch_size: 2, norm: none}}
head: {pooled: {norm: none}}
stages:
  - width: 4
    depth: [2, 3]
    block:
      metaformer:
        mixer: {learnable_spacing_conv: {kernel_count: 3, dilated_size: 5}}
        channel_mixer: none
        norm: none
"""
POSITIONS = 2 * 3  # of each channel: rows and columns of three weights


def network(*stages: Stage) -> Architecture:
    return Architecture(
        input=Shape(3, 12, 12),
        classes=2,
        stem=PatchStem(patch_size=2, norm=NoNorm()),
        stages=stages,
        head=PooledHead(norm=NoNorm()),
    )


def stage(depth: int = 3, *blocks: MetaFormerBlock, **more: Any) -> Stage:
    values = {"width": 4, "depth": depth, "blocks": blocks or (BLOCK,), "tied": True, **more}
    return Stage(**values)


OWN = network(stage(tied=False), stage(2, width=8, downsampling=ConvDownsampling(), tied=False))
TIED = replace(OWN, stages=tuple(replace(each, tied=True) for each in OWN.stages))


def positions(built: nn.Module) -> list[torch.Tensor]:
    return [each for name, each in built.state_dict().items() if name.endswith("position_2CK")]


def test_each_stage_has_one_set_of_positions() -> None:
    assert lenders(TIED.parts()) == {
        "stages.0.blocks.1.mixer": "stages.0.blocks.0.mixer",
        "stages.0.blocks.2.mixer": "stages.0.blocks.0.mixer",
        "stages.1.blocks.1.mixer": "stages.1.blocks.0.mixer",
    }
    assert lenders(OWN.parts()) == {}
    assert [len(distinct(positions(each.build()))) for each in (TIED, OWN)] == [2, 5]
    assert TIED.build().state_dict().keys() == OWN.build().state_dict().keys()


def test_costs_count_shared_positions_once_and_all_operations() -> None:
    built, cost, own = TIED.build(), architecture_cost(TIED), architecture_cost(OWN)
    assert own.params - cost.params == POSITIONS * (2 * 4 + 1 * 8)
    assert own.param_bytes - cost.param_bytes == 4 * (own.params - cost.params)
    rest = {"params": 0, "param_bytes": 0, "training_params": 0}
    assert replace(cost, **rest) == replace(own, **rest)
    counted = count_module(built, TIED.input)
    assert cost.params == counted.params == sum(each.numel() for each in built.parameters())
    assert (cost.param_bytes, cost.macs) == (counted.param_bytes, counted.macs)
    assert costs_of([OWN, TIED])["params"].tolist() == [own.params, cost.params]
    graph = TIED.graph(additive_costs)
    assert sum(each for _, each in graph.nodes(data="params")) == cost.params  # pyright: ignore
    tied = graph.nodes["stages.0.blocks.1.mixer"]
    assert (tied["kind"], tied["operation"]) == ("token mixer", "learnable_spacing_conv")
    assert tied["label"].endswith("tied") and tied["params"] == 4 * (3 + 1)  # weights and bias


def test_all_blocks_give_the_shared_tensor_a_gradient() -> None:
    """The gradient is the sum of those of untied parameters."""
    torch.manual_seed(0)
    tied, own = TIED.build().double(), OWN.build().double()
    own.load_state_dict(tied.state_dict())
    x = torch.randn(2, *TIED.input, dtype=torch.float64)
    assert torch.equal(tied(x), own(x))
    for each in (tied, own):
        each(x).square().sum().backward()
    name = "stages.0.blocks.{}.mixer.position_2CK"
    gradients = [own.get_parameter(name.format(block)).grad for block in range(3)]
    assert all(each is not None and each.abs().max() > 0 for each in gradients)
    shared = tied.get_parameter(name.format(2)).grad
    assert shared is not None
    assert torch.allclose(shared, torch.stack(gradients).sum(0))  # type: ignore[arg-type]


def test_it_stays_shared() -> None:
    """Ties also survive if torch makes new parameters, module by module."""
    with torch.device("meta"):
        outline = TIED.build()
    assert len(distinct(positions(outline))) == 2
    built = TIED.build()
    assigned = TIED.build()
    copies = {name: each.clone() for name, each in built.state_dict().items()}
    assigned.load_state_dict(copies, assign=True)
    for each in (
        outline.to_empty(device="cpu"),
        assigned,
        built.folded(),
        copy.deepcopy(built),
        pickle.loads(pickle.dumps(built)),
        built.double(),
    ):
        assert isinstance(each, Network) and len(distinct(positions(each))) == 2
        assert sum(p.numel() for p in each.parameters()) == architecture_cost(TIED).params


def test_it_is_a_value() -> None:
    data = json.loads(json.dumps(TIED.to_json()))
    assert [each["tied"] for each in data["stages"]] == [True, True]
    again = Architecture.from_json(data)
    assert again == TIED and again.digest == TIED.digest != OWN.digest
    assert not any("tied" in each for each in OWN.to_json()["stages"])
    assert TIED.summary().count(", tied") == 2 and "tied" not in OWN.summary()
    one, two = stage(4), (stage(2), stage(2, downsampling=NoDownsampling()))
    assert network(one).digest != network(*two).digest


@pytest.mark.parametrize("alone", [stage(1), stage(2, BLOCK, WIDER)])
def test_a_stage_with_nothing_in_common_is_not_tied(alone: Stage) -> None:
    tied, own = network(alone), network(replace(alone, tied=False))
    assert tied.canonical == own.canonical and tied.digest == own.digest


def test_equal_components_of_a_pattern_share() -> None:
    pattern = network(stage(4, BLOCK, WIDER))
    mixer = "stages.0.blocks.{}.mixer"
    assert lenders(pattern.parts()) == {
        mixer.format(2): mixer.format(0),
        mixer.format(3): mixer.format(1),
    }


def test_spaces_offer_none() -> None:
    space = small_space(SPACE)
    assert space.contains(replace(OWN, stages=OWN.stages[:1]))
    assert not space.contains(replace(TIED, stages=TIED.stages[:1]))
    with pytest.raises(InputError, match="tied"):
        small_space(SPACE + "    tied: true\n")


def test_what_cannot_be_tied_is_refused() -> None:
    with pytest.raises(InputError, match="must have a component with parameters to share"):
        stage(2, MetaFormerBlock(mixer=Pooling()))
    with pytest.raises(InputError, match="tied must be one of False, True, but got 'yes'"):
        stage(tied="yes")
    data = TIED.to_json()
    data["stages"][0]["tied"] = 2
    with pytest.raises(InputError, match=r"stages\.0: tied must be one of"):
        Architecture.from_json(data)
