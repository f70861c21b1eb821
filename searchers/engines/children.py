"""Starts the processes of workers, and runs in them.

Like ``process``, this module imports nothing heavy.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


@contextmanager
def environment(values: dict[str, str]) -> Generator[None]:
    """Set environment variables, and restore them afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Generator[None]:
    """Block SIGINT: a child inherits the mask, so Ctrl-C never reaches it while it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # The resource tracker clears the mask when it starts its own process, so start it first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_Child = tuple[Connection, SpawnProcess]
_EARLY: list[_Child] = []
"""Processes that were started early and that no worker has needed so far."""


@contextmanager
def early_processes(count: int, modules: Sequence[str]) -> Generator[None]:
    """Start processes for the first workers made inside this context.

    Imports of a worker take seconds, which then pass while the caller prepares the work. Processes
    that no worker needs end with the context.

    Args:
        count: Number of processes.
        modules: Names of the modules that they import.
    """
    _EARLY.extend(_start_child(None, tuple(modules)) for _ in range(count))
    try:
        yield
    finally:
        while _EARLY:
            connection, process = _EARLY.pop()
            process.kill()
            process.join()
            connection.close()


def _start_child(factory: bytes | None, modules: tuple[str, ...] = ()) -> _Child:
    """Start a process; without a factory it waits for one."""
    ours, theirs = _SPAWN.Pipe()
    # A daemon is ended by multiprocessing itself where a crash skips our own clean-up.
    process = _SPAWN.Process(target=_serve, args=(theirs, factory, modules), daemon=True)
    with environment(_ONE_THREAD), _interrupts_held(), theirs:
        process.start()
    return ours, process


def child_for(factory: bytes) -> _Child:
    """Return a process that makes the worker: one that was started early, or a new one."""
    while _EARLY:
        connection, process = _EARLY.pop(0)
        with suppress(OSError):  # it has died
            connection.send_bytes(factory)
            return connection, process
        connection.close()
    return _start_child(factory)


def _serve(connection: Connection, factory: bytes | None, modules: tuple[str, ...]) -> None:
    """Run in the child: make the worker, then handle requests until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in modules:
        with suppress(Exception):  # the worker imports it again, and reports why it cannot
            import_module(name)
    try:
        if factory is None:
            factory = connection.recv_bytes()
    except EOFError:
        return
    try:
        worker = pickle.loads(factory)()
    except Exception as error:
        connection.send(("broken", _pickled_error(error), None))
        return
    # The environment sets one thread, but packages imported by the factory may change it.
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    connection.send(("ready", b"", None))
    while True:
        try:
            request = connection.recv_bytes()
        except EOFError:
            return
        connection.send(_reply(worker, request))


def _reply(worker: Any, request: bytes) -> tuple[str, bytes, str | None]:
    try:
        reply = pickle.dumps(worker.run(pickle.loads(request)))
        return "last" if worker.spent else "reply", reply, None
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return "error", line.encode(), traceback.format_exc()


def _end_with_parent() -> None:
    """End this process when its parent has ended, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a child watches its parent"
    parent.join()
    os._exit(1)


def _pickled_error(error: Exception) -> bytes:
    """Return a pickled exception; one that cannot be pickled is replaced by its text."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return data
