"""A study: the stored record of one search, in a database that Optuna's tools open too.

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
import os
import socket
import time
import warnings
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage

from ..search_space.errors import InputError, unknown_name
from . import records
from .candidate import Candidate
from .rescue import Rescue
from .settings import StudySettings, check_study_name
from .storage import (
    StorageError,
    one_transaction,
    open_storage,
    retry,
    shown_url,
    storage_errors,
    study_lock,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..search_space.architecture import Architecture

_log = logging.getLogger(__name__)
_SETTINGS = "nas:settings"
_HOLDER = "nas:holder"
_TRACEBACK_CHARACTERS = 20_000


def studies_of(storage: RDBStorage, url: str) -> dict[str, Mapping[str, Any]]:
    """Return the stored settings by study name, the study that was searched last first."""
    with storage_errors(url):
        found = [each for each in storage.get_all_studies() if _SETTINGS in each.system_attrs]
    found.sort(key=lambda each: each.system_attrs[_HOLDER]["since"], reverse=True)
    return {each.study_name: each.system_attrs[_SETTINGS] for each in found}


def _holder() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}


class Study:
    """The stored record of one search. For one thread at a time."""

    def __init__(self, *, storage: RDBStorage, url: str, name: str) -> None:
        """Attach to a study that is there; use ``open`` or ``create_or_open``."""
        self.name = name
        self.url = shown_url(url)
        self._storage = storage
        self._rescue = Rescue(url=url, study=name)
        self._finished: dict[int, Candidate] = {}
        self._order: dict[int, int] = {}
        self._exclusive = False
        with storage_errors(url):
            self._id = storage.get_study_id_from_name(name)
            attributes = storage.get_study_system_attrs(self._id)
        self.settings = StudySettings.from_json(attributes[_SETTINGS])
        if kept := self._rescue.pending():
            try:
                with self.exclusive():
                    pass
            except InputError as error:
                _log.warning("not taken in: %s (%s)", ", ".join(map(str, kept)), error)

    # Opening --------------------------------------------------------------------------------

    @classmethod
    def create_or_open(cls, name: str, storage_url: str, settings: StudySettings) -> "Study":
        """Make a study, or open the one of that name.

        Args:
            name: Printable text, at most 200 characters.
            storage_url: SQLAlchemy URL; an SQLite file and its folder are made where missing.
            settings: What it is made with.

        Raises:
            StorageError: If the storage cannot be used.
            InputError: If the study that is there was made with other settings.
        """
        check_study_name(name)
        storage = open_storage(storage_url, create=True)
        if name not in studies_of(storage, storage_url):
            try:
                _create(storage, storage_url, name, settings)
            except optuna.exceptions.DuplicatedStudyError:  # or made by another just now
                if name not in studies_of(storage, storage_url):
                    raise InputError(
                        f"a study's name must not be that of a study of another program, "
                        f"but got {name!r}"
                    ) from None
        study = cls(storage=storage, url=storage_url, name=name)
        if difference := study.settings.difference(settings):
            study.close()
            setting, has, asked = difference
            raise InputError(
                f"study {name!r} was made with {setting} {has}, but got {asked}; "
                "use another --study name"
            )
        return study

    @classmethod
    def open(cls, name: str | None, storage_url: str) -> "Study":
        """Open a study that is there; none: the one that was searched last.

        Raises:
            StorageError: If there is no such storage.
            InputError: If there is no such study; the message lists those there are.
        """
        storage = open_storage(storage_url, create=False)
        known = list(studies_of(storage, storage_url))
        if not known:
            raise InputError(
                f"storage must hold a study, but got {shown_url(storage_url)!r} with none"
            )
        if name is not None and name not in known:
            raise unknown_name("study", name, known)
        return cls(storage=storage, url=storage_url, name=name or known[0])

    def close(self) -> None:
        """Close the connections to the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    @contextmanager
    def exclusive(self) -> Generator[None]:
        """Be the only process that searches this study. What is ``running`` then is abandoned.

        Results that a full disk or a lost connection kept out of the storage are taken in first.

        Raises:
            InputError: If another process searches it now.
        """
        with study_lock(self._storage, self._rescue.url, self.name) as held:
            if not held:
                with storage_errors(self.url):
                    by = self._storage.get_study_system_attrs(self._id)[_HOLDER]
                raise InputError(
                    f"a study must be searched by one process at a time, but got {self.name!r}, "
                    f"which process {by['pid']} on {by['host']} is searching"
                )
            with storage_errors(self.url):
                self._storage.set_study_system_attr(self._id, _HOLDER, _holder())
            self._exclusive = True
            try:
                self._take_in()
                yield
            finally:
                self._exclusive = False

    # Writing --------------------------------------------------------------------------------

    def start(
        self,
        number: int,
        *,
        architecture: "Architecture",
        decisions: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
    ) -> Candidate:
        """Record that a candidate is about to be measured; inside ``exclusive`` only.

        Args:
            number: Its number: that of candidates there are.
            architecture: The network.
            decisions: What was chosen on the walk: path to value.
            distributions: Path to the domain of that decision, the same on every walk.

        Raises:
            StorageError: If it cannot be stored, or another program wrote into the study.
        """
        assert self._exclusive
        candidate = Candidate(
            number=number,
            architecture=architecture.canonical,
            decisions=decisions,
            status="running",
        )
        with storage_errors(self.url):
            stored = records.insert(self._storage, self._id, candidate, distributions)
        if stored != number:
            raise StorageError(
                f"only this program may add to study {self.name!r}, "
                f"but got number {stored} where {number} was next"
            )
        return candidate

    def finish(self, candidate: Candidate) -> None:
        """Record what became of a started candidate; inside ``exclusive`` only.

        One that has finished before stays as it was. If the storage fails for good, the candidate
        is written to a file from which the next opening of the study takes it; going on to finish
        others is fine.

        Raises:
            StorageError: If it could not be stored; the message says where it was kept.
        """
        assert self._exclusive and candidate.status != "running"
        try:
            retry(lambda: self._store(candidate))
        except StorageError as error:
            kept = self._rescue.keep(candidate)
            raise StorageError(
                f"{error}; candidate {candidate.number} is kept in {kept}"
            ) from error

    def _store(self, candidate: Candidate) -> None:
        if candidate.traceback:
            candidate = replace(candidate, traceback=candidate.traceback[-_TRACEBACK_CHARACTERS:])
        order = len(self._finished)
        with storage_errors(self.url):
            try:
                records.update(self._storage, self._id, candidate, self.settings.objectives, order)
            except optuna.exceptions.UpdateFinishedTrialError:
                _log.warning("candidate %d had finished before", candidate.number)
                return
        self._finished[candidate.number] = candidate
        self._order[candidate.number] = order

    def _take_in(self) -> None:
        """Store what was kept in a file when the storage failed."""
        waiting = {each.number: each.digest for each in self.running()}
        for candidate in self._rescue.read():
            if waiting.get(candidate.number) == candidate.digest:
                retry(lambda candidate=candidate: self._store(candidate))
        self._rescue.remove()

    # Reading --------------------------------------------------------------------------------

    def _refresh(self) -> list[Candidate]:
        """Read what has finished since; return those that have not."""
        unfinished: list[Candidate] = []
        with storage_errors(self.url):
            found = records.read(self._storage, self._id, self._finished)
        for candidate, order in found:
            if order is None:
                unfinished.append(candidate)
            else:
                self._finished[candidate.number] = candidate
                self._order[candidate.number] = order
        return unfinished

    def candidates(self) -> list[Candidate]:
        """Return all candidates in the order of their numbers; those finished are read once."""
        unfinished = self._refresh()
        return sorted([*self._finished.values(), *unfinished], key=lambda each: each.number)

    def records(
        self, numbers: Collection[int] = (), *, after: int | None = None, networks: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Yield the stored records of the candidates of these numbers, which ``Candidate`` reads.

        Args:
            numbers: Of which candidates, a few hundred at most.
            after: All with greater numbers than this too; none: no others.
            networks: Whether the architectures are needed, without which ``Candidate`` reads none.
        """
        with storage_errors(self.url):
            yield from records.rows(self._storage, self._id, numbers, after, networks=networks)

    def running(self) -> list[Candidate]:
        """Return the candidates that have not finished, in the order of their numbers.

        Inside ``exclusive`` and before any was started, these are what a killed search left:
        measure them again under their numbers and ``finish`` them.
        """
        return self._refresh()

    def finished(self) -> list[Candidate]:
        """Return the candidates that have finished, in the order in which they did."""
        self._refresh()
        return sorted(self._finished.values(), key=lambda each: self._order[each.number])

    def find(self, text: str) -> Candidate:
        """Return the candidate of that number, or else of that unique prefix of its digest.

        Raises:
            InputError: If there is none, or more than one.
        """
        candidates = self.candidates()
        text = text.strip().lower()
        matching = [each for each in candidates if str(each.number) == text]
        if text and not matching:
            matching = [each for each in candidates if each.digest.startswith(text)]
        if len(matching) == 1:
            return matching[0]
        rule = "a candidate must be a number or a unique prefix of a digest"
        if matching:
            some = ", ".join(f"{each.number} ({each.digest[:12]})" for each in matching[:5])
            raise InputError(f"{rule}, but got {text!r}, which fits {len(matching)}: {some}")
        raise InputError(
            f"{rule} in study {self.name!r} of {len(candidates)} candidates, but got {text!r}"
        )

    def _facts(self) -> list[tuple[str, str]]:
        """Return how far it has come, and the best of each objective."""
        from .front import best, pareto_front, superlative
        from .table import format_measurement

        candidates = self.candidates()
        front = pareto_front(candidates, self.settings.objectives)
        counts = Counter(each.status for each in candidates)
        told = ", ".join(f"{count} {status}" for status, count in counts.most_common())
        facts = [("candidates", told or "none yet"), ("on the front", str(len(front)))]
        for name in self.settings.objectives if front else ():
            found = best(front, name)
            value = format_measurement(found.measurements[name])
            facts.append((f"{superlative(name)} {name}", f"{value}, candidate {found.number}"))
        return facts

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
            for name, value in self._facts()
        )
        return f"<table><caption>study {escape(self.name)}</caption>{cells}</table>"

    def __rich__(self) -> str:
        lines = [f"study {self.name}", *(f"{name:<16} {value}" for name, value in self._facts())]
        return "\n".join(lines).replace("[", r"\[")

    def front(self, *, intervals: bool = False) -> "pd.DataFrame":
        """Return the Pareto front over the objectives as a table, the best of the first on top.

        Args:
            intervals: Keep every candidate that is not clearly dominated, see ``pareto_front``.
        """
        from .table import front_frame

        return front_frame(self.candidates(), self.settings.objectives, intervals=intervals)


def _create(storage: RDBStorage, url: str, name: str, settings: StudySettings) -> None:
    """Make the study, all of it or nothing."""

    def make() -> None:
        with storage_errors(url), one_transaction(storage), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(
                storage=storage, study_name=name, directions=settings.directions
            )
            study.set_metric_names(list(settings.objectives))
            for key in ("space_name", "objectives", "constraints", "searcher", "seed"):
                study.set_user_attr(key, getattr(settings, key))
            study_id = storage.get_study_id_from_name(name)
            storage.set_study_system_attr(study_id, _SETTINGS, settings.to_json())
            storage.set_study_system_attr(study_id, _HOLDER, _holder())

    retry(make)
