"""The exact metrics as an evaluator."""

from ...search_space.architecture import Architecture
from ..base import CandidateError, Evaluator, Measurement
from .cost import EXACT_METRICS, architecture_cost
from .handles import UncountableOperation


class CostEvaluator(Evaluator):
    """Counts what an architecture costs: exact, without building the network."""

    metrics = EXACT_METRICS

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return one measurement for each of ``metrics``, whole numbers.

        Raises:
            CandidateError: If an operation of the network has no formula.
        """
        try:
            cost = architecture_cost(architecture)
        except UncountableOperation as error:
            raise CandidateError("error", str(error)) from error
        training = {"params": cost.training_params, "macs": cost.training_macs}
        return tuple(
            _measurement(name, getattr(cost, name), training.get(name)) for name in self.metrics
        )


def _measurement(name: str, value: int, training: int | None) -> Measurement:
    """Return the value, with that of the form that is trained where it is another."""
    apart = training is not None and training != value
    return Measurement(
        metric=name, value=value, provenance={"training_form": training} if apart else {}
    )
