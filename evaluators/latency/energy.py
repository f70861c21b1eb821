"""The energy of one image, where the device has a counter of energy.

Parameters, multiply-adds and even speed say little about energy (Tu et al., FemtoDet: An Object
Detection Baseline for Energy Versus Performance Tradeoffs, 2023), so it is measured. Intel's RAPL
counts the energy of the whole processor package, and NVIDIA's NVML that of the whole board: both
include whatever else runs there, and the idle power.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.layers.folding import fold
from ...search_space.errors import InputError
from ...search_space.statistics import median_interval
from ..base import Evaluator, Measurement, Setup
from ..host_lock import measuring
from ..measurement_context import candidate_faults, seeded
from ..metrics import LATENCY, Metric
from .provenance import describe

ENERGY = Metric(
    name="energy_per_image",
    unit="mJ",
    direction="minimize",
    tier="measured",
    summary="energy of the processor package or the board for one image, idle power included",
    conditions=(*LATENCY.conditions, "counter"),
)
_RAPL = Path("/sys/class/powercap/intel-rapl:0")
_SEED = 0
_WARM_UP = 3
WINDOWS = 7
"""Timed windows; the extremes of six or more enclose the median with 95 %."""
SECONDS = 0.2
"""Shortest duration of a window, s: RAPL is updated once in a millisecond, NVML in 100 ms."""


class EnergyCounter(ABC):
    """A counter of energy that only grows."""

    name: ClassVar[str]
    """Name of the counter, for the record."""

    @abstractmethod
    def joules(self) -> float:
        """Return the energy since some fixed time, J."""


class RaplCounter(EnergyCounter):
    """The counter of a processor package, which Linux shows as a file."""

    name: ClassVar[str] = "RAPL"

    def __init__(self, folder: Path = _RAPL) -> None:
        """Read the counter's range.

        Args:
            folder: Folder of the counter, with ``energy_uj`` and ``max_energy_range_uj``.

        Raises:
            OSError: If the counter is missing or may not be read.
            ValueError: If a file has no number.
        """
        self._file = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._file.read_text())
        self._turns = 0

    def joules(self) -> float:
        """Return the energy, also after the counter has begun again at 0."""
        now = int(self._file.read_text())
        self._turns += now < self._last
        self._last = now
        return (self._turns * self._range + now) / 1e6


class NvmlCounter(EnergyCounter):
    """The counter of an NVIDIA board (Volta or later)."""

    name: ClassVar[str] = "NVML"

    def __init__(self, device: torch.device) -> None:
        """Open the counter.

        Raises:
            ImportError: If the package ``nvidia-ml-py`` is missing.
        """
        import pynvml  # pyright: ignore[reportMissingImports]

        self._nvml: Any = pynvml
        self._nvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(device).uuid).removeprefix("GPU-")
        self._handle = self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        self.joules()

    def joules(self) -> float:
        """Return the energy."""
        return self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1e3


def energy_counter(device: torch.device) -> EnergyCounter:
    """Return the counter of a device.

    Raises:
        InputError: If the device tells no energy.
    """
    if device.type == "cuda":
        with suppress(Exception):  # NVML has its own errors
            return NvmlCounter(device)
        raise InputError(
            "energy must be measured on a device with a counter, but NVML's is not readable here "
            "(install nvidia-ml-py)"
        )
    with suppress(OSError, ValueError):
        return RaplCounter()
    raise InputError(
        f"energy must be measured on a device with a counter, but RAPL's is not readable here "
        f"({_RAPL}/energy_uj)"
    )


class EnergyEvaluator(Evaluator):
    """Measures the energy of one image: of the whole package or board, idle power included.

    The value is the median of several windows with its 95 % interval. The provenance has the power,
    and the idle power just before.
    """

    name = "energy_per_image"
    metrics = (ENERGY,)
    defaults: ClassVar[Mapping[str, Any]] = {"batch": 1}

    def __init__(
        self,
        *,
        device: torch.device,
        counter: EnergyCounter,
        batch: int = 1,
        seconds: float = SECONDS,
    ) -> None:
        """Set the device and its counter.

        Args:
            device: Device of type ``cpu`` or ``cuda``.
            counter: Counter of that device.
            batch: Images in one pass.
            seconds: Shortest duration of a window, s.
        """
        self.device = device
        self._counter = counter
        self._batch = batch
        self._seconds = seconds

    @classmethod
    def make(cls, setup: Setup) -> Self:
        """Return the evaluator for the device of the study.

        Raises:
            InputError: If the device tells no energy.
        """
        device = torch.device(setup.device)
        counter = energy_counter(device)
        return cls(device=device, counter=counter, batch=setup.settings.get("batch", 1))

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the energy of an image.

        Raises:
            CandidateError: ``out_of_memory``, or ``error`` for any other failure.
        """
        with torch.inference_mode(), candidate_faults(), measuring() as alone:
            with seeded(_SEED, self.device):
                network = fold(Network(architecture)).eval().to(self.device)
            images = torch.zeros(self._batch, *architecture.input, device=self.device)
            for _ in range(_WARM_UP):
                network(images)
            idle = self._watts_idle()
            windows = [self._window(lambda: network(images)) for _ in range(WINDOWS)]
        low, value, high = median_interval([each[0] for each in windows])
        watts = sorted(each[1] for each in windows)[WINDOWS // 2]
        provenance = {
            **describe(self.device),
            "batch": self._batch,
            "counter": self._counter.name,
            "mean_power_w": watts,
            "idle_power_w": idle,
            "alone": alone,
        }
        return (
            Measurement(metric=ENERGY.name, value=value, low=low, high=high, provenance=provenance),
        )

    def _window(self, run: Callable[[], object]) -> tuple[float, float]:
        """Return the energy of an image, mJ, and the mean power, W, in one window."""
        self._wait()
        before, start, count = self._counter.joules(), time.perf_counter(), 0
        while True:
            run()
            count += self._batch
            self._wait()
            spent = time.perf_counter() - start
            if spent >= self._seconds:
                break
        joules = self._counter.joules() - before
        return 1e3 * joules / count, joules / spent

    def _watts_idle(self) -> float:
        self._wait()
        before, start = self._counter.joules(), time.perf_counter()
        time.sleep(self._seconds)
        return (self._counter.joules() - before) / (time.perf_counter() - start)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
