"""The neural tangent kernel of an untrained network.

Shape suffixes: B batch, P parameters.
"""

import math

import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import NotDefinedError, Score
from .gradients import gradients

_SMALLEST = 1e-13
"""Smallest eigenvalue, relative to the largest, that float64 tells from zero."""


def log_condition(jacobian_BP: Tensor) -> float:
    """Return log10 of the condition number of the kernel of a Jacobian, float64.

    Raises:
        NotDefinedError: If the kernel is singular.
    """
    values_B = torch.linalg.eigvalsh(jacobian_BP @ jacobian_BP.T)
    low, high = float(values_B[0]), float(values_B[-1])
    if not low > _SMALLEST * high:
        raise NotDefinedError("the neural tangent kernel of the batch is singular in float64")
    return math.log10(high / low)


class NtkCondition(Score):
    """The logarithm of the condition number of the neural tangent kernel of a batch.

    Jacot et al., Neural Tangent Kernel: Convergence and Generalization in Neural Networks, 2018
    (P09): training converges by the kernel's spectrum, and fastest where it is even. As in
    TE-NAS (Chen et al., 2021), the outputs of an image are summed, so that the kernel has a row for
    each image, and batch norms use the batch. Computed in float64.
    """

    name = "ntk_condition"
    metrics = (SCORES["ntk_condition"].metric,)
    dtype = torch.float64
    defaults = {"batch": 16}  # noqa: RUF012

    def score(self, architecture: Architecture) -> float:
        """Return the logarithm.

        Raises:
            NotDefinedError: If the kernel is singular.
        """
        network = self.network(architecture)
        parameters = list(network.parameters())
        sums_B = network(self.batch(architecture).images_BCHW).sum(1)
        rows: list[Tensor] = []
        for each in sums_B:
            found = gradients(each, parameters, again=True)
            rows.append(torch.cat([g.flatten() for g in found if g is not None]))
        return log_condition(torch.stack(rows))
