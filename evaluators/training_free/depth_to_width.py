"""The ratio of depth to width."""

import math
from collections.abc import Sequence

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import Score
from .layers import weight_layers


def ratio(inputs: Sequence[int]) -> float:
    """Return the number of layers by the geometric mean of their inputs."""
    return len(inputs) / math.exp(sum(math.log(each) for each in inputs) / len(inputs))


class DepthToWidth(Score):
    """The number of layers with weights by the geometric mean of the inputs of one output.

    This is the effectiveness of DeepMAD (Shen et al., 2023; L03), and the aspect
    ratio that governs how far a network of finite width is from the Gaussian limit (Roberts, Yaida
    and Hanin, The Principles of Deep Learning Theory, 2022; L14). Both want it bounded,
    so small values count as better, but the best one is not the smallest. Layers count as for
    ``deepmad``.
    """

    name = "depth_to_width"
    metrics = (SCORES["depth_to_width"].metric,)
    defaults = {"batch": 2}  # noqa: RUF012

    def score(self, architecture: Architecture) -> float:
        """Return the ratio.

        Raises:
            NotDefinedError: If the network has weights of another form than convolutions and linear
                maps.
        """
        images_BCHW = self.batch(architecture).images_BCHW
        layers = weight_layers(self.network(architecture), images_BCHW)
        return ratio([each.inputs for each in layers])
