"""The right of a process to search a study together with others, renewed by a heartbeat."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import sqlalchemy
from optuna.storages import RDBStorage

from ...search_space.errors import InputError
from .holder import Hold, has_ended, members_of, searched_by
from .storage import StorageError, retry, storage_errors

_log = logging.getLogger(__name__)
BEAT_SECONDS = 5.0
"""Seconds between two heartbeats of a process."""
MISSED_BEATS = 12
"""Heartbeats that another process may miss, counted by this process's own, before it counts as
ended. A process of the same system that has ended is noticed at once."""


class SharedHold(Hold):
    """The right to write to one study, which processes that join it share.

    The study's note lists them as members, each with the number of its heartbeats. As with the
    exclusive right, a transaction locks the note first, so that one process at a time writes.
    """

    shared: ClassVar[bool] = True

    def __init__(
        self, storage: RDBStorage, url: str, study_id: int, study: str, *, conditions: str = ""
    ) -> None:
        """Prepare the right to a study; a ``with`` statement acquires and releases it.

        Args:
            storage: Storage of the study.
            url: The storage's URL.
            study_id: Optuna's id of the study.
            study: Name of the study.
            conditions: Conditions of this process's measurements, which all members share.
        """
        super().__init__(storage, url, study_id, study)
        self._mine["conditions"] = conditions
        self._beats = 0
        self._seen: dict[str, tuple[object, int]] = {}
        self._over = threading.Event()
        self._heart: threading.Thread | None = None

    def living(self, connection: sqlalchemy.Connection) -> set[str]:
        """Return the tokens of the members that have not ended, as far as this process knows."""
        found = members_of(self._read_note(connection))
        return {token for token, each in found.items() if self._lives(token, each)}

    def _lives(self, token: str, member: Mapping[str, Any]) -> bool:
        if token == self.token:
            return True
        if has_ended(member):
            return False
        beat = member.get("beat")
        # Counted by own heartbeats, which stop too where the whole machine is stopped.
        seen, at = self._seen.get(token, (None, 0))
        if seen != beat:
            at = self._beats
            self._seen[token] = (beat, at)
        return self._beats - at < MISSED_BEATS

    def _refused(self, holder: Mapping[str, Any]) -> InputError:
        return InputError(
            f"a study must be searched by one process at a time unless all join it, but got "
            f"{self._study!r}, which {searched_by(holder)} is searching alone; start every process "
            "with --join"
        )

    def _is_free(self, holder: Mapping[str, Any]) -> bool:
        return bool(members_of(holder)) or super()._is_free(holder)

    def _begin(self) -> None:
        self._mine["beat"] = 0
        with storage_errors(self._url), self._storage.engine.begin() as connection:
            members = members_of(self._locked_note(connection))
            for token, each in members.items():
                if self._lives(token, each) and each.get("conditions") != self._mine["conditions"]:
                    raise self._incomparable(each)
            self._put_members(connection, members)
        self._over.clear()
        self._heart = threading.Thread(target=self._beat_on, daemon=True)
        self._heart.start()

    def _incomparable(self, member: Mapping[str, Any]) -> InputError:
        theirs, mine = (str(each["conditions"] or "unknown") for each in (member, self._mine))
        return InputError(
            "processes that join a study must measure under the same conditions, but got "
            f"{self._study!r} with {theirs} of {searched_by(member)}, and {mine} here"
        )

    def _check(self, connection: sqlalchemy.Connection) -> None:
        found = self._locked_note(connection)
        members = members_of(found)
        if not members and "released" not in found:
            raise self._lost(found)
        if self.token not in members:  # another process took this one for ended
            self._put_members(connection, members)

    def _put_members(
        self, connection: sqlalchemy.Connection, members: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Write the note with this process among the members."""
        note = {**self._mine, "members": {**members, self.token: self._mine}}
        self._put(connection, value_json=json.dumps(note))

    def _beat_on(self) -> None:
        """Count a heartbeat again and again, in a thread."""
        while not self._over.wait(BEAT_SECONDS):
            try:
                with storage_errors(self._url), self._storage.engine.begin() as connection:
                    found = self._locked_note(connection)
                    members = members_of(found)
                    if not members and "released" not in found:
                        continue  # the next transaction reports it, unless that process leaves
                    self._mine["beat"] += 1
                    self._put_members(connection, members)
            except StorageError as error:
                _log.info("study %r: no heartbeat: %s", self._study, error)
            else:
                self._beats += 1

    def _leave(self) -> None:
        """Leave the members, so that what this process has not finished is free at once."""
        self._over.set()
        if self._heart is not None:
            self._heart.join()
        try:
            retry(self._write_left)
        except StorageError as error:
            _log.info("study %r was not left properly: %s", self._study, error)

    def _write_left(self) -> None:
        """Write the note without this process among the members."""
        with self.transaction() as connection:
            left = members_of(self._read_note(connection))
            del left[self.token]
            left = {token: each for token, each in left.items() if self._lives(token, each)}
            note = {**self._mine, "released": time.time()}
            for each in left.values():  # any of them stands for all
                note = {**each, "members": left}
            self._put(connection, value_json=json.dumps(note))
