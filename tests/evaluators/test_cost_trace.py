"""Tracing: without numbers as with them."""

import sys
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.memory import working_memory
from nas_explorer.evaluators.cost.trace import Build, Tracer, counts, operations
from nas_explorer.search_space.base import Block, Layer, Residual
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.tables import TABLES
from torch import Tensor, nn

BUILT = [
    cls for kind, table in TABLES.items() for cls in table.values() if kind not in (Block, Residual)
]


def found(tracer: Tracer, build: Build) -> tuple[Any, int, str]:
    module, graph = tracer.trace(build)
    traced = operations(graph)
    devices = {each.device.type for each in module.state_dict().values()} or {"none"}
    return counts(traced), working_memory(traced, graph), devices.pop()


@pytest.mark.slow
def test_nothing_need_be_computed() -> None:
    shape = Shape(32, 7, 6)
    for cls in BUILT:
        component: Any = cls()
        width = None if isinstance(component, Layer) else 32

        def build(component: Any = component, width: int | None = width) -> Any:
            return component.module(shape, width), [torch.empty(1, *shape)]

        unreal, real = found(Tracer(patience=0), build), found(Tracer(patience=1e9), build)
        assert unreal[:2] == real[:2], cls
        assert unreal[2] in ("meta", "none")


class NeedsNumbers(nn.Module):
    """Looks at a number, which nothing on the meta device has."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight if self.weight.sum().item() > 0 else x


@pytest.mark.slow
def test_what_needs_numbers_gets_them() -> None:
    counted, _, device = found(Tracer(patience=0), lambda: (NeedsNumbers(), [torch.ones(1, 3)]))
    assert counted["elementwise"] == 3
    assert device == "cpu"


def test_patience_is_spent_on_real_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    tracer = Tracer(patience=0.05)

    def build() -> tuple[nn.Module, list[Tensor]]:
        return nn.Conv2d(16, 16, 15), [torch.empty(1, 16, 64, 64)]

    tracer.trace(build)
    assert tracer._patience < 0.05


@pytest.mark.parametrize("patience", [1e9, pytest.param(0.0, marks=pytest.mark.slow)])
def test_every_form_of_a_convolution(patience: float) -> None:
    forms = [
        nn.Conv1d(4, 6, 3, stride=2),
        nn.Conv2d(4, 6, 3, padding="same"),
        nn.Conv2d(4, 6, (3, 1), dilation=(2, 1), groups=2, padding_mode="circular", padding=1),
        nn.Conv3d(4, 6, 3),
        nn.ConvTranspose2d(4, 6, 2, 2),
    ]
    for module in forms:
        axes = module.weight.dim() - 2
        counted, _, _ = found(
            Tracer(patience), lambda m=module, n=axes: (m, [torch.empty(1, 4, *[9] * n)])
        )
        x = torch.empty(1, 4, *[9] * axes)
        out = module(x)
        places = (x if isinstance(module, nn.ConvTranspose2d) else out)[0, 0].numel()
        assert counted["conv"] == places * module.weight.numel()
