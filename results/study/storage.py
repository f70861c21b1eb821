"""Storages of studies: opening, reading and writing, with one-line errors."""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy import event, exc

from ...search_space.errors import InputError
from .storage_url import DEFAULT_STORAGE

T = TypeVar("T")

SIDE_FILES = (".lock", ".weights", ".rescued.jsonl")
"""Endings of a study's files and folders beside its database."""

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 10
_RULES = (
    ("readonly|read-only|permission denied", "must be writable"),
    ("disk is full|no space left|disk full|quota", "must have free space"),
    ("locked|deadlock|lock wait", "must not be held by another program"),
    ("not a database|malformed", "must be a database"),
)
_UNREACHABLE = (
    "connection refused|connection reset|starting up|shutting down|terminating connection"
    "|closed the connection|closed unexpectedly|lost connection|gone away|can't connect"
)
_LOST_TRIES = 9
"""Attempts to reach a server: about a minute, enough to restart one."""


class StorageError(InputError):
    """The failure of the user's storage."""

    def __init__(self, message: str, *, passing: bool = False, lost: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        """Whether a retry may help."""
        self.lost = lost
        """Whether the database server was unreachable; it may be back within a minute."""


def shown_url(url: str) -> str:
    """Return the URL without its password."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except exc.ArgumentError:
        return url


def explained(url: str, error: Exception) -> StorageError:
    """Return the one-line error for an exception of the database."""
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
    # Two programs create the tables of a new database at once: a retry finds them.
    passing = "already exists" in said or isinstance(cause, exc.IntegrityError)
    lost = re.search(_UNREACHABLE, said, re.IGNORECASE) is not None
    if isinstance(cause, exc.DBAPIError):
        lost = lost or cause.connection_invalidated
    return StorageError(
        f"storage must be usable, but got {shown!r}: {said}", passing=passing, lost=lost
    )


@contextmanager
def storage_errors(url: str) -> Generator[None]:
    """Turn exceptions of a database or its files into ``StorageError``."""
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
        raise explained(url, error) from error


def retry(action: Callable[[], T], *, tries: int = 5, pause: float = 0.2) -> T:
    """Return the result of ``action``, with retries while the storage's error may pass.

    Args:
        action: Function that writes to the storage atomically.
        tries: Maximum number of attempts; more while the server is unreachable.
        pause: Seconds before the second attempt, doubled for each further one.
    """
    for attempt in count(1):
        try:
            return action()
        except StorageError as error:
            allowed = _LOST_TRIES if error.lost else tries if error.passing else 1
            if attempt >= allowed:
                raise
            _log.warning("trying again: %s", error)
            time.sleep(pause * 2 ** (attempt - 1))
    raise AssertionError("count() has no end")


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite URL; None for a database in memory or on a server."""
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
        create: Whether to create a missing SQLite file, its folder and the tables.

    Raises:
        StorageError: If the database cannot be opened, or its contents are lost.
    """
    file = sqlite_file(url)
    if optuna.logging.get_verbosity() < optuna.logging.WARNING:
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # Optuna would log every new study
    if file is not None:
        with storage_errors(url):
            _check_file(url, file, create=create)
    if not create:
        _check_tables(url)

    def make() -> RDBStorage:
        with storage_errors(url):
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
            # RDBStorage treats braces as a template.
            braced = url.replace("{", "{{").replace("}", "}}")
            storage = RDBStorage(braced, _engine_options(url), skip_table_creation=not create)
        event.listen(storage.engine, "handle_error", partial(_raise_explained, url))
        return storage

    try:
        return make()
    except StorageError as error:
        if error.lost or not error.passing:  # no wait for a server that was never reachable
            raise
    return retry(make)


def _raise_explained(url: str, context: sqlalchemy.engine.ExceptionContext) -> None:
    """Raise a database's error directly, before Optuna retries.

    A retry inside one of our transactions could not succeed and would hide the first error.
    """
    error = context.sqlalchemy_exception
    if error is None or context.is_pre_ping or isinstance(error, exc.IntegrityError):
        return
    raise explained(url, error) from error


def _check_file(url: str, file: Path, *, create: bool) -> None:
    """Raise ``StorageError`` for a missing file to read, or an empty file that had studies."""
    if not create and not file.exists():
        raise StorageError(f"storage must exist, but got {shown_url(url)!r}: no file {file}")

    def emptied() -> list[Path]:
        return _beside(file) if file.exists() and not file.stat().st_size else []

    if not emptied():
        return
    time.sleep(0.5)  # or another program is creating the tables at this moment
    if lie := emptied():  # a new database would hide the loss
        more = f" and {len(lie) - 1} more" if len(lie) > 1 else ""
        raise StorageError(
            f"storage must hold the studies whose files lie beside it, but got {shown_url(url)!r}, "
            f"which is empty: put a copy of it back, or remove it together with {lie[0]}{more}"
        )


def _beside(file: Path) -> list[Path]:
    """Return the side files of studies in a database file."""
    with suppress(OSError):
        return sorted(
            each
            for each in file.parent.iterdir()
            if each.name.startswith(f"{file.name}.") and each.name.endswith(SIDE_FILES)
        )
    return []


def _check_tables(url: str) -> None:
    """Raise ``StorageError`` without Optuna's tables, which Optuna would create even for
    reading."""
    with storage_errors(url):
        engine = sqlalchemy.create_engine(url, **_engine_options(url))
        try:
            there = set(sqlalchemy.inspect(engine).get_table_names())
        finally:
            engine.dispose()
    if not there.issuperset(("studies", "trials", "version_info", "alembic_version")):
        raise StorageError(f"storage must hold a study, but got {shown_url(url)!r} with none")


def _engine_options(url: str) -> dict[str, Any]:
    """Return the driver's options that bound the wait for a connection or SQLite's lock."""
    with storage_errors(url):
        parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _CONNECT_SECONDS}}
    options: dict[str, Any] = {"pool_pre_ping": True}  # lost connections are replaced
    if parsed.get_driver_name() in ("psycopg2", "psycopg", "pymysql", "mysqldb"):
        options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
    return options


@contextmanager
def one_transaction(storage: RDBStorage) -> Generator[sqlalchemy.Connection]:
    """Join all writes to ``storage`` inside the context into one transaction, for one thread."""
    with storage.engine.begin() as connection:
        storage.scoped_session.remove()
        storage.scoped_session.configure(bind=connection, join_transaction_mode="rollback_only")
        try:
            yield connection
        finally:
            storage.scoped_session.remove()
            storage.scoped_session.configure(
                bind=storage.engine, join_transaction_mode="conditional_savepoint"
            )


def file_beside(url: str, study: str, suffix: str) -> Path:
    """Return the path of a side file of one study: in the database's folder, or ``runs/``.

    Args:
        url: The storage's URL. A link to a database file is resolved.
        study: Name of the study.
        suffix: One of ``SIDE_FILES``.
    """
    file = sqlite_file(url)
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", study)[:40]
    identity = study if file is not None else f"{shown_url(url)}\n{study}"
    name = f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}{suffix}"
    if file is None:
        return Path("runs", name)
    beside = file.with_name(f"{file.name}.{name}")
    if file.is_symlink() and not beside.exists():  # earlier versions did not follow links
        file = file.resolve()
    return file.with_name(f"{file.name}.{name}")


def weights_folder(study: str, storage_url: str) -> Path:
    """Return the folder beside the storage in which a study's trained weights are kept."""
    return file_beside(storage_url, study, ".weights").resolve()
