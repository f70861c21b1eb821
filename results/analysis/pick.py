"""The choice of one candidate of a study: bounds first, then metrics in order of importance.

A value that a measurement cannot distinguish from the best counts as equal: the next metric then
decides. Two values are distinguished if their 95 % intervals do not overlap, which is a cautious
test for candidates that were scored on the same images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ...evaluators.units import plural, read_constraint, read_metric, write_constraint
from ...search_space.constraints.constraint import Constraint
from ...search_space.errors import InputError
from ..candidate import Candidate
from ..numbers import format_measurement, format_value
from .front import best, comparable, loss_intervals, superlative

_LISTED = 5
"""Number of candidates that a reason names."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The bounds that the chosen candidate must satisfy, and the metrics by importance."""

    metrics: tuple[str, ...]
    """Metrics in order of importance, at least one."""
    bounds: tuple[Constraint, ...]
    """Bounds that the candidate must satisfy."""

    @classmethod
    def parse(cls, text: str) -> "Request":
        """Read metrics and bounds separated by commas: ``accuracy, latency<=5ms, params<=1M``.

        Raises:
            InputError: If a metric is unknown, a bound is malformed, or no metric is named.
        """
        entries = [each.strip() for each in text.split(",") if each.strip()]
        bounds = [each for each in entries if any(sign in each for sign in "<>=")]
        names = dict.fromkeys(read_metric(each) for each in entries if each not in bounds)
        if not names:
            raise InputError(
                "a pick must name the metric that counts and may have bounds, such as "
                f"'accuracy, latency<=5ms', but got {text!r}"
            )
        return cls(metrics=tuple(names), bounds=tuple(map(read_constraint, bounds)))


@dataclass(frozen=True, kw_only=True)
class Pick:
    """The chosen candidate, or None, and the reasons."""

    candidate: Candidate | None
    """The candidate; None if no candidate satisfies the bounds."""
    reasons: tuple[str, ...]
    """Reasons for the choice, one line each."""


def pick(candidates: Sequence[Candidate], request: Request) -> Pick:
    """Choose the best candidate that satisfies the bounds.

    Each metric in turn keeps the candidates that it cannot distinguish from its best; the last
    metric keeps only its best value.

    Args:
        candidates: Candidates of a study; only complete ones with all metrics take part.
        request: Bounds, and metrics in order of importance.
    """
    bounded = (each.metric for each in request.bounds)
    names = tuple(dict.fromkeys((*request.metrics, *bounded)))
    left = comparable(candidates, names)
    if not left:
        return Pick(candidate=None, reasons=(f"No complete candidate has {', '.join(names)}.",))
    reasons: list[str] = []
    for bound in request.bounds:
        kept = [each for each in left if bound.holds(each.measurements[bound.metric].value)]
        if not kept:
            return Pick(candidate=None, reasons=(*reasons, _none_keeps(bound, left)))
        reasons.append(
            f"{len(kept)} of {plural(len(left), 'candidate')} satisfy {write_constraint(bound)}."
        )
        left = kept
    for place, name in enumerate(request.metrics):
        top = best(left, name)
        alike = _alike(left, top, name)
        value = format_measurement(top.measurements[name])
        others = [each for each in alike if each is not top]
        reason = f"Candidate {top.number} has the {superlative(name)} {name}: {value}."
        if others:
            reason += f" The intervals do not distinguish it from {_numbers(others)}."
        reasons.append(reason)
        left = alike if place < len(request.metrics) - 1 else [top]
    return Pick(candidate=left[0], reasons=tuple(reasons))


def count_distinguishable(candidates: Sequence[Candidate], name: str) -> tuple[int, int]:
    """Count the candidates that a metric's intervals distinguish.

    Returns:
        The greatest number of candidates without overlapping intervals, and the number of
        candidates whose interval overlaps that of the best, which is included.
    """
    found = comparable(candidates, (name,))
    if not found:
        return 0, 0
    low, high = (each[:, 0] for each in loss_intervals(found, (name,)))
    count, end = 0, float("-inf")
    for place in high.argsort(kind="stable"):  # the interval that ends first leaves the most room
        if low[place] > end:
            count, end = count + 1, high[place]
    return count, len(_alike(found, best(found, name), name))


def _alike(candidates: Sequence[Candidate], top: Candidate, name: str) -> list[Candidate]:
    """Return the candidates whose interval overlaps that of ``top``."""
    low, high = loss_intervals(candidates, (name,))
    (least,), (most,) = (each[0] for each in loss_intervals([top], (name,)))
    return [
        each
        for each, mine, worst in zip(candidates, low[:, 0], high[:, 0], strict=True)
        if mine <= most and worst >= least
    ]


def _none_keeps(bound: Constraint, candidates: Sequence[Candidate]) -> str:
    """Return the reason that no candidate satisfies a bound, with the nearest candidate."""
    values = {each.number: each.measurements[bound.metric].value for each in candidates}

    def away(number: int) -> float:
        return max(bound.low - values[number], values[number] - bound.high)

    nearest = min(values, key=away)
    value = format_value(bound.metric, values[nearest])
    count = plural(len(candidates), "candidate")
    return (
        f"None of {count} satisfies {write_constraint(bound)}: candidate {nearest} comes nearest, "
        f"with {value}."
    )


def _numbers(candidates: Sequence[Candidate]) -> str:
    listed = ", ".join(str(each.number) for each in candidates[:_LISTED])
    more = len(candidates) - _LISTED
    return f"{'candidate' if len(candidates) == 1 else 'candidates'} {listed}" + (
        f" and {more} more" if more > 0 else ""
    )
