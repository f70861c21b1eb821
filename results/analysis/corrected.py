"""Long scores of candidates, measured for a few of them and predicted for the others.

A long score is a metric of its own, such as ``accuracy_long``, and a predicted one is another,
``accuracy_predicted``: neither is ever compared with the score of the short training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...evaluators.base import Measurement
from ...evaluators.units import plural
from ..candidate import Candidate
from ..numbers import format_measurement
from .conditions import conditions_of
from .correction import FEWEST, Correction, Floats
from .main_metric import MainMetric, main_metric

COSTS = ("macs", "params")
"""The costs from which the model predicts, beside the short score."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """How well the model predicts long scores when each is left out in turn."""

    count: int
    """Number of long scores."""
    inside: int
    """Number of long scores inside the 95 % interval of their prediction."""
    error: float
    """Median absolute error of the predictions, in the unit of the score."""


def predictable(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the complete candidates that have a short score and positive costs.

    Those whose training began with the weights of another are left out.
    """
    names = main_metric(candidates)
    return [
        each
        for each in candidates
        if each.status == "complete"
        and not each.inherits
        and each.value(names.short) is not None
        and all((each.value(name) or 0) > 0 for name in COSTS)
    ]


def predicted(candidates: Sequence[Candidate]) -> dict[int, Measurement]:
    """Return the predicted long scores by number, of candidates without a long training.

    The result is empty where fewer than ``FEWEST`` candidates were trained longer.

    Args:
        candidates: The candidates of a study.
    """
    usable, names = predictable(candidates), main_metric(candidates)
    known = [each for each in usable if names.long in each.measurements]
    others = [each for each in usable if names.long not in each.measurements]
    if len(known) < FEWEST or not others:
        return {}
    short_N = _values(others, names.short)
    found = _model(known, names).predict(short_N=short_N, costs_NC=_costs(others))
    provenance = {
        **dict(conditions_of(known[0].measurements[names.long])),
        "predicted_by": f"Bayesian ridge regression on log error, {', '.join(COSTS)}",
        "from_candidates": [each.number for each in known],
        "epochs": epochs_of(known[0]),
    }
    rows = zip(others, found.value_N, found.low_N, found.high_N, strict=True)
    return {
        each.number: Measurement(
            metric=names.predicted,
            value=float(value),
            low=float(low),
            high=float(high),
            provenance=provenance,
        )
        for each, value, low, high in rows
    }


def left_out(candidates: Sequence[Candidate]) -> Check | None:
    """Return how well the model predicts each long score from the others; None if too few."""
    names = main_metric(candidates)
    known = [each for each in predictable(candidates) if names.long in each.measurements]
    if len(known) <= FEWEST:
        return None
    inside, errors = 0, list[float]()
    for place, each in enumerate(known):
        rest = [*known[:place], *known[place + 1 :]]
        short_N = _values([each], names.short)
        found = _model(rest, names).predict(short_N=short_N, costs_NC=_costs([each]))
        true = each.measurements[names.long].value
        inside += bool(found.low_N[0] <= true <= found.high_N[0])
        errors.append(abs(float(found.value_N[0]) - true))
    return Check(count=len(known), inside=inside, error=float(np.median(errors)))


def with_long_scores(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that have a long score, measured or predicted, under its name.

    The provenance of a predicted score has the key ``predicted_by``.
    """
    found: list[Candidate] = []
    names = main_metric(candidates)
    for each in candidates:
        score = each.measurements.get(names.long)
        guess = each.measurements.get(names.predicted)
        if score is None and guess is not None:
            score = replace(guess, metric=names.long)
        if score is not None:
            found.append(replace(each, measurements={**each.measurements, names.long: score}))
    return found


def marked(measurement: Measurement | None) -> str:
    """Return a value with its interval as text, with ``~`` before a predicted one."""
    text = format_measurement(measurement)
    return f"~{text}" if is_predicted(measurement) else text


def correction_notes(candidates: Sequence[Candidate], front: Sequence[Candidate]) -> list[str]:
    """Return notes on a corrected front: what is predicted, and what has no long score.

    Args:
        candidates: All candidates of the study.
        front: The corrected front, from ``with_long_scores``.
    """
    lines: list[str] = []
    names = main_metric(candidates)
    known = [each for each in candidates if names.long in each.measurements]
    if any(is_predicted(each.measurements.get(names.long)) for each in front):
        lines.append(
            f"~ marks a score that is predicted from {len(known)} long trainings, with the 95 % "
            "interval of one long training"
        )
    without = [
        each
        for each in candidates
        if each.status == "complete"
        and not {names.long, names.predicted} & each.measurements.keys()
    ]
    if without:
        lines.append(
            f"{plural(len(without), 'complete candidate')} without a long score left out; "
            "nas refine --long predicts it"
        )
    return lines


def is_predicted(measurement: Measurement | None) -> bool:
    """Whether a long score was predicted, not measured."""
    return measurement is not None and "predicted_by" in measurement.provenance


def epochs_of(candidate: Candidate) -> int | None:
    """Return the epochs of the recipe of a candidate's long training; None without one."""
    score = candidate.measurements.get(main_metric([candidate]).long)
    return None if score is None else score.provenance.get("recipe", {}).get("epochs")


def _model(known: Sequence[Candidate], names: MainMetric) -> Correction:
    """Return the model fitted to candidates with a long score."""
    short_N, long_N = (_values(known, name) for name in (names.short, names.long))
    return Correction(short_N=short_N, long_N=long_N, costs_NC=_costs(known))


def _values(candidates: Sequence[Candidate], name: str) -> Floats:
    return np.array([each.measurements[name].value for each in candidates], dtype=np.float64)


def _costs(candidates: Sequence[Candidate]) -> Floats:
    return np.column_stack([_values(candidates, name) for name in COSTS])
