"""The evaluator of the exact metrics."""

from ...search_space.architecture.architecture import Architecture
from ..base import Evaluator, Measurement
from ..measurement_context import candidate_faults
from ..metrics import COSTS
from .cost import EXACT_METRICS, architecture_cost


class CostEvaluator(Evaluator):
    """Counts the exact costs of an architecture without building the network."""

    name = "cost"
    metrics = COSTS
    always = True

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return one measurement, an integer, for each of ``metrics``.

        Raises:
            CandidateError: If the network cannot be run, or an operation of it has no formula.
        """
        with candidate_faults():
            cost = architecture_cost(architecture)
        training = {"params": cost.training_params, "macs": cost.training_macs}
        return tuple(
            _measurement(name, getattr(cost, name), training.get(name)) for name in EXACT_METRICS
        )


def _measurement(name: str, value: int, training: int | None) -> Measurement:
    """Return the measurement, with the value of the training form if it differs."""
    apart = training is not None and training != value
    return Measurement(
        metric=name, value=value, provenance={"training_form": training} if apart else {}
    )
