"""The sensitivity of the loss to the removal of weights."""

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import Score
from .gradients import loss_gradients


class Snip(Score):
    """The absolute product of weight and gradient, summed over all parameters.

    Lee et al., SNIP: Single-shot Network Pruning Based on Connection Sensitivity, 2019,
    without its normalisation, as Abdelfattah et al. (2021) score a whole network. It is defined for
    every network whose gradients are finite.
    """

    name = "snip"
    metrics = (SCORES["snip"].metric,)

    def score(self, architecture: Architecture) -> float:
        """Return the sum over all parameters."""
        found = loss_gradients(self.network(architecture), self.batch(architecture))
        return sum(float((weight * gradient).abs().sum()) for weight, gradient in found.values())
