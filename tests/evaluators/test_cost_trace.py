"""Traces on the meta device equal those with real numbers."""

import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.counting.memory import working_memory
from nas_explorer.evaluators.cost.counting.trace import Build, Tracer, counts, operations, trace
from nas_explorer.evaluators.cost.reference import fvcore_counts
from nas_explorer.evaluators.cost.value import COUNTED, MAC_KINDS
from nas_explorer.search_space.components.base import (
    ChannelMixer,
    Component,
    Downsampling,
    Head,
    Layer,
    Norm,
    Stem,
    TokenMixer,
)
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F

SAMPLE = (
    (TokenMixer, "deformable_conv cond_conv learnable_spacing_conv contmix attention hyena"),
    (TokenMixer, "window_attention token_mlp cycle_mlp recurrent selective_scan fourier pooling"),
    (ChannelMixer, "mlp kan"),
    (Norm, "layer_norm batch_norm rms_norm"),
    (Stem, "conv position"),
    (Downsampling, "pool deformable"),
    (Head, "pooled class_attention"),
)
"""Components with all kinds of operations."""


def found(tracer: Tracer, build: Build, *, small: bool = False) -> tuple[Any, int, str]:
    def examine(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Any, int, str]:
        graph = trace(module, inputs)
        devices = {each.device.type for each in module.state_dict().values()} or {"none"}
        return counts(operations(graph)), working_memory(module, inputs), devices.pop()

    return tracer.see(build, examine, small=small)


def assert_nothing_need_be_computed(component: Component) -> None:
    """Assert that a trace without numbers counts what one with numbers does."""
    shape = Shape(32, 7, 6)
    width = None if isinstance(component, Layer) else 32

    def build() -> Any:
        return component.module(shape, width), [torch.empty(1, *shape)]

    unreal, real = found(Tracer(patience=0), build), found(Tracer(patience=1e9), build)
    assert unreal[:2] == real[:2], component
    assert unreal[2] in ("meta", "none")


@pytest.mark.slow
def test_nothing_need_be_computed() -> None:
    """``benchmarks/component_costs.py`` tests all components."""
    for kind, names in SAMPLE:
        for name in names.split():
            assert_nothing_need_be_computed(TABLES[kind][name]())


class NeedsNumbers(nn.Module):
    """A module that reads a value, which meta tensors do not have."""

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

    found(tracer, build)
    assert tracer._patience < 0.05


class Apply(nn.Module):
    """A module of complex numbers, with a complex weight."""

    def __init__(self, function: Any, *sizes: int) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(*sizes, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Any:
        return self.function(x + 1j, self.weight)


COMPLEX: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...], int, int]] = {
    # Function, sizes of the weight and of the input, real products, outputs.
    "conv1d": (F.conv1d, (6, 4, 3), (4, 5), 6 * 3 * 12, 18),
    "conv2d": (lambda x, w: F.conv2d(x, w, padding=1), (6, 4, 3, 3), (4, 5, 5), 5400, 150),
    "same": (lambda x, w: F.conv2d(x, w, padding="same"), (6, 4, 3, 3), (4, 5, 5), 5400, 150),
    "bias": (lambda x, w: F.conv2d(x, w, w[:, 0, 0, 0]), (6, 4, 3, 3), (4, 5, 5), 1944, 54),
    "no batch": (lambda x, w: F.conv2d(x[0], w), (6, 4, 3, 3), (4, 5, 5), 1944, 54),
    "grouped": (lambda x, w: F.conv2d(x, w, groups=2), (6, 2, 3, 3), (4, 5, 5), 972, 54),
    "conv3d": (F.conv3d, (6, 4, 1, 3, 3), (4, 2, 5, 5), 2 * 1944, 108),
    "transposed": (F.conv_transpose2d, (4, 6, 2, 2), (4, 3, 3), 9 * 96, 96),
    "linear": (F.linear, (4, 3), (5, 3), 60, 20),
    "matmul": (torch.matmul, (3, 4), (5, 3), 60, 20),
    "adjoint": (lambda x, w: x @ w.mH, (4, 3), (5, 3), 60, 20),
    "bmm": (torch.bmm, (1, 3, 4), (5, 3), 60, 20),
    "einsum": (lambda x, w: torch.einsum("bij,kj->bik", x, w), (4, 3), (5, 3), 60, 20),
}


@pytest.mark.parametrize("real", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", COMPLEX)
def test_a_product_of_complex_numbers_takes_four(form: str, real: bool) -> None:
    function, weight, shape, products, outputs = COMPLEX[form]
    tracer = Tracer(patience=0)
    counted, _, device = found(
        tracer, lambda: (Apply(function, *weight), [torch.empty(1, *shape)]), small=real
    )
    # torch cannot trace transposed convolutions on the meta device.
    assert device == ("cpu" if real or form == "transposed" else "meta")
    assert sum(counted[kind] for kind in MAC_KINDS) == 4 * products
    assert counted["activations"] == outputs
    module = Apply(function, *weight)
    assert fvcore_counts(module, torch.zeros(1, *shape)) == {
        name: counted[name] for name in COUNTED
    }


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
