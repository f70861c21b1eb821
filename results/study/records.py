"""Candidates as trials in the tables of Optuna's storage.

Optuna reads and writes parameters one by one, a millisecond each, and a candidate has dozens. So
this module writes them all at once, and reads only the candidates' own records from Optuna's
tables.
"""

import json
import math
import sqlite3
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from ...evaluators.base import METRICS
from ..candidate import Candidate
from .optuna_tables import (
    TRIAL_NOTES,
    TRIAL_PARAMETERS,
    TRIAL_USER_NOTES,
    TRIAL_VALUES,
    TRIALS,
)

_CANDIDATE = "nas:candidate"
_NUMBERS_PER_QUERY = 500
_KEYS = ("decisions", "status", "measurements", "seconds")
"""Keys of every record, with or without the architecture."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The candidates read from a study."""

    candidates: Sequence[tuple[Candidate, int | None]]
    """Candidates by number, each with the count of candidates finished before; None while
    running."""
    foreign: Collection[int]
    """Numbers of the trials that another program added."""
    damaged: Mapping[int, str]
    """Reasons, by number, for candidates whose record cannot be read."""


def insert(
    storage: RDBStorage,
    connection: sqlalchemy.Connection,
    study_id: int,
    candidate: Candidate,
    distributions: Mapping[str, BaseDistribution],
    attributes: Mapping[str, Any] | None = None,
) -> int:
    """Add a running trial for a candidate; return the trial's number.

    Args:
        storage: The storage.
        connection: Connection of the transaction.
        study_id: Optuna's id of the study.
        candidate: The started candidate; its own number is ignored.
        distributions: Distributions of the decisions by path.
        attributes: Further system attributes of the trial.
    """
    shown = {"digest": candidate.digest, "architecture": candidate.architecture.summary()}
    trial = create_trial(
        state=TrialState.RUNNING,
        user_attrs=shown,
        system_attrs={_CANDIDATE: candidate.to_json(), **(attributes or {})},
    )
    rows = [
        {
            "param_name": path,
            "param_value": distributions[path].to_internal_repr(value),
            "distribution_json": distribution_to_json(distributions[path]),
        }
        for path, value in candidate.decisions.items()
    ]
    trial_id = storage.create_new_trial(study_id, trial)
    if rows:
        connection.execute(
            sqlalchemy.insert(TRIAL_PARAMETERS), [{"trial_id": trial_id, **row} for row in rows]
        )
    number = sqlalchemy.select(TRIALS.c.number).where(TRIALS.c.trial_id == trial_id)
    return connection.execute(number).scalar_one()


def added(
    connection: sqlalchemy.Connection, study_id: int, candidate: Candidate, after: int
) -> int | None:
    """Return the number of the running trial that ``insert`` made, or None.

    After a connection was lost at the end of a transaction, this shows whether it succeeded.

    Args:
        connection: The connection to the database.
        study_id: Optuna's id of the study.
        candidate: The inserted candidate.
        after: The largest number before the insertion.
    """
    trials, shown = TRIALS.c, TRIAL_USER_NOTES.c
    query = (
        sqlalchemy.select(trials.number)
        .join_from(TRIALS, TRIAL_USER_NOTES, trials.trial_id == shown.trial_id)
        .where(trials.study_id == study_id, trials.number > after)
        .where(shown.key == "digest", shown.value_json == json.dumps(candidate.digest))
    )
    return connection.execute(query).scalars().first()


def update(
    storage: RDBStorage,
    connection: sqlalchemy.Connection,
    study_id: int,
    candidate: Candidate,
    objectives: Sequence[str],
    order: int,
) -> bool:
    """Write a finished candidate to its running trial; return False if the trial had finished
    before.

    The state and values of a trial that another program has ended are kept.

    Args:
        storage: Storage of the study.
        connection: Connection of the transaction.
        study_id: Optuna's id of the study.
        candidate: The finished candidate.
        objectives: Names of the metrics that become the trial's values.
        order: Number of candidates finished before.
    """
    trials, records = TRIALS.c, TRIAL_NOTES.c
    query = _stored(study_id, records.trial_id, trials.state, records.value_json)
    row = connection.execute(query.where(trials.number == candidate.number)).mappings().one()
    trial_id, trial_state, text = row["trial_id"], row["state"], row["value_json"]
    if _has_finished(text):
        return False
    record = json.dumps({**candidate.to_json(), "order": order})
    connection.execute(
        sqlalchemy.update(TRIAL_NOTES)
        .where(records.trial_id == trial_id, records.key == _CANDIDATE)
        .values(value_json=record)
    )
    if trial_state != TrialState.RUNNING.name:
        return True
    state, values, shown = _as_trial(candidate, objectives)
    for key, value in shown.items():
        storage.set_trial_user_attr(trial_id, key, value)
    storage.set_trial_state_values(trial_id, state, values)
    return True


def _as_trial(
    candidate: Candidate, objectives: Sequence[str]
) -> tuple[TrialState, list[float] | None, dict[str, Any]]:
    """Return a finished candidate's state, values and user attributes as a trial."""
    numbers = {
        name: each.value
        for name, each in candidate.measurements.items()
        if math.isfinite(each.value)
    }
    reason = {"reason": candidate.reason} if candidate.reason else {}
    if candidate.status in ("infeasible", "stopped", "baseline"):
        return TrialState.PRUNED, None, {**numbers, **reason}
    if candidate.status == "complete" and all(name in numbers for name in objectives):
        values = [float(numbers.pop(name)) for name in objectives]
        return TrialState.COMPLETE, values, {**numbers, **reason}
    return TrialState.FAIL, None, {**numbers, **reason}


def _has_finished(text: str) -> bool:
    try:
        return json.loads(text).get("order") is not None
    except (ValueError, TypeError, AttributeError):
        return False


def rewrite(
    connection: sqlalchemy.Connection,
    study_id: int,
    candidate: Candidate,
    objectives: Sequence[str],
) -> None:
    """Write new measurements to the record of a finished candidate.

    They may make it infeasible or complete. Optuna does not change finished trials, so this writes
    to its tables: the record, and the state, values and attributes that Optuna's tools show.

    Args:
        connection: Connection of the transaction.
        study_id: Optuna's id of the study.
        candidate: The candidate with the new measurements.
        objectives: Names of the metrics that are the trial's values.
    """
    trials, records, values, shown = TRIALS.c, TRIAL_NOTES.c, TRIAL_VALUES.c, TRIAL_USER_NOTES.c
    query = _stored(study_id, records.trial_id, records.value_json)
    row = connection.execute(query.where(trials.number == candidate.number)).mappings().one()
    trial_id, order = row["trial_id"], json.loads(row["value_json"])["order"]
    record = json.dumps({**candidate.to_json(), "order": order})
    of_record = (records.trial_id == trial_id) & (records.key == _CANDIDATE)
    connection.execute(sqlalchemy.update(TRIAL_NOTES).where(of_record).values(value_json=record))
    state, numbers, attributes = _as_trial(candidate, objectives)
    literal = sqlalchemy.literal_column(f"'{state.name}'")
    of_trial = trials.trial_id == trial_id
    connection.execute(sqlalchemy.update(TRIALS).where(of_trial).values(state=literal))
    connection.execute(sqlalchemy.delete(TRIAL_VALUES).where(values.trial_id == trial_id))
    finite = sqlalchemy.literal_column("'FINITE'")
    for place, value in enumerate(numbers or ()):
        new = {"trial_id": trial_id, "objective": place, "value": value, "value_type": finite}
        connection.execute(sqlalchemy.insert(TRIAL_VALUES).values(new))
    of_keys = (shown.trial_id == trial_id) & shown.key.in_(
        [*METRICS, *candidate.measurements, "reason"]
    )
    connection.execute(sqlalchemy.delete(TRIAL_USER_NOTES).where(of_keys))
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(each)}
        for key, each in attributes.items()
    ]
    if rows:
        connection.execute(sqlalchemy.insert(TRIAL_USER_NOTES), rows)


def read(connection: sqlalchemy.Connection, study_id: int, known: Container[int]) -> Found:
    """Return the candidates whose number is not in ``known``."""
    trials, found = TRIALS.c, _stored(study_id, TRIALS.c.number, TRIAL_NOTES.c.value_json)
    every = sqlalchemy.select(trials.number).where(trials.study_id == study_id)
    numbers = [n for n in connection.execute(every).scalars() if n not in known]
    if len(numbers) <= _NUMBERS_PER_QUERY:
        found = found.where(trials.number.in_(numbers))
    texts = {row[0]: row[1] for row in connection.execute(found) if row[0] not in known}
    candidates: list[tuple[Candidate, int | None]] = []
    damaged: dict[int, str] = {}
    for number, text in texts.items():
        try:
            record = parse(number, text)
            candidates.append((Candidate.from_json(record), record.get("order")))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            damaged[number] = one_line(error)
    return Found(candidates=candidates, foreign={*numbers} - texts.keys(), damaged=damaged)


def parse(number: int, text: str) -> dict[str, Any]:
    """Return the candidate of a record, under the number ``number`` of its trial.

    Raises:
        ValueError: If the text is not the JSON form of a candidate.
    """
    record = json.loads(text)
    if missing := [key for key in _KEYS if key not in record]:
        raise ValueError(f"it must have {missing[0]!r}")
    return {**record, "number": number}


def one_line(error: Exception) -> str:
    """Return an error's message on one line, with its type if the message alone is unclear."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def rows(
    storage: RDBStorage,
    study_id: int,
    numbers: Collection[int],
    after: int | None,
    *,
    networks: bool = True,
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the records of candidates by number, in order, each with its number.

    A record that cannot be read is replaced by the reason. ``numbers`` may be a few hundred at
    most.

    Args:
        storage: Storage of the study.
        study_id: Optuna's id of the study.
        numbers: Numbers of candidates.
        after: Candidates with larger numbers are yielded besides ``numbers``; None: none.
        networks: Whether to include the architectures; without them, reading takes half the time
        where the database can omit them.
    """
    wanted = TRIALS.c.number.in_(numbers)
    if after is not None:
        wanted |= TRIALS.c.number > after
    with storage.engine.connect() as connection:
        lean = not networks and storage.engine.dialect.name == "sqlite"
        value = _lean(TRIAL_NOTES.c.value_json) if lean else TRIAL_NOTES.c.value_json
        query = _stored(study_id, TRIALS.c.number, value).where(wanted)
        query = query.execution_options(yield_per=_NUMBERS_PER_QUERY)
        for number, text in connection.execute(query):
            try:
                yield number, parse(number, text)
            except (ValueError, TypeError) as error:
                yield number, one_line(error)


def _lean(value: "sqlalchemy.ColumnElement[Any]") -> "sqlalchemy.ColumnElement[Any]":
    """Return SQLite's expression for a record without its architecture, else for the whole
    record.
    """
    if sqlite3.sqlite_version_info < (3, 38):  # SQLite may have been built without JSON
        return value
    cut = sqlalchemy.func.json_remove(value, "$.architecture")
    return sqlalchemy.case((sqlalchemy.func.json_valid(value) == 1, cut), else_=value)


def _stored(
    study_id: int, *columns: "sqlalchemy.ColumnElement[Any]"
) -> "sqlalchemy.Select[Any, Any]":
    """Return the query for columns of a study's candidates, in the order of the numbers."""
    trials, records = TRIALS.c, TRIAL_NOTES.c
    return (
        sqlalchemy.select(*columns)
        .join_from(TRIALS, TRIAL_NOTES, trials.trial_id == records.trial_id)
        .where(trials.study_id == study_id, records.key == _CANDIDATE)
        .order_by(trials.number)
    )
