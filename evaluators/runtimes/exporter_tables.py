"""Tables of torch's exporter that are the same in every export, kept between exports.

By itself each export reads the sources of 500 functions and asks for all operators 64 times, which
takes longer than the export of a few layers.
"""

import importlib
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any


@contextmanager
def kept_tables() -> Generator[None]:
    """Keep the tables inside; a version of torch that names them otherwise makes them anew."""
    with ExitStack() as stack:
        for owner, name, wrapped in _tables():
            stack.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, wrapped)
        yield


@cache
def _tables() -> tuple[tuple[Any, str, Callable[..., Any]], ...]:
    """Return owner, name and replacement of each function whose result is kept."""
    with suppress(ImportError, AttributeError, KeyError):
        exporter: Any = importlib.import_module("torch.onnx._internal.exporter._registration")
        utils: Any = importlib.import_module("torch._export.utils")
        registry, operators = exporter.ONNXRegistry, "_materialize_cpp_cia_ops"
        translations: Any = staticmethod(cache(registry.from_torchlib))
        return (
            (registry, "from_torchlib", translations),
            (utils, operators, cache(vars(utils)[operators])),
        )
    return ()
