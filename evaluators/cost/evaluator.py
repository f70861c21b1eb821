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
        return tuple(Measurement(metric=name, value=getattr(cost, name)) for name in self.metrics)
