"""Columns of candidates, as of a study."""

from collections.abc import Iterable

from nas_explorer.results.analysis.columns import ColumnBuilder, Columns
from nas_explorer.results.candidate import Candidate


def columns_of(candidates: Iterable[Candidate]) -> Columns:
    """Return the columns of candidates."""
    builder = ColumnBuilder()
    builder.take(each.to_json() for each in candidates)
    return builder.columns()
