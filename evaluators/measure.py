"""The metrics of one architecture: all exact ones, and others on request."""

from collections.abc import Collection

from ..search_space.architecture.architecture import Architecture
from ..search_space.errors import InputError, shown
from ..search_space.zoo import zoo_entry
from .base import CandidateError, Measurement, Setup, evaluators_for
from .device_name import choose_device
from .metrics import LATENCY
from .runtime_choice import check_runtimes, set_runtimes, with_recorded
from .runtime_table import EAGER, IN_TORCH, latency_name, read_runtimes
from .units import read_metric


def measure(
    architecture: Architecture | str,
    *,
    latency: bool = False,
    metrics: str | Collection[str] = (),
    runtime: str | Collection[str] = (),
    device: str = "auto",
    device_command: str = "",
    latency_from: str = "",
    batch: int = 1,
    undefined: dict[str, str] | None = None,
) -> dict[str, Measurement]:
    """Return the measurements of an architecture by the names of their metrics.

    Args:
        architecture: An architecture for any images and classes, or the name of a published
            network, as ``nas zoo`` lists them.
        latency: Whether to measure the latency too.
        metrics: Names of further metrics, exact or measured, also of plug-ins.
        runtime: Runtimes, such as ``"onnxruntime,openvino"``: the first is what plain ``latency``
            is measured in, and the latency in each other one is measured too; none: ``eager``.
        device: Device of measured metrics: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        device_command: Command that runs a ruler on another device, where runtimes that run model
            files are timed; empty: on this device.
        latency_from: CSV file of measured latencies, of the runtime ``recorded``; empty: none.
        batch: Images per timed forward pass.
        undefined: Gets the reasons, by metric, for latencies that the network does not have in a
            runtime that runs model files; None: one is an error.

    Raises:
        CandidateError: If the network cannot be run.
        InputError: If the network or a metric is unknown, a metric is trained, the device is
            missing, or the batch is less than 1.
    """
    found = read_architecture(architecture)
    named = [metrics] if isinstance(metrics, str) else metrics
    asked = {*map(read_metric, named), *(["latency"] if latency else [])}
    chosen = with_recorded(read_runtimes(runtime) if runtime != () else (), latency_from)
    asked |= {LATENCY.name for _ in chosen[:1]} | set(map(latency_name, chosen[1:]))
    check_runtimes(chosen, asked, device_command=device_command, latency_from=latency_from)
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
        set_runtimes(
            {entry.name: settings},
            chosen,
            device_command=device_command,
            latency_from=latency_from,
        )
        where = "cpu" if entry.tier == "exact" else choose_device(device)
        try:
            measured += entry.load().make(Setup(device=where, settings=settings)).measure(found)
        except CandidateError as error:
            if undefined is None or settings.get("runtime", EAGER) in IN_TORCH:
                raise
            undefined[entry.name] = str(error)
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
