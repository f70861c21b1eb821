"""The evaluators of the latency: plain, in the runtime that its settings choose, and in others."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar, Self

from ...search_space.architecture.architecture import Architecture
from ..base import Evaluator, Measurement, Setup
from ..latency.settings import LatencySettings
from ..metrics import LATENCY
from ..runtime_table import RUNTIMES, latency_name


class Latency(Evaluator):
    """Measures the latency by the evaluator of the runtime that the settings name."""

    name = "latency"
    metrics = (LATENCY,)
    always = True
    defaults: ClassVar[Mapping[str, Any]] = LatencySettings().to_json()

    def __init__(self, inner: Evaluator) -> None:
        """Set the evaluator of the runtime.

        Args:
            inner: An evaluator of the metric ``latency``.
        """
        self.inner = inner

    @classmethod
    def make(cls, setup: Setup) -> Self:
        """Return the evaluator for the device and the settings of the study."""
        runtime = LatencySettings.from_json(setup.settings).runtime
        return cls(RUNTIMES[runtime].load()().evaluator(setup))

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the latency of an architecture.

        Raises:
            CandidateError: If it cannot be measured; the kind is ``not_defined`` where the runtime
                cannot run the network rightly.
        """
        (own,) = self.metrics
        return tuple(replace(each, metric=own.name) for each in self.inner.evaluate(architecture))


@cache
def latency_in(runtime: str) -> type[Evaluator]:
    """Return the evaluator of the latency in a runtime, the metric ``latency@NAME``."""
    fields: dict[str, Any] = {
        "__doc__": f"Measures the latency in the runtime {runtime}.",
        "__module__": __name__,
        "name": latency_name(runtime),
        "metrics": (RUNTIMES[runtime].metric,),
        "always": False,
        "defaults": LatencySettings(runtime=runtime).to_json(),
    }
    return type(f"LatencyIn_{runtime}", (Latency,), fields)
