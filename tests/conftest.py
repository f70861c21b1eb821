"""Set-up of all tests: one torch thread per process, separate caches, and optionally no skips."""

import atexit
import gc
import importlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from .onnx_table import one_table

os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests start many processes. If Python may not store bytecode, each would compile all of torch,
# which takes longer than most tests. So all share a folder, removed with the first process.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    bytecode = os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(prefix="nas-bytecode-")
    sys.pycache_prefix, sys.dont_write_bytecode = bytecode, False
    atexit.register(shutil.rmtree, bytecode, ignore_errors=True)

# Two workers import the same modules at the same time. Where these have no bytecode yet, both would
# compile all of them; so one begins with what the other needs late, and finds the rest compiled.
if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
    for name in ("sympy", "scipy.stats", "pandas", "networkx", "sqlalchemy", "plotly", "dash"):
        importlib.import_module(name)

gc.disable()  # until the tests are collected: see pytest_collection_finish

# Shells start background jobs, and their children, with SIGINT ignored, but tests send SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests, so that no worker waits at the end for another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Leave modules and tests, which live to the end, out of all later garbage collections."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # one for all workers
    os.environ["NAS_CACHE"] = str(folder / "cache")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk() -> None:
    """Let SQLite leave its writes to the system: tests kill processes, and no machine."""
    import sqlalchemy

    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
    def connected(connection: Any, record: object) -> None:  # type: ignore[reportUnusedFunction]
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session")
def one_onnx_table() -> Generator[None]:
    """Let all exports share one table of ONNX operations."""
    with one_table():
        yield


@pytest.fixture(scope="session")
def postgresql() -> Generator[str]:
    """The URL of a database on a PostgreSQL server of these tests alone."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    found = shutil.which("pg_ctl") or (programs[-1] if programs else None)
    if found is None:
        pytest.skip("needs the programs of a PostgreSQL server")
    folder, user = Path(tempfile.mkdtemp(prefix="nas-postgresql-")), ()
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres")
        user = ("runuser", "-u", "postgres", "--")
    control = (*user, found, "--pgdata", folder / "data", "--silent", "--wait")
    initial = "--auth=trust --username=nas --no-sync --encoding=UTF8 --locale=C"
    server = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    log = folder / "log"
    try:
        subprocess.run([*control, "initdb", "--options", initial], check=True)
        subprocess.run([*control, "start", "--log", log, "--options", server], check=True)
        try:
            yield f"postgresql+psycopg://nas@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "stop", "--mode", "immediate"], check=True)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def any_costs(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Replaces the costs of each distinct part by random ones, for tests that need no traces."""
    from nas_explorer.evaluators.cost import table
    from nas_explorer.evaluators.cost.cost import clear_memory
    from nas_explorer.evaluators.cost.value import COLUMNS

    def drawn(*key: object) -> tuple[int, ...]:
        draw = random.Random(repr(key))
        return tuple(draw.randrange(10**6) for _ in range(len(COLUMNS) + 1))

    monkeypatch.setattr(table, "component_row", drawn)
    monkeypatch.setattr(table, "cache_key", lambda *_: None)
    clear_memory()
    yield
    clear_memory()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if os.environ.get("NAS_REFUSE_SKIPS") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where no skip is allowed: {report.longrepr}"
    return report
