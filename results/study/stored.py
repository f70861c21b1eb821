"""A study stored in a database that Optuna's tools can open too.

One Optuna study per study, one Optuna trial of the same number per candidate:

============  ============  =======================================================
candidate     trial state   what else Optuna's tools see
============  ============  =======================================================
running       RUNNING       decisions as parameters, digest and architecture
complete      COMPLETE      the objectives as values, other metrics as attributes
infeasible    PRUNED        the reason; it has no values, as it may never be trained
failed        FAIL          the reason, and the metrics that were had
============  ============  =======================================================

The whole candidate is one JSON value beside them, from which this package reads.
"""

import logging
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage

from ...evaluators.base import Measurement
from ...search_space.errors import InputError, unknown_name
from ..candidate import Candidate
from ..settings import StudySettings, check_study_name
from . import records
from .find import find
from .holder import Hold
from .run_time import KEY as TIME
from .run_time import RunTime
from .spill_file import SpillFile
from .storage import StorageError, open_storage, retry, shown_url, storage_errors, weights_folder
from .studies import StudyEntry, add_revision, make_study, studies_by_name

if TYPE_CHECKING:
    from ...search_space.architecture.architecture import Architecture

_log = logging.getLogger(__name__)
_FOREIGN = "another program added it"
_TRACEBACK_CHARACTERS = 20_000


class StoredStudy:
    """A study in its storage: opening, writing and reading, for one thread at a time."""

    def __init__(self, *, storage: RDBStorage, url: str, entry: StudyEntry) -> None:
        """Attach to an existing study; use ``open`` or ``create_or_open``."""
        self.name = entry.name
        self.url = shown_url(url)
        self.weights = weights_folder(entry.name, url)
        """Folder of the weights kept by the search."""
        entry.check_readable()
        self.settings = StudySettings.from_json(entry.settings)
        self._storage = storage
        self._spill = SpillFile(url=url, study=entry.name)
        self._id = entry.study_id
        self._finished: dict[int, Candidate] = {}
        self._order: dict[int, int] = {}
        self._left_out: dict[int, str] = {}
        self._last = -1
        self._hold: Hold | None = None
        if kept := self._spill.pending():
            try:
                with self.exclusive():
                    pass
            except InputError as error:
                _log.warning("not taken in: %s (%s)", ", ".join(map(str, kept)), error)

    # Opening --------------------------------------------------------------------------------

    @classmethod
    def create_or_open(cls, name: str, storage_url: str, settings: StudySettings) -> Self:
        """Create a study, or open the one of that name.

        Args:
            name: Printable text, at most 200 characters.
            storage_url: SQLAlchemy URL; an SQLite file and its folder are created if missing.
            settings: Settings of the study.

        Raises:
            StorageError: If the storage cannot be used.
            InputError: If the existing study has other settings.
        """
        check_study_name(name)
        storage = open_storage(storage_url, create=True)
        known = studies_by_name(storage, storage_url)
        if name not in known:
            make_study(storage, storage_url, name, settings)
            known = studies_by_name(storage, storage_url)
        study = cls(storage=storage, url=storage_url, entry=known[name])
        if difference := study.settings.difference(settings):
            study.close()
            setting, has, asked = difference
            raise InputError(
                f"study {name!r} was made with {setting} {has}, but got {asked}; "
                f"{settings.remedy(setting, has)}"
            )
        return study

    @classmethod
    def open(cls, name: str | None, storage_url: str) -> Self:
        """Open an existing study; None: the latest, as in ``study_list``.

        Raises:
            StorageError: If the storage does not exist.
            InputError: If the study does not exist; the message lists the existing ones.
        """
        storage = open_storage(storage_url, create=False)
        known = studies_by_name(storage, storage_url)
        if not known:
            raise InputError(
                f"storage must hold a study, but got {shown_url(storage_url)!r} with none"
            )
        if name is not None and name not in known:
            raise unknown_name("study", name, list(known))
        if name is None:
            name = next(iter(known))
            for each in known.values():
                if not each.settings and each.name != name:
                    _log.warning("left out: study %r, whose settings are damaged", each.name)
        return cls(storage=storage, url=storage_url, entry=known[name])

    def close(self) -> None:
        """Close the connections to the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    @contextmanager
    def exclusive(self) -> Generator[None]:
        """Make this process the only one that searches the study; ``running`` candidates are
        abandoned.

        Results in the spill file (written after a full disk or a lost connection) are stored first.

        Raises:
            InputError: If another process searches the study.
        """
        with self._holding(Hold(self._storage, self._spill.url, self._id, self.name)):
            yield

    @contextmanager
    def _holding(self, hold: Hold) -> Generator[None]:
        """Hold the study inside the context, and store the results of the spill file first."""
        with hold as self._hold:
            try:
                self._take_in()
                yield
            finally:
                self._hold = None

    # Writing --------------------------------------------------------------------------------

    def start(
        self,
        *,
        architecture: "Architecture",
        decisions: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        origin: Mapping[str, Any] | None = None,
    ) -> Candidate:
        """Record that a candidate is about to be measured; inside ``exclusive`` only.

        Its number is that of the trial, which follows those of other programs too.

        Args:
            architecture: The architecture.
            decisions: The decisions of the walk: from path to value.
            distributions: The domain of each decision by path, the same on every walk.
            origin: See ``Candidate.origin``.

        Raises:
            StorageError: If the candidate cannot be stored.
        """
        candidate = Candidate(
            number=self._last + 1,
            architecture=architecture.canonical,
            decisions=decisions,
            status="running",
            origin=origin or {},
        )
        hold, again = self._held(), False

        def insert() -> int:
            nonlocal again
            with hold.transaction() as connection:
                if again:  # the connection may have been lost after the write
                    there = records.added(connection, self._id, candidate, self._last)
                    if there is not None:
                        return there
                again = True
                return records.insert(self._storage, connection, self._id, candidate, distributions)

        number = retry(insert)
        for foreign in range(self._last + 1, number):
            self._leave_out(foreign, _FOREIGN)
        self._last = number
        return replace(candidate, number=number)

    def _held(self) -> Hold:
        assert self._hold is not None, "only the holder of a study writes to it"
        return self._hold

    def finish(self, candidate: Candidate, spent: RunTime | None = None) -> Candidate:
        """Store the result of a started candidate and return the recorded one.

        A candidate that has finished before is not changed. If the storage fails permanently, the
        candidate is written to the spill file, which the next opening of the study reads; others
        can still be finished.

        Args:
            candidate: The finished candidate.
            spent: Time of the run so far, stored with the candidate.

        Raises:
            StorageError: If the candidate could not be stored; the message names the spill file.
        """
        assert candidate.status != "running"
        try:
            retry(lambda: self._store(candidate, spent))
        except StorageError as error:
            kept = self._spill.keep(candidate)
            raise StorageError(
                f"{error}; candidate {candidate.number} is kept in {kept}"
            ) from error
        except BaseException:  # the user interrupts the wait for the storage
            if candidate.number not in self._finished:
                self._spill.keep(candidate)
            raise
        return self._finished.get(candidate.number, candidate)

    def _store(self, candidate: Candidate, spent: RunTime | None = None) -> None:
        if candidate.traceback:
            candidate = replace(candidate, traceback=candidate.traceback[-_TRACEBACK_CHARACTERS:])
        objectives = self.settings.objectives
        hold = self._held()
        with hold.transaction() as connection:
            if hold.shared:  # others have finished candidates too
                self._refresh_by(connection)
            order = len(self._finished)
            stored = records.update(
                self._storage, connection, self._id, candidate, objectives, order
            )
            if spent is not None:
                self._write_time(spent)
        if stored:
            self._finished[candidate.number] = candidate
            self._order[candidate.number] = order
        else:
            _log.info("candidate %d had finished before", candidate.number)

    def record_time(self, spent: RunTime) -> None:
        """Store the time of the run so far; inside ``exclusive`` only.

        Raises:
            StorageError: If it cannot be stored.
        """

        def write() -> None:
            with self._held().transaction():
                self._write_time(spent)

        retry(write)

    def _write_time(self, spent: RunTime) -> None:
        key = f"{TIME}{self._held().token}"
        self._storage.set_study_system_attr(self._id, key, spent.to_json())

    def remeasure(
        self, candidate: Candidate, measured: Iterable[Measurement], broken: str | None = None
    ) -> None:
        """Replace measurements, or add new ones; inside ``exclusive`` only.

        Args:
            candidate: A complete or infeasible candidate.
            measured: The new measurements.
            broken: Why they make the candidate infeasible; None: it is complete.
        """
        new = {each.metric: each for each in measured}
        changed = replace(
            candidate,
            measurements={**candidate.measurements, **new},
            status="infeasible" if broken else "complete",
            reason=broken,
        )
        self.revise(changed)

    def revise(self, candidate: Candidate, spent: RunTime | None = None) -> None:
        """Replace the record of a finished candidate; inside ``exclusive`` only.

        Args:
            candidate: The candidate as it is now, complete or infeasible.
            spent: Time of the run so far, stored with the candidate.

        Raises:
            StorageError: If it cannot be stored.
        """
        assert candidate.status in ("complete", "infeasible", "baseline")
        objectives = self.settings.objectives

        def write() -> None:
            with self._held().transaction() as connection:
                records.rewrite(connection, self._id, candidate, objectives)
                add_revision(self._storage, connection, self._id)
                if spent is not None:
                    self._write_time(spent)

        retry(write)
        self._finished[candidate.number] = candidate

    def _take_in(self) -> None:
        """Store the candidates of the spill file."""
        waiting = {each.number: each.digest for each in self.running()}
        for candidates in self._spill.taken():
            for candidate in candidates:
                if waiting.get(candidate.number) == candidate.digest:
                    retry(lambda candidate=candidate: self._store(candidate))

    # Reading --------------------------------------------------------------------------------

    def _refresh(self) -> list[Candidate]:
        """Read newly finished candidates; return the running ones."""
        with storage_errors(self.url), self._storage.engine.connect() as connection:
            return self._refresh_by(connection)

    def _refresh_by(self, connection: sqlalchemy.Connection) -> list[Candidate]:
        unfinished: list[Candidate] = []
        found = records.read(connection, self._id, self._finished)
        for candidate, order in found.candidates:
            if order is None:
                unfinished.append(candidate)
            else:
                self._finished[candidate.number] = candidate
                self._order[candidate.number] = order
            self._last = max(self._last, candidate.number)
        for number in found.foreign:
            self._leave_out(number, _FOREIGN)
        for number, reason in found.damaged.items():
            self._leave_out(number, f"its record cannot be read: {reason}")
        return unfinished

    def _leave_out(self, number: int, reason: str) -> None:
        """Log, once for each trial, that it is not a candidate or cannot be read."""
        self._last = max(self._last, number)
        if number not in self._left_out:
            self._left_out[number] = reason
            _log.warning("left out: candidate %d of study %r; %s", number, self.name, reason)

    @property
    def left_out(self) -> Mapping[int, str]:
        """Reasons, by number, for the trials left out so far."""
        return self._left_out

    def candidates(self) -> list[Candidate]:
        """Return all candidates in the order of their numbers; finished ones are read once."""
        unfinished = self._refresh()
        return sorted([*self._finished.values(), *unfinished], key=lambda each: each.number)

    def records(
        self, numbers: Collection[int] = (), *, after: int | None = None, networks: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Yield the stored records of the candidates of these numbers, which ``Candidate`` reads.

        Args:
            numbers: Numbers of the candidates, a few hundred at most.
            after: Candidates with larger numbers are yielded besides ``numbers``; None: none.
            networks: Whether to include the architectures; ``Candidate`` then has them.
        """
        with storage_errors(self.url):
            found = records.rows(self._storage, self._id, numbers, after, networks=networks)
            for number, record in found:
                if isinstance(record, str):
                    self._leave_out(number, f"its record cannot be read: {record}")
                else:
                    yield record

    def running(self) -> list[Candidate]:
        """Return the candidates that have not finished, in the order of their numbers.

        Inside ``exclusive``, before any is started, they were left by a killed search: measure them
        again under their numbers and ``finish`` them.
        """
        return self._refresh()

    def finished(self) -> list[Candidate]:
        """Return the finished candidates in order of finishing."""
        self._refresh()
        return sorted(self._finished.values(), key=lambda each: self._order[each.number])

    def find(self, text: str | int) -> Candidate:
        """Return the candidate with a number, else with a unique prefix of its digest.

        Raises:
            InputError: If no candidate matches, or several do.
        """
        return find(self.candidates(), self._left_out, text, study=self.name)
