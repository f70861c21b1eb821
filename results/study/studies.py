"""The studies of a storage: listing, creating, renaming and deleting, without torch."""

import json
import logging
import shutil
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage

from ...search_space.errors import InputError, unknown_name
from ..settings import StudySettings, check_study_name
from .holder import HOLDER, Hold, has_ended, parsed, this_process
from .optuna_tables import STUDIES, STUDY_NOTES, TRIAL_NOTES, TRIALS
from .readings import forget_study
from .run_time import KEY as TIME
from .run_time import RunTime, in_all
from .spill_file import SpillFile
from .storage import SIDE_FILES, file_beside, one_transaction, open_storage, retry, storage_errors

_log = logging.getLogger(__name__)
SETTINGS = "nas:settings"
REVISIONS = "nas:revisions"
_STOPPED = "STOPPED"
_BASELINE = "BASELINE"
_STATUSES = {
    "COMPLETE": "complete",
    _STOPPED: "stopped",
    _BASELINE: "baseline",
    "PRUNED": "infeasible",
    "FAIL": "failed",
    "RUNNING": "running",
}
"""Status of a candidate by state of its trial; Optuna has one state for stopped, infeasible and
baseline."""


@dataclass(frozen=True, kw_only=True)
class StudyEntry:
    """One study in the list of studies."""

    name: str
    """Name of the study."""
    study_id: int
    """Optuna's id of the study."""
    settings: Mapping[str, Any]
    """Stored settings of the study; empty if they cannot be read."""
    counts: Mapping[str, int]
    """Number of candidates by status."""
    foreign: int
    """Number of trials added by other programs."""
    holder: Mapping[str, Any]
    """Note of the process that searched the study last, with the time."""
    time: RunTime | None = None
    """Where the time of all runs went; None in studies of earlier versions."""

    @property
    def since(self) -> float:
        """Time of the last search, or of creation, in seconds since 1970; 0 if unknown."""
        since = self.holder.get("since")
        return float(since) if isinstance(since, int | float) else 0.0

    def check_readable(self) -> None:
        """Check that the settings could be read.

        Raises:
            InputError: If they could not.
        """
        if not self.settings:
            raise InputError(
                f"the stored settings of a study must be complete, but those of {self.name!r} are "
                "damaged"
            )

    @property
    def searched(self) -> bool:
        """Whether a process searches the study, or was killed while searching."""
        return "token" in self.holder and "released" not in self.holder

    @property
    def under_way(self) -> bool:
        """Whether a process is known to search the study, or cannot be ruled out."""
        return self.searched and not has_ended(self.holder)

    @property
    def empty(self) -> bool:
        """Whether no candidate has finished and none is running."""
        running = self.counts.get("running", 0)
        return sum(self.counts.values()) == running and not (running and self.under_way)


def study_list(storage: RDBStorage, url: str) -> list[StudyEntry]:
    """Return the studies of a storage by time of search, the latest first, empty ones last."""
    with storage_errors(url), storage.engine.connect() as connection:
        notes = _notes(connection)
        trials = _counts(connection)
        times = times_of(connection)
    entries: list[StudyEntry] = []
    for (study_id, name), texts in notes.items():
        if SETTINGS not in texts:
            continue  # a study of another program
        states = trials.get(study_id, {})
        counts = {
            status: states[state, True]
            for state, status in _STATUSES.items()
            if (state, True) in states
        }
        entries.append(
            StudyEntry(
                name=name,
                study_id=study_id,
                settings=parsed(texts[SETTINGS]),
                counts=counts,
                foreign=sum(count for (_, ours), count in states.items() if not ours),
                holder=parsed(texts.get(HOLDER)),
                time=in_all(times.get(study_id, ())),
            )
        )
    return sorted(
        entries,
        key=lambda each: (bool(each.settings), not each.empty, each.since, each.study_id),
        reverse=True,
    )


def studies_by_name(storage: RDBStorage, url: str) -> dict[str, StudyEntry]:
    """Return the studies of a storage by name, the latest first."""
    return {each.name: each for each in study_list(storage, url)}


def _notes(connection: sqlalchemy.Connection) -> dict[tuple[int, str], dict[str, str]]:
    """Return this package's notes in the studies' rows, by Optuna's id and name."""
    studies, attributes = STUDIES.c, STUDY_NOTES.c
    query = (
        sqlalchemy.select(
            studies.study_id, studies.study_name, attributes.key, attributes.value_json
        )
        .join_from(STUDIES, STUDY_NOTES, studies.study_id == attributes.study_id)
        .where(attributes.key.in_((SETTINGS, HOLDER)))
    )
    notes: dict[tuple[int, str], dict[str, str]] = {}
    for study_id, name, key, text in connection.execute(query):
        notes.setdefault((study_id, name), {})[key] = text
    return notes


def times_of(
    connection: sqlalchemy.Connection, studies: Collection[int] = ()
) -> dict[int, list[RunTime]]:
    """Return the times of the runs of studies by Optuna's id, the earliest first.

    Args:
        connection: Connection to the database.
        studies: Optuna's ids of the studies; empty: all.
    """
    columns = STUDY_NOTES.c
    query = sqlalchemy.select(columns.study_id, columns.value_json)
    query = query.where(columns.key.startswith(TIME))
    if studies:
        query = query.where(columns.study_id.in_(studies))
    found: dict[int, list[RunTime]] = {}
    for study, text in connection.execute(query):
        try:
            found.setdefault(study, []).append(RunTime.from_json(json.loads(text)))
        except (ValueError, LookupError, TypeError) as error:
            _log.warning("left out: the time of a run, which cannot be read: %s", error)
    return {study: sorted(runs, key=lambda each: each.since) for study, runs in found.items()}


def revisions_of(connection: sqlalchemy.Connection, study: int) -> int:
    """Return the number of replaced records of a study; ``study`` is Optuna's id."""
    columns = STUDY_NOTES.c
    query = sqlalchemy.select(columns.value_json)
    found = connection.scalar(query.where(columns.study_id == study, columns.key == REVISIONS))
    return 0 if found is None else int(json.loads(found))


def add_revision(storage: RDBStorage, connection: sqlalchemy.Connection, study: int) -> None:
    """Count one more replaced record of a study, inside a transaction of ``storage``."""
    count = revisions_of(connection, study) + 1
    storage.set_study_system_attr(study, REVISIONS, count)


def _counts(connection: sqlalchemy.Connection) -> dict[int, dict[tuple[str, bool], int]]:
    """Return the number of trials by study, state and whether this package made them.

    Trials of stopped candidates and baselines count under the states ``_STOPPED`` and
    ``_BASELINE``.
    """
    trials, records = TRIALS.c, TRIAL_NOTES.c
    ours = sqlalchemy.and_(records.trial_id == trials.trial_id, records.key == "nas:candidate")
    name = sqlalchemy.cast(trials.state, sqlalchemy.String(16))  # PostgreSQL has a type for states
    pruned = [
        (sqlalchemy.and_(name == "PRUNED", records.value_json.like(f'%"status": "{each}"%')), state)
        for each, state in (("stopped", _STOPPED), ("baseline", _BASELINE))
    ]
    state = sqlalchemy.case(*pruned, else_=name)
    each = sqlalchemy.select(
        trials.study_id, state.label("state"), records.key.is_not(None).label("ours")
    ).join_from(TRIALS, TRIAL_NOTES, ours, isouter=True)
    rows = each.subquery()
    query = sqlalchemy.select(
        rows.c.study_id, rows.c.state, rows.c.ours, sqlalchemy.func.count()
    ).group_by(rows.c.study_id, rows.c.state, rows.c.ours)
    counts: dict[int, dict[tuple[str, bool], int]] = {}
    for study_id, key, is_ours, count in connection.execute(query):
        counts.setdefault(study_id, {})[key, bool(is_ours)] = count
    return counts


def studies_of(storage: RDBStorage, url: str) -> dict[str, Mapping[str, Any]]:
    """Return the readable stored settings by study name, the latest first."""
    return {each.name: each.settings for each in study_list(storage, url) if each.settings}


def make_study(storage: RDBStorage, url: str, name: str, settings: StudySettings) -> None:
    """Make a study atomically.

    Raises:
        InputError: If another program has a study with this name.
    """

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
            storage.set_study_system_attr(study_id, SETTINGS, settings.to_json())
            made = this_process()
            storage.set_study_system_attr(study_id, HOLDER, {**made, "released": made["since"]})

    try:
        retry(make)
    except optuna.exceptions.DuplicatedStudyError:  # or another program has just made it
        if all(name != each.name for each in study_list(storage, url)):
            raise InputError(
                f"a study's name must not be that of a study of another program, but got {name!r}"
            ) from None


def rename_study(name: str, new: str, storage_url: str) -> None:
    """Rename a study, with its files beside the storage.

    Raises:
        InputError: If there is no such study, another process searches it, or the new name is not
            free.
    """
    check_study_name(new)
    storage = open_storage(storage_url, create=False)
    entry = _entry(storage, storage_url, name)
    studies = STUDIES.c
    with Hold(storage, storage_url, entry.study_id, name, search=False) as hold:
        with storage_errors(storage_url), storage.engine.connect() as connection:
            query = sqlalchemy.select(studies.study_id).where(studies.study_name == new)
            if connection.execute(query).first():
                raise InputError(f"a study's name must be free, but got {new!r}")
        moved: list[tuple[Path, Path]] = []
        try:
            for old_path, new_path in _to_be_moved(storage_url, name, new):
                _move(old_path, new_path)
                moved.append((old_path, new_path))
            with hold.transaction() as connection:
                connection.execute(
                    sqlalchemy.update(STUDIES)
                    .where(studies.study_id == entry.study_id)
                    .values(study_name=new)
                )
        except BaseException:
            for old_path, new_path in moved:
                _move(new_path, old_path)
            raise
    _remove(file_beside(storage_url, name, ".lock"))


def delete_study(name: str, storage_url: str) -> None:
    """Delete a study with its files beside the storage, even if its record is incomplete.

    Raises:
        InputError: If there is no such study, or another process searches it.
    """
    storage = open_storage(storage_url, create=False)
    beside = [file_beside(storage_url, name, suffix) for suffix in SIDE_FILES]
    beside += SpillFile(url=storage_url, study=name).pending()
    known = any(name == each.name for each in study_list(storage, storage_url))
    if known or not any(each.exists() for each in beside):
        entry = _entry(storage, storage_url, name)
        with (
            Hold(storage, storage_url, entry.study_id, name, search=False) as hold,
            hold.transaction() as connection,
        ):
            _delete_rows(connection, entry.study_id)
            forget_study(connection, entry.study_id)
    for each in beside:
        _remove(each)


def _entry(storage: RDBStorage, url: str, name: str) -> StudyEntry:
    entries = studies_by_name(storage, url)
    if name not in entries:
        raise unknown_name("study", name, list(entries))
    return entries[name]


def _delete_rows(connection: sqlalchemy.Connection, study_id: int) -> None:
    """Delete a study's rows in all tables directly; Optuna would read each row first."""
    tables = sqlalchemy.MetaData()
    tables.reflect(connection)
    studies, trials = tables.tables["studies"], tables.tables["trials"]
    its_trials = sqlalchemy.select(trials.c.trial_id).where(trials.c.study_id == study_id)
    for table in reversed(tables.sorted_tables):
        for key in table.foreign_keys:
            if key.column.table is trials:
                connection.execute(sqlalchemy.delete(table).where(key.parent.in_(its_trials)))
            elif key.column.table is studies:
                connection.execute(sqlalchemy.delete(table).where(key.parent == study_id))
    connection.execute(sqlalchemy.delete(studies).where(studies.c.study_id == study_id))


def _to_be_moved(url: str, name: str, new: str) -> list[tuple[Path, Path]]:
    """Return the paths of a study's weights and spill files, with those for a new name."""
    weights, new_weights = (file_beside(url, each, ".weights") for each in (name, new))
    kept, new_kept = (SpillFile(url=url, study=each) for each in (name, new))
    there = kept.pending()
    moves = zip(kept.paths(), new_kept.paths(), strict=True)
    found = [(old_path, new_path) for old_path, new_path in moves if old_path in there]
    return [*found, (weights, new_weights)] if weights.is_dir() else found


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        raise InputError(
            f"the files of a study must go with its name, but got {source}: {error.strerror}"
        ) from None


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"the files beside a deleted study must be removed too, but got {path}: "
            f"{error.strerror}; remove it yourself"
        ) from None
