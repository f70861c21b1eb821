"""Optuna without its log lines, since library code prints nothing."""

from collections.abc import Generator
from contextlib import contextmanager

import optuna


@contextmanager
def quiet_optuna(level: int = optuna.logging.WARNING) -> Generator[None]:
    """Let Optuna log only messages of this level or above inside the context.

    Args:
        level: A level of ``logging``. Below ``WARNING`` Optuna logs every new study.
    """
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(level)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
