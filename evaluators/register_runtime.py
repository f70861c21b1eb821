"""``register_runtime``: adds a user's runtime, with its latency as a metric."""

from typing import TYPE_CHECKING

from ..search_space.plugins import put
from .base import EVALUATORS, METRICS, latency_entry
from .runtime_table import RUNTIMES, add_runtime

if TYPE_CHECKING:
    from .runtimes.base import Runtime


def register_runtime(cls: "type[Runtime]") -> None:
    """Add a runtime to the table, and its latency to the evaluators and metrics.

    Raises:
        InputError: If its name is not valid, or is taken.
    """
    add_runtime(cls)
    entry = RUNTIMES[cls.name]
    put(EVALUATORS, entry.metric.name, latency_entry(entry))
    put(METRICS, entry.metric.name, entry.metric)
