"""Conditions of measurements: values are comparable only on one device with one set of versions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...evaluators.base import Measurement, metric
from ...evaluators.latency.settings import DECIDERS, with_layout
from ..candidate import Candidate
from ..numbers import number_ranges

_BARE = ("device_name", "device", "dtype")
"""Keys whose values are shown without the key."""
_DEFAULTS: Mapping[str, Any] = {"layout_by": DECIDERS[0]}
"""Conditions that are not stated where they have this value, as in records of earlier versions."""

Conditions = tuple[tuple[str, Any], ...]


def conditions(name: str, provenance: Mapping[str, Any]) -> Conditions:
    """Return the conditions that comparable values of a metric must share, from a provenance.

    Args:
        name: Name of the metric; exact metrics have no conditions.
        provenance: Provenance of a measurement made or to be made.
    """
    known = with_layout(provenance)
    if "device" in known:
        known["device"] = str(known["device"]).partition(":")[0]
    keys = metric(name).conditions
    return tuple(
        (key, known[key]) for key in keys if known.get(key) not in (None, _DEFAULTS.get(key))
    )


def varies(name: str) -> bool:
    """Whether values of a metric are comparable only under equal conditions."""
    return metric(name).tier == "measured"


def conditions_of(measurement: Measurement) -> Conditions:
    """Return the conditions under which a measurement was made."""
    return conditions(measurement.metric, measurement.provenance)


def current_values(candidates: Sequence[Candidate], name: str) -> list[float | None]:
    """Return the values of a score; None for those of an earlier version than the latest."""
    versions = [
        each.measurements[name].provenance.get("version", 0) if name in each.measurements else None
        for each in candidates
    ]
    latest = max((each for each in versions if each is not None), default=0)
    return [
        each.value(name) if version == latest else None
        for each, version in zip(candidates, versions, strict=True)
    ]


def by_conditions(candidates: Iterable[Candidate], name: str) -> dict[Conditions, list[Candidate]]:
    """Return the candidates that have a metric, by the conditions of their measurement."""
    groups: dict[Conditions, list[Candidate]] = {}
    for each in candidates:
        if name in each.measurements:
            groups.setdefault(conditions_of(each.measurements[name]), []).append(each)
    return groups


def text(found: Conditions, others: Iterable[Conditions] = ()) -> str:
    """Return conditions as text; with ``others``, only those that differ."""
    found, *others = _with_defaults((found, *others))
    sets = [set(each) for each in (found, *others)]
    shared = set[tuple[str, Any]]() if len(sets) == 1 else set.intersection(*sets)
    parts = [
        str(value) if key in _BARE else f"{key} {value}"
        for key, value in found
        if (key, value) not in shared
    ]
    return ", ".join(parts) or "unknown conditions"


def _with_defaults(every: Iterable[Conditions]) -> list[Conditions]:
    """Return conditions with the defaults of those that one of them states."""
    known = [dict(each) for each in every]
    stated = {key: value for key, value in _DEFAULTS.items() if any(key in e for e in known)}
    return [tuple({**each, **stated, **each}.items()) for each in known]


def notes(candidates: Sequence[Candidate], metrics: Iterable[str]) -> list[str]:
    """Return a note for each metric that was measured under several sets of conditions."""
    lines: list[str] = []
    for name in metrics:
        groups = by_conditions(candidates, name)
        numbers = {found: [each.number for each in group] for found, group in groups.items()}
        lines += condition_notes(name, numbers)
    return lines


def condition_notes(name: str, numbers: Mapping[Conditions, Sequence[int]]) -> list[str]:
    """Return the note of ``notes`` for one metric, if there is one.

    Args:
        name: The metric.
        numbers: Numbers of the candidates by conditions of their measurement.
    """
    if len(numbers) < 2:
        return []
    where = "; ".join(
        f"{_numbers(group)}: {text(found, numbers)}" for found, group in numbers.items()
    )
    rule = "and is compared only within each" if varies(name) else "which may change its value"
    return [f"{name} was measured under {len(numbers)} conditions {rule}: {where}"]


def _numbers(numbers: Sequence[int]) -> str:
    """Return numbers as ranges: ``candidates 0-3, 7``; only the first of many ranges."""
    ranges = number_ranges(numbers)
    more = f" and more ({len(numbers)} in all)" if len(ranges) > 5 else ""
    return ("candidate " if len(numbers) == 1 else "candidates ") + ", ".join(ranges[:5]) + more
