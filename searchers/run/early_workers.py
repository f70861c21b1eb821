"""The first workers of a search start while the search is prepared."""

from contextlib import AbstractContextManager

from ..engines.children import early_processes
from .options import SearchOptions

_MODULES = (
    "nas_explorer.searchers.run.worker",
    "nas_explorer.evaluators.accuracy.evaluator",
    "nas_explorer.evaluators.latency.evaluator",
    "nas_explorer.results.export.weights",
)
"""Modules that every worker of a search imports."""


def early_workers(options: SearchOptions) -> AbstractContextManager[None]:
    """Return the context of a search in which its first workers have been started.

    Without a choice there may be one worker only.
    """
    count = (options.workers or 1) if options.engine == "local" else 0
    return early_processes(count, _MODULES)
