"""The metrics of one architecture: all exact ones, and others on request."""

from collections.abc import Collection

from ..search_space.architecture.architecture import Architecture
from ..search_space.errors import InputError, shown
from ..search_space.zoo import zoo_entry
from .base import Measurement, Setup, evaluators_for
from .device_name import choose_device
from .units import read_metric


def measure(
    architecture: Architecture | str,
    *,
    latency: bool = False,
    metrics: str | Collection[str] = (),
    device: str = "auto",
    batch: int = 1,
) -> dict[str, Measurement]:
    """Return the measurements of an architecture by the names of their metrics.

    Args:
        architecture: An architecture for any images and classes, or the name of a published
            network, as ``nas zoo`` lists them.
        latency: Whether to measure the latency too.
        metrics: Names of further metrics, exact or measured, also of plug-ins.
        device: Device of measured metrics: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch: Images per timed forward pass.

    Raises:
        CandidateError: If the network cannot be run.
        InputError: If the network or a metric is unknown, a metric is trained, the device is
            missing, or the batch is less than 1.
    """
    found = read_architecture(architecture)
    named = [metrics] if isinstance(metrics, str) else metrics
    asked = {*map(read_metric, named), *(["latency"] if latency else [])}
    measured: list[Measurement] = []
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
        measured += entry.load().make(Setup(device=where, settings=settings)).measure(found)
    return {each.metric: each for each in measured}


def read_architecture(given: object) -> Architecture:
    """Return an architecture, or that of the published network of the given name.

    Raises:
        InputError: If it is neither.
    """
    if isinstance(given, str):
        return zoo_entry(given).architecture
    if not isinstance(given, Architecture):
        raise InputError(
            f"architecture must be an Architecture or the name of a network, but got {shown(given)}"
        )
    return given
