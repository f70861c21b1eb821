"""The bytes of a network's weights in int8, exact."""

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import nn

from ...search_space.architecture.architecture import Architecture
from ...search_space.components.layers.folding import fold
from ...search_space.components.parts import Key, Part
from ..base import Evaluator, Measurement
from ..cost.cost import architecture_cost
from ..measurement_context import candidate_faults, seeded
from ..metrics import PARAM_BYTES_INT8

_FLOAT, _INT8 = 4, 1
"""Bytes of a float, and of an int32; of an int8."""
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)


def int8_saving(weights: int, channels: int) -> int:
    """Return the bytes that a layer saves in int8.

    Each weight becomes an int8, and each output channel gets a float scale. The bias becomes int32,
    which saves nothing. Zero points are all 0, and do not count.

    Args:
        weights: Weights of the layer, without the bias.
        channels: Output channels.
    """
    return (_FLOAT - _INT8) * weights - _FLOAT * channels


def saved_by(module: nn.Module) -> int:
    """Return the bytes that a module saves in int8: its dense convolutions and linear layers.

    Depthwise convolutions stay float. A weight that several layers share counts once.
    """
    layers = {
        id(each.weight): each
        for each in module.modules()
        if isinstance(each, _LAYERS) and not _is_depthwise(each)
    }
    return sum(int8_saving(e.weight.numel(), len(e.weight)) for e in layers.values())


def _is_depthwise(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv1d | nn.Conv2d) and layer.groups > 1 and layer.weight.shape[1] == 1
    )


def bytes_saved(parts: Iterable[Part]) -> int:
    """Return the bytes that the folded forms of parts save in int8."""
    return sum(_part_saving(part.key) for part in parts)


@lru_cache(maxsize=100_000)
def _part_saving(key: Key) -> int:
    component, in_shapes, width = key

    def built() -> int:
        return saved_by(fold(component.module(in_shapes[0], width)))

    try:
        with torch.device("meta"):
            return built()
    except Exception:  # some modules compute with their weights, or fold by their values
        with seeded(0, torch.device("cpu")):
            return built()


class Int8Bytes(Evaluator):
    """Counts the bytes of the weights in int8, without building the network."""

    name = PARAM_BYTES_INT8.name
    metrics = (PARAM_BYTES_INT8,)

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the bytes, an integer.

        Raises:
            CandidateError: If a part cannot be built, or an operation has no formula.
        """
        with candidate_faults():
            whole = architecture_cost(architecture).param_bytes
            value = whole - bytes_saved(architecture.parts())
        return (Measurement(metric=PARAM_BYTES_INT8.name, value=value),)
