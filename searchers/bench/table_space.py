"""A table as a search space, on which the searchers run unchanged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from ...search_space.architecture.architecture import Architecture
from ...search_space.domains import Domain, Value
from ...search_space.walk.assembly import Walk
from ...search_space.walk.choosers import Chooser, enumerate_walks
from .result_table import ResultTable


@dataclass(frozen=True, kw_only=True)
class TableNetwork:
    """A row of a table in place of an architecture."""

    row: int
    """Index of the row in the table."""
    digest: str
    """Digest of the row, equal for rows that count as one network."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TableSpace:
    """The decisions of a table as a ``Space``; a walk ends at a row of the table."""

    table: ResultTable
    """The table."""
    distinct: bool = False
    """Whether rows with equal metrics count as one network."""
    _offered: dict[tuple[int, ...], tuple[Value, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        of = self.table.twins() if self.distinct else range(self.table.rows)
        networks = [TableNetwork(row=row, digest=f"{twin:064x}") for row, twin in enumerate(of)]
        # A searcher reads the digest of an architecture and nothing else.
        object.__setattr__(self, "_networks", cast(list[Architecture], networks))

    def walk(self, chooser: Chooser) -> Walk:
        """Choose the decisions in the order of the columns; only rows of the table are offered."""
        decisions: dict[str, Value] = {}
        codes_RD = self.table.codes_RD
        low, high = 0, self.table.rows
        prefix: tuple[int, ...] = ()
        for place, (path, domain) in enumerate(self.table.domains.items()):
            allowed = self._allowed(prefix, low, high, domain)
            value = chooser.choose(path, domain, allowed) if len(allowed) > 1 else allowed[0]
            code = domain.values.index(value)
            column = codes_RD[low:high, place]
            high = low + int(column.searchsorted(code, "right"))
            low += int(column.searchsorted(code, "left"))
            decisions[path], prefix = value, (*prefix, code)
        return Walk(architecture=self.network(low), decisions=decisions)

    def _allowed(
        self, prefix: tuple[int, ...], low: int, high: int, domain: Domain
    ) -> Sequence[Value]:
        """Return the values that rows ``low`` to ``high`` have at the next decision."""
        if prefix not in self._offered:
            found = np.unique(self.table.codes_RD[low:high, len(prefix)])
            self._offered[prefix] = tuple(domain.values[code] for code in found)
        return self._offered[prefix]

    def network(self, row: int) -> Architecture:
        """Return the stand-in for the network of a row."""
        return vars(self)["_networks"][row]

    def enumerate(self) -> Iterator[Walk]:
        """Yield every row once, in the order of the table."""
        return enumerate_walks(self.walk)

    def decisions(self) -> Mapping[str, Domain]:
        """Return the domains of the decisions by name."""
        return self.table.domains


def row_of(architecture: Architecture) -> int:
    """Return the row of a network of a ``TableSpace``."""
    return cast(TableNetwork, architecture).row
