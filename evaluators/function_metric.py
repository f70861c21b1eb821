"""A metric that any function of an architecture gives: an energy meter, a phone, a training."""

from collections.abc import Callable
from typing import ClassVar

from ..search_space.architecture.architecture import Architecture
from .base import Evaluator, Measurement, register_evaluator
from .metrics import Direction, Metric, Tier

Measure = Callable[[Architecture], float]
"""Takes an architecture, returns the value in the metric's unit."""


class FunctionEvaluator(Evaluator):
    """Calls a function; its class holds the function and the metric."""

    function: ClassVar[Measure]
    """What is called."""

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return what the function gives.

        Raises:
            Exception: Whatever the function raises; it becomes the candidate's failure.
        """
        (only,) = self.metrics
        value = float(type(self).function(architecture))
        return (Measurement(metric=only.name, value=value, unit=only.unit),)


def metric(
    *,
    unit: str,
    direction: Direction,
    tier: Tier = "measured",
    name: str | None = None,
    share: bool = False,
) -> Callable[[Measure], Measure]:
    """Make a metric of a function that takes an architecture and returns a number: a decorator.

    The function runs in the processes that measure, once for each candidate.

    Args:
        unit: Of the value; ``"1"`` for a score or a plain count.
        direction: ``minimize`` or ``maximize``.
        tier: ``exact``, ``measured`` or ``trained``: what is cheaper comes first.
        name: Of the metric; none: the function's.
        share: Whether it is a share from 0 to 1, which is shown in percent.

    Raises:
        InputError: If the name is taken or has another form than ``small_letters``.
    """

    def register(function: Measure) -> Measure:
        title = name or function.__name__
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
            "__module__": function.__module__,
            "__qualname__": f"{title}_metric",
            "__doc__": function.__doc__,
        }
        register_evaluator(type(f"{title}_metric", (FunctionEvaluator,), fields))
        return function

    return register
