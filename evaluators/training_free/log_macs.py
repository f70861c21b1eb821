"""The baseline of MACs."""

import math

from ...search_space.architecture.architecture import Architecture
from ..base import Evaluator, Measurement
from ..cost.cost import architecture_cost
from ..measurement_context import candidate_faults
from ..scores import SCORES


class LogMacs(Evaluator):
    """The natural logarithm of the MACs: a baseline for every other score."""

    name = "log_macs"
    metrics = (SCORES["log_macs"].metric,)

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the logarithm.

        Raises:
            CandidateError: If the network cannot be counted.
        """
        with candidate_faults():
            value = math.log(max(1, architecture_cost(architecture).macs))
        return (Measurement(metric=self.name, value=value, provenance={"version": 1}),)
