"""The candidates of a study as columns of numbers, fast enough to plot thousands of candidates.

Making a ``Candidate`` from its record takes a third of a millisecond, so the columns are read
directly from the records, and only from new ones.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluators.base import Measurement, in_order, is_known, metric
from ..candidate import Status
from .conditions import Conditions, condition_notes, conditions, varies
from .front import Losses, Mask, select_front, uncertain
from .means import mean_note

Numbers = NDArray[np.float64]
STATUSES: tuple[Status, ...] = (
    "complete",
    "stopped",
    "infeasible",
    "failed",
    "running",
    "baseline",
)
ENDS = ("value", "low", "high")
"""The numbers kept of a measurement: its value and the ends of its 95 % interval."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionValues:
    """The values of one decision for all candidates."""

    levels: Sequence[Any]
    """The distinct values; numbers are sorted."""
    codes_N: NDArray[np.int32]
    """Index of each candidate's value in ``levels``; -1 if the decision did not apply."""

    @property
    def ordered(self) -> bool:
        """Whether the levels are numbers."""
        return all(isinstance(each, int | float) and each is not True for each in self.levels)

    @property
    def labels(self) -> list[str]:
        """The levels as text."""
        return [str(each) for each in self.levels]


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The candidates of a study in the order of their numbers, one row each."""

    number_N: NDArray[np.int64]
    """Numbers of the candidates, ascending."""
    status_N: NDArray[np.int8]
    """Indices into ``STATUSES``."""
    order_N: NDArray[np.int64]
    """Number of candidates finished before; the largest integer for running candidates."""
    seconds_N: Numbers
    """Wall time of measuring in seconds; NaN where not known."""
    metrics: Mapping[str, Mapping[str, Numbers]]
    """``value``, ``low`` and ``high`` by metric; NaN if missing."""
    decisions: Mapping[str, DecisionValues]
    """Values of the decisions by path. A knob has the same path in every component."""
    conditions: Mapping[str, DecisionValues] = field(default_factory=dict[str, DecisionValues])
    """Conditions of measurement by metric, for metrics that depend on them."""
    trainings: Mapping[str, Mapping[int, Sequence[int]]] = field(
        default_factory=dict[str, Mapping[int, Sequence[int]]]
    )
    """By metric, the candidates whose value is a mean: their numbers by number of trainings."""

    def __len__(self) -> int:
        return len(self.number_N)

    def value(self, name: str) -> Numbers:
        """Return the values of a metric; all NaN where no candidate has it."""
        found = self.metrics.get(name)
        return np.full(len(self), np.nan) if found is None else found["value"]

    def has_status(self, *names: Status) -> Mask:
        """Return a mask of the candidates with one of the statuses."""
        return np.isin(self.status_N, [STATUSES.index(name) for name in names])

    def comparable(self, metrics: Sequence[str]) -> Mask:
        """Return a mask of the complete candidates with a number for each of ``metrics``."""
        mask = self.has_status("complete")
        for name in metrics:
            mask &= np.isfinite(self.value(name))
        return mask

    @property
    def decided(self) -> Mask:
        """A mask of the candidates with a decision, without those made from others."""
        found = [answers.codes_N >= 0 for answers in self.decisions.values()]
        return np.any(found, axis=0) if found else np.ones(len(self), np.bool_)

    def of_latest_version(self, name: str) -> Mask:
        """Return a mask without the values of earlier versions of a score."""
        found = self.conditions.get(name)
        if found is None:
            return np.ones(len(self), np.bool_)
        versions = [dict(each).get("version", 0) for each in found.levels]
        latest = max(versions, default=0)
        return np.isin(found.codes_N, [n for n, each in enumerate(versions) if each == latest])

    def fronts(
        self, metrics: Sequence[str], mask: Mask, *, intervals: bool = False, ties: bool = True
    ) -> list[NDArray[np.intp]]:
        """Return the rows of the fronts of ``mask``, one front per set of comparable candidates.

        With a measured metric, candidates are comparable if they were measured under the same
        conditions.

        Args:
            metrics: Names of the metrics, each with its own direction.
            mask: The candidates that take part if they are ``comparable``.
            intervals: See ``pareto_front``.
            ties: See ``pareto_front``.
        """
        arrays = (self.losses(metrics), *self.loss_intervals(metrics))
        found: list[NDArray[np.intp]] = []
        groups = self.timed(metrics)
        taking_part = np.flatnonzero(mask & self.comparable(metrics))
        for group in np.unique(groups[taking_part]):
            rows = taking_part[groups[taking_part] == group]
            chosen = (each[rows] for each in arrays)
            found.append(rows[select_front(*chosen, intervals=intervals, ties=ties)])
        return found

    def front(
        self, metrics: Sequence[str], mask: Mask, *, intervals: bool = False, ties: bool = True
    ) -> NDArray[np.intp]:
        """Return the rows of all ``fronts``, ascending."""
        found = self.fronts(metrics, mask, intervals=intervals, ties=ties)
        return np.sort(np.concatenate([np.empty(0, np.intp), *found]))

    def timed(self, metrics: Sequence[str]) -> NDArray[np.int32]:
        """Return a group number for each candidate; candidates of one group are comparable."""
        groups = np.zeros(len(self), np.int32)
        for name in filter(varies, metrics):
            if found := self.conditions.get(name):
                groups = groups * np.int32(len(found.levels) + 1) + found.codes_N
        return groups

    def condition_notes(self, metrics: Iterable[str]) -> list[str]:
        """Return a note for each metric that was measured under several sets of conditions."""
        return [
            line
            for name in metrics
            if name in self.conditions
            for line in condition_notes(name, self._measured_where(name))
        ]

    def mean_notes(self, metrics: Iterable[str]) -> list[str]:
        """Return a note for each metric that is a mean of several trainings for some candidates."""
        return [mean_note(each, self.trainings[each]) for each in metrics if each in self.trainings]

    def _measured_where(self, name: str) -> dict[Conditions, list[int]]:
        found = self.conditions[name]
        return {
            level: self.number_N[found.codes_N == code].tolist()
            for code, level in enumerate(found.levels)
        }

    def losses(self, metrics: Sequence[str]) -> Losses:
        """Return the losses, (candidates, metrics)."""
        return self.loss_intervals(metrics, ends=("value",))[0]

    def loss_intervals(
        self, metrics: Sequence[str], ends: Sequence[str] = ("low", "high")
    ) -> tuple[Losses, Losses]:
        """Return the best and the worst losses within the intervals, (candidates, metrics).

        Intervals of exact metrics do not count.
        """
        found: list[Losses] = []
        for end in ends:
            columns: list[Numbers] = []
            for name in metrics:
                counts = name in self.metrics and uncertain(name)
                values = self.metrics[name][end] if counts else self.value(name)
                filled = np.where(np.isnan(values), self.value(name), values)
                columns.append(metric(name).sign * filled)
            found.append(np.stack(columns, axis=1))
        return np.minimum.reduce(found), np.maximum.reduce(found)

    def numbers(self, name: str) -> Numbers | None:
        """Return a column as numbers: a metric, a decision of numbers, ``number`` or ``seconds``.

        Missing numbers are NaN; the result is None for other columns.
        """
        if name in self.metrics:
            return self.metrics[name]["value"]
        if name == "number":
            return self.number_N.astype(np.float64)
        if name == "seconds":
            return self.seconds_N
        found = self.decisions.get(name)
        if found is None or not found.ordered:
            return None
        return np.array([*map(float, found.levels), np.nan])[found.codes_N]

    def values_of(self, name: str) -> DecisionValues | None:
        """Return a column of few values: a decision or ``status``; None for another column."""
        if name == "status":
            return DecisionValues(levels=STATUSES, codes_N=self.status_N.astype(np.int32))
        return self.decisions.get(name)

    def row(self, number: int) -> int | None:
        """Return the row of the candidate with a number, or None."""
        row = int(np.searchsorted(self.number_N, number))
        return row if row < len(self) and self.number_N[row] == number else None


class ColumnBuilder:
    """Builds the columns from records as they arrive."""

    def __init__(self) -> None:
        self._row: dict[int, int] = {}
        self._status = array("b")
        self._order = array("q")
        self._seconds = array("d")
        self._metrics: dict[str, _Cells] = {}
        self._conditions: dict[str, _Answered] = {}
        self._decisions: dict[str, _Answered] = {}
        self._paths: dict[str, _Answered] = {}
        self._trainings: dict[str, dict[int, int]] = {}
        self.last = -1
        """The largest candidate number so far; -1 at first."""
        self.running: set[int] = set()
        """Numbers of the candidates that were running when they were read."""

    def take(self, records: Iterable[Mapping[str, Any]]) -> int:
        """Add candidates' records, in the order of their numbers; return how many were added.

        A record with a known number replaces the earlier record.
        """
        count = 0
        for record in records:
            count += 1
            number = record["number"]
            row = self._row.get(number)
            if row is None:
                row = self._row[number] = len(self._row)
                self.last = number
                self._status.append(0)
                self._order.append(0)
                self._seconds.append(0)
                self._take_decisions(row, record["decisions"])
            self._status[row] = STATUSES.index(record["status"])
            order = record.get("order")
            self._order[row] = np.iinfo(np.int64).max if order is None else order
            self._seconds[row] = record["seconds"].get("total", np.nan)
            for each in record["measurements"]:
                if not is_known(each["metric"]):
                    Measurement.from_json(each)  # registers the metric
                self._metrics.setdefault(each["metric"], _Cells()).put(
                    row, *(np.nan if each[end] is None else each[end] for end in ENDS)
                )
                if metric(each["metric"]).conditions:
                    made = conditions(each["metric"], each["provenance"])
                    self._conditions.setdefault(each["metric"], _Answered()).put(row, made)
            for name, singles in record.get("singles", {}).items():
                self._trainings.setdefault(name, {})[number] = len(singles)
            (self.running.add if record["status"] == "running" else self.running.discard)(number)
        return count

    def _take_decisions(self, row: int, decisions: Mapping[str, Any]) -> None:
        for path, value in decisions.items():
            found = self._paths.get(path)
            if found is None:
                name = merged_path(path, decisions)
                found = self._paths[path] = self._decisions.setdefault(name, _Answered())
            found.put(row, value)

    def columns(self) -> Columns:
        """Return the columns of all records added."""
        count = len(self._row)
        return Columns(
            number_N=np.fromiter(self._row, np.int64, count),
            status_N=np.array(self._status, np.int8),
            order_N=np.array(self._order, np.int64),
            seconds_N=np.array(self._seconds, np.float64),
            metrics={
                name: dict(zip(ENDS, self._metrics[name].spread(count, np.nan), strict=True))
                for name in in_order(self._metrics)
            },
            decisions={name: each.collected(count) for name, each in self._decisions.items()},
            conditions={name: each.collected(count) for name, each in self._conditions.items()},
            trainings={name: _by_value(each) for name, each in self._trainings.items()},
        )


class _Answered:
    """Collects the values of a decision as rows and codes, with levels in order of appearance."""

    def __init__(self) -> None:
        self.rows = array("q")
        self.codes = array("i")
        self.levels: dict[Any, int] = {}

    def put(self, row: int, value: Any) -> None:
        self.rows.append(row)
        self.codes.append(self.levels.setdefault(value, len(self.levels)))

    def collected(self, count: int) -> DecisionValues:
        levels = list(self.levels)
        order = sorted(range(len(levels)), key=lambda code: _level_key(levels[code]))
        place = np.empty(len(levels), np.int32)
        place[order] = np.arange(len(levels))
        codes = np.full(count, -1, np.int32)
        codes[np.array(self.rows)] = place[np.array(self.codes)]
        return DecisionValues(levels=[levels[code] for code in order], codes_N=codes)


class _Cells:
    """Collects the filled cells of one or more columns: rows and values; a later value of a row
    wins."""

    def __init__(self) -> None:
        self._rows = array("q")
        self._values: list[array[float]] = []

    def put(self, row: int, *values: float) -> None:
        self._rows.append(row)
        if not self._values:
            self._values = [array("d") for _ in values]
        for column, value in zip(self._values, values, strict=True):
            column.append(value)

    def spread(self, count: int, missing: float) -> list[Numbers]:
        rows = np.array(self._rows)
        columns: list[Numbers] = []
        for values in self._values:
            column = np.full(count, missing)
            column[rows] = np.array(values)
            columns.append(column)
        return columns


def _by_value(counts: Mapping[int, int]) -> dict[int, list[int]]:
    """Return the keys by value."""
    found: dict[int, list[int]] = {}
    for key, value in counts.items():
        found.setdefault(value, []).append(key)
    return found


def _level_key(level: Any) -> tuple[float, str]:
    return (float(level) if isinstance(level, int | float) else 0.0, str(level))


def merged_path(path: str, decisions: Mapping[str, Any]) -> str:
    """Return a decision's path without the names of chosen components.

    ``stages.0.block.mixer.attention.head_dim`` becomes ``stages.0.block.mixer.head_dim``, so that
    equally named knobs of several components form one column.
    """
    words = path.split(".")
    kept = [
        word
        for place, word in enumerate(words)
        if place == len(words) - 1 or decisions.get(".".join(words[:place])) != word
    ]
    return ".".join(kept)
