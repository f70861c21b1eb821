"""The conditions of latencies that are known before one is measured."""

from collections.abc import Mapping
from typing import Any

import torch

from ...search_space.errors import InputError
from ..base import Setup
from ..latency.provenance import describe
from ..latency.settings import LatencySettings
from ..runtime_table import RECORDED, runs_files
from .graph_runtime import GraphLatency
from .latency_file import RecordedLatency
from .ruler_process import RulerError


def surroundings(device: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the device and the versions with which a metric is measured now.

    Args:
        device: Device of the study, for measurements in torch.
        settings: Settings of the metric's evaluator; a latency's name its runtime.

    Raises:
        InputError: If the command of a ruler on another device fails, or a file of latencies
            cannot be read.
    """
    runtime = settings.get("runtime")
    if runtime == RECORDED:
        return RecordedLatency(LatencySettings.from_json(settings)).surroundings()
    if not runs_files(runtime):
        return describe(torch.device(device))
    evaluator = GraphLatency.make(Setup(settings=settings))
    try:
        return evaluator.surroundings()
    except RulerError as error:
        raise InputError(
            f"device_command must run a ruler with {runtime!r} (docs/runtimes.md), but: {error}"
        ) from error
    finally:
        evaluator.close()
