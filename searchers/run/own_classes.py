"""Classes of the user's script, notebook or modules, pickled for the workers.

Workers are new processes: they import no notebook, and no code under ``if __name__ ==
"__main__":``. Such classes are pickled whole, those of a module that can be imported by name.
"""

import pickle
import typing
from collections.abc import Iterable

import cloudpickle  # type: ignore[import-untyped]

from ...evaluators.accuracy.recipes.base import RecipeOption
from ...evaluators.base import Entry
from ...search_space.components.base import Component
from ...search_space.errors import InputError
from ...search_space.plugins import registered
from ..plugins import register


def pickle_classes(evaluators: Iterable[Entry]) -> bytes:
    """Return the registered components, recipe options and ones of these evaluators, pickled.

    Raises:
        InputError: If a class holds something that cannot be pickled, such as an open device.
    """
    used = [each.place for each in evaluators]
    everywhere = (Component, RecipeOption)
    found = [cls for cls in registered() if cls in used or issubclass(cls, everywhere)]
    for cls in found:
        _resolve_annotations(cls)
        try:
            cloudpickle.dumps(cls)
        except Exception as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(
                f"what is registered in the main program must be picklable for the workers, but "
                f"{cls.__qualname__} is not: {line}; put it into a file and name the file as a "
                "plug-in"
            ) from error
    # one pickle for all, so that shared objects stay shared
    return cloudpickle.dumps(found) if found else b""


def register_pickled(data: bytes) -> None:
    """Register the classes that ``pickle_classes`` returned."""
    for cls in pickle.loads(data) if data else ():
        register(cls)


def _resolve_annotations(cls: type) -> None:
    """Replace annotations that are text, in a main program's classes, by the objects they name."""
    for base in cls.__mro__:
        if base.__module__ == "__main__" and "__annotations__" in vars(base):
            base.__annotations__ = typing.get_type_hints(base, include_extras=True)
