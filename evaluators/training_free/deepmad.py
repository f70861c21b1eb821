"""The entropy of an untrained network by the theory of DeepMAD."""

import math
from collections.abc import Sequence

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import Score
from .layers import WeightLayer, weight_layers

_LAST = 8
"""Weight of the last stage's entropy; the others have 1."""


def entropy(inputs: Sequence[int], values: int) -> float:
    """Return the entropy of a chain of layers.

    Args:
        inputs: Inputs of one output of each layer: ``c k^2 / groups``.
        values: Values of the last map: ``r^2 c``.
    """
    return math.log(values) * sum(math.log(each) for each in inputs)


class DeepMad(Score):
    """The weighted entropy of the stages' last maps.

    Shen et al., DeepMAD: Mathematical Architecture Design for Deep Convolutional Neural Network,
    2023 (L03): the entropy of a map is the logarithm of its size times the sum
    of the logarithms of the inputs of one output over all layers before it. The last stage counts
    eight times, the others once. Linear maps count as convolutions of one pixel, and branches as if
    they followed each other. Norms, activations and the products of attention do not count. The
    score is not defined for weights of another form, such as Fourier filters. It needs no images
    and no initial weights, only their shapes. The paper maximises it under a bound on
    ``depth_to_width``.
    """

    name = "deepmad"
    metrics = (SCORES["deepmad"].metric,)
    defaults = {"batch": 2}  # noqa: RUF012

    def score(self, architecture: Architecture) -> float:
        """Return the weighted sum of the stages' entropies.

        Raises:
            NotDefinedError: If the network has weights of another form.
        """
        network = self.network(architecture)
        images_BCHW = self.batch(architecture).images_BCHW
        layers = weight_layers(network, images_BCHW)
        maps = [each.shape[1:].numel() for each in network.forward_intermediates(images_BCHW)]
        stages = [int(each.module.split(".")[1]) for each in network.feature_info]
        ends = [_before(layers, stage) for stage in stages]
        entropies = [entropy(layers_, size) for layers_, size in zip(ends, maps, strict=True)]
        *early, last = entropies
        return sum(early) + _LAST * last


def _before(layers: Sequence[WeightLayer], stage: int) -> list[int]:
    """Return the inputs of the layers up to the end of a stage."""
    return [each.inputs for each in layers if _stage(each.name) <= stage]


def _stage(name: str) -> int:
    """Return the stage of a module, -1 before the first."""
    first, _, rest = name.partition(".")
    return int(rest.partition(".")[0]) if first == "stages" else -1
