"""Where studies are kept: opening, locking and writing, with errors of one line."""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna.storages import RDBStorage
from sqlalchemy import exc

from ..search_space.errors import InputError
from .storage_url import DEFAULT_STORAGE

T = TypeVar("T")

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 10
_RULES = (
    ("readonly|read-only|permission denied", "must be writable"),
    ("disk is full|no space left|disk full|quota", "must have free space"),
    ("locked|deadlock|lock wait", "must not be held by another program"),
    ("not a database|malformed", "must be a database"),
)


class StorageError(InputError):
    """The storage named by the user cannot be used, or no longer."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        """Whether trying again may help."""


def shown_url(url: str) -> str:
    """Return the URL without its password."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except exc.ArgumentError:
        return url


def _explain(url: str, error: Exception) -> StorageError:
    """Return the one-line error for what the database said."""
    shown = shown_url(url)
    if isinstance(error, exc.NoSuchModuleError):
        known = "sqlite, postgresql or mysql"
        return StorageError(f"storage must name a database such as {known}, but got {shown!r}")
    if isinstance(error, exc.ArgumentError):
        return StorageError(f"storage must be a URL like {DEFAULT_STORAGE}, but got {shown!r}")
    cause: BaseException = error
    while isinstance(cause, ImportError | optuna.exceptions.StorageInternalError):
        if cause.__cause__ is None:
            break
        cause = cause.__cause__
    said = " ".join(str(getattr(cause, "orig", None) or cause).split())
    if isinstance(cause, ImportError):
        return StorageError(f"storage must have its driver installed, but got {shown!r}: {said}")
    for pattern, rule in _RULES:
        if re.search(pattern, said, re.IGNORECASE):
            passing = rule == "must not be held by another program"
            return StorageError(f"storage {rule}, but got {shown!r}: {said}", passing=passing)
    # Two programs that make the tables of a new database at once: the second finds them made. And
    # a connection that was lost is made anew.
    passing = (
        "already exists" in said
        or isinstance(cause, exc.IntegrityError)
        or (isinstance(cause, exc.DBAPIError) and cause.connection_invalidated)
    )
    return StorageError(f"storage must be usable, but got {shown!r}: {said}", passing=passing)


@contextmanager
def storage_errors(url: str) -> Generator[None]:
    """Turn what goes wrong in a database or its files into ``StorageError``."""
    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError:
        raise
    except (
        exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        ImportError,
        OSError,
        RuntimeError,
    ) as error:
        raise _explain(url, error) from error


def retry(action: Callable[[], T], *, tries: int = 5, pause: float = 0.2) -> T:
    """Return what ``action`` returns, trying again while the storage's trouble may pass.

    Args:
        action: Writes to the storage, all or nothing.
        tries: How often at the most.
        pause: Seconds before the second try; doubled each time.
    """
    for attempt in range(tries - 1):
        try:
            return action()
        except StorageError as error:
            if not error.passing:
                raise
            _log.warning("trying again: %s", error)
            time.sleep(pause * 2**attempt)
    return action()


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite URL; none for a database in memory or on a server."""
    with storage_errors(url):
        parsed = sqlalchemy.make_url(url)
    name = (parsed.database or "").removeprefix("file:")
    if parsed.get_backend_name() != "sqlite" or name in ("", ":memory:"):
        return None
    return Path(name)


def open_storage(url: str, *, create: bool) -> RDBStorage:
    """Open the database at ``url``.

    Args:
        url: SQLAlchemy URL.
        create: Whether to make the SQLite file and its folder where they are missing.

    Raises:
        StorageError: If it cannot be opened.
    """
    file = sqlite_file(url)
    if file is not None and not create and not file.exists():
        raise StorageError(f"storage must exist, but got {shown_url(url)!r}: no file {file}")
    if optuna.logging.get_verbosity() < optuna.logging.WARNING:
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would print every new study

    def make() -> RDBStorage:
        with storage_errors(url):
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
            # RDBStorage takes braces for a template.
            braced = url.replace("{", "{{").replace("}", "}}")
            return RDBStorage(braced, engine_kwargs={"connect_args": _connect_args(url)})

    return retry(make)


def _connect_args(url: str) -> dict[str, Any]:
    """Return what bounds the wait for a connection (or SQLite's lock), in the driver's words."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return {"timeout": _CONNECT_SECONDS}
    if parsed.get_driver_name() in ("psycopg2", "psycopg", "pymysql", "mysqldb"):
        return {"connect_timeout": _CONNECT_SECONDS}
    return {}


@contextmanager
def one_transaction(storage: RDBStorage) -> Generator[None]:
    """Join all that is written to ``storage`` inside into one transaction: all or nothing.

    For one thread at a time.
    """
    with storage.engine.begin() as connection:
        storage.scoped_session.remove()
        storage.scoped_session.configure(bind=connection, join_transaction_mode="rollback_only")
        try:
            yield
        finally:
            storage.scoped_session.remove()
            storage.scoped_session.configure(
                bind=storage.engine, join_transaction_mode="conditional_savepoint"
            )


def file_beside(url: str, study: str, suffix: str) -> Path:
    """Return the path of a side file of one study: in the database's folder, or ``runs/``."""
    file = sqlite_file(url)
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", study)[:40]
    identity = study if file is not None else f"{shown_url(url)}\n{study}"
    name = f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}{suffix}"
    return Path("runs", name) if file is None else file.with_name(f"{file.name}.{name}")


def study_lock(storage: RDBStorage, url: str, study: str) -> AbstractContextManager[bool]:
    """Hold the one lock of a study inside a ``with``: false where another process holds it.

    The lock dies with the process that holds it, however that ends: for an SQLite file it is a
    lock of the operating system on a file beside it, for PostgreSQL and MySQL one of the server's
    own, tied to the connection. Other databases, and one in memory, have none: always true.
    """
    if sqlite_file(url) is not None:
        return _file_lock(url, file_beside(url, study, ".lock"))
    scope = f"{storage.engine.url.database}\n{study}"  # MySQL's locks belong to the whole server
    key = int.from_bytes(hashlib.sha256(scope.encode()).digest()[:7], "big")
    match storage.engine.dialect.name:
        case "postgresql":
            return _server_lock(storage, url, f"SELECT pg_try_advisory_lock({key})")
        case "mysql" | "mariadb":
            return _server_lock(storage, url, f"SELECT GET_LOCK('nas-{key}', 0)")
        case _:
            return nullcontext(True)


@contextmanager
def _file_lock(url: str, path: Path) -> Generator[bool]:
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise _explain(url, error) from error
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def _server_lock(storage: RDBStorage, url: str, statement: str) -> Generator[bool]:
    with storage_errors(url):
        connection = storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        held = bool(connection.execute(sqlalchemy.text(statement)).scalar())
    try:
        yield held
    finally:
        connection.invalidate()  # closes it, and with it goes the lock
        connection.close()
