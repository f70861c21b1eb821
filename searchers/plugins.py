"""``register``: adds what a user's module defines to the table of its kind."""

from importlib import import_module
from typing import Any, TypeVar

from ..search_space.errors import InputError

_Plugin = TypeVar("_Plugin", bound=type[Any])

_ROOT = __name__.rpartition(".searchers.")[0]

_KINDS = {
    "search_space.components.base.Component": "search_space.components.tables.register_component",
    "searchers.base.Searcher": "searchers.names.register_searcher",
    "evaluators.base.Evaluator": "evaluators.base.register_evaluator",
    "evaluators.trained.base.Diagnostic": "evaluators.diagnostics.register_diagnostic",
    "evaluators.accuracy.recipes.base.RecipeOption": (
        "evaluators.accuracy.option_table.register_option"
    ),
    "evaluators.runtimes.base.Runtime": "evaluators.register_runtime.register_runtime",
    "results.export.base.ModelFormat": "results.export.formats.register_format",
    "searchers.engines.base.Engine": "searchers.engines.register_engine",
}
"""For each base class, the function that registers its subclasses; by name, for imports on use."""


def register(plugin: _Plugin) -> _Plugin:
    """Add a class to the table of its kind, and return it; usable as a decorator.

    Args:
        plugin: A class derived from ``Component`` (``TokenMixer``, ``Norm``, ...), ``Searcher``,
            ``Evaluator``, ``Diagnostic``, ``RecipeOption``, ``Runtime``, ``ModelFormat`` or
            ``Engine``.

    Raises:
        InputError: If the class has another base, its name is taken, or it lacks a required
            attribute.
    """
    bases = [f"{each.__module__}.{each.__qualname__}" for each in getattr(plugin, "__mro__", ())]
    for base, place in _KINDS.items():
        if f"{_ROOT}.{base}" in bases:
            module, _, function = place.rpartition(".")
            getattr(import_module(f"{_ROOT}.{module}"), function)(plugin)
            return plugin
    names = ", ".join(each.rpartition(".")[2] for each in _KINDS)
    raise InputError(f"a plug-in must be a class derived from {names}, but got {plugin!r}")
