"""Tables of candidates, and their output as files."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...evaluators.base import in_order, metric
from ...search_space.errors import InputError
from ..candidate import Candidate
from .front import pareto_front

if TYPE_CHECKING:
    import pandas as pd


def metrics_of(candidates: Sequence[Candidate]) -> list[str]:
    """Return the names of the candidates' metrics, in the order of the table of metrics."""
    return in_order(name for each in candidates for name in each.measurements)


def to_frame(candidates: Sequence[Candidate]) -> "pd.DataFrame":
    """Return one row per candidate, in their order.

    Columns: ``number``, ``digest``, ``status``, each metric with its ``_low`` and ``_high`` where
    some candidate has an interval, ``reason``, ``seconds``, ``architecture`` (one line of text),
    then the decisions by their paths. The metrics' units are in ``frame.attrs["units"]``.
    """
    import pandas as pd

    metrics = metrics_of(candidates)
    columns: dict[str, list[Any]] = {
        "number": [each.number for each in candidates],
        "digest": [each.digest for each in candidates],
        "status": [each.status for each in candidates],
    }
    for name in metrics:
        found = [each.measurements.get(name) for each in candidates]
        for end in ("value", "low", "high"):
            values = [None if each is None else getattr(each, end) for each in found]
            if end == "value" or any(value is not None for value in values):
                columns[name if end == "value" else f"{name}_{end}"] = values
    columns["reason"] = [each.reason for each in candidates]
    columns["seconds"] = [each.seconds.get("total") for each in candidates]
    columns["architecture"] = [each.summary() for each in candidates]
    for path in dict.fromkeys(path for each in candidates for path in each.decisions):
        columns[path] = [each.decisions.get(path) for each in candidates]
    frame = pd.DataFrame({name: _series(values) for name, values in columns.items()})
    frame.attrs["units"] = {name: metric(name).unit for name in metrics}
    return frame


def _series(values: list[Any]) -> "pd.Series":
    """Return a column that keeps integers whole where some are missing."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    dtype = {frozenset({int}): "Int64", frozenset({bool}): "boolean"}.get(frozenset(kinds))
    return pd.Series(values, dtype=dtype or (float if kinds <= {int, float} else object))


def front_frame(
    candidates: Sequence[Candidate], objectives: Sequence[str], *, intervals: bool = False
) -> "pd.DataFrame":
    """Return the Pareto front as a table, sorted by the first objective, the best first.

    Args:
        candidates: Candidates; the complete ones take part.
        objectives: Names of the objectives.
        intervals: Keep every candidate that may be on the front, see ``pareto_front``.
    """
    frame = to_frame(pareto_front(candidates, objectives, intervals=intervals))
    if frame.empty:
        return frame
    rising = metric(objectives[0]).direction == "minimize"
    return frame.sort_values(objectives[0], ascending=rising, ignore_index=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        InputError: If the file cannot be written.
    """
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # files of mkstemp are private
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
        why = error.strerror or str(error)
        raise InputError(f"an output file must be writable, but got '{path}': {why}") from error


def write_csv(frame: "pd.DataFrame", path: Path) -> None:
    """Write a table as CSV: one header line, no index.

    Raises:
        InputError: If the file cannot be written.
    """
    write_atomically(path, frame.to_csv(index=False))
