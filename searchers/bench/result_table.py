"""A table of finished trainings: one row per network, read from a CSV file."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...evaluators.base import is_known, metric
from ...search_space.domains import Choice, Domain, Value
from ...search_space.errors import InputError, unknown_name

_DECISION = "x."
_LARGER_IS_BETTER = re.compile("accuracy|acc$|acc_|top_?[15]|throughput|fps|speed|auc|score|f1")
_BOUND = re.compile(r"\s*([^<>=\s]+)\s*(<=|>=|≤|≥)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(%?)\s*")

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TableBound:
    """A bound on one column."""

    column: str
    """Name of the column."""
    value: float
    """The bound, in the unit of ``ResultTable.values``."""
    upper: bool
    """Whether the bound is an upper bound, else a lower one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ResultTable:
    """Networks with their decisions and metrics."""

    domains: Mapping[str, Domain]
    """The domain of each decision in the table."""
    codes_RD: NDArray[np.int64]
    """Index of each value in its domain, (rows, decisions); rows are sorted and all different."""
    values: Mapping[str, Floats]
    """Values of each metric, (rows,). An accuracy in percent is converted to a share."""
    percent: frozenset[str]
    """Columns converted from percent."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.codes_RD)

    def column(self, name: str) -> Floats:
        """Return the values of a metric.

        Raises:
            InputError: If there is no such column.
        """
        if name not in self.values:
            raise unknown_name("a metric of the table", name, self.values)
        return self.values[name]

    def direction(self, name: str) -> str:
        """Return ``minimize`` or ``maximize``.

        Known metrics have their own direction. Others are maximised if the name implies it
        (accuracy, throughput, fps, score ...).
        """
        self.column(name)
        if is_known(name):
            return metric(name).direction
        return "maximize" if _LARGER_IS_BETTER.search(name.lower()) else "minimize"

    def is_share(self, name: str) -> bool:
        """Whether the column is a score to maximise whose values lie between 0 and 1."""
        values = self.column(name)
        if self.direction(name) == "minimize" or values.min() < 0 or values.max() > 1:
            return False
        return name in self.percent or "acc" in name.lower() or is_known(name)

    def bound(self, text: str) -> TableBound:
        """Read a bound such as ``accuracy>=90``, in the column's own unit.

        Raises:
            InputError: If the text has another form, or there is no such column.
        """
        found = _BOUND.fullmatch(text)
        if found is None:
            raise InputError(f"a bound must read like 'accuracy>=90', but got {text!r}")
        name, sign, number, sign_of_percent = found.groups()
        self.column(name)
        scale = 100.0 if name in self.percent or sign_of_percent else 1.0
        return TableBound(column=name, value=float(number) / scale, upper=sign in ("<=", "≤"))

    def twins(self) -> NDArray[np.int64]:
        """Return for each row the first row whose metrics all equal its own, (rows,)."""
        whole = np.stack(list(self.values.values()), axis=1)
        _, first, group = np.unique(whole, axis=0, return_index=True, return_inverse=True)
        return first[group.ravel()]


def read_table(
    path: Path, *, ordered: Collection[str] = (), categorical: Collection[str] = ()
) -> ResultTable:
    """Read a table from a CSV file.

    Columns ``x.NAME`` are decisions, all others with numbers are metrics. A decision is ordered if
    its values are numbers other than 0, 1, 2 ..., which are taken for codes of categories.

    Args:
        path: The file.
        ordered: Names of further decisions (without ``x.``) that are ordered.
        categorical: Names of decisions that are not ordered.

    Raises:
        InputError: If the file cannot be read, has no decision or no metric, or repeats a network.
    """
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"a table must be a readable CSV file, but got {path}: {reason}") from None
    names = [str(each) for each in frame.columns if str(each).startswith(_DECISION)]
    if not names or not len(frame):
        raise InputError(
            f"a table must have rows and decisions in columns like x.kernel, but {path} has "
            f"{len(frame)} rows and the columns {', '.join(map(str, frame.columns))}"
        )
    domains: dict[str, Domain] = {}
    columns: list[NDArray[np.int64]] = []
    for name in names:
        plain = name.removeprefix(_DECISION)
        column = cast("NDArray[Any]", frame[name].to_numpy())
        if pd.isna(column).any():
            raise InputError(f"every row must have a value of {name}, but got an empty one")
        domains[plain], codes = _decision(column, plain in ordered, plain in categorical)
        columns.append(codes)
    for given in (*ordered, *categorical):
        if given not in domains:
            raise unknown_name("a decision of the table", given, domains)
    codes_RD = np.stack(columns, axis=1)
    order = np.lexsort(codes_RD.T[::-1])
    codes_RD = codes_RD[order]
    if len(codes_RD) > 1 and (codes_RD[1:] == codes_RD[:-1]).all(axis=1).any():
        raise InputError(f"a table must hold every network once, but {path} repeats some decisions")
    values, percent = _metrics(frame, names, order, path)
    return ResultTable(domains=domains, codes_RD=codes_RD, values=values, percent=percent)


def _metrics(
    frame: pd.DataFrame, decisions: Sequence[str], order: NDArray[np.int64], path: Path
) -> tuple[dict[str, Floats], frozenset[str]]:
    """Return the metrics in the order of the rows, and those that were in percent."""
    values: dict[str, Floats] = {}
    percent: set[str] = set()
    for name in map(str, frame.columns):
        if name in decisions or not pd.api.types.is_numeric_dtype(frame[name]):
            continue
        column = frame[name].to_numpy(dtype=np.float64)[order]
        if not np.isfinite(column).all():
            raise InputError(f"every row must have a number for {name}, but {path} lacks some")
        if "acc" in name.lower() and 1 < column.max() <= 100:
            percent.add(name)
        values[name] = column
    deviations = {name for name in values if name.endswith("_std")}
    percent |= {name for name in deviations if name.removesuffix("_std") in percent}
    percent -= {name for name in deviations if name.removesuffix("_std") not in percent}
    for name in percent:
        values[name] = values[name] / 100
    if not values:
        raise InputError(f"a table must have a metric beside the decisions, but {path} has none")
    return values, frozenset(percent)


def _decision(
    column: NDArray[Any], ordered: bool, categorical: bool
) -> tuple[Domain, NDArray[np.int64]]:
    """Return the domain of a column and the index of each of its values."""
    numbers = column.dtype.kind in "iuf"
    known, codes = np.unique(column if numbers else column.astype(str), return_inverse=True)
    are_codes = np.array_equal(known, np.arange(len(known))) if numbers else True
    if numbers and (ordered or not (are_codes or categorical)):
        options: Sequence[Value] = [
            int(each) if float(each).is_integer() else float(each) for each in known
        ]
    else:
        options = [str(each) for each in known]
    return Choice(options), codes.astype(np.int64).ravel()
