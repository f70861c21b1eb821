"""All exact metrics of one architecture, and optionally its latency."""

from ..search_space.architecture.architecture import Architecture
from .base import Measurement
from .cost.evaluator import CostEvaluator
from .device_name import choose_device


def measure(
    architecture: Architecture, *, latency: bool = False, device: str = "auto", batch: int = 1
) -> dict[str, Measurement]:
    """Return the measurements of an architecture by the names of their metrics.

    Args:
        architecture: An architecture for any images and classes.
        latency: Whether to measure the latency too.
        device: Device of the latency: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch: Images per timed forward pass.

    Raises:
        CandidateError: If the network cannot be run.
        InputError: If the device is missing, or the batch is less than 1.
    """
    found = list(CostEvaluator().evaluate(architecture))
    if latency:
        import torch

        from .latency.evaluator import LatencyEvaluator
        from .latency.settings import LatencySettings

        settings = LatencySettings(batch=batch)
        timer = LatencyEvaluator(device=torch.device(choose_device(device)), settings=settings)
        found += timer.evaluate(architecture)
    return {each.metric: each for each in found}
