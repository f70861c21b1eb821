"""The evaluator of the metric ``latency``."""

from typing import Any, ClassVar

import torch
from torch import nn

from ...search_space.architecture import Architecture
from ...search_space.errors import InputError
from ...search_space.folding import fold
from ...search_space.network import Network
from ..base import Evaluator, Measurement
from ..running import candidate_faults, seeded
from .clocks import Run
from .provenance import describe
from .sentinel import NAME, RESOLUTION, Sentinel
from .settings import LatencySettings
from .timing import Timing, measure_in_turns

_SEED = 0  # weights and images only have to be the same every time


class LatencyEvaluator(Evaluator):
    """Times one forward pass of one batch, without gradients, beside the sentinel's.

    The network is in its folded form.

    The value is the median in ms with its 95 % interval; the provenance holds what it depends on
    and ``ratio_to_sentinel``, which compares where the device's speed has drifted.
    """

    metrics: ClassVar[tuple[str, ...]] = ("latency",)

    def __init__(self, *, device: torch.device, settings: LatencySettings | None = None) -> None:
        """Say where and how to measure.

        Args:
            device: Of type ``cpu`` or ``cuda``.
            settings: What is timed and how often; the defaults if none.

        Raises:
            InputError: If the device is of another type.
        """
        if device.type not in ("cpu", "cuda"):
            raise InputError(f"a device that is timed must be cpu or cuda, but got '{device}'")
        self.device = device
        self.settings = settings or LatencySettings()
        self._sentinel = self._place(Sentinel())

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the latency.

        Raises:
            CandidateError: ``out_of_memory``.
        """
        with torch.inference_mode(), candidate_faults():
            run = self._pass_of(architecture)
            yardstick = self._pass(self._sentinel, (3, RESOLUTION, RESOLUTION))
            timing, sentinel = measure_in_turns([run, yardstick], self.device, self.settings)
        latency = Measurement(
            metric="latency",
            value=timing.median,
            low=timing.low,
            high=timing.high,
            provenance=self._provenance(architecture, timing, sentinel),
        )
        return (latency,)

    def _pass_of(self, architecture: Architecture) -> Run:
        with seeded(_SEED, self.device):
            network: nn.Module = self._place(fold(Network(architecture)))
        if self.settings.runtime == "compiled":
            # All networks share their code: what is remembered of the last one would make this
            # one run uncompiled after a few.
            torch.compiler.reset()
            network.compile(dynamic=False)
        image = architecture.input
        return self._pass(network, (image.channels, image.height, image.width))

    def _place(self, network: nn.Module) -> nn.Module:
        dtype = getattr(torch, self.settings.dtype)
        return network.eval().to(self.device, dtype).to(memory_format=self._format)

    def _pass(self, network: nn.Module, image: tuple[int, int, int]) -> Run:
        generator = torch.Generator().manual_seed(_SEED)
        x_BCHW = torch.randn(self.settings.batch, *image, generator=generator)
        x_BCHW = x_BCHW.to(self.device, getattr(torch, self.settings.dtype))
        x_BCHW = x_BCHW.to(memory_format=self._format)
        return lambda: network(x_BCHW)

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.settings.channels_last else torch.contiguous_format

    def _provenance(
        self, architecture: Architecture, timing: Timing, sentinel: Timing
    ) -> dict[str, Any]:
        image = architecture.input
        return {
            **describe(self.device),
            **self.settings.to_json(),
            "image": [image.channels, image.height, image.width],
            "timing": timing.to_json(),
            "sentinel": {"name": NAME, **sentinel.to_json()},
            "ratio_to_sentinel": timing.median / sentinel.median,
        }
