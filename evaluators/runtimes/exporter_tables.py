"""Tables of torch's exporter that are the same in every export, kept between exports.

By itself each export reads the sources of 500 functions and asks for all operators 64 times, which
takes longer than the export of a few layers.
"""

import importlib
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, lru_cache
from threading import RLock
from typing import Any

import torch

_LOCK = RLock()
"""Held while torch's functions are replaced."""


@contextmanager
def kept_tables() -> Generator[None]:
    """Keep the tables inside; a version of torch that names them otherwise makes them anew.

    One thread at a time exports. Tables are made anew when a library has added operators.
    """
    with _LOCK, ExitStack() as stack:
        for owner, name, wrapped in _tables(len(torch._C._dispatch_get_all_op_names())):  # pyright: ignore[reportPrivateUsage]
            stack.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, wrapped)
        yield


@lru_cache(maxsize=1)
def _tables(operators: int) -> tuple[tuple[Any, str, Callable[..., Any]], ...]:
    """Return owner, name and replacement of each function whose result is kept.

    Args:
        operators: Number of torch's operators.
    """
    with suppress(ImportError, AttributeError, KeyError):
        exporter: Any = importlib.import_module("torch.onnx._internal.exporter._registration")
        utils: Any = importlib.import_module("torch._export.utils")
        registry, listed = exporter.ONNXRegistry, "_materialize_cpp_cia_ops"
        translations: Any = staticmethod(cache(registry.from_torchlib))
        return (
            (registry, "from_torchlib", translations),
            (utils, listed, cache(vars(utils)[listed])),
        )
    return ()
