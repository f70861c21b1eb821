"""Locks of studies, so that one process at a time searches a study, or only processes that join,
under any path of the storage."""

import errno
import hashlib
import logging
import os
import struct
import sys
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import sqlalchemy
from filelock import FileLock, Timeout
from optuna.storages import RDBStorage
from sqlalchemy import exc

from ...search_space.errors import InputError
from .storage import StorageError, explained, file_beside, shown_url, sqlite_file, storage_errors

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)
PING_SECONDS = 5.0
"""Seconds between two requests for a server's lock, which recover a lost lock."""
_FIRST_BYTE = 1 << 62
"""Offset of the studies' bytes in a database file, far beyond its end and SQLite's own locks."""


class StudyLock(ABC):
    """The lock of a study, which ends with the process that holds it."""

    comes_back: ClassVar[bool] = False
    """Whether a process that has lost the lock soon takes it again."""

    @abstractmethod
    def acquire(self) -> bool:
        """Take the lock; return whether it was free."""

    @abstractmethod
    def check(self) -> None:
        """Make sure that the lock is still held.

        Raises:
            StorageError: If the lock is lost and cannot be taken again.
        """

    @abstractmethod
    def release(self) -> None:
        """Release the lock."""


def lock_of(
    storage: RDBStorage, url: str, study_id: int, study: str, *, shared: bool = False
) -> StudyLock:
    """Return the lock of a study, identified by the database file or row, not by a name.

    Args:
        storage: Storage of the study.
        url: The storage's URL.
        study_id: Optuna's id of the study in that database.
        study: Name of the study.
        shared: Whether others may hold the lock too, if theirs is shared.

    Raises:
        InputError: If the storage has no shared locks.
    """
    file = sqlite_file(url)
    if file is not None:
        beside = file_beside(url, study, ".lock")
        return _FileLock(url, file, beside, study_id, shared=shared)
    dialect = storage.engine.dialect.name
    if shared and dialect != "postgresql":
        raise _not_shared(url)
    match dialect:
        case "postgresql":
            row = f"CAST(CAST('studies' AS regclass) AS integer), {study_id}"
            lock = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
            return _ServerLock(storage, url, f"SELECT {lock}({row})")
        case "mysql" | "mariadb":  # MySQL's locks belong to the whole server
            scope = f"{storage.engine.url.database}\n{study_id}"
            key = hashlib.sha256(scope.encode()).hexdigest()[:16]
            return _ServerLock(storage, url, f"SELECT GET_LOCK('nas-{key}', 0)")
        case _:
            return _NoLock()


def _not_shared(url: str) -> InputError:
    return InputError(
        "a study that several processes search must be on PostgreSQL, or in an SQLite file on "
        f"Linux, but got {shown_url(url)!r}"
    )


class _NoLock(StudyLock):
    """The lock of databases without locks and of those in memory, which does nothing."""

    def acquire(self) -> bool:
        return True

    def check(self) -> None:
        pass

    def release(self) -> None:
        pass


class _FileLock(StudyLock):
    """The lock of an SQLite file: a byte of the file itself, and a file beside it.

    The byte is the same through every link to the file, and cannot be removed. The file beside it
    is for systems without byte locks; a shared lock does without it.
    """

    def __init__(
        self, url: str, file: Path, beside: Path, study_id: int, *, shared: bool = False
    ) -> None:
        self._url = url
        self._shared = shared
        self._file = file
        self._beside = FileLock(beside, blocking=False)
        self._study_id = study_id
        self._byte: _Byte | None = None
        self._identity: tuple[int, int] | None = None

    def acquire(self) -> bool:
        try:
            if not self._shared:
                self._beside.acquire()
            self._identity = _identity(self._file)
            self._byte, free = _take_byte(
                self._file, self._identity, self._study_id, shared=self._shared
            )
        except Timeout:
            return False
        except OSError as error:
            self._beside.release()
            raise explained(self._url, error) from error
        if not free:
            self._beside.release()
        elif self._shared and self._byte is None:
            raise _not_shared(self._url)
        return free

    def check(self) -> None:
        with suppress(OSError):
            if _identity(self._file) == self._identity:
                return
        raise StorageError(
            "storage must stay the same file while it is searched, but got "
            f"{shown_url(self._url)!r}, which was removed or replaced"
        )

    def release(self) -> None:
        if self._byte is not None:
            self._byte.release()
            self._byte = None
        self._beside.release()


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


class _Byte:
    """A byte of a database file, locked for this process."""

    opened: ClassVar[dict[tuple[int, int], int]] = {}
    """Database files that are open for their bytes.

    They stay open, since closing any descriptor of a file drops SQLite's locks on it in the same
    process.
    """
    held: ClassVar[dict[tuple[int, int, int], int]] = {}
    """Bytes locked by this process, which the system's locks do not exclude: the number of shared
    locks of each, 0 for an exclusive lock."""
    guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, identity: tuple[int, int], study_id: int) -> None:
        self._key = (*identity, study_id)

    def release(self) -> None:
        with self.guard:
            left = self.held[self._key] - 1
            if left > 0:
                self.held[self._key] = left
                return
            _lock_byte(self.opened[self._key[:2]], self._key[2], free=True)
            del self.held[self._key]


def _take_byte(
    file: Path, identity: tuple[int, int], study_id: int, *, shared: bool
) -> tuple[_Byte | None, bool]:
    """Return the byte (None without such locks on this system), and whether it was free."""
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return None, True
    key = (*identity, study_id)
    with _Byte.guard:
        count = _Byte.held.get(key)
        if count is not None and not (shared and count):
            return None, False
        if identity not in _Byte.opened:
            _Byte.opened[identity] = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            _lock_byte(_Byte.opened[identity], study_id, shared=shared)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return None, False
            _log.info("%s cannot be locked itself: %s", file, error)
            return None, True
        _Byte.held[key] = (count or 0) + shared
    return _Byte(identity, study_id), True


def _lock_byte(descriptor: int, study_id: int, *, shared: bool = False, free: bool = False) -> None:
    """Lock or free a byte for the open file description, which excludes all others, or all
    exclusive locks."""
    kind = fcntl.F_UNLCK if free else fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    flock = struct.pack("hhqqi", kind, os.SEEK_SET, _FIRST_BYTE + study_id, 1, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, flock)


def _forget_parent() -> None:
    """Close a forked child's inherited descriptors, which would keep the parent's locks alive."""
    for descriptor in _Byte.opened.values():
        with suppress(OSError):
            os.close(descriptor)
    _Byte.opened.clear()
    _Byte.held.clear()
    _Byte.guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


class _ServerLock(StudyLock):
    """A lock of a database server, tied to a connection.

    A thread requests the lock repeatedly, which keeps the connection alive and recovers the lock
    soon after a lost connection.
    """

    comes_back = True

    def __init__(self, storage: RDBStorage, url: str, statement: str) -> None:
        self._engine = storage.engine
        self._url = url
        self._statement = sqlalchemy.text(statement)
        self._connection: sqlalchemy.Connection | None = None
        self._one_at_a_time = threading.Lock()
        self._ended = threading.Event()
        self._keeper: threading.Thread | None = None

    def acquire(self) -> bool:
        if not self._ask():
            self.release()
            return False
        self._ended.clear()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()
        return True

    def check(self) -> None:
        if not self._ask():
            raise StorageError(
                "the lock of a study must be held while it is searched, but the connection to "
                f"{shown_url(self._url)!r} was lost and another process has the lock now"
            )

    def release(self) -> None:
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        self._drop()

    def _ask(self) -> bool:
        """Return whether this process holds the lock; the holder may take it again."""
        with self._one_at_a_time:
            try:
                return self._take()
            except (exc.SQLAlchemyError, StorageError):
                self._drop()
            with storage_errors(self._url):
                return self._take()

    def _take(self) -> bool:
        connection = self._connection
        if connection is None:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection = connection
        return bool(connection.execute(self._statement).scalar())

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(exc.SQLAlchemyError):
                self._connection.invalidate()  # closes the connection, which releases the lock
                self._connection.close()
            self._connection = None

    def _keep(self) -> None:
        while not self._ended.wait(PING_SECONDS):
            with suppress(StorageError):  # the next write reports it
                self._ask()
