"""Metrics from any function of an architecture, such as an energy meter, a phone or a training."""

from collections.abc import Callable
from typing import ClassVar

from ..search_space.architecture.architecture import Architecture
from ..search_space.errors import InputError
from .base import Evaluator, Measurement, register_evaluator
from .metrics import Direction, Metric, Tier

Measure = Callable[[Architecture], float]
"""A function from an architecture to a value in the metric's unit."""


class FunctionEvaluator(Evaluator):
    """An evaluator that calls a function; a subclass holds the function and the metric."""

    function: ClassVar[Measure]
    """The user's function."""

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the function's value as the measurement.

        Raises:
            Exception: Whatever the function raises; it becomes the candidate's failure.
        """
        (only,) = self.metrics
        value = type(self).function(architecture)
        return (Measurement(metric=only.name, value=value, unit=only.unit),)


def metric(
    *,
    unit: str,
    direction: Direction,
    tier: Tier = "measured",
    name: str | None = None,
    share: bool = False,
) -> Callable[[Measure], Measure]:
    """Return a decorator that makes a metric of a function from an architecture to a number.

    The function runs in the processes that measure, once for each candidate.

    Args:
        unit: Unit of the value; ``"1"`` for a score or a plain count.
        direction: ``minimize`` or ``maximize``.
        tier: ``exact``, ``measured`` or ``trained``; cheaper tiers are measured first.
        name: Name of the metric; by default the function's.
        share: Whether the value is a share from 0 to 1, which is shown in percent.

    Raises:
        InputError: If the name is taken or not valid, or another argument is not.
    """

    def register(function: Measure) -> Measure:
        title = name or getattr(function, "__name__", None)
        if title is None:
            raise InputError(f"a metric must have a name, as in name='energy', but got {function}")
        doc = (function.__doc__ or "").strip().splitlines()
        found = Metric(
            name=title,
            unit=unit,
            direction=direction,
            tier=tier,
            summary=doc[0] if doc else "a function of one's own",
            share=share,
        )
        fields = {
            "name": title,
            "metrics": (found,),
            "function": staticmethod(function),
            "__module__": getattr(function, "__module__", __name__),
            "__qualname__": f"{title}_metric",
            "__doc__": function.__doc__,
        }
        register_evaluator(type(f"{title}_metric", (FunctionEvaluator,), fields))
        return function

    return register
