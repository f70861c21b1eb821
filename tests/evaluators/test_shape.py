"""The shape metrics of published networks, counted by hand."""

from typing import Any

import pytest
from nas_explorer.evaluators.base import metric
from nas_explorer.evaluators.measure import measure
from nas_explorer.evaluators.shape_evaluator import ShapeEvaluator
from nas_explorer.evaluators.units import read_constraint
from nas_explorer.search_space.zoo import zoo_entry


def shape_of(name: str) -> dict[str, Any]:
    found = ShapeEvaluator().measure(zoo_entry(name).architecture)
    return {each.metric: each.value for each in found}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 3, 3, 9, 3 blocks of 96, 192, 384, 768 channels: 96 x 2^((0 + 3 + 18 + 9) / 18)
        (
            "convnext_tiny",
            {"blocks": 18, "aspect": 18 / (96 * 2 ** (30 / 18)), "largest_kernel": 7}
            | {"large_kernels": 18, "heads": 0, "least_head_dim": 96},
        ),
        # 2, 2, 6, 2 blocks with 3, 6, 12, 24 heads
        (
            "swin_t",
            {"blocks": 12, "heads": 6 + 12 + 72 + 48, "least_head_dim": 32, "large_kernels": 0},
        ),
        ("vit_small_patch16_224", {"aspect": 12 / 384, "heads": 72, "least_head_dim": 64}),
    ],
)
def test_shapes_are_those_counted_by_hand(name: str, expected: dict[str, float]) -> None:
    found = shape_of(name)
    assert {each: found[each] for each in expected} == pytest.approx(expected)


def test_shapes_are_measured_where_one_is_asked_for() -> None:
    assert "aspect" not in measure("convnext_atto")
    assert measure("convnext_atto", metrics="aspect")["blocks"].value == 12


def test_shapes_can_be_bounded_and_are_no_scores() -> None:
    assert read_constraint("large_kernels<=4").high == 4
    assert metric("aspect").tier == "exact" and not metric("aspect").score
