"""The efficiency of a network and of its parts: achieved over peak rate, with the bytes moved.

Lavin, On the Efficiency of Convolutional Neural Networks, 2024: latency is the ideal time at the
peak rate over the efficiency, so networks with few multiply-adds gain nothing if their efficiency
falls as fast. A part whose multiply-adds per byte lie below the ridge of the device, the waterline,
cannot reach the peak rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ...search_space.architecture.architecture import Architecture
from ..base import Measurement
from ..cost.cost import part_cost
from .features import bytes_moved
from .peaks import Peaks


@dataclass(frozen=True, kw_only=True)
class PartEfficiency:
    """What one part does, and how fast."""

    name: str
    """Name of the part."""
    component: str
    """Kind of component."""
    macs: int
    """Multiply-adds for one image."""
    bytes: int
    """Least bytes moved for one image: inputs, outputs and weights, in float32."""
    ms: float | None
    """Time for one batch, ms; None: not measured."""
    ideal_ms: float
    """Least time of the batch at the peak rates of arithmetic and memory, ms."""
    memory_bound: bool
    """Whether memory and not arithmetic limits that time."""

    @property
    def intensity(self) -> float:
        """Multiply-adds per byte."""
        return self.macs / self.bytes

    @property
    def efficiency(self) -> float | None:
        """Least time over the time, a share; None: not measured."""
        return self.ideal_ms / self.ms if self.ms else None


def part_efficiencies(
    architecture: Architecture,
    peaks: Peaks,
    part_ms: Mapping[str, float] | None = None,
    *,
    batch: int = 1,
) -> list[PartEfficiency]:
    """Return the efficiency of each part that does anything.

    Args:
        architecture: The network.
        peaks: Peaks of the device.
        part_ms: Times of the parts by name, ms; None: not measured.
        batch: Images in one pass.

    Raises:
        UncountableOperation: If an operation has no formula.
    """
    found: list[PartEfficiency] = []
    for part in architecture.parts():
        macs, moved = part_cost(part).macs, bytes_moved(part)
        if not moved:
            continue
        found.append(
            PartEfficiency(
                name=part.name,
                component=type(part.component).__name__,
                macs=macs,
                bytes=moved,
                ms=(part_ms or {}).get(part.name),
                ideal_ms=batch * peaks.ideal_ms(macs, moved),
                memory_bound=macs / moved < peaks.ridge,
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class NetworkEfficiency:
    """How fast a network runs, against the peak rate of the device."""

    macs_per_second: float
    """Achieved multiply-adds a second."""
    peaks: Peaks
    """Peaks of the device."""
    ideal_ms: float
    """Time at the peak rate of arithmetic, ms."""
    latency: float
    """Measured time, ms."""

    @property
    def efficiency(self) -> float:
        """Achieved over peak rate, a share."""
        return self.macs_per_second / self.peaks.macs

    @property
    def text(self) -> str:
        """The efficiency in a line."""
        return (
            f"{100 * self.efficiency:.3g} % of the peak rate: "
            f"{self.macs_per_second / 1e9:.3g} of {self.peaks.macs / 1e9:.3g} GMAC/s "
            f"(ideal {self.ideal_ms:.3g} ms, measured {self.latency:.3g} ms)"
        )


def network_efficiency(measurements: Mapping[str, Measurement]) -> NetworkEfficiency | None:
    """Return the efficiency from a record; None without MACs, latency and peaks.

    Args:
        measurements: Measurements of one network by metric.
    """
    macs, latency = measurements.get("macs"), measurements.get("latency")
    peaks = None if latency is None else Peaks.from_json(latency.provenance.get("peaks"))
    if macs is None or latency is None or peaks is None or latency.value <= 0:
        return None
    done = macs.value * latency.provenance.get("batch", 1)
    return NetworkEfficiency(
        macs_per_second=1e3 * done / latency.value,
        peaks=peaks,
        ideal_ms=1e3 * done / peaks.macs,
        latency=latency.value,
    )
