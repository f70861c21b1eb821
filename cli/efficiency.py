"""The time and the efficiency of each part of a candidate as a table."""

from typing import TYPE_CHECKING

from .shared import Column, print_rows, shown

if TYPE_CHECKING:
    from ..results.candidate import Candidate


def print_efficiency(candidate: "Candidate") -> None:
    """Print what each part does, how long it takes, and how near the peak rates of the device are.

    The times are the recorded ones; without them, those of this CPU, measured now.

    Raises:
        InputError: If the network cannot be built.
    """
    import torch

    from ..evaluators.latency.efficiency import part_efficiencies
    from ..evaluators.latency.parts import part_times
    from ..evaluators.latency.peaks import Peaks, peaks_of
    from ..evaluators.latency.settings import LatencySettings
    from ..search_space.errors import InputError

    if not candidate.is_buildable:
        raise InputError("efficiency must be of a network whose components are all installed")
    latency = candidate.measurements.get("latency")
    stored = {} if latency is None else latency.provenance
    peaks, part_ms = Peaks.from_json(stored.get("peaks")), stored.get("part_ms")
    batch, where = stored.get("batch", 1), stored.get("device_name", "its device")
    if peaks is None or not part_ms:
        torch.set_num_threads(1)
        peaks = peaks_of(torch.device("cpu"), LatencySettings())
        part_ms, batch, where = part_times(candidate.architecture), 1, "this CPU, measured now"
    found = part_efficiencies(candidate.architecture, peaks, part_ms, batch=batch)
    print(
        f"\nEfficiency on {where}: peaks of {peaks.macs / 1e9:.3g} GMAC/s and "
        f"{peaks.bytes / 1e9:.3g} GB/s"
    )
    rows = [
        [
            each.name,
            each.component,
            shown("macs", each.macs),
            shown("param_bytes", each.bytes),
            "-" if not each.ms else f"{each.ms:.3g} ms",
            "-" if each.efficiency is None else f"{100 * each.efficiency:.1f} %",
            "memory" if each.memory_bound else "arithmetic",
        ]
        for each in found
    ]
    titles = ("part", "component", "MACs", "moved", "time", "efficiency", "limit")
    print_rows([Column(title=each) for each in titles], rows)
