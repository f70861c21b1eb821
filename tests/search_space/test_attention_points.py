"""Published attention, as points of the product: built, trained a step, and costed exactly."""

import pytest
import torch
from nas_explorer.evaluators.cost.cost import part_cost
from nas_explorer.evaluators.cost.reference import fvcore_counts
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.mixers.attention_points import ATTENTION_POINTS
from nas_explorer.search_space.components.parts import IMAGE, PartList
from nas_explorer.search_space.shapes import Shape

from .tensors import awake


@pytest.mark.parametrize("name", list(ATTENTION_POINTS))
def test_a_point_trains_and_costs_what_it_takes(name: str) -> None:
    mixer = ATTENTION_POINTS[name]
    for channels in (64, 48, 60):
        shape = Shape(channels, 16, 16)
        if mixer.why_invalid(shape) is None:
            break
    else:
        pytest.fail("no shape fits")
    torch.manual_seed(0)
    module = awake(mixer.build(shape))
    x = torch.randn(2, *shape).requires_grad_()
    module(x).square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all() and x.grad.any()
    assert all(each.grad is not None for each in module.parameters())
    parts = PartList.start(shape)
    parts.add("mixer", mixer, IMAGE, width=None)
    cost = part_cost(parts.parts[0])
    counted = fvcore_counts(fold(module.eval()), torch.zeros(1, *shape))
    kinds = {**cost.macs_by_kind, **cost.other_by_kind, "activations": cost.activations}
    assert {kind: count for kind, count in counted.items() if count} == {
        kind: count for kind, count in kinds.items() if count
    }


def test_points_with_two_names_are_the_same_in_both_papers() -> None:
    assert ATTENTION_POINTS["swin"] == ATTENTION_POINTS["maxvit block"]
    assert ATTENTION_POINTS["lit"] == ATTENTION_POINTS["coatnet"]
    assert len(set(ATTENTION_POINTS.values())) == len(ATTENTION_POINTS) - 2
