"""The readings of test splits, counted in the storage: one for each study.

A reading without a study counts for its data set. It is counted before the split is opened, so a
reading that ends in a crash counts too; the same run may then read again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy
from optuna.storages import RDBStorage

from ...evaluators.accuracy.data.permit import ReadingPermit
from ...search_space.errors import InputError
from .storage import open_storage, retry, storage_errors

READINGS = sqlalchemy.Table(
    "nas_test_readings",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("reading_id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("scope", sqlalchemy.String(300), nullable=False),
    sqlalchemy.Column("number", sqlalchemy.Integer, nullable=False),
    sqlalchemy.Column("record", sqlalchemy.Text, nullable=False),
    sqlalchemy.UniqueConstraint("scope", "number"),
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One reading of a test split."""

    scope: str
    """What it counts for: ``study ID``, by Optuna's id, or ``data NAME``."""
    number: int
    """Its number in the scope, from 1."""
    data: str
    """Name of the data set, with an absolute path."""
    run: str
    """Key of the run that read: its network, data, recipe and seeds."""
    what: str
    """What was scored, such as ``candidate 7``."""
    when: str
    """Time in UTC, as in ISO 8601."""
    asked: bool = False
    """Whether a further reading was explicitly asked for."""
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The scores; empty until the reading has ended."""

    def to_json(self) -> dict[str, Any]:
        """Return the reading as JSON values."""
        return {**vars(self), "result": dict(self.result)}


def study_scope(study_id: int) -> str:
    """Return the scope of a study, by Optuna's id."""
    return f"study {study_id}"


def data_scope(data: str) -> str:
    """Return the scope of a data set without a study, by its name with an absolute path."""
    return f"data {data[-290:]}"


class ReadingLog:
    """The readings that a storage holds."""

    def __init__(self, url: str) -> None:
        """Open the storage; make it, and its table of readings, if they are missing.

        Raises:
            StorageError: If it cannot be used.
        """
        self._url = url
        self._storage = open_storage(url, create=True)
        retry(self._make)

    def _make(self) -> None:
        with storage_errors(self._url):
            READINGS.create(self._storage.engine, checkfirst=True)

    def close(self) -> None:
        """Close the connections to the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def of_scope(self, scope: str) -> list[Reading]:
        """Return the readings of a scope, in order."""
        return [each for each in self._all() if each.scope == scope]

    def of_data(self, data: str) -> list[Reading]:
        """Return the readings of a data set for any study or none, in order."""
        return [each for each in self._all() if each.data == data]

    def _all(self) -> list[Reading]:
        with storage_errors(self._url), self._storage.engine.connect() as connection:
            return read(connection)

    def begin(self, reading: Reading, *, again: bool) -> tuple[ReadingPermit, Reading]:
        """Count a reading that is about to be made; return its permit, and the stored reading.

        A run that has begun a reading and not ended it goes on with the same one.

        Args:
            reading: The reading; its number is set here.
            again: Whether a further reading is explicitly asked for.

        Raises:
            InputError: If the split has been read for the scope, and ``again`` is False.
        """

        def count() -> Reading:
            with storage_errors(self._url), self._storage.engine.begin() as connection:
                had = [each for each in read(connection) if each.scope == reading.scope]
                if (begun := _begun(had, reading)) is not None:
                    return begun
                _check_first(had, reading, again)
                new = replace(reading, number=len(had) + 1, asked=bool(had))
                connection.execute(
                    sqlalchemy.insert(READINGS).values(
                        scope=new.scope, number=new.number, record=json.dumps(new.to_json())
                    )
                )
                return new

        stored = retry(count)
        return ReadingPermit(scope=stored.scope, number=stored.number), stored

    def check(self, reading: Reading, *, again: bool) -> None:
        """Check that a reading may be made, before hours of training.

        Raises:
            InputError: As ``begin``.
        """
        had = self.of_scope(reading.scope)
        if _begun(had, reading) is None:
            _check_first(had, reading, again)

    def end(self, reading: Reading, result: Mapping[str, Any]) -> None:
        """Store the scores of a reading."""
        columns = READINGS.c
        record = json.dumps({**reading.to_json(), "result": dict(result)})

        def write() -> None:
            with storage_errors(self._url), self._storage.engine.begin() as connection:
                connection.execute(
                    sqlalchemy.update(READINGS)
                    .where(columns.scope == reading.scope, columns.number == reading.number)
                    .values(record=record)
                )

        retry(write)


def _begun(had: Sequence[Reading], reading: Reading) -> Reading | None:
    """Return the reading that the same run has begun and not ended, or None."""
    return next((each for each in had if each.run == reading.run and not each.result), None)


def _check_first(had: Sequence[Reading], reading: Reading, again: bool) -> None:
    """Raise ``InputError`` for a further reading that is not asked for."""
    if had and not again:
        last = had[-1]
        kind = reading.scope.partition(" ")[0].replace("data", "data set")
        raise InputError(
            f"the test split must be read once per {kind}, but {last.what} has read it on "
            f"{last.when[:10]}; --read-test-again reads it once more, which every card counts, and "
            "--no-test trains without it"
        )


def read(connection: sqlalchemy.Connection) -> list[Reading]:
    """Return all readings of a storage, in order; none if it has no table of them."""
    if not sqlalchemy.inspect(connection).has_table(READINGS.name):
        return []
    query = sqlalchemy.select(READINGS.c.record).order_by(READINGS.c.reading_id)
    return [Reading(**json.loads(text)) for (text,) in connection.execute(query)]


def count_of(storage: RDBStorage, study_id: int) -> int:
    """Return the number of readings of a study's test split."""
    with storage.engine.connect() as connection:
        return sum(each.scope == study_scope(study_id) for each in read(connection))


def forget_study(connection: sqlalchemy.Connection, study_id: int) -> None:
    """Detach the readings of a deleted study, whose id a new study may get; the data set's count
    keeps them."""
    if not sqlalchemy.inspect(connection).has_table(READINGS.name):
        return
    columns = READINGS.c
    scope = study_scope(study_id)
    query = sqlalchemy.select(columns.reading_id, columns.record).where(columns.scope == scope)
    for place, text in connection.execute(query).all():
        detached = f"deleted {place}"
        record = json.dumps({**json.loads(text), "scope": detached})
        connection.execute(
            sqlalchemy.update(READINGS)
            .where(columns.reading_id == place)
            .values(scope=detached, record=record)
        )


def now() -> str:
    """Return the time in UTC, as in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
