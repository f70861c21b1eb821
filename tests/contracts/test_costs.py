"""The costs of every component equal fvcore's counts, and its peak memory is that of the live
tensors in a run.

``benchmarks/component_costs.py`` tests more knobs.
"""

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import component_row
from nas_explorer.evaluators.cost.reference import fvcore_counts
from nas_explorer.evaluators.cost.value import COLUMNS
from nas_explorer.search_space.architecture.live_memory import map_bytes
from nas_explorer.search_space.components.base import Component
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.wired import Block, Residual
from nas_explorer.search_space.shapes import Shape

from ..live_memory import live_peak
from .cases import CLASSES, SHAPES, cases, image, refusal, width_of

# Blocks and residuals are wired from parts: other tests cover networks of them.
BUILT = [cls for cls in CLASSES if not issubclass(cls, Block | Residual)]


def assert_costs_what_it_takes(component: Component, shape: Shape) -> None:
    row = component_row(component, (shape,), width_of(component))
    claimed = dict(zip((*COLUMNS, "working memory"), row, strict=True))
    module = fold(component.module(shape, width_of(component)))
    counted = fvcore_counts(module, torch.zeros(1, *shape))
    assert {name: claimed[name] for name in counted} == counted, component.label()
    assert claimed["params"] == sum(each.numel() for each in module.parameters())

    held = [*module.parameters(), *module.buffers()]
    x = image(shape, 1)
    layouts = [x, x.contiguous(memory_format=torch.channels_last)]
    needed = max(live_peak(module, each, held=held) for each in layouts)
    peak = map_bytes(shape) + claimed["working memory"]
    assert peak == pytest.approx(needed, rel=0.01), component.label()


@pytest.mark.parametrize(
    "cls", BUILT, ids=[f"{each.kind}-{each.name}".replace(" ", "_") for each in BUILT]
)
def test_a_component_costs_what_it_takes(cls: type[Component]) -> None:
    tried = [(case.component, case.shape) for case in cases(cls) if case.component != cls()][:2]
    wide = Shape(96, 9, 9)
    tried.append((cls(), wide if refusal(cls(), wide) is None else SHAPES[1]))
    for component, shape in tried:
        assert_costs_what_it_takes(component, shape)
