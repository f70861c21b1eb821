"""Predicted latencies in a search: only networks near a bound or the front are measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...evaluators.base import Measurement
from ...evaluators.latency.predictor import FEWEST, MOST, LatencyPredictor, Prediction, timed_of
from ...evaluators.metrics import LATENCY, LATENCY_PREDICTED
from ...evaluators.units import write_constraint, write_value
from ...results.analysis.conditions import conditions_of
from ...results.analysis.front import dominators
from ...results.candidate import Candidate
from ...search_space.architecture.architecture import Architecture
from ...search_space.constraints.constraint import Constraint

_STEP = 10
"""Number of further measurements after which the predictor is fitted again."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The predicted latency of a candidate, and what follows."""

    measurement: Measurement
    """The prediction as the metric ``latency_predicted``."""
    breaks: str | None
    """Why the candidate is infeasible: the whole interval lies beyond a bound; None: it does
    not."""
    is_sure: bool
    """Whether the whole interval satisfies every bound."""

    def unreachable(
        self,
        measurements: Mapping[str, Measurement],
        candidate: Candidate,
        history: Sequence[Candidate],
        objectives: Sequence[str],
    ) -> str | None:
        """Return why a candidate cannot reach the front, or None if it could.

        It cannot if it is dominated even at the lower end of the interval.

        Args:
            measurements: The candidate's other measurements.
            candidate: The candidate.
            history: Finished candidates.
            objectives: Metrics of the front.
        """
        low = self.measurement.low
        assert low is not None
        at_best = replace(
            self.measurement,
            metric=LATENCY.name,
            value=low,
            high=low,
            direction=LATENCY.direction,
        )
        best = replace(
            candidate, status="complete", measurements={**measurements, LATENCY.name: at_best}
        )
        better = dominators(best, history, objectives)
        if not better:
            return None
        interval = _texts(low, self.measurement.value, self.measurement.high or low)
        return (
            f"latency is predicted as {interval}, so that candidate {better[0].number} would "
            "dominate it: it was not measured"
        )


class LatencyForecast:
    """Predicts latencies from the measured candidates of a study.

    A forecast depends on the given history alone. The first ``FEWEST`` networks are measured, and
    at most ``MOST`` are used.
    """

    def __init__(self, constraints: Sequence[Constraint], evaluators: Sequence[str] = ()) -> None:
        """Set the bounds.

        Args:
            constraints: Bounds on measured metrics; those on latency count.
            evaluators: Names of the evaluators of the workers.
        """
        self.others = tuple(each for each in evaluators if each != LATENCY.name)
        """Names of the workers' evaluators without that of the latency."""
        self._bounds = tuple(each for each in constraints if each.metric == LATENCY.name)
        self._fitted: tuple[tuple[int, ...], LatencyPredictor] | None = None

    def of(self, architecture: Architecture, history: Sequence[Candidate]) -> Forecast | None:
        """Return the forecast of a network; None while too few networks are measured.

        Args:
            architecture: The network.
            history: Finished candidates.

        Raises:
            UncountableOperation: If an operation has no formula.
        """
        known = _timed(history)
        count = min(len(known), MOST) // _STEP * _STEP
        if count < FEWEST:
            return None
        used = known[:count]
        numbers = tuple(each.number for each in used)
        if self._fitted is None or self._fitted[0] != numbers:
            self._fitted = numbers, _fit(used)
        found = self._fitted[1].predict(architecture)
        measurement = Measurement(
            metric=LATENCY_PREDICTED.name,
            value=found.value,
            low=found.low,
            high=found.high,
            provenance={
                **dict(conditions_of(used[0].measurements[LATENCY.name])),
                "predicted_by": "ridge regression on the parts, with a conformal interval of 90 %",
                "from_candidates": list(numbers),
            },
        )
        broken = next((each for each in self._bounds if _is_beyond(each, found)), None)
        ends = (found.low, found.high)
        return Forecast(
            measurement=measurement,
            breaks=None if broken is None else _reason(broken, found),
            is_sure=all(each.holds(end) for each in self._bounds for end in ends),
        )


def _timed(history: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with a latency and times of parts, under the last one's conditions."""
    name = LATENCY.name
    found = [
        each
        for each in history
        if name in each.measurements and each.measurements[name].provenance.get("part_ms")
    ]
    if not found:
        return []
    last = conditions_of(found[-1].measurements[name])
    return [each for each in found if conditions_of(each.measurements[name]) == last]


def _fit(candidates: Sequence[Candidate]) -> LatencyPredictor:
    measured = [(each.architecture, each.measurements[LATENCY.name]) for each in candidates]
    timed = [timed_of(network, m.provenance, m.value) for network, m in measured]
    return LatencyPredictor([each for each in timed if each is not None])


def _is_beyond(bound: Constraint, found: Prediction) -> bool:
    """Whether no latency in the interval satisfies a bound."""
    return found.low > bound.high or found.high < bound.low


def _reason(bound: Constraint, found: Prediction) -> str:
    interval = _texts(found.low, found.value, found.high)
    return (
        f"must keep {write_constraint(bound)}, but latency is predicted as {interval}, so it was "
        "not measured"
    )


def _texts(low: float, value: float, high: float) -> str:
    first, middle, last = (write_value(LATENCY.name, each) for each in (low, value, high))
    return f"{middle} ({first} to {last})"
