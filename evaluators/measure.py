"""The metrics of one architecture: all exact ones, and others on request."""

from collections.abc import Collection

from ..search_space.architecture.architecture import Architecture
from ..search_space.errors import InputError
from .base import Measurement, Setup, evaluators_for
from .device_name import choose_device


def measure(
    architecture: Architecture,
    *,
    latency: bool = False,
    metrics: Collection[str] = (),
    device: str = "auto",
    batch: int = 1,
) -> dict[str, Measurement]:
    """Return the measurements of an architecture by the names of their metrics.

    Args:
        architecture: An architecture for any images and classes.
        latency: Whether to measure the latency too.
        metrics: Names of further metrics, exact or measured, also of plug-ins.
        device: Device of measured metrics: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch: Images per timed forward pass.

    Raises:
        CandidateError: If the network cannot be run.
        InputError: If a metric is unknown or trained, the device is missing, or the batch is less
            than 1.
    """
    asked = {*metrics, *(["latency"] if latency else [])}
    found: list[Measurement] = []
    for entry in evaluators_for(asked):
        if entry.tier != "exact" and not asked & {each.name for each in entry.metrics}:
            continue
        if entry.tier == "trained":
            raise InputError(
                f"a metric of one network must be exact or measured, but got {entry.name!r}, "
                "which needs training (nas search trains)"
            )
        settings = dict(entry.load().defaults)
        if "batch" in settings:
            settings["batch"] = batch
        where = "cpu" if entry.tier == "exact" else choose_device(device)
        found += entry.load().make(Setup(device=where, settings=settings)).measure(architecture)
    return {each.metric: each for each in found}
