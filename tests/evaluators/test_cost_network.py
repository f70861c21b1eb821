"""Costs of whole networks: the sums over parts equal fvcore's counts on the whole module."""

import dataclasses

import pytest
import torch
from nas_explorer.evaluators.base import CandidateError
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.cost import (
    ADDITIVE_METRICS,
    EXACT_METRICS,
    additive_costs,
    architecture_cost,
    clear_memory,
    costs_of,
    part_cost,
)
from nas_explorer.evaluators.cost.counting.handles import UncountableOperation
from nas_explorer.evaluators.cost.evaluator import CostEvaluator
from nas_explorer.evaluators.cost.reference import fvcore_counts
from nas_explorer.evaluators.cost.value import Cost
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import Component, Norm, field_kinds
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.downsampling import NoDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.layers.folding import Foldable, with_kernel
from nas_explorer.search_space.components.mixers.convolution import LargeKernelConv
from nas_explorer.search_space.components.mixers.trivial import IdentityMixer, Pooling
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.components.wired import Block, Residual
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.space import SearchSpace
from nas_explorer.search_space.walk.choosers import RandomChooser
from torch import nn
from torch.nn import functional as F

from ..knobs import opposites

WIRED = [cls for kind in (Block, Residual) for cls in TABLES[kind].values()]


def network(*blocks: Block, depth: int = 2, norm: Norm | None = None) -> Architecture:
    return Architecture(
        input=Shape(3, 16, 16),
        classes=5,
        stem=PatchStem(patch_size=2, norm=norm or NoNorm()),
        stages=(
            Stage(width=32, depth=depth, blocks=blocks),
            Stage(width=32, depth=1, blocks=blocks[:1], downsampling=NoDownsampling()),
        ),
        head=PooledHead(norm=norm or NoNorm()),
    )


def sum_of_parts(architecture: Architecture) -> dict[str, int]:
    """Return all additive costs summed part by part: the definition of the fast computation."""
    total: dict[str, int] = {}
    for part in architecture.parts():
        for name, amount in flat(part_cost(part)).items():
            total[name] = total.get(name, 0) + amount
    return total


def flat(cost: Cost) -> dict[str, int]:
    named = {name: getattr(cost, name) for name in ("params", "param_bytes", "activations")}
    return {**named, **cost.macs_by_kind, **cost.other_by_kind}


def check_against_fvcore(architecture: Architecture) -> None:
    cost = architecture_cost(architecture)
    module = architecture.build().folded()
    counted = fvcore_counts(module, torch.zeros(1, *architecture.input))
    assert {name: flat(cost)[name] for name in counted} == counted
    assert cost.params == sum(each.numel() for each in module.parameters())
    saved = module.state_dict().values()
    assert cost.param_bytes == sum(each.numel() * each.element_size() for each in saved)
    assert flat(cost) == sum_of_parts(architecture)
    assert flat(cost) == flat(count_module(module, architecture.input))


@pytest.fixture(scope="module")
def micro() -> SearchSpace:
    return load_space("micro").bind(channels=1, resolution=16, classes=10)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["micro", "mobile", "universal"])
def test_random_networks_cost_what_fvcore_counts(preset: str) -> None:
    """``benchmarks/sweep.py`` tests thousands of networks."""
    space = load_space(preset)  # at its own resolution
    check_against_fvcore(space.walk(RandomChooser(100)).architecture)


@pytest.mark.parametrize("cls", WIRED, ids=lambda cls: f"{cls.kind}-{cls.name}")
def test_every_wired_component_costs_what_fvcore_counts(cls: type[Component]) -> None:
    def fits(component: Component) -> bool:
        return component.why_invalid(Shape(32, 8, 8)) is None

    for component in (cls(), *opposites(cls, fits)[:2]):
        block = component if isinstance(component, Block) else MetaFormerBlock(residual=component)
        check_against_fvcore(network(block, depth=1))


@pytest.mark.usefixtures("any_costs")
@pytest.mark.parametrize("cls", TABLES[Block].values(), ids=lambda cls: cls.name)
def test_a_block_costs_the_sum_over_its_parts_whatever_is_in_it(cls: type[Block]) -> None:
    # Each component in each field, with defaults and with absent components in the others.
    for absent in (False, True):
        base = cls()
        if absent:
            nothing = {"norm": NoNorm(), "mixer": IdentityMixer()}
            base = dataclasses.replace(
                base, **{name: nothing[name] for name in field_kinds(cls) if name in nothing}
            )
        for name, kind in field_kinds(cls).items():
            for choice in TABLES[kind].values():
                for component in (choice(), *opposites(choice)):
                    block = dataclasses.replace(base, **{name: component})
                    if block.why_invalid(Shape(32, 8, 8)):
                        continue
                    architecture = network(block)
                    assert flat(architecture_cost(architecture)) == sum_of_parts(architecture)


def test_patterns_and_stages_of_depth_zero() -> None:
    first = MetaFormerBlock(mixer=Pooling(kernel_size=3))
    second = MetaFormerBlock(mixer=LargeKernelConv(kernel_size=5))
    for blocks, depth in (((first, second), 5), ((first, first, second), 2), ((first,) * 3, 3)):
        architecture = network(*blocks, depth=depth)
        assert flat(architecture_cost(architecture)) == sum_of_parts(architecture)
    bare = network(first)
    empty = dataclasses.replace(bare, stages=(Stage(width=8, depth=0, blocks=()), *bare.stages))
    assert architecture_cost(empty) == architecture_cost(bare)


def test_many_at_once_cost_what_each_costs(micro: SearchSpace) -> None:
    drawn = [micro.walk(RandomChooser(seed)).architecture for seed in range(5)]
    columns = costs_of(drawn)
    assert tuple(columns) == EXACT_METRICS
    for name, column in columns.items():
        assert column.tolist() == [getattr(architecture_cost(each), name) for each in drawn]
    assert [len(column) for column in costs_of([]).values()] == [0] * len(EXACT_METRICS)


def test_additive_costs_add_up(micro: SearchSpace) -> None:
    architecture = micro.walk(RandomChooser(5)).architecture
    found = [additive_costs(part) for part in architecture.parts()]
    whole = architecture_cost(architecture)
    for name in ADDITIVE_METRICS:
        assert sum(each[name] for each in found) == getattr(whole, name)


def test_costs_worked_by_hand() -> None:
    architecture = network(MetaFormerBlock(mixer=LargeKernelConv(kernel_size=3)), depth=1)
    cost = architecture_cost(architecture)
    # Stem 3x2x2 -> 32 on 8x8; two blocks, each: two norms of 64, a 3x3 depthwise convolution,
    # 32 -> 128 -> 32; head 32 -> 5.
    assert cost.params == (12 + 1) * 32 + 2 * (2 * 64 + 10 * 32 + 33 * 128 + 129 * 32) + 33 * 5
    assert cost.macs_by_kind["conv"] == 64 * (12 * 32 + 2 * (9 * 32 + 2 * 32 * 128))
    assert cost.macs_by_kind["linear"] == 32 * 5
    assert cost.macs == cost.macs_by_kind["conv"] + 32 * 5
    assert cost.activations == 64 * (32 + 2 * (32 + 128 + 32)) + 5
    maps = 64 * 32
    assert cost.other_by_kind["norm"] == 2 * 2 * 5 * maps
    assert cost.other_by_kind["elementwise"] == 2 * (4 * maps + 2 * maps)
    assert cost.other_by_kind["reduction"] == maps
    assert cost.param_bytes == 4 * cost.params


def test_counting_draws_no_random_numbers() -> None:
    clear_memory()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    architecture_cost(network(MetaFormerBlock()))
    assert torch.equal(before, torch.get_rng_state())


def test_the_evaluator_gives_whole_numbers() -> None:
    architecture = network(MetaFormerBlock())
    found = CostEvaluator().evaluate(architecture)
    assert tuple(each.metric for each in found) == EXACT_METRICS
    assert {each.name for each in CostEvaluator.metrics} == set(EXACT_METRICS)
    cost = architecture_cost(architecture)
    for each in found:
        assert type(each.value) is int
        assert each.value == getattr(cost, each.metric)
        assert each.low is None


class TwoKernels(Foldable):
    """A 3x3 and a 1x1 convolution of 8 channels, added."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.narrow = nn.Conv2d(32, 32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.wide(x) + self.narrow(x)

    def folded(self) -> nn.Module:
        kernel = self.wide.weight + F.pad(self.narrow.weight, (1, 1, 1, 1))
        return with_kernel(self.wide, kernel, self.narrow.bias)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldingMixer(LargeKernelConv):
    """A token mixer that folds."""

    name = "folding"

    def build(self, shape: Shape) -> nn.Module:
        return TwoKernels()


def test_costs_are_those_of_the_folded_form() -> None:
    folding = network(MetaFormerBlock(mixer=FoldingMixer()), depth=1)
    plain = architecture_cost(network(MetaFormerBlock(mixer=IdentityMixer()), depth=1))
    check_against_fvcore(folding)
    cost = architecture_cost(folding)
    # two blocks on 64 positions: folded, 3x3 with a bias; in training, a 1x1 kernel more
    assert cost.params - plain.params == 2 * (9 * 32 * 32 + 32)
    assert cost.training_params - plain.params == 2 * (9 * 32 * 32 + 32 * 32 + 32)
    assert cost.macs - plain.macs == 2 * 64 * 9 * 32 * 32
    assert cost.training_macs - plain.macs == 2 * 64 * 10 * 32 * 32
    assert (plain.training_params, plain.training_macs) == (plain.params, plain.macs)
    found = {each.metric: each for each in CostEvaluator().evaluate(folding)}
    assert found["params"].value == cost.params
    assert found["params"].provenance == {"training_form": cost.training_params}
    assert found["macs"].provenance == {"training_form": cost.training_macs}
    assert not found["activations"].provenance


class Distances(nn.Module):
    """A module with an operation that has no formula."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2)
        return (torch.cdist(tokens, tokens) @ tokens).view(x.shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistanceMixer(LargeKernelConv):
    """A mixer that cannot be counted."""

    name = "distance"

    def build(self, shape: Shape) -> nn.Module:
        return Distances()


@dataclasses.dataclass(frozen=True, kw_only=True)
class BrokenMixer(LargeKernelConv):
    """A mixer that cannot be built."""

    name = "broken"

    def build(self, shape: Shape) -> nn.Module:
        raise ZeroDivisionError("by what")


def test_an_uncountable_operation_names_component_and_part() -> None:
    architecture = network(MetaFormerBlock(), MetaFormerBlock(mixer=DistanceMixer(kernel_size=3)))
    message = (
        r"got aten::cdist in token mixer distance\(kernel_size=3, bias=True, normed=False\) on "
        r"32x8x8, part stages\.0\.blocks\.1\.mixer"
    )
    with pytest.raises(UncountableOperation, match=message):
        architecture_cost(architecture)
    with pytest.raises(CandidateError, match=f"^error: UncountableOperation: every .*{message}"):
        CostEvaluator().evaluate(architecture)


def test_a_network_that_cannot_run_is_a_failed_candidate() -> None:
    architecture = network(MetaFormerBlock(mixer=BrokenMixer(kernel_size=3)))
    with pytest.raises(CandidateError, match=r"^error: ZeroDivisionError: by what"):
        CostEvaluator().evaluate(architecture)
