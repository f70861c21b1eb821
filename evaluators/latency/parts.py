"""Times of the parts of a network on this device."""

import time
from collections.abc import Callable
from functools import lru_cache
from statistics import median

import torch
from torch import Tensor, nn

from ...search_space.architecture.architecture import Architecture

PASSES = 15
"""Number of passes of one image; the median of their times is used."""
_WARM_UP = 3


@lru_cache(maxsize=64)
def part_times(architecture: Architecture) -> dict[str, float]:
    """Return the median milliseconds of each part of the folded network for one image, by name.

    The times are for comparison with each other only: the hooks cost a few microseconds each, and
    other load on the machine is not excluded. ``LatencyEvaluator`` measures networks.
    """
    with torch.random.fork_rng(devices=[]):
        network = architecture.build().eval().folded()
    return time_parts(architecture, network, torch.zeros(1, *architecture.input))


def time_parts(
    architecture: Architecture, network: nn.Module, images: Tensor, *, passes: int = PASSES
) -> dict[str, float]:
    """Return the median milliseconds of each part of a network, by name.

    Where one thread does all the work, they are the thread's CPU time. On a GPU each part begins
    and ends with a synchronisation, so that the times of small parts are mostly those of launches.

    Args:
        architecture: The network's architecture.
        network: The network in eval mode; it gets hooks, and is of no use afterwards.
        images: A batch of images on the network's device.
        passes: Number of timed passes, at least 1.
    """
    clock = _clock(images.device)
    taken: dict[str, list[float]] = {part.name: [] for part in architecture.parts()}
    for name, times in taken.items():
        _time(network.get_submodule(name), times, clock)
    with torch.inference_mode():
        for _ in range(_WARM_UP + passes):
            network(images)
    return {name: 1e3 * median(times[_WARM_UP:]) for name, times in taken.items()}


def _clock(device: torch.device) -> Callable[[], float]:
    """Return a clock in s, which on a GPU waits for all work."""
    if device.type == "cuda":

        def synchronised() -> float:
            torch.cuda.synchronize(device)
            return time.perf_counter()

        return synchronised
    return time.thread_time if torch.get_num_threads() == 1 else time.perf_counter


def _time(module: nn.Module, times: list[float], clock: Callable[[], float]) -> None:
    """Append the seconds of each pass through a module to ``times``."""
    began = 0.0

    def before(_module: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        nonlocal began
        began = clock()

    def after(_module: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        times.append(clock() - began)

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)
