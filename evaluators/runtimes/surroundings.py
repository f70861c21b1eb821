"""The conditions of latencies that are known before one is measured."""

from collections.abc import Mapping
from typing import Any

from ..base import Setup
from ..runtime_table import EAGER, RUNTIMES


def surroundings(device: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the device and the versions with which a metric is measured now.

    Args:
        device: Device of the study, for measurements in torch.
        settings: Settings of the metric's evaluator; a latency's name its runtime.

    Raises:
        InputError: If the command of a ruler on another device fails, or a file of latencies
            cannot be read.
    """
    entry = RUNTIMES.get(settings.get("runtime", EAGER), RUNTIMES[EAGER])
    return entry.load()().surroundings(Setup(device=device, settings=settings))
