"""The peak memory of every component is that of the tensors alive while it runs."""

from itertools import islice

import pytest
import torch
from nas_explorer.evaluators.cost.cost import part_cost
from nas_explorer.search_space.components.base import Component
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.wired import Block, Residual
from nas_explorer.search_space.shapes import Shape

from ..live_memory import live_peak
from .test_components import CLASSES, SHAPES, cases, image, wired

# Blocks and residuals are wired of parts: networks of them are tried with the other costs.
BUILT = [cls for cls in CLASSES if not issubclass(cls, Block | Residual)]

every_built = pytest.mark.parametrize(
    "cls", BUILT, ids=[f"{each.kind}-{each.name}".replace(" ", "_") for each in BUILT]
)


def assert_claims_what_it_needs(component: Component, shape: Shape) -> None:
    parts = wired(component, shape).parts
    if not parts:
        return
    module = fold(parts[0].build())
    held = [*module.parameters(), *module.buffers()]
    x = image(shape, 1)
    layouts = [x, x.contiguous(memory_format=torch.channels_last)]
    needed = max(live_peak(module, each, held=held) for each in layouts)
    claimed = part_cost(parts[0]).peak_memory
    assert claimed == pytest.approx(needed, rel=0.01), component.label()


@every_built
def test_peak_memory_is_what_a_run_needs(cls: type[Component]) -> None:
    for component, shape in islice(cases(cls), 1):  # what builds nothing has none
        assert_claims_what_it_needs(component, shape)


@pytest.mark.slow
@every_built
def test_whatever_the_knobs(cls: type[Component]) -> None:
    for component, shape in cases(cls):
        if shape == SHAPES[1]:
            assert_claims_what_it_needs(component, shape)
