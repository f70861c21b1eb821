"""Constructor arguments of all modules of a network."""

import inspect
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from torch import nn

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from .networks import fresh_network

Arguments = Mapping[nn.Module, Mapping[str, Any]]
"""Constructor arguments by module and name; ``*name`` for variable positional arguments."""


def recorded_network(architecture: Architecture) -> tuple[Network, Arguments]:
    """Return a network with new weights, and the constructor arguments of its modules."""
    made: dict[nn.Module, Mapping[str, Any]] = {}
    start = nn.Module.__init__

    def watched(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        start(self, *args, **kwargs)
        made[self] = _arguments(self, inspect.currentframe())

    nn.Module.__init__ = watched
    try:
        return fresh_network(architecture, seed=0), made
    finally:
        nn.Module.__init__ = start


def _arguments(module: nn.Module, frame: FrameType | None) -> Mapping[str, Any]:
    """Return the arguments of the outermost running constructor of ``module``."""
    outermost: FrameType | None = None
    frame = None if frame is None else frame.f_back  # the frame of this recorder itself
    while frame is not None and _constructs(module, frame):
        outermost, frame = frame, frame.f_back
    if outermost is None:
        return {}
    constructor: Callable[..., None] = type(module).__init__
    values = outermost.f_locals
    found: dict[str, Any] = {}
    for parameter in [*inspect.signature(constructor).parameters.values()][1:]:
        value = values[parameter.name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            found[f"*{parameter.name}"] = value
        elif parameter.kind is parameter.VAR_KEYWORD:
            found.update(value)
        elif value is not parameter.default:
            found[parameter.name] = value
    return found


def _constructs(module: nn.Module, frame: FrameType) -> bool:
    code = frame.f_code
    return (
        code.co_name == "__init__"
        and code.co_argcount > 0
        and frame.f_locals.get(code.co_varnames[0]) is module
    )
