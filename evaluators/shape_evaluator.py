"""The shape of a network: depth by width, kernels, heads."""

import math
from collections.abc import Iterator

from ..search_space.architecture.architecture import Architecture
from ..search_space.components.base import Component, TokenMixer
from ..search_space.components.parts import Part
from ..search_space.shapes import Shape
from .base import Evaluator, Measurement
from .shape_metrics import LARGE, SHAPE_METRICS


class ShapeEvaluator(Evaluator):
    """Reads the shape from the parts, without building the network."""

    name = "shape"
    metrics = SHAPE_METRICS

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return all shape metrics."""
        parts = architecture.parts()
        widths = block_widths(parts)
        mixers = [
            (component, part.in_shapes[0])
            for part in parts
            for component in inside(part.component)
            if isinstance(component, TokenMixer) and not component.is_identity
        ]
        kernels = [kernel_of(each) for each, _ in mixers]
        heads = [heads_of(*each) for each in mixers]
        blocks = len(widths)
        mean = math.exp(sum(map(math.log, widths)) / max(blocks, 1))
        values = {
            "blocks": blocks,
            "aspect": blocks / mean,
            "largest_kernel": max(kernels, default=0),
            "large_kernels": sum(each >= LARGE for each in kernels),
            "heads": sum(count for count, _ in heads),
            "least_head_dim": min(
                (dimension for _, dimension in heads),
                default=min(each.width for each in architecture.canonical.stages),
            ),
        }
        return tuple(Measurement(metric=name, value=value) for name, value in values.items())


def block_widths(parts: tuple[Part, ...]) -> list[int]:
    """Return the channels of each block that has a part."""
    found: dict[str, int] = {}
    for part in parts:
        place, _, rest = part.name.partition(".blocks.")
        if rest:
            found.setdefault(f"{place} {rest.partition('.')[0]}", part.in_shapes[0].channels)
    return list(found.values())


def inside(component: Component) -> Iterator[Component]:
    """Yield a component and those inside it."""
    yield component
    for each in component.components().values():
        yield from inside(each)


def kernel_of(mixer: TokenMixer) -> int:
    """Return the ``kernel_size`` of a token mixer; 0 if it has none."""
    kernel = mixer.knobs().get("kernel_size", 0)
    return kernel if isinstance(kernel, int) else 0


def heads_of(mixer: TokenMixer, shape: Shape) -> tuple[int, int]:
    """Return the number of a mixer's heads and their dimension; no heads: 0 and all channels."""
    knobs, channels = mixer.knobs(), shape.channels
    dimension, count = knobs.get("head_dim"), knobs.get("heads")
    if isinstance(dimension, int):
        dimension = min(dimension, channels)
        return int(count or channels // dimension), dimension
    if isinstance(count, int) and not isinstance(count, bool):
        return count, channels // count
    return 0, channels
