"""Tables of Optuna's database that this package reads and writes itself."""

from sqlalchemy import TableClause, column, table


def _table(name: str, *columns: str) -> TableClause:
    return table(name, *map(column, columns))


STUDIES = _table("studies", "study_id", "study_name")
STUDY_NOTES = _table("study_system_attributes", "study_id", "key", "value_json")
TRIALS = _table("trials", "trial_id", "study_id", "number", "state")
TRIAL_NOTES = _table("trial_system_attributes", "trial_id", "key", "value_json")
TRIAL_PARAMETERS = _table(
    "trial_params", "trial_id", "param_name", "param_value", "distribution_json"
)
TRIAL_USER_NOTES = _table("trial_user_attributes", "trial_id", "key", "value_json")
TRIAL_VALUES = _table("trial_values", "trial_id", "objective", "value", "value_type")
