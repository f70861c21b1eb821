"""The cost of one module, counted from one trace with fvcore's rules and our handles."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...search_space.architecture.live_memory import map_bytes
from ...search_space.components.base import Component
from ...search_space.components.layers.folding import fold, foldable
from ...search_space.components.sharing import distinct
from ...search_space.shapes import Shape
from .counting.handles import UncountableOperation
from .counting.memory import float32_bytes, working_memory
from .counting.trace import Tracer, counts, operations, saved_tensors, trace
from .counting.trace_values import Count
from .value import COUNTED, MAC_KINDS, Cost, Row

_TRACER = Tracer()

_SMALL = 2**16
"""Largest map in bytes that is quick to compute with."""


def _row(module: nn.Module, inputs: Sequence[Tensor]) -> Row:
    """Return the row of a module that does not fold."""
    counted = _counts(module, inputs)
    amounts = [counted[name] for name in COUNTED]
    params, saved = weights(module)
    return (params, saved, *amounts, params, _macs(counted), working_memory(module, inputs))


def _folded_row(module: nn.Module, inputs: Sequence[Tensor]) -> Row:
    """Return the row of a module's folded form, with parameters and MACs of the trained form."""
    if not foldable(module):
        return _row(module, inputs)
    with inputs[0].device:  # the device of tensors made by folding
        folded = fold(module)
    *row, _, _, memory = _row(folded, inputs)
    macs = _macs(_counts(module, inputs))
    return (*row, weights(module)[0], macs, memory)


def _counts(module: nn.Module, inputs: Sequence[Tensor]) -> Count:
    graph = trace(module, inputs)  # kept, since values do not outlive their graph
    return counts(operations(graph))


def _macs(counted: Count) -> int:
    return sum(counted[kind] for kind in MAC_KINDS)


def weights(module: nn.Module) -> tuple[int, int]:
    """Return a module's number of trainable parameters and the bytes of its saved tensors."""
    trainable = sum(each.numel() for each in distinct(module.parameters()) if each.requires_grad)
    return trainable, sum(float32_bytes(each, each.numel()) for each in saved_tensors(module))


def component_row(component: Component, in_shapes: tuple[Shape, ...], width: int | None) -> Row:
    """Return the costs of a component's folded form on maps of ``in_shapes``; see ``Part.width``.

    Raises:
    UncountableOperation: If an operation has no formula; the message names the component.
    """

    def build() -> tuple[nn.Module, list[Tensor]]:
        inputs = [torch.empty(1, *shape) for shape in in_shapes]
        return component.module(in_shapes[0], width), inputs

    small = all(map_bytes(shape) <= _SMALL for shape in in_shapes)
    try:
        return _TRACER.see(build, _folded_row, small=small)
    except UncountableOperation as error:
        place = f"{component.kind} {component.label()} on {in_shapes[0]}"
        raise UncountableOperation(error.operation, place) from None


def count_module(module: nn.Module, *in_shapes: Sequence[int]) -> Cost:
    """Return the cost of any module, unfolded, for one image (a batch of 1) in eval mode.

    The module runs once on the device of its weights; its mode is restored.

    Args:
        module: Any module that can be traced and takes tensors of its weights' type.
        in_shapes: Sizes of the inputs without the batch, such as ``(3, 224, 224)``.

    Raises:
        UncountableOperation: If an operation has no formula.
    """
    like = next((each for each in module.parameters() if each.is_floating_point()), torch.empty(0))
    inputs = [like.new_zeros((1, *shape)) for shape in in_shapes]
    training = [each for each in module.modules() if each.training]
    try:
        row = _row(module.eval(), inputs)
    except UncountableOperation as error:
        raise UncountableOperation(error.operation, type(module).__name__) from None
    finally:
        for each in training:
            each.training = True
    peak = row[-1] + sum(map(map_bytes, in_shapes))
    return Cost.from_row(row[:-1], peak_memory=peak)
