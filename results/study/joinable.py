"""A study that several processes search together."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy
from optuna.distributions import BaseDistribution

from ..candidate import Candidate, searched
from . import claims, records
from .shared_hold import SharedHold
from .storage import retry, storage_errors
from .stored import StoredStudy

if TYPE_CHECKING:
    from ...search_space.architecture.architecture import Architecture


class JoinableStudy(StoredStudy):
    """A study for one process alone (``exclusive``), or for all that join it (``joined``).

    A process that joined claims a candidate before it measures it. The claim ends with the process,
    so that another one takes the candidate up.
    """

    _claimed: frozenset[int] = frozenset()
    """Numbers of the candidates that this process has claimed."""

    @contextmanager
    def joined(self, *, conditions: str = "") -> Generator[None]:
        """Make this process one of those that search the study; at the end its claims are free.

        Results in the spill file are stored first.

        Args:
            conditions: Conditions of this process's measurements, as text.

        Raises:
            InputError: If a process searches the study alone, others measure under other
                conditions, or the storage has no shared locks.
        """
        hold = SharedHold(
            self._storage, self._spill.url, self._id, self.name, conditions=conditions
        )
        self._claimed = frozenset()
        with self._holding(hold):
            yield

    def claim(
        self,
        *,
        architecture: "Architecture",
        decisions: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        budget: int | None,
    ) -> Candidate | None:
        """Record that this process is about to measure a candidate; inside ``joined`` only.

        Args:
            architecture: The architecture.
            decisions: The decisions of the walk: from path to value.
            distributions: The domain of each decision by path, the same on every walk.
            budget: Largest number of candidates in the study; None: no limit.

        Returns:
            The candidate with its number; None if the study has the architecture or the budget.

        Raises:
            StorageError: If the candidate cannot be stored.
        """
        hold = self._shared()
        candidate = Candidate(
            number=self._last + 1,
            architecture=architecture.canonical,
            decisions=decisions,
            status="running",
        )

        def insert() -> int | None:
            with hold.transaction() as connection:
                running = self._refresh_by(connection)
                lost = self._unreported(connection)
                if mine := [each for each in running if each.number in lost]:
                    same = (each.number for each in mine if each.digest == candidate.digest)
                    return next(same, None)
                there = searched((*running, *self._finished.values()))
                known = {each.digest for each in there}
                if candidate.digest in known or (budget is not None and len(there) >= budget):
                    return None
                mark = {claims.KEY: hold.token}
                return records.insert(
                    self._storage, connection, self._id, candidate, distributions, mark
                )

        number = retry(insert)
        if number is None:
            return None
        self._claimed |= {number}
        return replace(candidate, number=number)

    def take_up(self) -> Candidate | None:
        """Claim one candidate whose process has ended, if there is one; inside ``joined`` only.

        Raises:
            StorageError: If the claim cannot be stored.
        """
        hold = self._shared()
        with storage_errors(self.url), self._storage.engine.connect() as connection:
            if not self._free(connection):
                return None

        def take() -> Candidate | None:
            with hold.transaction() as connection:
                free = self._free(connection)
                if free:
                    claims.claim(connection, self._id, free[0].number, hold.token)
                return free[0] if free else None

        found = retry(take)
        if found is not None:
            self._claimed |= {found.number}
        return found

    def _free(self, connection: sqlalchemy.Connection) -> list[Candidate]:
        """Return the running candidates that no living process measures."""
        hold, running = self._shared(), self._refresh_by(connection)
        living, owners = hold.living(connection), claims.owners(connection, self._id)
        lost = self._unreported(connection)
        return [
            each
            for each in running
            if not each.origin and (each.number in lost or owners.get(each.number) not in living)
        ]

    def _unreported(self, connection: sqlalchemy.Connection) -> set[int]:
        """Return the candidates claimed by transactions after which the connection was lost."""
        token, owners = self._shared().token, claims.owners(connection, self._id)
        return {number for number, each in owners.items() if each == token} - self._claimed

    def _shared(self) -> SharedHold:
        assert isinstance(self._hold, SharedHold), "only processes that joined claim candidates"
        return self._hold
