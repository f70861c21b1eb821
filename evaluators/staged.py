"""Evaluators that train in epochs and can stop a training early."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .base import Evaluator, Measurement

if TYPE_CHECKING:
    from ..search_space.architecture.architecture import Architecture

GoesOn = Callable[[Measurement], bool]
"""Function from a measurement of lower fidelity to whether training continues."""


class StagedEvaluator(Evaluator):
    """Trains in epochs, and can stop after some of them."""

    @abstractmethod
    def evaluate_by_rungs(
        self, architecture: "Architecture", rungs: Sequence[int], goes_on: GoesOn
    ) -> tuple[Measurement, ...] | None:
        """Return the same as ``evaluate``, or None if the training was stopped.

        Args:
            architecture: The architecture.
            rungs: Epochs after which ``goes_on`` is called, each below the length of the training.
            goes_on: Called with the metric's value after so many epochs, under the name of
                ``evaluators.metrics.fidelity``; the key ``epochs`` of its provenance has their
                number.
        """

    def evaluate(self, architecture: "Architecture") -> tuple[Measurement, ...]:
        """Return the measurements after the whole training."""
        found = self.evaluate_by_rungs(architecture, (), lambda measurement: True)
        assert found is not None, "a training without rungs is not stopped"
        return found

    def measure_by_rungs(
        self, architecture: "Architecture", rungs: Sequence[int], goes_on: GoesOn
    ) -> tuple[Measurement, ...] | None:
        """Return the same as ``measure``, or None if the training was stopped."""
        found = self.evaluate_by_rungs(architecture, rungs, goes_on)
        return None if found is None else self.checked(found)
