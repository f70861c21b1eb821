"""Times of the parts of a network on this CPU."""

import time
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
    taken: dict[str, list[float]] = {part.name: [] for part in architecture.parts()}
    for name, times in taken.items():
        _time(network.get_submodule(name), times)
    image = torch.zeros(1, *architecture.input)
    with torch.inference_mode():
        for _ in range(_WARM_UP + PASSES):
            network(image)
    return {name: 1e3 * median(times[_WARM_UP:]) for name, times in taken.items()}


def _time(module: nn.Module, times: list[float]) -> None:
    """Append the seconds of each pass through a module to ``times``."""
    began = 0.0

    def before(_module: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        nonlocal began
        began = time.perf_counter()

    def after(_module: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        times.append(time.perf_counter() - began)

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)
