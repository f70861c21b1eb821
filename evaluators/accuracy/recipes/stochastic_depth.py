"""Stochastic depth in the short training too."""

from typing import Any

from .base import RecipeOption, Training
from .branches import skip_branches


class StochasticDepth(RecipeOption):
    """Skips residual branches in training, the later ones more often.

    Huang et al., Deep Networks with Stochastic Depth, 2016 (T08). The full training has it as the
    field ``drop_path`` of its recipe, which this option replaces.
    """

    name = "stochastic_depth"

    def __init__(self, amount: Any) -> None:
        super().__init__(amount)
        self._hooks: list[Any] = []

    def begin(self, training: Training) -> None:
        """Hook the residual sums."""
        self._hooks = skip_branches(training.model, self.amount)

    def end(self) -> None:
        """Remove the hooks."""
        for each in self._hooks:
            each.remove()
