"""The lock of a database server, which is requested repeatedly while it is held."""

import time
from types import SimpleNamespace

import pytest
import sqlalchemy
from nas_explorer.results.study import locks
from sqlalchemy.pool import StaticPool


def test_a_lock_that_was_given_up_and_taken_again_is_kept_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "PING_SECONDS", 0.01)
    options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    storage = SimpleNamespace(engine=sqlalchemy.create_engine("sqlite://", **options))
    asked: list[str] = []

    @sqlalchemy.event.listens_for(storage.engine, "before_cursor_execute")
    def note(*context: object) -> None:
        asked.append(str(context[2]))

    lock = locks._ServerLock(storage, "sqlite://", "SELECT 1")
    for _ in range(2):
        asked.clear()
        assert lock.acquire()
        deadline = time.monotonic() + 60.0
        while len(asked) < 3:  # first to take the lock, then by the thread that keeps it
            assert time.monotonic() < deadline, "nobody asks for the lock any more"
            time.sleep(0.005)
        lock.release()
    after = len(asked)
    time.sleep(0.05)
    assert len(asked) == after
