"""Claims of candidates by the processes that search a study together.

A claim is an attribute of the trial: the token of the process that measures the candidate. A
candidate without one was left by a search of one process alone.
"""

import json

import sqlalchemy
from optuna.trial import TrialState

from .optuna_tables import TRIAL_NOTES, TRIALS

KEY = "nas:claim"


def owners(connection: sqlalchemy.Connection, study_id: int) -> dict[int, str]:
    """Return the tokens of the processes that have claimed running trials, by number.

    Args:
        connection: Connection to the database.
        study_id: Optuna's id of the study.
    """
    trials, claims = TRIALS.c, TRIAL_NOTES.c
    state = sqlalchemy.cast(trials.state, sqlalchemy.String(16))  # PostgreSQL has a type for states
    query = (
        sqlalchemy.select(trials.number, claims.value_json)
        .join_from(TRIALS, TRIAL_NOTES, trials.trial_id == claims.trial_id)
        .where(trials.study_id == study_id, claims.key == KEY, state == TrialState.RUNNING.name)
    )
    return {number: json.loads(text) for number, text in connection.execute(query)}


def claim(connection: sqlalchemy.Connection, study_id: int, number: int, token: str) -> None:
    """Claim a trial, also one that another process has claimed.

    Args:
        connection: Connection of the transaction.
        study_id: Optuna's id of the study.
        number: Number of the trial.
        token: Token of the process that measures it from now on.
    """
    trials, claims = TRIALS.c, TRIAL_NOTES.c
    found = sqlalchemy.select(trials.trial_id).where(
        trials.study_id == study_id, trials.number == number
    )
    trial_id = connection.execute(found).scalar_one()
    connection.execute(
        sqlalchemy.delete(TRIAL_NOTES).where(claims.trial_id == trial_id, claims.key == KEY)
    )
    new = {"trial_id": trial_id, "key": KEY, "value_json": json.dumps(token)}
    connection.execute(sqlalchemy.insert(TRIAL_NOTES).values(new))
