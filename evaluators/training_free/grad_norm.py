"""The size of the gradients of an untrained network."""

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import Score
from .gradients import loss_gradients


class GradNorm(Score):
    """The Euclidean norm of the loss's gradient, summed over the parameter tensors.

    Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, 2021: after one batch.
    It is defined for every network whose gradients are finite. A network with more tensors has a
    larger sum.
    """

    name = "grad_norm"
    metrics = (SCORES["grad_norm"].metric,)

    def score(self, architecture: Architecture) -> float:
        """Return the sum of the norms."""
        found = loss_gradients(self.network(architecture), self.batch(architecture))
        return sum(float(gradient.norm()) for _, gradient in found.values())
