"""How steady the gradients of an untrained network are over batches.

Shape suffixes: S batches, P parameters.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import NotDefinedError, Score
from .gradients import loss_gradients


def steadiness(sizes_SP: Tensor) -> float | None:
    """Return the logarithm of the sum of mean by deviation over batches; None without a deviation.

    Args:
        sizes_SP: Absolute gradients of one tensor, float64, a row for each batch.
    """
    deviation_P = sizes_SP.std(0, correction=0)
    kept_P = deviation_P > 0
    if not bool(kept_P.any()):
        return None
    ratio_P = sizes_SP.mean(0)[kept_P] / deviation_P[kept_P]
    return math.log(float(ratio_P.sum()))


class Zico(Score):
    """Mean by deviation of absolute gradients over batches, by layer, as a sum of logarithms.

    Li et al., ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients, 2023,
    with two batches. A layer is any parameter tensor with more than one axis, so
    filters of Fourier mixers count as convolutions and linear maps do. Norms and biases do not
    count.
    """

    name = "zico"
    metrics = (SCORES["zico"].metric,)
    defaults = {"batch": 64, "batches": 2}  # noqa: RUF012

    def score(self, architecture: Architecture) -> float:
        """Return the sum over the layers.

        Raises:
            NotDefinedError: If no layer has gradients that differ between batches.
        """
        network = self.network(architecture)
        sizes: dict[str, list[Tensor]] = {}
        for place in range(int(self.settings["batches"])):
            found = loss_gradients(network, self.batch(architecture, place))
            for name, (_, gradient) in found.items():
                if gradient.ndim > 1:
                    sizes.setdefault(name, []).append(gradient.abs().flatten())
        return summed_steadiness([torch.stack(each) for each in sizes.values()])


def summed_steadiness(layers: Sequence[Tensor]) -> float:
    """Return the sum of ``steadiness`` over layers.

    Raises:
        NotDefinedError: If no layer has gradients that differ between batches.
    """
    logs = [each for each in map(steadiness, layers) if each is not None]
    if not logs:
        raise NotDefinedError("no layer has gradients that differ between batches")
    return sum(logs)
