"""Families of networks that ``nas scale`` made from one network by one rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...evaluators.base import Measurement, metric
from ..candidate import Candidate
from .front import comparable
from .scaling_laws import Point

_NORMAL_95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class Family:
    """The complete candidates of one rule, with the network that they were made from."""

    name: str
    """The rule, with the aspect if it is not 1."""
    parent: str
    """Digest of the network."""
    members: tuple[Candidate, ...]
    """Candidates, ascending by the cost; the network itself is one if it is a candidate."""

    def points(self, size: str, score: str) -> list[Point]:
        """Return the members as points of a law; those without an error are left out.

        Args:
            size: Name of the cost.
            score: Name of the metric.
        """
        found: list[Point] = []
        for each in self.members:
            cost, measured = each.value(size), each.measurements.get(score)
            if cost and measured is not None and (error := error_of(measured)) > 0:
                spread = spread_of(measured)
                found.append(Point(number=each.number, size=cost, error=error, spread=spread))
        return found


def families(candidates: Sequence[Candidate], size: str, score: str) -> list[Family]:
    """Return the families with at least two complete members, in the order of their rules' use.

    Args:
        candidates: The candidates of a study.
        size: Name of the cost that the members are sorted by.
        score: Name of the metric that they have.
    """
    known = comparable(candidates, (size, score))
    by_digest = {each.digest: each for each in known}
    groups: dict[tuple[str, str, float], list[Candidate]] = {}
    for each in known:
        if "rule" in each.origin:
            origin = each.origin
            key = (origin["parent_digest"], origin["rule"], origin.get("aspect", 1.0))
            groups.setdefault(key, []).append(each)
    found: list[Family] = []
    for (parent, rule, aspect), members in groups.items():
        if parent in by_digest and aspect == 1:
            members = [by_digest[parent], *members]
        if len(members) > 1:
            members.sort(key=lambda each: each.value(size) or 0.0)
            name = rule if aspect == 1 else f"{rule}, aspect {aspect:g}"
            found.append(Family(name=name, parent=parent, members=tuple(members)))
    return found


def error_of(measured: Measurement) -> float:
    """Return the error of a measurement: 1 - score where more is better, else the value."""
    up = metric(measured.metric).direction == "maximize"
    return 1 - measured.value if up else measured.value


def score_of(name: str, error: float) -> float:
    """Return the value of a metric for an error; the inverse of ``error_of``."""
    return 1 - error if metric(name).direction == "maximize" else error


def spread_of(measured: Measurement) -> float:
    """Return the standard deviation of the logarithm of the error, from the 95 % interval."""
    ends = (measured.low, measured.high)
    if ends[0] is None or ends[1] is None:
        return 0.0
    return (ends[1] - ends[0]) / (2 * _NORMAL_95) / max(error_of(measured), math.ulp(1.0))
