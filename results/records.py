"""Candidates as Optuna's trials, in the tables of its storage.

Optuna reads and writes parameters one by one, a millisecond each, and a candidate has dozens. So
they are written at once, and only the candidates' own records are read, by its tables' columns.
"""

import json
import math
import sqlite3
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from .candidate import Candidate
from .storage import one_transaction

_CANDIDATE = "nas:candidate"
_NUMBERS_PER_QUERY = 500
_TRIALS = sqlalchemy.table("trials", *map(sqlalchemy.column, ("trial_id", "study_id", "number")))
_RECORDS = sqlalchemy.table(
    "trial_system_attributes", *map(sqlalchemy.column, ("trial_id", "key", "value_json"))
)
_PARAMETERS = sqlalchemy.table(
    "trial_params",
    *map(sqlalchemy.column, ("trial_id", "param_name", "param_value", "distribution_json")),
)


def insert(
    storage: RDBStorage,
    study_id: int,
    candidate: Candidate,
    distributions: Mapping[str, BaseDistribution],
) -> int:
    """Add a running trial for a candidate; return the number that it got.

    Args:
        storage: Where to.
        study_id: Optuna's id of the study.
        candidate: What has been started.
        distributions: Path to the domain of each of its decisions.
    """
    shown = {"digest": candidate.digest, "architecture": candidate.architecture.summary()}
    trial = create_trial(
        state=TrialState.RUNNING,
        user_attrs=shown,
        system_attrs={_CANDIDATE: candidate.to_json()},
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
        with storage.engine.begin() as connection:
            connection.execute(
                sqlalchemy.insert(_PARAMETERS), [{"trial_id": trial_id, **row} for row in rows]
            )
    return storage.get_trial_number_from_id(trial_id)


def update(
    storage: RDBStorage,
    study_id: int,
    candidate: Candidate,
    objectives: Sequence[str],
    order: int,
) -> None:
    """Write a finished candidate into its running trial, all of it or nothing.

    Args:
        storage: Where to.
        study_id: Optuna's id of the study.
        candidate: What has finished.
        objectives: Names of the metrics that become the trial's values.
        order: How many had finished before.

    Raises:
        optuna.exceptions.UpdateFinishedTrialError: If it had finished before.
    """
    numbers = {
        name: each.value
        for name, each in candidate.measurements.items()
        if math.isfinite(each.value)
    }
    values = [numbers[name] for name in objectives if name in numbers]
    if candidate.status == "infeasible":
        state = TrialState.PRUNED
    elif candidate.status == "complete" and len(values) == len(objectives):
        state = TrialState.COMPLETE
        numbers = {name: numbers[name] for name in numbers if name not in objectives}
    else:
        state = TrialState.FAIL
    shown = {**numbers, **({"reason": candidate.reason} if candidate.reason else {})}
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, candidate.number)
    with one_transaction(storage):
        record = {**candidate.to_json(), "order": order}
        storage.set_trial_system_attr(trial_id, _CANDIDATE, record)
        for key, value in shown.items():
            storage.set_trial_user_attr(trial_id, key, value)
        storage.set_trial_state_values(
            trial_id, state, [float(v) for v in values] if state == TrialState.COMPLETE else None
        )


def read(
    storage: RDBStorage, study_id: int, known: Container[int]
) -> list[tuple[Candidate, int | None]]:
    """Return the candidates whose number is not in ``known``, in the order of their numbers.

    Each comes with how many had finished before it did, or none where it still runs.
    """
    trials, found = _TRIALS.c, _stored(study_id)
    with storage.engine.connect() as connection:
        every = sqlalchemy.select(trials.number).where(trials.study_id == study_id)
        numbers = [n for n in connection.execute(every).scalars() if n not in known]
        if len(numbers) <= _NUMBERS_PER_QUERY:
            found = found.where(trials.number.in_(numbers))
        rows = [row[1] for row in connection.execute(found) if row[0] not in known]
    data: list[dict[str, Any]] = [json.loads(row) for row in rows]
    return [(Candidate.from_json(each), each.get("order")) for each in data]


def rows(
    storage: RDBStorage,
    study_id: int,
    numbers: Collection[int],
    after: int | None,
    *,
    networks: bool = True,
) -> Iterator[dict[str, Any]]:
    """Yield the records of the candidates of these numbers, and of those with greater ones.

    In the order of the numbers; at most a few hundred ``numbers``.

    Args:
        storage: Where from.
        study_id: Optuna's id of the study.
        numbers: Of which candidates.
        after: All with greater numbers than this too; none: no others.
        networks: Whether the architectures are needed; without them reading takes half the time
            where the database can leave them out.
    """
    wanted = _TRIALS.c.number.in_(numbers)
    if after is not None:
        wanted |= _TRIALS.c.number > after
    with storage.engine.connect() as connection:
        lean = not networks and storage.engine.dialect.name == "sqlite"
        query = _stored(study_id, _lean(_RECORDS.c.value_json) if lean else None).where(wanted)
        query = query.execution_options(yield_per=_NUMBERS_PER_QUERY)
        for row in connection.execute(query):
            yield json.loads(row[1])


def _lean(value: "sqlalchemy.ColumnElement[Any]") -> "sqlalchemy.ColumnElement[Any]":
    """Return a record without its architecture, in SQLite's words; whole where it cannot be cut."""
    if sqlite3.sqlite_version_info < (3, 38):  # it may have been built without JSON
        return value
    cut = sqlalchemy.func.json_remove(value, "$.architecture")
    return sqlalchemy.case((sqlalchemy.func.json_valid(value) == 1, cut), else_=value)


def _stored(
    study_id: int, value: "sqlalchemy.ColumnElement[Any] | None" = None
) -> "sqlalchemy.Select[Any, Any]":
    """Return the query for the numbers and records of a study, in the order of the numbers."""
    trials, records = _TRIALS.c, _RECORDS.c
    return (
        sqlalchemy.select(trials.number, records.value_json if value is None else value)
        .join_from(_TRIALS, _RECORDS, trials.trial_id == records.trial_id)
        .where(trials.study_id == study_id, records.key == _CANDIDATE)
        .order_by(trials.number)
    )
