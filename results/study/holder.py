"""The process that searches a study, noted in the study's row and checked in every transaction."""

import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import sqlalchemy
from optuna.storages import RDBStorage

from ...search_space.errors import InputError
from .locks import PING_SECONDS, lock_of
from .optuna_tables import STUDY_NOTES
from .storage import StorageError, one_transaction, retry, storage_errors

_log = logging.getLogger(__name__)
HOLDER = "nas:holder"


def this_process() -> dict[str, Any]:
    """Return the note of this process, with a new token."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "system": _system(),
        "since": time.time(),
        "token": secrets.token_hex(8),
    }


def _system() -> str:
    """Return an identifier of the running system, within which a process id is unique."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def members_of(holder: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the processes that search a study together, by token; empty for one alone."""
    found = holder.get("members")
    return dict(found) if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownArgumentType]


def searched_by(holder: Mapping[str, Any]) -> str:
    """Return the searching process, or processes, as text."""
    others = len(members_of(holder)) - 1
    more = f" and {others} more" if others > 0 else ""
    return f"process {holder.get('pid')} on {holder.get('host')}{more}"


def parsed(text: str | None) -> dict[str, Any]:
    """Return a stored note; an empty one where it cannot be read."""
    with suppress(ValueError, TypeError):
        data = json.loads(text or "{}")
        if isinstance(data, dict):
            return data  # pyright: ignore[reportUnknownVariableType]
    return {}


class Hold:
    """The exclusive right to write to one study."""

    shared: ClassVar[bool] = False
    """Whether other processes may have the same right."""

    def __init__(
        self, storage: RDBStorage, url: str, study_id: int, study: str, *, search: bool = True
    ) -> None:
        """Prepare the right to a study; a ``with`` statement acquires and releases it.

        Args:
            storage: Storage of the study.
            url: The storage's URL.
            study_id: Optuna's id of the study.
            study: Name of the study.
            search: Whether this counts as a search, which makes the study the latest.
        """
        self._storage = storage
        self._url = url
        self._id = study_id
        self._study = study
        self._lock = lock_of(storage, url, study_id, study, shared=self.shared)
        self._mine = this_process()
        self._search = search

    @property
    def token(self) -> str:
        """The token of this hold, different for each."""
        return self._mine["token"]

    def __enter__(self) -> Self:
        """Acquire the study.

        Raises:
            InputError: If another process searches the study; nothing is written.
        """
        if not self._acquire():
            with storage_errors(self._url):
                raise self._refused(self._note())
        try:
            retry(self._begin)
        except BaseException:
            self._lock.release()
            raise
        return self

    def _refused(self, holder: Mapping[str, Any]) -> InputError:
        """Return the error for a study that another process searches."""
        by, what = searched_by(holder), "is searching"
        if members_of(holder):
            what = "search together: --join joins them"
        return InputError(
            f"a study must be searched by one process at a time, but got {self._study!r}, "
            f"which {by} {what}"
        )

    def _begin(self) -> None:
        with storage_errors(self._url):
            before = self._note()
        if not self._search and "since" in before:
            self._mine["since"] = before["since"]
        self._write(self._mine)

    def __exit__(self, *_: object) -> None:
        try:
            self._leave()
        finally:
            self._lock.release()

    @contextmanager
    def transaction(self) -> Generator[sqlalchemy.Connection]:
        """Join all writes inside into one transaction of the holder.

        Raises:
            StorageError: If this process no longer holds the study; nothing is written.
        """
        self._lock.check()
        with storage_errors(self._url), one_transaction(self._storage) as connection:
            self._check(connection)
            yield connection

    def _acquire(self) -> bool:
        lock = self._lock
        if not lock.acquire():
            return False
        if not lock.comes_back:
            return True
        try:
            with storage_errors(self._url):
                before = self._note()
        except BaseException:
            lock.release()
            raise
        if self._is_free(before):
            return True
        # A process that has just lost its connection soon takes the lock again.
        lock.release()
        _log.warning(
            "waiting %g s: %s may still be searching study %r",
            2 * PING_SECONDS,
            searched_by(before),
            self._study,
        )
        time.sleep(2 * PING_SECONDS)
        return lock.acquire()

    def _is_free(self, holder: Mapping[str, Any]) -> bool:
        """Whether no earlier holder, which has lost its lock, can take it again."""
        return "token" not in holder or "released" in holder or has_ended(holder)

    def _note(self) -> dict[str, Any]:
        with self._storage.engine.connect() as connection:
            return self._read_note(connection)

    def _read_note(self, connection: sqlalchemy.Connection) -> dict[str, Any]:
        return parsed(self._text(connection))

    def _text(self, connection: sqlalchemy.Connection) -> str | None:
        columns = STUDY_NOTES.c
        query = sqlalchemy.select(columns.value_json).where(
            columns.study_id == self._id, columns.key == HOLDER
        )
        return connection.execute(query).scalar_one_or_none()

    def _check(self, connection: sqlalchemy.Connection) -> None:
        found = self._locked_note(connection)
        if found.get("token") != self._mine["token"]:
            raise self._lost(found)

    def _locked_note(self, connection: sqlalchemy.Connection) -> dict[str, Any]:
        """Return the note; nobody else writes to the study until the transaction ends."""
        # This write changes no value, but locks the row.
        self._put(connection, key=HOLDER)
        text = self._text(connection)
        if text is None:
            raise self._deleted()
        return parsed(text)

    def _put(self, connection: sqlalchemy.Connection, **values: str) -> None:
        """Change the row of the note."""
        columns = STUDY_NOTES.c
        row = sqlalchemy.update(STUDY_NOTES).where(
            columns.study_id == self._id, columns.key == HOLDER
        )
        connection.execute(row.values(**values))

    def _lost(self, holder: Mapping[str, Any]) -> StorageError:
        return StorageError(
            f"a study must be searched by one process at a time, but got {self._study!r}, "
            f"which {searched_by(holder)} has begun to search"
        )

    def _write(self, note: Mapping[str, Any]) -> None:
        with storage_errors(self._url):
            try:
                self._storage.set_study_system_attr(self._id, HOLDER, dict(note))
            except KeyError:
                raise self._deleted() from None

    def _deleted(self) -> StorageError:
        return StorageError(
            f"a study must not be deleted while it is searched, but got {self._study!r}, "
            "which was deleted"
        )

    def _leave(self) -> None:
        """Record that no process searches the study; the lock is released even if that fails."""
        try:
            with self.transaction():
                self._write({**self._mine, "released": time.time()})
        except StorageError as error:
            _log.info("study %r was not released properly: %s", self._study, error)


def has_ended(holder: Mapping[str, Any]) -> bool:
    """Whether the process of a note, or each that searched together, is known to have ended."""
    if members := members_of(holder):
        return all(map(has_ended, members.values()))
    if holder.get("system", _system()) != _system():  # a number has another meaning there
        return False
    if holder.get("host") != socket.gethostname() or not isinstance(holder.get("pid"), int):
        return False
    if not hasattr(os, "getuid"):  # where a signal would end the process
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
