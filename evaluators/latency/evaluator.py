"""The evaluator of the metric ``latency``."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.layers.folding import fold, foldable
from ...search_space.errors import InputError
from ..base import Evaluator, Measurement, Setup
from ..host_lock import measuring
from ..measurement_context import candidate_faults, seeded
from ..metrics import LATENCY
from ..runtime_table import IN_TORCH
from ..stopwatch import activity
from .clocks import Run
from .drift import SentinelHistory, latency_of, least_drift
from .parts import time_parts
from .peaks import peaks_of
from .provenance import describe
from .sentinel import NAME, RESOLUTION, Sentinel
from .settings import LAYOUTS, LatencySettings
from .timing import Series, Timing, alternate, measure_in_turns

_SEED = 0  # any seed does, but weights and images must be equal in every run
_PART_PASSES = 5
_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class LatencyEvaluator(Evaluator):
    """Times one forward pass of one batch, without gradients, alternating with the sentinel.

    The network is in its folded form and in the memory layout of the settings; if both layouts are
    timed, which alternates, the one with the lower median is used. Trainings of the host pause
    meanwhile. In the brief contract (``BRIEF`` of the settings) the warm-up chooses the layout.

    A window in which the sentinel drifts by more than 2 % is thrown away, and another one is
    measured. After the last window of the settings, the one with the least drift counts, and the
    provenance says ``unstable``.

    The value is the median in ms with its 95 % interval: that of the rounds of the window, widened
    by the spread between measurements, which the sentinel shows. If the sentinel was slower than in
    the fastest window so far, the interval reaches down to the value at that speed. The provenance
    holds the conditions, the ``memory_layout`` used, the medians of all timed layouts, whether the
    process was ``alone``, and ``ratio_to_sentinel``, which stays comparable when the device's speed
    drifts.
    """

    name = "latency"
    metrics = (LATENCY,)
    always = True
    defaults: ClassVar[Mapping[str, Any]] = LatencySettings().to_json()

    def __init__(self, *, device: torch.device, settings: LatencySettings | None = None) -> None:
        """Set the device and the settings.

        Args:
            device: Device of type ``cpu`` or ``cuda``.
            settings: Settings of the measurement; None: the defaults.

        Raises:
            InputError: If the device is of another type.
        """
        if settings is not None and settings.runtime not in IN_TORCH:
            raise InputError(
                f"the runtime of networks in this process must be one of {', '.join(IN_TORCH)}, "
                f"but got {settings.runtime!r}"
            )
        if device.type not in ("cpu", "cuda"):
            raise InputError(f"a device that is timed must be cpu or cuda, but got '{device}'")
        self.device = device
        self.settings = settings or LatencySettings()
        best = self.settings.layout == "best"
        self._layouts = LAYOUTS if best else (self.settings.layout,)
        self._history = SentinelHistory()
        self._sentinel = self._place(Sentinel()).to(memory_format=_FORMATS[self._layouts[0]])

    @classmethod
    def make(cls, setup: Setup) -> Self:
        """Return the evaluator for the device and the settings of the study."""
        settings = LatencySettings.from_json(setup.settings)
        return cls(device=torch.device(setup.device), settings=settings)

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the latency of an architecture.

        Raises:
            CandidateError: ``out_of_memory``, or ``error`` for any other failure.
        """
        with torch.inference_mode(), candidate_faults():
            layouts, warm, one_window = self._prepared(architecture)  # while others still train
            with measuring() as alone:
                window, drifts = least_drift(one_window, self._history, self.settings.windows)
                parts = self._time_parts(architecture) if self.settings.parts else {}
                peaks = peaks_of(self.device, self.settings)
        *timings, sentinel = window
        timed = dict(zip(layouts, timings, strict=True))
        layout = min(timed, key=lambda each: timed[each].median)
        timing = timed[layout]
        provenance = {
            **self._provenance(architecture, timing, sentinel),
            "memory_layout": layout,
            "layout_medians": warm or {name: each.median for name, each in timed.items()},
            "alone": alone,
            "peaks": peaks.to_json(),
            **parts,
        }
        return (latency_of(timing, sentinel, self._history, drifts, provenance),)

    def _time_parts(self, architecture: Architecture) -> dict[str, dict[str, float]]:
        """Return the time of each part in the first layout, for the provenance."""
        if self.settings.runtime == "compiled":
            return {}
        network = self._built(architecture).to(memory_format=_FORMATS[self._layouts[0]])
        images = self._images(tuple(architecture.input), self._layouts[0])
        times = time_parts(architecture, network, images, passes=_PART_PASSES)
        return {"part_ms": {name: round(each, 6) for name, each in times.items()}}

    def _prepared(
        self, architecture: Architecture
    ) -> tuple[Sequence[str], dict[str, float], Callable[[], tuple[Timing, ...]]]:
        """Build the network in the layouts that are timed.

        Returns:
            The layouts; the times of all layouts in the warm-up, ms, if these decide; and the
            function that measures one window of the layouts and the sentinel.
        """
        yardstick = self._pass(self._sentinel, (3, RESOLUTION, RESOLUTION), self._layouts[0])
        if self.settings.layout_by == "warmup":
            layout, warm, series = self._decided(architecture)
            series.append(self._series(yardstick))
            series[-1].warm_up()
            return (layout,), warm, lambda: alternate(series)
        runs = self._passes_of(architecture)
        if self.settings.runtime == "compiled":
            for run in runs:
                run()
        return (
            self._layouts,
            {},
            lambda: measure_in_turns([*runs, yardstick], self.device, self.settings),
        )

    def _decided(self, architecture: Architecture) -> tuple[str, dict[str, float], list[Series]]:
        """Return the layout with the faster warm-up, the times of all, and its warm passes."""
        network = self._built(architecture)
        series: dict[str, Series] = {}
        warm: dict[str, float] = {}
        for layout in self._layouts:
            network = network.to(memory_format=_FORMATS[layout])
            series[layout] = self._series(self._own_pass(network, architecture, layout))
            warm[layout] = series[layout].warm_up()
        faster = min(warm, key=lambda each: warm[each])
        if faster != self._layouts[-1]:
            # Kernels of one tap would keep the other layout if the network were changed back.
            again = self._built(architecture).to(memory_format=_FORMATS[faster])
            series[faster] = self._series(self._own_pass(again, architecture, faster))
            series[faster].warm_up()
        return faster, warm, [series[faster]]

    def _series(self, run: Run) -> Series:
        return Series(run, self.device, self.settings)

    def _passes_of(self, architecture: Architecture) -> list[Run]:
        """Return one forward pass of the network for each layout."""
        network = self._built(architecture)
        if self.settings.runtime == "compiled":
            # All networks share their code, so torch's compiler would reach its limit of variants
            # after a few networks and run the next ones uncompiled.
            torch.compiler.reset()
        runs: list[Run] = []
        for layout in self._layouts:
            last = layout == self._layouts[-1]  # the last one needs no copy
            own = (network if last else deepcopy(network)).to(memory_format=_FORMATS[layout])
            if self.settings.runtime == "compiled":
                own.compile(dynamic=False)
            runs.append(self._own_pass(own, architecture, layout))
        return runs

    def _built(self, architecture: Architecture) -> nn.Module:
        """Return the network in its folded form, on the device."""
        with activity("building"), seeded(_SEED, self.device):
            network = Network(architecture)
            return self._place(fold(network) if foldable(network) else network)

    def _own_pass(self, network: nn.Module, architecture: Architecture, layout: str) -> Run:
        image = architecture.input
        return self._pass(network, (image.channels, image.height, image.width), layout)

    def _place(self, network: nn.Module) -> nn.Module:
        return network.eval().to(self.device, getattr(torch, self.settings.dtype))

    def _pass(self, network: nn.Module, image: tuple[int, ...], layout: str) -> Run:
        x_BCHW = self._images(image, layout)
        return lambda: network(x_BCHW)

    def _images(self, image: tuple[int, ...], layout: str) -> Tensor:
        generator = torch.Generator().manual_seed(_SEED)
        x_BCHW = torch.randn(self.settings.batch, *image, generator=generator)
        x_BCHW = x_BCHW.to(self.device, getattr(torch, self.settings.dtype))
        return x_BCHW.to(memory_format=_FORMATS[layout])

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
