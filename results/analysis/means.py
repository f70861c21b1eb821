"""The mean of a candidate's repeated trainings, or measurements, with its interval.

The interval is that of the mean over training seeds, on the validation images of the study, which
all candidates share. It does not cover the choice of these images, as the interval of a single
training does: that choice moves all candidates together, so it does not decide which candidate is
better.

A few trainings of one candidate say little about their spread, so the spread of all repeated
candidates is pooled. For shares (accuracies), the variance is taken as proportional to p (1 - p),
as quasi-binomial models do: McCullagh and Nelder, Generalized Linear Models, 1989, section 4.5.
For measured metrics (latency), the deviation is taken as proportional to the value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...evaluators.base import Measurement, metric
from ..candidate import Candidate
from ..numbers import number_ranges

_EDGE = 0.005
"""Smallest distance of a share from 0 and 1 in p (1 - p), so that no interval is empty."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The pooled spread of repeated trainings."""

    dispersion: float
    """Variance of one training; for a share, as a multiple of p (1 - p), and for a measured metric
    of the squared value."""
    degrees: int
    """Degrees of freedom."""

    @classmethod
    def pooled(
        cls, groups: Iterable[Sequence[float]], *, share: bool, relative: bool = False
    ) -> "Spread":
        """Return the spread within groups of values of one metric, one group for each candidate.

        Groups of one value say nothing.

        Args:
            groups: Values of the single trainings by candidate.
            share: Whether the values lie between 0 and 1.
            relative: Whether the deviation is proportional to the value.
        """
        total, degrees = 0.0, 0
        for values in groups:
            mean = sum(values) / len(values)
            total += sum((each - mean) ** 2 for each in values) / _unit_variance(
                mean, share=share, relative=relative
            )
            degrees += len(values) - 1
        return cls(dispersion=total / degrees if degrees else 0.0, degrees=degrees)

    def half_width(self, values: Sequence[float], *, share: bool, relative: bool = False) -> float:
        """Return half the width of the 95 % interval of the mean of values (Student's t)."""
        from scipy import stats  # takes a second to import

        mean = sum(values) / len(values)
        variance = (
            self.dispersion * _unit_variance(mean, share=share, relative=relative) / len(values)
        )
        return float(stats.t.ppf(0.975, self.degrees)) * variance**0.5


def _unit_variance(mean: float, *, share: bool, relative: bool) -> float:
    if relative:
        return mean * mean
    inside = min(max(mean, _EDGE), 1 - _EDGE)
    return inside * (1 - inside) if share else 1.0


def spread_of(candidates: Iterable[Candidate], name: str) -> Spread:
    """Return the pooled spread of a metric over the candidates that were trained repeatedly."""
    groups = [[each.value for each in found.singles.get(name, ())] for found in candidates]
    found = metric(name)
    return Spread.pooled(
        [each for each in groups if each], share=found.share, relative=found.tier == "measured"
    )


def mean_of(singles: Sequence[Measurement], spread: Spread) -> Measurement:
    """Return the mean of single measurements with its 95 % interval.

    Where all trainings of the study's candidates gave equal values, the interval is that of the
    first single measurement. The provenance is that of the first, with the number of trainings.

    Args:
        singles: Two or more measurements of one metric and one architecture.
        spread: The pooled spread, with at least one degree of freedom.
    """
    first = singles[0]
    share, relative = metric(first.metric).share, metric(first.metric).tier == "measured"
    values = [each.value for each in singles]
    mean = sum(values) / len(values)
    low, high = first.low, first.high
    if spread.dispersion:
        half = spread.half_width(values, share=share, relative=relative)
        low, high = mean - half, mean + half
        if share:
            low, high = max(0.0, low), min(1.0, high)
        elif relative:
            low = max(0.0, low)
    elif low is not None and high is not None:
        low, high = min(low, mean), max(high, mean)
    return Measurement(
        metric=first.metric,
        value=mean,
        low=low,
        high=high,
        unit=first.unit,
        direction=first.direction,
        provenance={
            **first.provenance,
            "trainings": len(singles),
            "single_values": values,
            "degrees_of_freedom": spread.degrees,
        },
    )


def mean_notes(candidates: Sequence[Candidate], metrics: Iterable[str]) -> list[str]:
    """Return a note for each metric that is a mean of several trainings for some candidates."""
    lines: list[str] = []
    for name in metrics:
        counts: dict[int, list[int]] = {}
        for each in candidates:
            if name in each.singles:
                counts.setdefault(len(each.singles[name]), []).append(each.number)
        if counts:
            lines.append(mean_note(name, counts))
    return lines


def mean_note(name: str, counts: Mapping[int, Sequence[int]]) -> str:
    """Return the note of ``mean_notes`` for one metric.

    Args:
        name: The metric.
        counts: Numbers of the candidates by number of trainings.
    """
    word = repeats(name)
    which = "; ".join(
        f"of {count} {word} for {', '.join(number_ranges(numbers))}"
        for count, numbers in sorted(counts.items())
    )
    return f"{name} is a mean {which}, with the 95 % interval of the mean over {word}"


def repeats(name: str) -> str:
    """Return the word for the repetitions of a metric: trainings differ in their seeds."""
    return "runs" if metric(name).tier == "measured" else "seeds"
